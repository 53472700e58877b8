//! Orders read from the upstream's list.

use std::time::Duration;

use oms::upstream::Pace;
use serde_json::{Value, json};

use super::house::{EAGER, Upstream, numbers, order, order_of, orders, until_taken};
use crate::support::Shop;

const LIST: &str = "/api/i1/orders/";

/// Every order has its packages, once.
async fn assert_planned_once(shop: &Shop) {
    let wrong: Vec<(String, i64)> = shop
        .rows(
            "select o.number, count(p.id) from orders o left join packages p on p.order_id = o.id
                group by o.id having count(p.id) <> 1",
        )
        .await;
    assert_eq!(wrong, []);
}

#[tokio::test]
async fn orders_come_in_by_themselves() {
    let upstream = Upstream::start(orders(1..121)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..121).await;
    upstream.bring(orders(121..130)).await;
    until_taken(&shop, 1..130).await;
    assert_planned_once(&shop).await;
    let order = shop.get("/api/v1/oms/orders/?number=7").await.ok()["results"][0].clone();
    assert_eq!(order["packages"][0]["number"], "7P1");
    let logins = upstream.count("/api/i1/auth/login/", 200);
    assert_eq!(logins, 1);
    assert_eq!(shop.metric("oms_upstream_orders_total{way=\"polled\"}").await, 129);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn whatever_the_upstream_does_each_order_is_taken_once() {
    let upstream = Upstream::start(orders(1..4)).await;
    let shop = upstream.shop().await;
    let mut next = 4;
    until_taken(&shop, 1..next).await;
    for mood in [
        json!({ "fail": 4 }),
        json!({ "fail": 2, "fail_status": 429 }),
        json!({ "lose": 2 }),
        json!({ "stall_ms": 1500 }),
        json!({ "stall_ms": 0, "repeat": true }),
        json!({ "reorder": true }),
        json!({ "repeat": false, "expire_token": true }),
        json!({ "reorder": false }),
    ] {
        upstream.control(&mood).await;
        // More than a page of them.
        upstream.bring(orders(next..next + 60)).await;
        next += 60;
        if mood["stall_ms"] == 1500 {
            shop.until("it gives up waiting", || async { is_late(&shop).await.then_some(()) }).await;
            upstream.control(&json!({ "stall_ms": 0 })).await;
        }
        until_taken(&shop, 1..next).await;
    }
    assert!(upstream.count(LIST, 500) >= 1 && upstream.count(LIST, 401) == 1, "{:#?}", upstream.received());
    assert_planned_once(&shop).await;
    let status = shop.get("/api/v1/oms/upstream/").await.ok();
    assert_eq!((&status["is_configured"], &status["open_problems"]), (&json!(true), &json!(0)));
    shop.finish().await;
    upstream.stop();
}

async fn is_late(shop: &Shop) -> bool {
    shop.get("/api/v1/oms/upstream/").await.ok()["last_error"] == "it did not answer in time"
}

#[tokio::test]
async fn a_server_that_is_started_again_goes_on_where_it_stopped() {
    let upstream = Upstream::start(orders(1..60)).await;
    let shop = Shop::open().await;
    let first = shop.second_following_server(&upstream.settings(), EAGER).await;
    shop.until("some orders", || async { (!numbers(&shop).await.is_empty()).then_some(()) }).await;
    first.stop().await;
    upstream.bring(orders(60..200)).await;
    let second = shop.second_following_server(&upstream.settings(), EAGER).await;
    until_taken(&shop, 1..200).await;
    let before = upstream.received().len();
    second.stop().await;
    let third = shop.second_following_server(&upstream.settings(), EAGER).await;
    upstream.bring(vec![order(200)]).await;
    until_taken(&shop, 1..201).await;
    // It asks from its cursor on, not from the beginning.
    let asked: Vec<String> = upstream.received().into_iter().skip(before).map(|one| one.query).collect();
    assert!(asked.iter().filter(|query| query.contains("limit")).all(|query| query.contains("modified_date__gte")));
    third.stop().await;
    assert_planned_once(&shop).await;
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn several_servers_read_as_often_as_one() {
    // The right to read ends when the list is read, never because a busy machine is slow.
    let pace = Pace { lease: Duration::from_hours(1), ..EAGER };
    let upstream = Upstream::start(orders(1..150)).await;
    let shop = Shop::following(&upstream.settings(), pace).await;
    let others = [
        shop.second_following_server(&upstream.settings(), pace).await,
        shop.second_following_server(&upstream.settings(), pace).await,
    ];
    until_taken(&shop, 1..150).await;
    // Three pages are all that it took, by whichever server: nobody read while another did.
    let read: Vec<String> =
        upstream.received().into_iter().filter(|one| one.path == LIST).take(3).map(|one| one.query).collect();
    let since: Vec<bool> = read.iter().map(|query| query.contains("modified_date__gte")).collect();
    assert_eq!(since, [false, true, true], "{read:?}");
    for server in others {
        server.stop().await;
    }
    assert_planned_once(&shop).await;
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn an_order_that_cannot_be_taken_is_kept_and_does_not_stop_the_rest() {
    let mut strange = order(2);
    strange["cargo_company"] = json!("pigeons");
    let mut broken = order(3);
    broken["orderitem_set"] = json!([]);
    let nameless = json!({ "hello": "there", "modified_date": "2024-01-01T00:00:00Z" });
    let upstream = Upstream::start(vec![order(1), strange, broken, nameless, order(4)]).await;
    let shop = upstream.shop().await;
    shop.until("the others", || async { (numbers(&shop).await == [1, 4]).then_some(()) }).await;
    let problems = shop.get("/api/v1/oms/upstream/problems/?is_resolved=false").await.ok();
    let mut problems = problems["results"].as_array().expect("problems").clone();
    // The orders of a page are taken together, in no order that problems would have.
    problems.sort_by_key(|problem| problem["reference"].to_string());
    let told: Vec<(&str, &str)> = problems
        .iter()
        .map(|problem| (problem["reference"].as_str().expect("text"), problem["reason"].as_str().expect("text")))
        .collect();
    assert_eq!(told[0], ("2", "cargo_company: There is no cargo company pigeons."));
    assert_eq!(told[1], ("3", "orderitem_set: Between 1 and 2000 order items are required."));
    assert!(told[2].0.starts_with("without a number"), "{told:?}");
    assert_eq!(shop.get("/api/v1/oms/upstream/").await.ok()["open_problems"], 3);
    // Somebody mends what was wrong.
    let problem = format!("/api/v1/oms/upstream/problems/{}/", problems[0]["id"]);
    assert_eq!(shop.get(&problem).await.ok()["payload"]["cargo_company"], "pigeons");
    shop.execute("insert into cargo_companies (slug, name, integration) values ('pigeons', 'Pigeons', 'manual')").await;
    shop.execute("update installation set version = version + 1").await;
    let retried = shop.post(&format!("{problem}retry/"), &json!({})).await.ok();
    assert!(retried["resolved_date"].is_string(), "{retried}");
    assert_eq!(numbers(&shop).await, [1, 2, 4]);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn an_order_is_taken_once_it_is_approved() {
    let mut early = order(1);
    early["status"] = json!("300");
    let mut late = order(2);
    late["status"] = json!("550");
    let upstream = Upstream::start(vec![early, late, order(3)]).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 3..4).await;
    let approval = json!({ "status": "400" });
    let path = format!("{}/api/v1/orders/1/", upstream.url);
    let token = upstream.received().iter().rev().find_map(|one| one.authorization.clone()).expect("a token");
    let answer = shop.request(reqwest::Method::PATCH, &path).header("Authorization", token).json(&approval);
    assert_eq!(answer.send().await.expect("an answer").status(), 200);
    shop.until("the approved order", || async { (numbers(&shop).await == [1, 3]).then_some(()) }).await;
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn an_order_that_changes_upstream_is_told_of_and_its_lines_stay() {
    let upstream = Upstream::start(vec![order(1)]).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..2).await;
    let mut changed = order_of(1, &[("BLUE", 5)]);
    changed["orderitem_set"][0]["price"] = json!("9.99");
    upstream.bring(vec![changed, order(2)]).await;
    until_taken(&shop, 1..3).await;
    let items: Vec<(String,)> = shop.rows("select sku from order_items order by id").await;
    assert_eq!(items, [("RED".to_owned(),), ("RED".to_owned(),)]);
    let problem = shop.get("/api/v1/oms/upstream/problems/").await.ok()["results"][0].clone();
    assert_eq!((&problem["reference"], &problem["kind"]), (&json!("1"), &json!("differs")), "{problem}");
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn a_shop_without_an_upstream_says_so() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/api/v1/oms/upstream/").await.ok()["is_configured"], Value::Bool(false));
    shop.get("/api/v1/oms/upstream/problems/7/").await.json(404);
    for path in ["/api/v1/oms/upstream/", "/api/v1/oms/upstream/problems/"] {
        shop.get_as("kadikoy", path).await.json(403);
    }
    shop.finish().await;
}
