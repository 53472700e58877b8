//! `Idempotency-Key`: a repeat gets the same answer and runs nothing.

use reqwest::Method;
use serde_json::json;

use crate::support::{NOT_ALLOWED, NOT_FOUND, Shop, join, send};

const REUSED: &str = r#"{"error":{"detail":"This Idempotency-Key was used with another request. Use a new key for a new request."},"status_code":422}"#;

#[tokio::test]
async fn a_repeat_after_success_gets_the_same_bytes_and_runs_nothing() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    let first = package.run_keyed("erp", "k1", &body).await;
    first.ok();
    for _ in 0..2 {
        let again = shop.changes_nothing(package.run_keyed("erp", "k1", &body)).await;
        assert_eq!((again.status, &again.body, again.header("content-type")), (200, &first.body, "application/json"));
    }
    // Without the key it is a new request.
    shop.changes_nothing(package.post_as("erp", &body)).await.refused(NOT_ALLOWED);
    shop.finish().await;
}

#[tokio::test]
async fn a_repeat_after_204_gets_204() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    let input = json!({ "package": package.id, "delivered_status": false });
    let body = json!({ "slug": package.slug("UPDATE_PACKAGE_SHIPMENT_STATUS").await, "input_parameters": input });
    package.run_keyed("erp", "k", &body).await.done();
    shop.changes_nothing(package.run_keyed("erp", "k", &body)).await.done();
    assert_eq!(package.state().await, "attempted-delivery");
    shop.finish().await;
}

#[tokio::test]
async fn a_repeat_after_a_refusal_is_decided_anew_and_then_keeps_what_it_did() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let shipping = json!({ "slug": "package__ship_the_package__packed__shipped" });
    let first = shop.changes_nothing(package.run_keyed("erp", "k", &shipping)).await;
    first.refused(NOT_ALLOWED);
    shop.changes_nothing(package.run_keyed("erp", "k", &shipping)).await.refused(NOT_ALLOWED);
    package.run("COMPLETE_PACKING").await.ok();
    let done = package.run_keyed("erp", "k", &shipping).await;
    assert_eq!(done.status, 200);
    let again = shop.changes_nothing(package.run_keyed("erp", "k", &shipping)).await;
    assert_eq!((again.status, &again.body), (200, &done.body));
    // What is wrong with the request itself stays so.
    let other = shop.package().await;
    let wrong = json!({ "slug": other.slug("COMPLETE_PACKING").await, "input_parameters": { "colour": 1 } });
    let first = other.run_keyed("erp", "w", &wrong).await;
    let again = shop.changes_nothing(other.run_keyed("erp", "w", &wrong)).await;
    assert_eq!((first.status, again.status, &first.body), (400, 400, &again.body));
    shop.finish().await;
}

#[tokio::test]
async fn a_planned_command_is_repeated_like_any_other() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let package = shop.package().await;
    let input = json!({ "package_items": package.item_ids().await });
    let body = json!({ "slug": package.slug("DETECTED_OUT_OF_STOCK_ITEM").await, "input_parameters": input });
    // The store that sent it does not see where it went, and still gets its answer.
    let first = package.run_keyed("kadikoy", "k", &body).await;
    first.ok();
    let again = shop.changes_nothing(package.run_keyed("kadikoy", "k", &body)).await;
    assert_eq!(again.body, first.body);
    shop.finish().await;
}

#[tokio::test]
async fn a_key_of_another_request_is_422() {
    let shop = Shop::open().await;
    let (package, other) = (shop.package().await, shop.package().await);
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    package.run_keyed("erp", "k", &body).await.ok();
    let more = json!({ "slug": package.slug("COMPLETE_PACKING").await, "input_parameters": {} });
    shop.changes_nothing(package.run_keyed("erp", "k", &more)).await.refused(REUSED);
    shop.changes_nothing(other.run_keyed("erp", "k", &body)).await.refused(REUSED);
    assert_eq!(other.state().await, "waiting");
    // The answer it stands for is still there.
    package.run_keyed("erp", "k", &body).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_key_belongs_to_the_user_who_sent_it() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    package.run_keyed("erp", "k", &body).await.ok();
    shop.changes_nothing(package.run_keyed("ops", "k", &body)).await.refused(NOT_ALLOWED);
    let other = shop.package().await;
    other.run_keyed("kadikoy", "k", &body).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_24_hours() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    package.run_keyed("erp", "k", &body).await.ok();
    shop.execute("update idempotency_keys set created_date = now() - interval '23 hours 59 minutes'").await;
    package.run_keyed("erp", "k", &body).await.ok();
    shop.execute("update idempotency_keys set created_date = now() - interval '24 hours 1 second'").await;
    shop.changes_nothing(package.run_keyed("erp", "k", &body)).await.refused(NOT_ALLOWED);
    // From then on it stands for its new answer.
    let shipping = json!({ "slug": package.slug("SHIP_THE_PACKAGE").await });
    package.run_keyed("erp", "k", &shipping).await.ok();
    shop.changes_nothing(package.run_keyed("erp", "k", &body)).await.refused(REUSED);
    shop.finish().await;
}

#[tokio::test]
async fn the_same_key_many_times_at_once_runs_once() {
    let shop = Shop::open().await;
    let waiting = shop.package().await;
    let homeless = shop.order(&[("PINK", 1)]).await.only_package();
    shop.count("GEBZE", "PINK", 1).await;
    for (package, command) in [(waiting, "COMPLETE_PACKING"), (homeless, "REPACK")] {
        let body = json!({ "slug": package.slug(command).await });
        let replies = join((0..8).map(|_| package.run_keyed("erp", command, &body))).await;
        for reply in &replies {
            reply.ok();
            assert_eq!(reply.body, replies[0].body);
        }
        assert_eq!(package.log().await.len(), 2);
    }
    shop.finish().await;
}

#[tokio::test]
async fn one_key_on_two_packages_at_once_runs_on_one() {
    let shop = Shop::open().await;
    for round in 0..5 {
        let packages = [shop.package().await, shop.package().await];
        let body = json!({ "slug": packages[0].slug("COMPLETE_PACKING").await });
        let key = format!("k{round}");
        let replies = join(packages.iter().map(|package| package.run_keyed("erp", &key, &body))).await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_takes_no_key() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    let path = format!("{}?dry_run=true", package.command_path());
    let request = shop.request_as("erp", Method::POST, &path).header("Idempotency-Key", "k");
    shop.changes_nothing(send(request.json(&body))).await.ok();
    package.run_keyed("erp", "k", &body).await.ok();
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused_and_a_missing_package_uses_none() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    for key in ["", " ", &"k".repeat(256)] {
        shop.changes_nothing(package.run_keyed("erp", key, &body)).await.wrong("Idempotency-Key");
    }
    let request = shop.request_as("erp", Method::POST, "/api/v1/oms/packages/999999/command/");
    send(request.header("Idempotency-Key", "k").json(&body)).await.refused(NOT_FOUND);
    package.run_keyed("erp", "k", &body).await.ok();
    package.run_keyed("erp", &"k".repeat(255), &json!({ "slug": package.slug("SHIP_THE_PACKAGE").await })).await.ok();
    shop.finish().await;
}
