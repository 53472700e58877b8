//! The common parameters, and other recorded parameters: which command accepts which, which values are recorded, and
//! which are never shown.

use serde_json::{Value, json};

use crate::support::{SHOP, STANDARD, Shop, on_this_machine};

/// The record of the package's latest log row; null where there is none.
async fn record(shop: &Shop, package_id: i64) -> Value {
    let found: Option<Value> = shop
        .value(
            "select (select to_jsonb(r) - '{transition_log_id, seal}'::text[] from transition_records r
                      where r.transition_log_id = (select max(id) from transition_logs where package_id = $1))",
            package_id,
        )
        .await;
    found.map_or(Value::Null, |record| {
        let kept = record.as_object().expect("an object").iter().filter(|(_, value)| !value.is_null());
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    })
}

#[tokio::test]
async fn what_differs_from_the_defaults_is_recorded_and_a_plain_pack_records_nothing() {
    let shop = Shop::open().await;
    for (input, kept) in [
        (json!({}), Value::Null),
        (json!({ "sync_remote_order_status": true, "remote_bill_fulfillment_call": false }), Value::Null),
        (json!({ "sync_remote_order_status": null }), Value::Null),
        (json!({ "sync_remote_order_status": false }), json!({ "parameters": { "sync_remote_order_status": false } })),
        (
            json!({ "remote_bill_fulfillment_call": "true" }),
            json!({ "parameters": { "remote_bill_fulfillment_call": true } }),
        ),
    ] {
        let package = shop.package().await;
        package.run_with("COMPLETE_PACKING", &input).await.ok();
        assert_eq!(record(&shop, package.id).await, kept, "{input}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_transition_gives_defaults_and_a_request_overrules_them() {
    let shop = Shop::open().await;
    let line = "command = \"COMPLETE_PACKING\"\nsource = \"waiting\"";
    let quiet = STANDARD.replace(line, &format!("{line}\nparameters = {{ sync_remote_order_status = false }}"));
    assert_ne!(quiet, STANDARD);
    shop.install(&[&quiet, SHOP]).await;
    for (input, kept) in [
        (json!({}), json!({ "parameters": { "sync_remote_order_status": false } })),
        (json!({ "sync_remote_order_status": true }), Value::Null),
    ] {
        let package = shop.package().await;
        package.run_with("COMPLETE_PACKING", &input).await.ok();
        assert_eq!(record(&shop, package.id).await, kept);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_parameter_that_the_command_does_not_take_or_that_is_wrong_is_named_and_changes_nothing() {
    let shop = Shop::allowing(on_this_machine()).await;
    let package = shop.package().await;
    let call = json!({ "auth": { "request_type": "anonymous" }, "timeouts": {}, "remote_url": "https://erp.example" });
    for (command, name, value) in [
        ("PKG_STATE_TRANSITION", "remote_bill_fulfillment_call", json!(true)),
        ("PKG_STATE_TRANSITION", "remote_invoice_call", call.clone()),
        ("BLOCK_THE_PACKAGE", "sync_remote_order_status", json!(false)),
    ] {
        let reply = shop.changes_nothing(package.run_with(command, &json!({ name: value }))).await;
        assert_eq!(reply.wrong(name), ["This command does not take this parameter. Leave it out."]);
    }
    for (name, value) in [
        ("sync_remote_order_status", json!("perhaps")),
        ("remote_bill_fulfillment_call", json!([])),
        ("remote_invoice_call", json!({ "auth": { "request_type": "anonymous" }, "remote_url": "https://x.example" })),
        (
            "remote_invoice_call",
            json!({ "auth": { "request_type": "basic_auth", "username": "u" }, "timeouts": {},
                                        "remote_url": "https://x.example" }),
        ),
    ] {
        let reply = shop.changes_nothing(package.run_with("COMPLETE_PACKING", &json!({ name: value }))).await;
        assert_eq!(reply.wrong(name).len(), 1);
    }
    for command in ["COMPLETE_PACKING_WITHOUT_SHIPMENT", "CHANNEL_BASED_COMPLETE_PACKING"] {
        let package = shop.package().await;
        package.run_with(command, &json!({ "remote_invoice_call": call })).await.ok();
        assert_eq!(record(&shop, package.id).await["invoice_call"]["auth"]["request_type"], "anonymous");
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_invoice_call_is_kept_with_its_defaults_and_its_secret_is_never_shown() {
    let shop = Shop::allowing(on_this_machine()).await;
    let package = shop.package().await;
    let secret = "very-s3cret-t0ken";
    let call = json!({ "auth": { "request_type": "token", "token": secret }, "timeouts": { "read": 3 },
                       "remote_url": "https://erp.example/invoice" });
    let input = json!({ "remote_invoice_call": call });
    let tried = package.dry_run("COMPLETE_PACKING", &input).await;
    let slug = package.slug("COMPLETE_PACKING").await;
    let body = json!({ "slug": slug, "input_parameters": input });
    let done = package.run_keyed("admin", "k1", &body).await;
    done.ok();
    let again = package.run_keyed("admin", "k1", &body).await;
    assert_eq!(
        record(&shop, package.id).await,
        json!({ "invoice_call": { "auth": { "request_type": "token", "token": secret, "token_prefix": "Bearer" },
                                  "timeouts": { "read": 3.0, "connect": 60.0 },
                                  "remote_url": "https://erp.example/invoice" } })
    );
    let mut replies = vec![tried, done, again];
    // Every page there is, with the package's own.
    let document = shop.get("/openapi.json").await;
    for (path, item) in document.ok()["paths"].as_object().expect("paths") {
        if item.get("get").is_some() && !path.contains("{key}") {
            replies.push(shop.get(&path.replace("{id}", &package.id.to_string())).await);
        }
    }
    replies.push(shop.get(&format!("{}?explain=commands", package.path())).await);
    replies.push(document);
    let wrong =
        json!({ "remote_invoice_call": { "auth": { "request_type": secret }, "timeouts": {}, "remote_url": secret } });
    replies.push(shop.package().await.run_with("COMPLETE_PACKING", &wrong).await);
    assert!(replies.len() > 15);
    for reply in replies {
        assert!(!String::from_utf8_lossy(&reply.body).contains(secret), "{}", reply.text());
    }
    // Nowhere else in the database either: not in the remembered answer, an event or a trace.
    for (table, rows) in shop.dump().await.0 {
        let holds = rows.iter().any(|row| row.contains(secret));
        assert_eq!(holds, table == "transition_records", "{table}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn reasons_are_kept() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run_with("CANCEL_PACKAGE", &json!({ "cancellation_reason": 7 })).await.ok();
    assert_eq!(record(&shop, package.id).await, json!({ "parameters": { "cancellation_reason": "7" } }));
    let plain = shop.package().await;
    plain.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(record(&shop, plain.id).await, Value::Null);
    let long = shop.package().await;
    let input = json!({ "cancellation_reason": "x".repeat(1001) });
    let reply = shop.changes_nothing(long.run_with("CANCEL_PACKAGE", &input)).await;
    assert_eq!(reply.wrong("cancellation_reason"), ["Ensure this field has no more than 1000 characters."]);
    shop.finish().await;
}
