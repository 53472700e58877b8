//! Every route of the document, walked by users who are limited to KADIKOY, in a house where everything is elsewhere.

use std::collections::BTreeMap;

use oms::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{House, NUMBER, SECRETS, elsewhere};

/// What a route answers.
enum Wanted {
    /// 404 or 403.
    Refused,
    /// A page or a file without a row.
    Empty,
    /// This status, with nothing of what is elsewhere. Rows that belong to no location; an object of the user's own.
    Told(u16),
}

/// The objects that are elsewhere, by the beginning of the paths that name one by `{id}`.
struct Elsewhere {
    ids: BTreeMap<&'static str, i64>,
    /// For bodies.
    package_slug: String,
    transfer_slug: String,
}

/// Lists and objects that belong to no location: every user reads them.
const SHARED: [&str; 7] = [
    "/api/v1/oms/cargo-company/",
    "/api/v1/oms/cargo-company-conditions/",
    "/api/v1/oms/cancellation-reasons/",
    "/api/v1/oms/package-denial-reason/",
    "/api/v1/oms/packages/package_denial_reason/",
    "/api/v1/oms/scenarios/",
    "/whisperer/hooks/registry/",
];

async fn furnish(house: &House) -> Elsewhere {
    let shop = &house.shop;
    let package = house.package().await;
    let transfer = house.transfer().await;
    let gebze = shop.location_id("GEBZE").await;
    let sender = json!({ "origin_id": "Zühtü", "stock_location": gebze, "cargo_company": 1 });
    let sender = shop.post("/api/v1/oms/stocklocations-senderaddress/", &sender).await.json(201);
    let hook = json!({ "target_url": "https://example.com/Zühtü", "event_type": "package.created",
                       "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } });
    let hook = shop.post_as("erp", "/whisperer/hooks/", &hook).await.json(201);
    let plan = json!({ "event": { "type": "cancellation_plan.created", "uuid": "0" }, "payload": {
        "pk": 1, "plan_type": "refund", "order": { "pk": 1, "number": NUMBER } } });
    shop.post("/api/v1/oms/cancellation_plan/", &plan).await.ok();
    shop.execute(
        "insert into upstream_problems (reference, reason, payload, next_attempt_date)
         values ('S-1', 'broken', '{\"customer\": \"Zühtü\"}', now());
         insert into upstream_calls (order_id, kind, package_id, path, payload)
         select order_id, 'status', id, '/', '{\"customer\": \"Zühtü\"}' from packages;
         insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence,
                                  retry_count, response_http_status)
         select w.id, e.position, e.id, now(), 0, gen_random_uuid(), 'package', e.object_id, 1, 20, 500
           from webhooks w, events e where e.entity = 'package';
         insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence)
         select w.id, e.position, e.id, now(), 1, gen_random_uuid(), 'package', e.object_id, 1
           from webhooks w, events e where e.entity = 'package'",
    )
    .await;
    let id = |value: &Value| value["id"].as_i64().expect("an id");
    let order = shop.value("select order_id from packages where id = $1", package.id).await;
    Elsewhere {
        ids: BTreeMap::from([
            ("/api/v1/oms/packages/", package.id),
            ("/api/v1/oms/packages/package-items/", package.item_ids().await[0]),
            ("/api/v1/oms/packages/package_denial_reason/", 1),
            ("/api/v1/oms/transfer_orders/", transfer.id),
            ("/api/v1/oms/transfer_orders/transfer-items/", transfer.item_ids().await[0]),
            ("/api/v1/oms/orders/", order),
            ("/api/v1/oms/orderexecutionplans/", order),
            ("/api/v1/oms/stocklocations/", gebze),
            ("/api/v1/oms/stocklocations-senderaddress/", id(&sender)),
            ("/api/v1/oms/cargo-company/", 1),
            ("/api/v1/oms/cargo-company-conditions/", 1),
            ("/api/v1/oms/cancellation-reasons/", 1),
            ("/api/v1/oms/scenarios/", 1),
            ("/api/v1/oms/upstream/problems/", 1),
            ("/api/v1/oms/upstream/calls/", 1),
            ("/whisperer/hooks/", id(&hook)),
            ("/whisperer/hook_events/", 1),
            ("/api/v1/auth/users/", shop.value("select id from users where username = $1", "admin".to_owned()).await),
            // The admin's.
            ("/api/v1/auth/tokens/", 1),
        ]),
        package_slug: package.slug("COMPLETE_PACKING").await,
        transfer_slug: transfer.slug("TRANSFER_DISPATCH").await,
    }
}

/// A body that reaches for what is elsewhere; null: none is sent.
fn body(method: &Method, path: &str, there: &Elsewhere) -> Value {
    let event = |kind: &str, payload: Value| json!({ "event": { "type": kind, "uuid": "u" }, "payload": payload });
    let gebze = there.ids["/api/v1/oms/stocklocations/"];
    match (method.as_str(), path.trim_start_matches("/api/v1/oms/")) {
        ("GET" | "DELETE", _) => Value::Null,
        ("POST", "orders/") => elsewhere(NUMBER),
        ("PATCH", "orders/{id}/") => json!({ "customer": { "email": "mine@example.com" } }),
        ("POST", "packages/{id}/command/") => json!({ "slug": there.package_slug }),
        ("POST", "packages/commands/") => {
            json!([{ "package": there.ids["/api/v1/oms/packages/"], "slug": there.package_slug }])
        }
        ("POST", "transfer_orders/{id}/command/") => json!({ "slug": there.transfer_slug }),
        ("PUT", "stocks/") => json!({ "stock_location": "GEBZE", "sku": "SKU", "quantity": 1 }),
        ("POST", "stocks/adjust/") => {
            json!({ "stock_location": "GEBZE", "sku": "HIDDEN", "delta": 1, "reason": "mine" })
        }
        ("POST", "stocklocations/") => json!({ "erp_code": "N", "name": "New", "stock_location_type": "store" }),
        ("PATCH", "stocklocations/{id}/") => json!({ "name": "Mine" }),
        ("POST" | "PATCH", "stocklocations-senderaddress/" | "stocklocations-senderaddress/{id}/") => {
            json!({ "origin_id": "1", "stock_location": gebze, "cargo_company": 2 })
        }
        ("POST", "packages/package_denial_reason/") => json!({ "title": "Mine" }),
        ("POST" | "PUT" | "PATCH", "scenarios/" | "scenarios/{id}/") => json!({ "is_active": false }),
        ("POST", "orders-webhook/") => event("order.created", elsewhere("new")),
        ("POST", "stocklocations-webhook/") => {
            event("retail_store.updated", json!({ "pk": 1, "erp_code": "GEBZE", "name": "Mine" }))
        }
        ("POST", "cancellation_plan/") => event(
            "cancellation_plan.created",
            json!({ "pk": 2, "plan_type": "refund", "order": { "pk": 1, "number": NUMBER } }),
        ),
        ("POST", "/whisperer/hooks/") => {
            json!({ "target_url": "https://example.com/", "event_type": "package.created",
                    "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } })
        }
        ("PUT" | "PATCH", "/whisperer/hooks/{id}/") => json!({ "is_active": true }),
        ("POST", "/whisperer/hooks/{id}/replay/") => json!({ "from": "2000-01-01T00:00:00Z" }),
        ("POST" | "PATCH", "/api/v1/auth/users/" | "/api/v1/auth/users/{id}/") => {
            json!({ "username": "mine", "role": "admin" })
        }
        ("POST", "/api/v1/auth/tokens/") => json!({ "name": "mine", "user": "admin" }),
        ("POST", "/api/v1/auth/password/change/") => {
            let wanted = "gizli bir parola";
            json!({ "old_password": "x", "new_password1": wanted, "new_password2": wanted })
        }
        ("POST", "upstream/calls/retry/") => json!({ "created_date__gte": "2000-01-01T00:00:00Z" }),
        (
            "POST",
            "upstream/problems/{id}/retry/"
            | "upstream/calls/{id}/retry/"
            | "upstream/calls/{id}/end/"
            | "/whisperer/hooks/{id}/resume/"
            | "/whisperer/hook_events/{id}/retry/",
        ) => json!({}),
        _ => panic!("{method} {path}: say how it reaches for what is elsewhere"),
    }
}

fn wanted(method: &Method, path: &str) -> Wanted {
    if method == Method::GET && SHARED.iter().any(|shared| path.starts_with(shared)) && !path.contains("pull_from") {
        return Wanted::Told(200);
    }
    match (method.as_str(), path) {
        // The user's own location, its stock, its carrier, its events; the user's own tokens.
        (
            "GET",
            "/api/v1/oms/stocklocations/"
            | "/api/v1/oms/stocklocations/list-simple/"
            | "/api/v1/oms/stocks/"
            | "/api/v1/oms/stocklocations-senderaddress/"
            | "/api/v1/oms/events/"
            | "/api/v1/auth/tokens/"
            // Addresses alone.
            | "/whisperer/",
        )
        // A result for each command: checked below.
        | ("POST", "/api/v1/oms/packages/commands/") => Wanted::Told(200),
        // The location does not exist for the user, as any other that there is not.
        ("PUT", "/api/v1/oms/stocks/")
        | (
            "POST",
            "/api/v1/oms/stocks/adjust/"
            | "/api/v1/oms/stocklocations-senderaddress/"
            | "/api/v1/auth/password/change/",
        ) => Wanted::Told(400),
        ("GET", "/api/v1/auth/users/" | "/api/v1/oms/audit/") => Wanted::Refused,
        // The user's own.
        ("POST", "/whisperer/hooks/") => Wanted::Told(201),
        ("GET", path) if !["/upstream/", "{id}", "pull_from"].iter().any(|part| path.contains(part)) => Wanted::Empty,
        _ => Wanted::Refused,
    }
}

/// The address of a route with an object that is elsewhere.
fn address(path: &str, there: &Elsewhere) -> String {
    let Some((before, _)) = path.split_once("{id}") else {
        let key = "6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50";
        let query = match path {
            "/api/v1/oms/order-stock-info/" => "?order_number=S-1",
            "/api/v1/oms/stocks/history/" => "?sku=HIDDEN",
            _ => "",
        };
        return path.replace("{key}", key) + query;
    };
    let id = there.ids.get(before).unwrap_or_else(|| panic!("{path}: say which object is elsewhere"));
    path.replace("{id}", &id.to_string())
}

#[tokio::test]
async fn no_route_shows_or_changes_what_is_elsewhere() {
    let house = House::open().await;
    let there = furnish(&house).await;
    let document = oms::server::document();
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            if operation["security"] == json!([]) {
                // Needs no token: it shows nothing of locations, or is known by a secret key.
                continue;
            }
            let method: Method = method.to_uppercase().parse().expect("a method");
            let (address, body) = (address(path, &there), body(&method, path, &there));
            for role in [Role::Admin, Role::Operator, Role::Integrator, Role::Store] {
                let sending = house.send_as(role, method.clone(), &address, &body);
                let makes_own = method == Method::POST && path == "/whisperer/hooks/";
                let reply = if makes_own { sending.await } else { house.shop.changes_nothing(sending).await };
                let (status, text) = (reply.status, reply.text());
                let about = format!("{role}: {method} {address}: {status} {text}");
                for secret in SECRETS {
                    assert!(!text.contains(secret), "{about}");
                }
                match wanted(&method, path) {
                    // What is wrong is said in the words of what was sent; a role may not even come so far.
                    Wanted::Told(400) => assert!([400, 403].contains(&status), "{about}"),
                    Wanted::Told(expected) => assert_eq!(status, expected, "{about}"),
                    Wanted::Refused => assert!([403, 404].contains(&status), "{about}"),
                    Wanted::Empty => assert_eq!((status, &reply.ok()["count"]), (200, &json!(0)), "{about}"),
                }
                if path == "/api/v1/oms/packages/commands/" {
                    let results = reply.ok();
                    assert_eq!(results[0]["status_code"], 404, "{about}");
                }
                walked += 1;
            }
            // There is something to see: for who sees every location.
            if method == Method::GET && !path.contains("pull_from") {
                assert_eq!(house.shop.get(&address).await.status, 200, "{address}");
            }
        }
    }
    assert!(walked > 200, "{walked}");
    house.shop.finish().await;
}

#[tokio::test]
async fn no_list_as_a_file_shows_what_is_elsewhere() {
    let house = House::open().await;
    let there = furnish(&house).await;
    let document = oms::server::document();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = item["get"]["parameters"].as_array();
        if parameters.is_none_or(|parameters| parameters.iter().all(|parameter| parameter["name"] != "format")) {
            continue;
        }
        let address = address(path, &there);
        let joint = if address.contains('?') { '&' } else { '?' };
        for role in [Role::Admin, Role::Store] {
            let reply = house.get_as(role, &format!("{address}{joint}format=csv")).await;
            for secret in SECRETS {
                assert!(!reply.text().contains(secret), "{path} {role}: {}", reply.text());
            }
        }
    }
    house.shop.finish().await;
}
