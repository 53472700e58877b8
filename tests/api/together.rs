//! Orders that come at the same time are placed together, and nothing of it is to be seen but the speed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Shop, join, order_json, send};

const ORDERS: &str = "/api/v1/oms/orders/";

fn numbered(prefix: &str, count: usize, lines: &[(&str, i64)]) -> Vec<Value> {
    (0..count).map(|n| order_json(&format!("{prefix}{n:03}"), lines)).collect()
}

/// Packages with a place, of all.
async fn placed(shop: &Shop) -> (i64, i64) {
    let of = "select count(*) filter (where s.slug = 'waiting'), count(*) from packages p join states s on s.id = p.state_id";
    shop.rows::<(i64, i64)>(of).await[0]
}

#[tokio::test]
async fn a_list_of_orders_is_few_transactions_and_each_order_has_its_own_answer() {
    let shop = Shop::open().await;
    let mut list = numbered("L", 60, &[("RED", 1), ("GREEN", 1)]);
    // In the middle: one that names what is not there, one that is none, and one whose key is wrong.
    list[20]["cargo_company"] = json!("nobody");
    list[30] = json!(7);
    list[40]["orderitem_set"][0]["status"] = json!("475");
    let answer = shop.post(ORDERS, &json!(list)).await.ok();
    let results = answer.as_array().expect("a list");
    assert_eq!(results.len(), 60);
    for (at, result) in results.iter().enumerate() {
        if [20, 30, 40].contains(&at) {
            assert_eq!(result["status_code"], 400, "{at}: {result}");
        } else {
            assert_eq!((&result["status_code"], &result["order"]["number"]), (&json!(201), &list[at]["number"]));
        }
    }
    assert_eq!(placed(&shop).await, (57, 57));
    let transactions: i64 =
        shop.value("select count(distinct xmin::text) from order_items where quantity >= $1", 1_i64).await;
    assert!(transactions <= 12, "{transactions} transactions for 57 orders");
    // Ids are in the order of the list: who is before whom says the order's id, where the dates are the same.
    let numbers: Vec<(String,)> = shop.rows("select number from orders order by id").await;
    assert!(numbers.is_sorted());
    shop.finish().await;
}

#[tokio::test]
async fn the_last_units_go_to_the_first_of_a_list_and_those_behind_wait_in_turn() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 5).await;
    let mut list = numbered("L", 10, &[("PINK", 1)]);
    // The third wants more than there is then: what it waits for is not given to those behind it.
    list[2]["orderitem_set"][0]["quantity"] = json!(4);
    let answer = shop.post(ORDERS, &json!(list)).await.ok();
    let has_place =
        |result: &Value| result["order"]["packages"][0]["state"]["name"] != "Contains out of stock products";
    let served: Vec<bool> = answer.as_array().expect("a list").iter().map(has_place).collect();
    let waiting: Vec<(String,)> = shop
        .rows(
            "select o.number from packages p join orders o on o.id = p.order_id join states s on s.id = p.state_id
              where s.slug = 'out-of-stock' order by o.id",
        )
        .await;
    assert_eq!(served.len(), 10);
    assert!(!waiting.iter().any(|(number,)| ["L000", "L001"].contains(&number.as_str())), "{waiting:?}");
    // Alone they would have the same: as each is planned when the ones before it are there.
    let one_by_one = Shop::open().await;
    one_by_one.count("GEBZE", "PINK", 5).await;
    for order in &list {
        one_by_one.order_of(order).await;
    }
    let states =
        "select o.number, s.slug, l.erp_code, i.quantity from package_items i join packages p on p.id = i.package_id
                    join orders o on o.id = p.order_id join states s on s.id = i.state_id
                    join stock_locations l on l.id = p.stock_location_id order by o.number, p.id, i.id";
    let together: Vec<(String, String, String, i64)> = shop.rows(states).await;
    assert_eq!(together, one_by_one.rows::<(String, String, String, i64)>(states).await);
    one_by_one.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_a_list_says_of_one_order_is_done_in_its_turn() {
    let shop = Shop::open().await;
    let first = order_json("A", &[("RED", 2)]);
    let mut changed = first.clone();
    changed["orderitem_set"][0]["quantity"] = json!(1);
    let mut other = order_json("A", &[("BLUE", 1)]);
    other["channel"] = json!({ "pk": 2, "name": "shop" });
    let list = json!([first, order_json("B", &[("RED", 1)]), changed, first.clone(), other]);
    let answer = shop.post(ORDERS, &list).await.ok();
    let codes: Vec<&Value> = answer.as_array().expect("a list").iter().map(|result| &result["status_code"]).collect();
    assert_eq!(codes, [201, 201, 200, 200, 201]);
    assert_eq!(answer[2]["order"]["differs"][0]["field"], "orderitem_set");
    assert_eq!(answer[0]["order"]["id"], answer[3]["order"]["id"]);
    assert_ne!(answer[0]["order"]["id"], answer[4]["order"]["id"]);
    shop.finish().await;
}

#[tokio::test]
async fn many_customers_at_once_on_two_servers_buy_each_unit_once_and_each_hears_of_its_own() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    shop.count("GEBZE", "PINK", 25).await;
    let orders = numbered("C", 60, &[("PINK", 1)]);
    let replies = join(orders.iter().enumerate().map(|(at, order)| {
        let url = if at % 2 == 0 { shop.url() } else { &second.url };
        let request = shop.request_as("admin", Method::POST, &format!("{url}{ORDERS}"));
        send(request.header("X-Request-Id", format!("till-{at}")).json(order))
    }))
    .await;
    for (reply, order) in replies.iter().zip(&orders) {
        assert_eq!(reply.json(201)["number"], order["number"]);
    }
    assert_eq!(placed(&shop).await, (25, 60));
    assert_eq!(shop.stock("GEBZE", "PINK").await, (25, 25));
    // Each package's events are those of its own request.
    let requests: Vec<(String, String)> = shop
        .rows(
            "select o.number, e.request_id from events e join packages p on p.id = e.object_id join orders o on o.id = p.order_id
              where e.entity = 'package' order by o.number",
        )
        .await;
    let expected = |at: usize| (format!("C{at:03}"), format!("till-{at}"));
    assert_eq!(requests, (0..60).map(expected).collect::<Vec<_>>());
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn one_order_sent_by_many_at_once_is_one_order() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    let mut order = order_json("SAME", &[("RED", 1)]);
    order["pk"] = json!(77);
    let replies = join((0..20).map(|at| {
        let url = if at % 2 == 0 { shop.url() } else { &second.url };
        send(shop.request_as("admin", Method::POST, &format!("{url}{ORDERS}")).json(&order))
    }))
    .await;
    let new = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(new, 1);
    assert!(replies.iter().all(|reply| [200, 201].contains(&reply.status)));
    assert_eq!(placed(&shop).await, (1, 1));
    second.stop().await;
    shop.finish().await;
}
