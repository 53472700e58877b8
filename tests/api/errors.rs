//! Every documented refusal, byte for byte where the Akinon OMS prints it. A refusal changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{FORBIDDEN, MISMATCH, NOT_ALLOWED, NOT_FOUND, REQUIRED, Shop, send};

const NO_CREDENTIALS: &str =
    r#"{"error":{"detail":"Authentication credentials were not provided."},"status_code":401}"#;
const INVALID_TOKEN: &str = r#"{"error":{"detail":"Invalid token."},"status_code":401}"#;

#[tokio::test]
async fn a_command_that_names_neither_transition_nor_slug_is_refused() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for body in [
        json!({}),
        json!({ "input_parameters": {} }),
        json!({ "transition": null, "slug": null }),
        json!({ "slug": "" }),
        json!({ "transition": null, "slug": "", "input_parameters": null }),
    ] {
        shop.changes_nothing(package.post(&body)).await.refused(REQUIRED);
    }
    shop.finish().await;
}

#[tokio::test]
async fn transition_and_slug_that_name_different_transitions_are_refused() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let commands = package.json().await["commands"].clone();
    let (pack, cancel) = (command(&commands, "COMPLETE_PACKING"), command(&commands, "CANCEL_PACKAGE"));

    let body = json!({ "transition": pack["id"], "slug": cancel["slug"] });
    shop.changes_nothing(package.post(&body)).await.refused(MISMATCH);
    let body = json!({ "transition": pack["id"], "slug": "no-such-slug" });
    shop.changes_nothing(package.post(&body)).await.refused(MISMATCH);
    // They agree: nothing is wrong with both.
    package.post(&json!({ "transition": pack["id"], "slug": pack["slug"] })).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_transition_that_is_unknown_of_another_entity_or_of_another_state_is_refused() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    // No command of orders or transfers can be installed yet, so one is put in behind the server's back.
    shop.execute(
        "insert into transitions (entity, command, slug, label, source_state_id, destination_state_id)
         select 'transfer', 'PKG_STATE_TRANSITION', 'transfer__go', 'Go', source_state_id, destination_state_id
           from transitions where slug = 'package__pkg_state_transition__waiting__preparing';
         update installation set version = version + 1",
    )
    .await;
    let transfer: i64 = shop.value("select id from transitions where slug = $1", "transfer__go").await;
    for body in [
        json!({ "transition": 999_999 }),
        json!({ "transition": -1 }),
        json!({ "slug": "package__fly__waiting__moon" }),
        json!({ "transition": transfer }),
        json!({ "slug": "transfer__go" }),
        json!({ "slug": "package__ship_the_package__packed__shipped" }),
    ] {
        shop.changes_nothing(package.post(&body)).await.refused(NOT_ALLOWED);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let pack = package.slug("COMPLETE_PACKING").await;
    for (body, field) in [
        (json!({ "transition": "pack" }), "transition"),
        (json!({ "transition": 1.5 }), "transition"),
        (json!({ "transition": [1] }), "transition"),
        (json!({ "transition": true }), "transition"),
        (json!({ "slug": 5 }), "slug"),
        (json!({ "slug": ["a"] }), "slug"),
        (json!({ "slug": pack, "input_parameters": [] }), "input_parameters"),
        (json!({ "slug": pack, "input_parameters": "x" }), "input_parameters"),
        (
            json!({ "slug": pack, "input_parameters": { "sync_remote_order_status": "perhaps" } }),
            "sync_remote_order_status",
        ),
        (json!({ "slug": pack, "input_parameters": { "remote_invoice_call": 1 } }), "remote_invoice_call"),
        (json!({ "slug": pack, "input_parameters": { "package": package.id + 1 } }), "package"),
        (json!({ "slug": pack, "input_parameters": { "package": "x" } }), "package"),
    ] {
        let reply = shop.changes_nothing(package.post(&body)).await;
        assert_eq!(reply.wrong(field).len(), 1, "{body}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn parameters_of_a_command_are_named_by_their_own_key() {
    let shop = Shop::open().await;
    let waiting = shop.order(&[("RED", 1), ("BLUE", 1)]).await.only_package();
    let items = waiting.item_ids().await;
    let stranger = shop.package().await.item_ids().await[0];
    let packed = shop.package().await;
    packed.run("COMPLETE_PACKING").await.ok();
    let shipped = shop.package().await;
    shipped.run("COMPLETE_PACKING").await.ok();
    shipped.run("SHIP_THE_PACKAGE").await.ok();
    let group = |erp_code: &str, items: &[i64]| json!({ "stock_location": erp_code, "package_items": items });

    for (package, command, input, field) in [
        (packed, "SHIP_THE_PACKAGE_ADVANCED", json!({ "cargo_company": 1 }), "tracking_number"),
        (packed, "SHIP_THE_PACKAGE_ADVANCED", json!({ "tracking_number": "T1" }), "cargo_company"),
        (packed, "SHIP_THE_PACKAGE_ADVANCED", json!({ "tracking_number": " ", "cargo_company": 1 }), "tracking_number"),
        (
            packed,
            "SHIP_THE_PACKAGE_ADVANCED",
            json!({ "tracking_number": "9".repeat(257), "cargo_company": 1 }),
            "tracking_number",
        ),
        (waiting, "DETECTED_OUT_OF_STOCK_ITEM", json!({}), "package_items"),
        (waiting, "DETECTED_OUT_OF_STOCK_ITEM", json!({ "package_items": [] }), "package_items"),
        (waiting, "DETECTED_OUT_OF_STOCK_ITEM", json!({ "package_items": items[0] }), "package_items"),
        (waiting, "DETECTED_OUT_OF_STOCK_ITEM", json!({ "package_items": ["x"] }), "package_items"),
        (waiting, "DETECTED_OUT_OF_STOCK_ITEM", json!({ "package_items": [items[0], stranger] }), "package_items"),
        (waiting, "ASSIGN_PACKAGE_ITEMS_MANUALLY", json!({}), "assignment_groups"),
        (waiting, "ASSIGN_PACKAGE_ITEMS_MANUALLY", json!({ "assignment_groups": [] }), "assignment_groups"),
        (
            waiting,
            "ASSIGN_PACKAGE_ITEMS_MANUALLY",
            json!({ "assignment_groups": [group("KADIKOY", &items[..1])] }),
            "assignment_groups",
        ),
        (
            waiting,
            "ASSIGN_PACKAGE_ITEMS_MANUALLY",
            json!({ "assignment_groups": [group("KADIKOY", &items), group("GEBZE", &items[..1])] }),
            "assignment_groups",
        ),
        (
            waiting,
            "ASSIGN_PACKAGE_ITEMS_MANUALLY",
            json!({ "assignment_groups": [group("NOWHERE", &items)] }),
            "assignment_groups",
        ),
        (
            waiting,
            "ASSIGN_PACKAGE_ITEMS_MANUALLY",
            json!({ "assignment_groups": [group("KADIKOY", &items), group("GEBZE", &[stranger])] }),
            "assignment_groups",
        ),
        (shipped, "UPDATE_PACKAGE_SHIPMENT_STATUS", json!({ "delivered_status": true }), "package"),
        (shipped, "UPDATE_PACKAGE_SHIPMENT_STATUS", json!({ "package": shipped.id }), "delivered_status"),
        (
            shipped,
            "UPDATE_PACKAGE_SHIPMENT_STATUS",
            json!({ "package": shipped.id, "delivered_status": "perhaps" }),
            "delivered_status",
        ),
        (
            shipped,
            "UPDATE_PACKAGE_SHIPMENT_STATUS",
            json!({ "package": packed.id, "delivered_status": true }),
            "package",
        ),
        (waiting, "CANCEL_PACKAGE", json!({ "cancellation_reason": [] }), "cancellation_reason"),
    ] {
        let reply = shop.changes_nothing(package.run_with(command, &input)).await;
        assert_eq!(reply.wrong(field).len(), 1, "{command} {input}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_business_rule_refuses_with_its_code_and_a_sentence() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    for company in [json!("nobody"), json!(999_999), json!("999999")] {
        let input = json!({ "tracking_number": "T1", "cargo_company": company });
        let reply = shop.changes_nothing(package.run_with("SHIP_THE_PACKAGE_ADVANCED", &input)).await;
        let sentence = reply.refused_by("oms_cargo_1");
        assert!(sentence.starts_with("There is no cargo company ") && sentence.ends_with('.'), "{sentence}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_no_object_is_refused() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let bodies: [&[u8]; 9] = [b"", b"{", b"nonsense", b"[]", b"[{}]", b"\"x\"", b"5", b"null", b"{\"slug\": \"\xff\"}"];
    for body in bodies {
        let request = shop.request_as("admin", Method::POST, &package.command_path()).body(body.to_vec());
        let request = request.header("Content-Type", "application/json");
        let detail = shop.changes_nothing(send(request)).await.detail(400);
        assert!(detail.starts_with("JSON parse error - "), "{detail}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn without_a_token_or_with_a_bad_one_nobody_comes_in() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let header = |text: &str| Some(text.to_owned());
    let good = Shop::token("admin");
    for (authorization, body) in [
        (None, NO_CREDENTIALS),
        (header(&format!("Bearer {good}")), NO_CREDENTIALS),
        (header(good), NO_CREDENTIALS),
        (header("Token"), INVALID_TOKEN),
        (header("Token nonsense"), INVALID_TOKEN),
        (header(&format!("Token {good}0")), INVALID_TOKEN),
        (header(&format!("Token {good} {good}")), INVALID_TOKEN),
    ] {
        for (method, path) in [(Method::GET, package.path()), (Method::POST, package.command_path())] {
            let mut request = shop.request(method, &path).json(&json!({ "slug": "x" }));
            if let Some(authorization) = &authorization {
                request = request.header("Authorization", authorization);
            }
            let reply = shop.changes_nothing(send(request)).await;
            reply.refused(body);
            assert_eq!(reply.header("www-authenticate"), "Token");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_refused() {
    let shop = Shop::open().await;
    let kadikoy = shop.location_id("KADIKOY").await;
    let order = crate::support::order_json("X1", &[("RED", 1)]);
    let count = json!({ "stock_location": "KADIKOY", "sku": "RED", "quantity": 1 });
    let location = format!("/api/v1/oms/stocklocations/{kadikoy}/");
    for (method, path, body) in [
        (Method::POST, "/api/v1/oms/orders/", order),
        (Method::PUT, "/api/v1/oms/stocks/", count),
        (Method::POST, "/api/v1/oms/stocklocations/", json!({})),
        (Method::PATCH, &location, json!({ "max_quota": 1 })),
    ] {
        let request = shop.request_as("kadikoy", method, path).json(&body);
        shop.changes_nothing(send(request)).await.refused(FORBIDDEN);
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let shop = Shop::open().await;
    for path in [
        "/api/v1/oms/packages/999999/",
        "/api/v1/oms/packages/-1/",
        "/api/v1/oms/packages/x/",
        "/api/v1/oms/packages/99999999999999999999/",
        "/api/v1/oms/orders/999999/",
        "/api/v1/oms/orders/x/",
        "/api/v1/oms/stocklocations/999999/",
        "/api/v1/oms/stocklocations/x/",
        "/api/v1/oms/stocklocations/999999/quota-ledger/",
        "/api/v1/oms/nothing/",
        "/api/v1/oms/",
        "/api/v1/oms/packages/1/2/3/",
        "/nothing",
        "/api/v1/oms/shipping-labels/x/",
    ] {
        shop.get(path).await.refused(NOT_FOUND);
    }
    // Whether there is such a label is told to nobody without its signature.
    shop.get("/api/v1/oms/shipping-labels/6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50/").await.json(403);
    for path in ["/api/v1/oms/packages/999999/command/", "/api/v1/oms/packages/x/command/"] {
        shop.changes_nothing(shop.post(path, &json!({ "slug": "x" }))).await.refused(NOT_FOUND);
    }
    shop.patch("/api/v1/oms/stocklocations/999999/", &json!({ "max_quota": 1 })).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn a_store_does_not_find_what_is_elsewhere() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "PINK", 5).await;
    let order = shop.order(&[("PINK", 1)]).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "waiting@BESIKTAS");
    let elsewhere = shop.location_id("BESIKTAS").await;
    for path in [
        package.path(),
        format!("{}?explain=commands", package.path()),
        format!("/api/v1/oms/orders/{}/", order.id()),
        format!("/api/v1/oms/stocklocations/{elsewhere}/"),
        format!("/api/v1/oms/stocklocations/{elsewhere}/quota-ledger/"),
    ] {
        shop.get_as("kadikoy", &path).await.refused(NOT_FOUND);
        shop.get(&path).await.ok();
    }
    let pack = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    shop.changes_nothing(package.post_as("kadikoy", &pack)).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn a_method_a_media_type_and_a_size_that_do_not_fit_are_refused_in_the_same_envelope() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for (method, path) in [
        (Method::DELETE, package.path()),
        (Method::POST, package.path()),
        (Method::GET, package.command_path()),
        (Method::PUT, "/api/v1/oms/orders/".to_owned()),
        (Method::DELETE, "/api/v1/oms/cargo-company/".to_owned()),
    ] {
        let reply = shop.changes_nothing(send(shop.request_as("admin", method.clone(), &path))).await;
        assert_eq!(reply.detail(405), format!("Method \"{method}\" not allowed."));
    }

    for kind in ["text/plain", "application/xml", "multipart/form-data; boundary=x"] {
        let request = shop.request_as("admin", Method::POST, &package.command_path()).header("Content-Type", kind);
        let reply = shop.changes_nothing(send(request.body(r#"{"slug":"x"}"#))).await;
        assert_eq!(reply.detail(415), format!("Unsupported media type \"{kind}\" in request."));
    }

    let body = format!("{{\"slug\": \"{}\"}}", "x".repeat(17 * 1024 * 1024));
    let request = shop.request_as("admin", Method::POST, &package.command_path());
    let request = request.header("Content-Type", "application/json").body(body);
    assert!(!shop.changes_nothing(send(request)).await.detail(413).is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn our_fault_shows_a_request_id_and_nothing_of_the_inside() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    shop.execute("alter table order_items rename to hidden").await;
    let order = shop.get("/api/v1/oms/orders/1/").await;
    let command = package.post(&json!({ "slug": "package__complete_packing__waiting__packed" })).await;
    shop.execute("alter table hidden rename to order_items").await;
    for reply in [order, command] {
        let body = reply.json(500);
        assert_eq!(
            body,
            json!({ "error": { "detail": "A server error occurred.", "request_id": reply.header("x-request-id") },
                    "status_code": 500 })
        );
        assert!(!reply.header("x-request-id").is_empty());
    }
    assert_eq!(package.place().await, "waiting@KADIKOY");
    package.run("COMPLETE_PACKING").await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_with_503() {
    let shop = Shop::open().await;
    shop.package().await;
    let hasty = shop.second_server_with(std::time::Duration::from_millis(300)).await;
    let mut transaction = shop.pool().begin().await.expect("begin");
    sqlx::query("lock table packages").execute(&mut *transaction).await.expect("lock");

    let reply = shop.get(&format!("{}/api/v1/oms/packages/", hasty.url)).await;

    let body = reply.json(503);
    assert_eq!(body["status_code"], 503);
    assert_eq!(body["error"]["request_id"], reply.header("x-request-id"));
    assert_eq!(body["error"].as_object().expect("an object").len(), 2);
    assert!(body["error"]["detail"].is_string());
    assert_eq!(reply.header("retry-after"), "1");
    transaction.rollback().await.expect("rollback");
    shop.get(&format!("{}/api/v1/oms/packages/", hasty.url)).await.ok();
    hasty.stop().await;
    shop.finish().await;
}

fn command<'a>(commands: &'a Value, identifier: &str) -> &'a Value {
    let mut list = commands.as_array().expect("commands").iter();
    list.find(|command| command["command"] == identifier).expect("listed")
}
