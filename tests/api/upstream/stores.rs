//! Locations pushed by the upstream.

use serde_json::{Value, json};

use super::house::Upstream;
use crate::support::Shop;

const PATH: &str = "/api/v1/oms/stocklocations-webhook";

fn store(modified: &str, changes: &Value) -> Value {
    let mut store = json!({
        "pk": 70, "name": "Moda", "erp_code": "MODA", "is_active": true, "latitude": "40.98", "longitude": "29.02",
        "township": { "name": "Kadıköy", "city": { "name": "Istanbul" } }, "address": "Moda 1", "config": { "a": 1 },
        "modified_date": modified
    });
    for (key, value) in changes.as_object().expect("an object") {
        store[key] = value.clone();
    }
    store
}

async fn location(shop: &Shop) -> Value {
    shop.get("/api/v1/oms/stocklocations/?omnitron_id=70").await.ok()["results"][0].clone()
}

#[tokio::test]
async fn a_store_of_the_upstream_is_a_location_that_is_asked_last() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let begun = store("2026-01-01T00:00:00Z", &json!({}));
    let answer = upstream.push(&shop, PATH, "retail_store.created", &begun).await;
    assert_eq!((&answer["status"], &answer["body"]["changed"]), (&json!(201), &json!(true)), "{answer}");
    let there = location(&shop).await;
    assert_eq!((&there["erp_code"], &there["stock_location_type"]), (&json!("MODA"), &json!("store")));
    assert_eq!(there["address"]["city"], "Istanbul");
    let priorities: Vec<(i32,)> = shop.rows("select priority from stock_locations where erp_code <> 'MODA'").await;
    assert!(priorities.iter().all(|(other,)| i64::from(*other) < there["priority"].as_i64().expect("a number")));
    // Heard again, nothing at all happens: not even for the servers that follow the installation.
    for path in [PATH, "/api/v1/oms/stocklocations-webhook/"] {
        let answer = shop.changes_nothing(upstream.push(&shop, path, "retail_store.created", &begun)).await;
        assert_eq!((&answer["status"], &answer["body"]["changed"]), (&json!(200), &json!(false)), "{answer}");
    }
    // It is planned with once it has stock.
    shop.count("MODA", "PURPLE", 5).await;
    assert_eq!(shop.order(&[("PURPLE", 1)]).await.only_package().place().await, "waiting@MODA");
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn what_is_newer_wins_whatever_comes_first() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let push = |modified: &'static str, changes: Value| {
        let (upstream, shop) = (&upstream, &shop);
        async move { upstream.push(shop, PATH, "retail_store.updated", &store(modified, &changes)).await }
    };
    assert_eq!(push("2026-01-03T00:00:00Z", json!({ "name": "New" })).await["status"], 201);
    assert_eq!(push("2026-01-02T00:00:00Z", json!({ "name": "Old" })).await["body"]["changed"], false);
    assert_eq!(location(&shop).await["name"], "New");
    let patched = format!("/api/v1/oms/stocklocations/{}/", location(&shop).await["id"]);
    shop.patch(&patched, &json!({ "priority": 3, "max_quota": 9, "tags": ["fast"] })).await.ok();
    let closed = json!({ "name": "Newer", "is_active": false, "erp_code": "MODA-2" });
    assert_eq!(push("2026-01-04T00:00:00Z", closed).await["status"], 200);
    let there = location(&shop).await;
    assert_eq!(
        (&there["name"], &there["is_active"], &there["erp_code"]),
        (&json!("Newer"), &json!(false), &json!("MODA-2"))
    );
    // What is not the upstream's stays.
    assert_eq!((&there["priority"], &there["max_quota"], &there["tags"]), (&json!(3), &json!(9), &json!(["fast"])));
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn a_location_that_is_there_already_is_found_by_its_erp_code() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let id = shop.location_id("KADIKOY").await;
    let kadikoy = store("2026-01-01T00:00:00Z", &json!({ "erp_code": "KADIKOY", "name": "Kadıköy" }));
    let answer = upstream.push(&shop, PATH, "retail_store.updated", &kadikoy).await;
    assert_eq!(answer["body"], json!({ "stock_location": id, "changed": true }));
    // Its packages go on.
    assert_eq!(shop.package().await.place().await, "waiting@KADIKOY");
    let taken = store("2026-01-01T00:00:00Z", &json!({ "pk": 71, "erp_code": "KADIKOY" }));
    let answer = upstream.push(&shop, PATH, "retail_store.created", &taken).await;
    assert_eq!(answer["status"], 400);
    assert_eq!(
        answer["body"]["error"],
        json!({ "erp_code": ["Another stock location has the code KADIKOY already."] })
    );
    shop.finish().await;
    upstream.stop();
}
