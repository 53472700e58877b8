//! What changed in stock: the event `stock.changed`, and the list that is followed by a cursor.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    support::Shop,
    webhooks::{
        receiver::{Received, Receiver},
        settings, subscribe,
    },
};

/// Waits until changes are noted: a subscription is seen within a second.
async fn until_noted(shop: &Shop, is_on: bool) {
    shop.until("it is seen whether somebody subscribes", || async {
        (shop.value::<bool, _>("select is_on and (is_compared or not $1) from stock_feed", is_on).await == is_on)
            .then_some(())
    })
    .await;
}

/// What was told of a shelf: units, reserved, available.
fn told(received: &[Received], sku: &str) -> Vec<(i64, i64, i64)> {
    let of_it = received.iter().map(Received::json).filter(|body| body["payload"]["sku"] == sku);
    of_it
        .map(|body| {
            ["quantity", "reserved", "available"].map(|key| body["payload"][key].as_i64().expect("a number")).into()
        })
        .collect()
}

#[tokio::test]
async fn who_subscribes_hears_of_each_shelf_that_changed_as_it_is_now() {
    let (shop, receiver) = (Shop::delivering(settings()).await, Receiver::start().await);
    shop.count("KADIKOY", "FAR", 9).await;
    subscribe(&shop, &receiver.url, "stock.changed").await;
    until_noted(&shop, true).await;
    shop.count("KADIKOY", "FAR", 4).await;
    receiver.until("the count is told", |received| told(received, "FAR").contains(&(4, 0, 4))).await;
    // The same number is no change; a reservation and a packing are.
    shop.count("KADIKOY", "FAR", 4).await;
    let package = shop.order(&[("FAR", 3)]).await.only_package();
    receiver.until("the reservation is told", |received| told(received, "FAR").contains(&(4, 3, 1))).await;
    package.run("COMPLETE_PACKING").await.ok();
    let came = receiver.until("the packing is told", |received| told(received, "FAR").contains(&(1, 0, 1))).await;
    assert_eq!(told(&came, "FAR"), [(4, 0, 4), (4, 3, 1), (1, 0, 1)]);
    let last = came.last().expect("one").json();
    let payload = last["payload"].as_object().expect("an object");
    let keys: Vec<&str> = payload.keys().map(String::as_str).collect();
    let listed =
        shop.get("/api/v1/oms/stocks/?sku=FAR&stock_location__erp_code=KADIKOY").await.ok()["results"][0].clone();
    assert_eq!((Value::from(payload.clone()), keys.len()), (listed, 8), "it is the row of the list");
    assert_eq!((last["event"]["type"].as_str(), came.last().expect("one").sequence()), (Some("stock.changed"), 3));
    // The feed has them too; a store hears of its own shelves.
    let feed = shop.get("/api/v1/oms/events/?types=stock.changed").await.ok();
    let of_it = feed["results"].as_array().expect("a list").iter().filter(|event| event["payload"]["sku"] == "FAR");
    assert_eq!(of_it.map(|event| event["sequence"].as_i64().expect("a number")).collect::<Vec<_>>(), [1, 2, 3]);
    shop.count("GEBZE", "PINK", 7).await;
    receiver.until("the other place is told", |received| !told(received, "PINK").is_empty()).await;
    let feed = shop.get_as("kadikoy", "/api/v1/oms/events/?types=stock.changed").await.ok();
    let places = feed["results"].as_array().expect("a list").iter().map(|event| &event["payload"]["erp_code"]);
    assert!(places.clone().all(|place| place == "KADIKOY") && places.count() == 3, "{feed}");
    receiver.stop();
    shop.finish().await;
}

#[tokio::test]
async fn many_changes_of_a_shelf_are_an_event_a_second_at_most_and_the_last_one_is_told() {
    let (shop, receiver) = (Shop::delivering(settings()).await, Receiver::start().await);
    let second = shop.second_delivering_server(settings()).await;
    subscribe(&shop, &receiver.url, "stock.changed").await;
    until_noted(&shop, true).await;
    for quantity in 1..=60 {
        shop.count("KADIKOY", "FAR", quantity).await;
    }
    receiver.until("the last count is told", |received| told(received, "FAR").last() == Some(&(60, 0, 60))).await;
    let spans: Vec<(f64,)> = shop
        .rows(
            "select extract(epoch from created_date - lag(created_date) over (order by sequence))::float8
               from events where entity = 'stock' order by sequence offset 1",
        )
        .await;
    assert!(spans.iter().all(|(span,)| *span >= 1.0), "{spans:?}");
    receiver.stop();
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn nothing_is_noted_for_nobody_and_who_comes_back_hears_what_changed_meanwhile() {
    let (shop, receiver) = (Shop::delivering(settings()).await, Receiver::start().await);
    shop.count("KADIKOY", "FAR", 1).await;
    let hook = subscribe(&shop, &receiver.url, "stock.changed").await;
    until_noted(&shop, true).await;
    shop.count("KADIKOY", "FAR", 2).await;
    receiver.until("it is told", |received| told(received, "FAR") == [(2, 0, 2)]).await;
    let path = format!("/whisperer/hooks/{hook}/");
    shop.patch(&path, &json!({ "is_active": false })).await.ok();
    until_noted(&shop, false).await;
    shop.count("KADIKOY", "FAR", 3).await;
    assert_eq!(shop.value::<i64, _>("select count(*) from stock_changes where $1", true).await, 0);
    shop.patch(&path, &json!({ "is_active": true })).await.ok();
    receiver.until("what changed meanwhile is told", |received| told(received, "FAR") == [(2, 0, 2), (3, 0, 3)]).await;
    receiver.stop();
    shop.finish().await;
}

#[tokio::test]
async fn a_cursor_goes_through_every_shelf_once_whatever_comes_and_goes_meanwhile() {
    let shop = Shop::open().await;
    let counts: Vec<Value> = (0..250)
        .map(|n| {
            let place = if n % 2 == 0 { "KADIKOY" } else { "GEBZE" };
            json!({ "stock_location": place, "sku": format!("SKU, {}", n / 2), "quantity": n })
        })
        .collect();
    shop.put("/api/v1/oms/stocks/", &json!(counts)).await.ok();
    let all: i64 = shop.value("select count(*) from stocks where $1", true).await;
    let mut path = Some("/api/v1/oms/stocks/?cursor=*&limit=100".to_owned());
    let mut seen: BTreeMap<(String, i64), usize> = BTreeMap::new();
    while let Some(next) = path {
        let page = shop.get(&next).await.ok();
        assert_eq!((&page["count"], &page["previous"]), (&json!(all), &Value::Null), "as counted for the first page");
        for row in page["results"].as_array().expect("rows") {
            let key = (row["sku"].as_str().expect("text").to_owned(), row["stock_location"].as_i64().expect("an id"));
            *seen.entry(key).or_default() += 1;
        }
        // One that comes before the pages that are read moves nothing.
        shop.count("KADIKOY", &format!("A{}", seen.len()), 1).await;
        path = page["next"].as_str().map(|address| address.replace(shop.url(), ""));
    }
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(i64::try_from(seen.len()).expect("few"), all);
    // With a filter: what changed since.
    let since: String =
        shop.value("select to_char(now() at time zone 'UTC', $1)", "YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"").await;
    shop.count("GEBZE", "SKU, 7", 1000).await;
    let changed = shop.get(&format!("/api/v1/oms/stocks/?cursor=*&modified_date__gte={since}")).await.ok();
    assert_eq!(
        (&changed["count"], &changed["next"], &changed["results"][0]["sku"]),
        (&json!(1), &Value::Null, &json!("SKU, 7"))
    );
    shop.finish().await;
}

#[tokio::test]
async fn what_is_no_cursor_and_what_does_not_go_with_one_is_refused_by_name() {
    let shop = Shop::open().await;
    let text = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let short = text(r#"{"count":1,"keys":["a"]}"#);
    let no_number = text(r#"{"count":1,"keys":["a","b"]}"#);
    for wrong in ["x", "**", "7", &short, &no_number] {
        let told = shop.get(&format!("/api/v1/oms/stocks/?cursor={wrong}")).await.json(400);
        let expected = "Invalid cursor: begin with *, and go on with the address in next.";
        assert_eq!(told["error"]["cursor"][0], expected, "{wrong}");
    }
    for (name, value) in [("page", "2"), ("sort", "sku"), ("format", "csv")] {
        let told = shop.get(&format!("/api/v1/oms/stocks/?cursor=*&{name}={value}")).await.json(400);
        assert!(told["error"][name].is_array(), "{told}");
    }
    let far = text(r#"{"count":1,"keys":["~~~","1"]}"#);
    let empty = shop.get(&format!("/api/v1/oms/stocks/?cursor={far}")).await.ok();
    assert_eq!((&empty["results"], &empty["next"]), (&json!([]), &Value::Null));
    shop.finish().await;
}
