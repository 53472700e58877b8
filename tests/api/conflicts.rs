//! Orders that look like others: the same number with another channel or key, and the same order with other contents.

use serde_json::{Value, json};

use crate::{
    support::{Order, SHOP, STANDARD, Shop, TRANSFERS, join, order_json},
    upstream::house::{EAGER, Upstream},
};

const ORDERS: &str = "/api/v1/oms/orders/";
const PUSHED: &str = "/api/v1/oms/orders-webhook/";
const PLANS: &str = "/api/v1/oms/cancellation_plan/";

/// An order of a channel, by a customer of that name.
fn order_of(number: &str, channel: &Value, first_name: &str) -> Value {
    let mut order = order_json(number, &[("RED", 1)]);
    order["channel"] = channel.clone();
    order["customer"] = json!({ "pk": 1, "first_name": first_name, "email": format!("{first_name}@example.com") });
    order
}

fn web() -> Value {
    json!({ "pk": 1, "name": "web" })
}

fn marketplace() -> Value {
    json!({ "pk": 2, "name": "marketplace" })
}

fn pushed(order: &Value) -> Value {
    json!({ "event": { "type": "order.created", "uuid": "u" }, "payload": order })
}

/// The customers of the orders of a number, by package number.
async fn customers(shop: &Shop, number: &str) -> Vec<(String, String)> {
    let orders = shop.get(&format!("{ORDERS}?number={number}&sort=id")).await.ok();
    let one = |order: &Value| {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&order["packages"][0]["number"]), text(&order["customer"]["first_name"]))
    };
    orders["results"].as_array().expect("orders").iter().map(one).collect()
}

fn as_text(customers: &[(String, String)]) -> Vec<(&str, &str)> {
    customers.iter().map(|(number, name)| (number.as_str(), name.as_str())).collect()
}

#[tokio::test]
async fn an_order_of_another_channel_is_another_order_by_every_door() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    shop.order_of(&order_of("77", &web(), "Anna")).await;
    // One by one, and the second time it is known.
    let second = order_of("77", &marketplace(), "Berta");
    for status in [201, 200] {
        let answer = shop.post(ORDERS, &second).await.json(status);
        assert_eq!(
            (&answer["customer"]["first_name"], &answer["packages"][0]["number"]),
            (&json!("Berta"), &json!("77P1-2"))
        );
    }
    // In a list, and in a dry run of it.
    let list =
        json!([order_of("77", &json!(3), "Cora"), order_of("77", &json!(3), "Cora"), order_of("77", &web(), "Anna")]);
    let dry = shop.changes_nothing(shop.post(&format!("{ORDERS}?dry_run=true"), &list)).await.ok();
    let taken = shop.post(ORDERS, &list).await.ok();
    for results in [dry, taken] {
        let statuses: Vec<&Value> =
            results.as_array().expect("results").iter().map(|one| &one["status_code"]).collect();
        assert_eq!(statuses, [201, 200, 200]);
    }
    // Pushed, read from the upstream's list, and from a file.
    let answer = shop.post_as("erp", PUSHED, &pushed(&order_of("77", &json!("shop window"), "Dora"))).await.json(201);
    assert_eq!(answer["taken"], true);
    upstream.bring(vec![order_of("77", &json!({ "name": "telephone" }), "Emma"), order_of("77", &web(), "Anna")]).await;
    let server = shop.second_following_server(&upstream.settings(), EAGER).await;
    shop.until("the fifth", || async { (customers(&shop, "77").await.len() == 5).then_some(()) }).await;
    server.stop().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let lines = [order_of("77", &json!(null), "Frida"), second].map(|order| order.to_string()).join("\n");
    std::fs::write(file.path(), lines).expect("written");
    let (code, printed, _) = shop.oms(&["orders", "import", file.path().to_str().expect("UTF-8")]).await;
    assert_eq!((code, printed.as_str()), (0, "1 orders taken, 1 known already, 0 lines refused\n"));
    assert_eq!(
        as_text(&customers(&shop, "77").await),
        [
            ("77P1", "Anna"),
            ("77P1-2", "Berta"),
            ("77P1-3", "Cora"),
            ("77P1-4", "Dora"),
            ("77P1-5", "Emma"),
            ("77P1-6", "Frida")
        ]
    );
    assert_eq!(shop.get("/api/v1/oms/upstream/problems/").await.ok()["count"], 0);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn an_order_with_another_key_is_another_order_and_without_one_it_must_not_be_ambiguous() {
    let shop = Shop::open().await;
    let keyed = |pk: i64, name: &str| {
        let mut order = order_of("5", &web(), name);
        order["pk"] = json!(pk);
        order
    };
    shop.order_of(&keyed(10, "Anna")).await;
    // A message without a key means the only one there is.
    let same = shop.changes_nothing(shop.post(ORDERS, &order_of("5", &web(), "Anna"))).await;
    assert_eq!(same.json(200)["omnitron_id"], 10);
    assert_eq!(shop.order_of(&keyed(11, "Berta")).await.json["packages"][0]["number"], "5P1-2");
    assert_eq!(shop.changes_nothing(shop.post(ORDERS, &keyed(11, "Berta"))).await.json(200)["omnitron_id"], 11);
    let unclear = order_of("5", &web(), "Anna");
    let message = "There are 2 orders 5 of this channel; say which by its key: 10, 11.";
    shop.changes_nothing(async {
        assert_eq!(shop.post(ORDERS, &unclear).await.wrong("pk"), [message]);
        assert_eq!(shop.post(&format!("{ORDERS}?dry_run=true"), &unclear).await.wrong("pk"), [message]);
    })
    .await;
    assert_eq!(shop.post_as("erp", PUSHED, &pushed(&unclear)).await.wrong("pk"), [message]);
    shop.finish().await;
}

#[tokio::test]
async fn packages_and_transfers_of_the_second_order_of_a_number_have_numbers_of_their_own() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    shop.count("GEBZE", "FAR", 9).await;
    // What looks like the second order of 9 is none.
    let lookalike = shop.order_of(&order_of("9P1-2", &web(), "Zoe")).await;
    let gathered = |name: &str, pk: i64| {
        let mut order = order_json("9", &[("RED", 1), ("FAR", 1)]);
        order["channel"] = json!({ "pk": 3, "name": "gather" });
        order["pk"] = json!(pk);
        order["customer"]["first_name"] = json!(name);
        order
    };
    let first = shop.order_of(&gathered("Anna", 1)).await;
    let second = shop.order_of(&gathered("Berta", 2)).await;
    assert_eq!(lookalike.json["packages"][0]["number"], "9P1-2P1");
    assert!(first.transfers().await[0].starts_with("9P1T1 "), "{:?}", first.transfers().await);
    assert!(second.transfers().await[0].starts_with("9P1-2T1 "), "{:?}", second.transfers().await);
    // What follows is numbered on, and the counters are made again from the numbers.
    let package = lookalike.only_package();
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": [package.item("RED").await] })).await.ok();
    let third = shop.order_of(&order_of("9", &web(), "Cora")).await.only_package();
    third.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": [third.item("RED").await] })).await.ok();
    shop.execute("update orders set package_count = 0 where occurrence = 3").await;
    assert_eq!(shop.oms(&["repair", "counters"]).await.0, 0);
    shop.finish().await;
}

#[tokio::test]
async fn a_number_alone_that_means_several_orders_is_refused_and_names_their_channels() {
    let shop = Shop::open().await;
    let mine = shop.order_of(&order_of("7", &web(), "Anna")).await;
    let other = shop.order_of(&order_of("7", &marketplace(), "Berta")).await;
    let plan = |pk: i64, order: &Value| {
        let payload = json!({ "pk": pk, "plan_type": "cancel", "order": order });
        json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" }, "payload": payload })
    };
    let message = "There are 2 orders 7; say also which channel. Their channels: 1 (web); 2 (marketplace).";
    shop.changes_nothing(async {
        for unclear in [json!("7"), json!({ "number": "7" })] {
            assert_eq!(shop.post_as("erp", PLANS, &plan(1, &unclear)).await.wrong("order"), [message]);
        }
        let unclear = shop.get("/api/v1/oms/order-stock-info/?order_number=7").await;
        assert_eq!(unclear.wrong("order_number"), [message]);
        let nowhere = json!({ "number": "7", "channel": 9 });
        assert_eq!(shop.post_as("erp", PLANS, &plan(1, &nowhere)).await.status, 404);
    })
    .await;
    for channel in ["2", "marketplace"] {
        let path = format!("/api/v1/oms/order-stock-info/?order_number=7&channel={channel}");
        let told = shop.get(&path).await.ok();
        assert_eq!(told["results"][0]["order_item"]["pk"], other.json["orderitem_set"][0]["id"], "{told}");
    }
    let decided = shop.post_as("erp", PLANS, &plan(1, &json!({ "number": "7", "channel": marketplace() }))).await.ok();
    assert_eq!((&decided["decision"], &decided["order"]), (&json!("cancelled"), &json!(other.id())));
    assert_eq!(other.only_package().state().await, "packaging-canceled");
    assert_eq!(mine.only_package().state().await, "waiting");
    // Lists by number have both.
    for path in ["orders/?number=7", "packages/?order__number=7", "orderexecutionplans/?order__number=7"] {
        assert_eq!(shop.get(&format!("/api/v1/oms/{path}")).await.ok()["count"], 2, "{path}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn who_sees_one_of_two_orders_is_told_of_that_one_alone() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "FAR", 9).await;
    shop.order_of(&order_of("7", &web(), "Anna")).await;
    let mut elsewhere = order_of("7", &marketplace(), "Berta");
    elsewhere["orderitem_set"][0]["product"]["sku"] = json!("FAR");
    shop.order_of(&elsewhere).await;
    let told = shop.get_as("kadikoy", "/api/v1/oms/order-stock-info/?order_number=7").await.ok();
    assert_eq!(told["results"][0]["order_item"]["sku"], "RED");
    shop.finish().await;
}

#[tokio::test]
async fn orders_of_one_number_from_many_channels_at_once_are_all_taken_each_once() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    let send = |n: i64| {
        let url = if n % 2 == 0 { shop.url() } else { &second.url };
        // Each of sixteen channels sends it four times.
        let order = order_of("1", &json!({ "pk": n % 16 }), &format!("Customer {}", n % 16));
        let path = format!("{url}{ORDERS}");
        let shop = &shop;
        async move { shop.post(&path, &order).await }
    };
    let replies = join((0..64).map(send)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 16);
    for (n, reply) in replies.iter().enumerate() {
        let answer = reply.json(if reply.status == 201 { 201 } else { 200 });
        assert_eq!(answer["customer"]["first_name"], format!("Customer {}", n % 16));
    }
    let mut numbers: Vec<String> = customers(&shop, "1").await.into_iter().map(|(number, _)| number).collect();
    numbers.sort();
    let mut expected: Vec<String> = (2..=16).map(|n| format!("1P1-{n}")).chain(["1P1".to_owned()]).collect();
    expected.sort();
    assert_eq!(numbers, expected);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 16));
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn two_orders_of_one_identity_in_the_database_are_found() {
    let shop = Shop::open().await;
    let first: Order<'_> = shop.order_of(&order_of("1", &web(), "Anna")).await;
    let second = shop.order_of(&order_of("1", &marketplace(), "Berta")).await;
    assert!(first.id() < second.id());
    shop.execute("update orders set channel_id = 1 where occurrence = 2").await;
    let (code, printed, _) = shop.oms(&["verify"]).await;
    let found = format!("order 1: it is here twice, as {} and as {}", first.id(), second.id());
    assert_eq!(code, 1);
    assert!(printed.contains(&found), "{printed}");
    shop.abandon().await;
}
