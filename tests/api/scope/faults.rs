//! What a user who is limited to KADIKOY once could do.

use oms::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{House, NUMBER, SECRETS, elsewhere};
use crate::support::{FORBIDDEN, NOT_FOUND, Order, Package, Reply, add_user, order_json, send};

const ORDERS: &str = "/api/v1/oms/orders/";
const PLANS: &str = "/api/v1/oms/orderexecutionplans/";
const CANCELLATIONS: &str = "/api/v1/oms/cancellation_plan/";

/// The roles that may do this where nothing limits them.
const ROLES: [Role; 3] = [Role::Admin, Role::Operator, Role::Integrator];

#[track_caller]
fn tells_nothing(reply: &Reply) {
    for secret in SECRETS {
        assert!(!reply.text().contains(secret), "{secret}: {}", reply.text());
    }
}

/// Refused to each role, without a change.
async fn refused(house: &House, method: Method, path: &str, body: &Value) {
    for role in ROLES {
        let reply = house.shop.changes_nothing(house.send_as(role, method.clone(), path, body)).await;
        assert_eq!(reply.text(), FORBIDDEN, "{role} {path}");
        tells_nothing(&reply);
    }
}

#[tokio::test]
async fn a_known_number_does_not_show_the_order_that_has_it() {
    let house = House::open().await;
    house.package().await;
    refused(&house, Method::POST, ORDERS, &elsewhere(NUMBER)).await;
    refused(&house, Method::POST, ORDERS, &json!([elsewhere(NUMBER), order_json("new", &[("RED", 1)])])).await;
    house.shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_does_not_show_the_stock_of_others() {
    let house = House::open().await;
    refused(&house, Method::POST, &format!("{ORDERS}?dry_run=true"), &elsewhere("new")).await;
    house.shop.finish().await;
}

#[tokio::test]
async fn what_the_upstream_sends_is_for_users_of_every_location() {
    let house = House::open().await;
    let event = |kind: &str, payload: Value| json!({ "event": { "type": kind, "uuid": "u" }, "payload": payload });
    let store = json!({ "pk": 4, "erp_code": "GEBZE", "name": "Mine", "modified_date": "2030-01-01T00:00:00Z" });
    let renames = event("retail_store.updated", store);
    for path in ["/api/v1/oms/stocklocations-webhook", "/api/v1/oms/stocklocations-webhook/"] {
        refused(&house, Method::POST, path, &renames).await;
    }
    let order = event("order.created", elsewhere("new"));
    for path in ["/api/v1/oms/orders-webhook", "/api/v1/oms/orders-webhook/"] {
        refused(&house, Method::POST, path, &order).await;
    }
    house.shop.finish().await;
}

#[tokio::test]
async fn what_the_upstream_was_told_and_could_not_be_taken_is_not_shown() {
    let house = House::open().await;
    let id = house.package().await.id;
    house
        .shop
        .execute(
            "insert into upstream_problems (reference, reason, payload, next_attempt_date)
             values ('S-1', 'broken', '{\"customer\": \"Zühtü\"}', now());
             insert into upstream_calls (order_id, kind, package_id, path, payload)
             select order_id, 'status', id, '/', '{\"customer\": \"Zühtü\"}' from packages",
        )
        .await;
    for path in ["", "problems/", "problems/1/", "calls/", "calls/?format=csv", &format!("calls/?package={id}")] {
        refused(&house, Method::GET, &format!("/api/v1/oms/upstream/{path}"), &Value::Null).await;
    }
    refused(&house, Method::POST, "/api/v1/oms/upstream/problems/1/retry/", &Value::Null).await;
    refused(&house, Method::GET, "/api/v1/oms/cancellation-reasons/pull_from_omnitron/", &Value::Null).await;
    house.shop.finish().await;
}

#[tokio::test]
async fn locations_and_scenarios_are_made_by_users_of_every_location() {
    let house = House::open().await;
    let location = json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store" });
    refused(&house, Method::POST, "/api/v1/oms/stocklocations/", &location).await;
    let scenario = house.shop.get("/api/v1/oms/scenarios/").await.ok()["results"][0].clone();
    let path = format!("/api/v1/oms/scenarios/{}/", scenario["id"]);
    let mut another = scenario.clone();
    another["name"] = json!("Another");
    for (method, path, body) in [
        (Method::POST, "/api/v1/oms/scenarios/", another.clone()),
        (Method::PUT, &path, another),
        (Method::PATCH, &path, json!({ "is_active": false })),
        (Method::DELETE, &path, Value::Null),
    ] {
        refused(&house, method, path, &body).await;
    }
    // A user's own location is the user's to change, and no other.
    let [own, other] = [house.shop.location_id("KADIKOY").await, house.shop.location_id("GEBZE").await]
        .map(|id| format!("/api/v1/oms/stocklocations/{id}/"));
    let change = json!({ "max_quota": 7 });
    house.send_as(Role::Operator, Method::PATCH, &own, &change).await.ok();
    house.shop.changes_nothing(house.send_as(Role::Operator, Method::PATCH, &other, &change)).await.refused(NOT_FOUND);
    let taken = json!({ "erp_code": "GEBZE" });
    let reply = house.shop.changes_nothing(house.send_as(Role::Admin, Method::PATCH, &own, &taken)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    house.shop.finish().await;
}

#[tokio::test]
async fn a_plan_of_the_upstream_is_not_forestalled_by_somebody_else() {
    let house = House::open().await;
    let package = house.package().await;
    let plan = |kind: &str| {
        json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" },
                "payload": { "pk": 7, "plan_type": kind, "order": { "pk": 1, "number": NUMBER } } })
    };
    refused(&house, Method::POST, CANCELLATIONS, &plan("refund")).await;
    let decided = house.shop.post_as("erp", CANCELLATIONS, &plan("cancel")).await.ok();
    assert_eq!((&decided["decision"], package.state().await.as_str()), (&json!("cancelled"), "packaging-canceled"));
    assert_eq!(house.get_as(Role::Admin, CANCELLATIONS).await.ok()["count"], 0);
    house.shop.finish().await;
}

/// An order of RED at KADIKOY and HIDDEN at GEBZE.
async fn shared(house: &House) -> Order<'_> {
    let mut order = order_json("shared", &[("RED", 1), ("HIDDEN", 1)]);
    order["orderitem_set"][1]["product"] = json!({ "sku": "HIDDEN", "name": "Thing", "barcode": "1" });
    let order = house.shop.order_of(&order).await;
    assert_eq!(order.packages().len(), 2);
    order
}

#[tokio::test]
async fn of_a_shared_order_only_the_own_part_is_shown() {
    let house = House::open().await;
    let order = shared(&house).await;
    let [own, other] = order.packages()[..] else { panic!("two packages") };
    assert_eq!((own.place().await.as_str(), other.place().await.as_str()), ("waiting@KADIKOY", "waiting@GEBZE"));
    let shown = house.get_as(Role::Operator, &format!("{ORDERS}{}/", order.id())).await.ok();
    let packages = shown["packages"].as_array().expect("packages");
    assert_eq!(packages.iter().map(|package| &package["id"]).collect::<Vec<_>>(), [&json!(own.id)]);
    for path in [PLANS.to_owned(), format!("{PLANS}?format=csv"), format!("{PLANS}{}/", order.id())] {
        let reply = house.get_as(Role::Operator, &path).await;
        assert_eq!(reply.status, 200);
        for word in ["GEBZE", "Gebze", "BESIKTAS", "not_shown"] {
            assert!(!reply.text().contains(word), "{path} {word}: {}", reply.text());
        }
    }
    let plan = house.get_as(Role::Operator, &format!("{PLANS}{}/", order.id())).await.ok();
    let items = plan["orderexecutionplanitem_set"].as_array().expect("items");
    let places: Vec<_> = items.iter().map(|item| (&item["package"], &item["stock_location_erp_code"])).collect();
    assert_eq!(places, [(&json!(own.id), &json!("KADIKOY")), (&Value::Null, &Value::Null)]);
    // Another package of it that was planned again is not named either.
    house.shop.count("BESIKTAS", "HIDDEN", 5).await;
    let items = json!({ "package_items": other.item_ids().await });
    other.run_with("DETECTED_OUT_OF_STOCK_ITEM", &items).await.ok();
    let plan = house.get_as(Role::Operator, &format!("{PLANS}{}/", order.id())).await.ok();
    let attempts = plan["context"]["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.iter().map(|attempt| &attempt["package"]).collect::<Vec<_>>(), [&Value::Null; 2]);
    house.shop.finish().await;
}

#[tokio::test]
async fn of_a_cancellation_of_a_shared_order_only_the_own_part_is_shown() {
    let house = House::open().await;
    let order = shared(&house).await;
    let [own, other] = order.packages()[..] else { panic!("two packages") };
    other.run("COMPLETE_PACKING").await.ok();
    let plan = json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" },
                       "payload": { "pk": 7, "plan_type": "cancel", "order": { "pk": 1, "number": "shared" } } });
    let decided = house.shop.post_as("erp", CANCELLATIONS, &plan).await.ok();
    assert_eq!((&decided["decision"], &decided["packages"]), (&json!("refused"), &json!([own.id, other.id])));
    assert!(decided["reason"].is_string());
    let listed = house.get_as(Role::Operator, CANCELLATIONS).await.ok()["results"][0].clone();
    assert_eq!((&listed["packages"], &listed["reason"]), (&json!([own.id]), &Value::Null));
    let file = house.get_as(Role::Operator, &format!("{CANCELLATIONS}?format=csv")).await;
    assert!(!file.text().contains("shared-2") && !file.text().contains("sharedP2"), "{}", file.text());
    house.shop.finish().await;
}

#[tokio::test]
async fn what_happened_to_an_item_elsewhere_is_not_shown() {
    let house = House::open().await;
    // GEBZE does not find it, and it comes to KADIKOY.
    let package = house.package().await;
    house.shop.count("KADIKOY", "HIDDEN", 5).await;
    let items = json!({ "package_items": package.item_ids().await });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &items).await.ok();
    let path = "/api/v1/oms/packages/package-items/";
    for (item, count) in [
        (house.get_as(Role::Operator, path).await.ok()["results"][0].clone(), 0),
        (house.shop.get(path).await.ok()["results"][0].clone(), 1),
    ] {
        assert_eq!(item["package"]["stock_location"]["erp_code"], "KADIKOY");
        assert_eq!(item["discrepancies"].as_array().map(Vec::len), Some(count), "{item}");
    }
    house.shop.finish().await;
}

#[tokio::test]
async fn an_end_of_a_transfer_is_not_told_how_busy_the_other_is() {
    let house = House::open().await;
    house.shop.count("GEBZE", "FAR", 5).await;
    house.shop.limit("GEBZE", Some(9)).await;
    let transfer = house.shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    let one = house.get_as(Role::Operator, &transfer.path()).await.ok();
    let listed = house.get_as(Role::Operator, "/api/v1/oms/transfer_orders/").await.ok()["results"][0].clone();
    for shown in [one, listed] {
        let (source, destination) = (&shown["source"], &shown["destination"]);
        assert_eq!((&source["max_quota"], source.get("quota"), &destination["quota"]), (&Value::Null, None, &json!(1)));
        assert_eq!(source["name"], "Gebze Warehouse");
    }
    assert_eq!(house.shop.get(&transfer.path()).await.ok()["source"]["max_quota"], 9);
    house.shop.finish().await;
}

#[tokio::test]
async fn transfers_of_before_a_package_came_here_are_not_shown() {
    let house = House::open().await;
    let transfer = house.transfer().await;
    transfer.run("TRANSFER_ITEM_NOT_FOUND").await.ok();
    house.shop.count("KADIKOY", "HIDDEN", 5).await;
    let id: i64 = house.shop.value("select package_id from transfers where id = $1", transfer.id).await;
    let package = Package::new(&house.shop, id);
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@KADIKOY");
    let order: i64 = house.shop.value("select order_id from packages where id = $1", id).await;
    let order = format!("{ORDERS}{order}/");
    for (path, at) in [(package.path(), ""), ("/api/v1/oms/packages/".to_owned(), "/results/0"), (order, "/packages/0")]
    {
        let limited = house.get_as(Role::Operator, &path).await.ok();
        assert_eq!(limited.pointer(at).expect("a package")["transfer_orders"], json!([]), "{path}");
        let all = house.shop.get(&path).await.ok();
        assert_eq!(all.pointer(at).expect("a package")["transfer_orders"][0]["id"], transfer.id, "{path}");
    }
    house.shop.finish().await;
}

#[tokio::test]
async fn moves_of_before_a_package_came_here_are_not_shown() {
    let house = House::open().await;
    let package = house.package().await;
    package.run_with("REFUSE_PACKAGE", &json!({ "denial_reason": 1 })).await.ok();
    house.shop.count("KADIKOY", "HIDDEN", 5).await;
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@KADIKOY");
    let path = format!("{}transition-logs/", package.path());
    let log = house.get_as(Role::Operator, &path).await.ok();
    assert_eq!((&log["count"], &log["results"][0]["transition"]["command"]), (&json!(1), &json!("REPACK")));
    let file = house.get_as(Role::Operator, &format!("{path}?format=csv")).await;
    assert!(!file.text().contains("GEBZE"), "{}", file.text());
    assert_eq!(house.shop.get(&path).await.ok()["count"], 3);
    house.shop.finish().await;
}

#[tokio::test]
async fn the_stock_that_a_plan_of_somebody_elses_order_saw_is_not_shown() {
    let house = House::open().await;
    house.shop.count("KADIKOY", "HIDDEN", 0).await;
    // KADIKOY had some of it, and no room.
    house.shop.limit("KADIKOY", Some(0)).await;
    house.shop.order_of(&order_json("full", &[("RED", 1)])).await;
    let path = "/api/v1/oms/order-stock-info/?order_number=full";
    assert_eq!(house.shop.get(path).await.ok()["count"], 1);
    assert_eq!(house.get_as(Role::Operator, path).await.ok()["count"], 0);
    house.shop.finish().await;
}

#[tokio::test]
async fn a_refusal_and_a_dry_run_have_no_stock_of_others() {
    let house = House::open().await;
    let package = house.shop.package().await;
    let slug = package.slug("ASSIGN_PACKAGE_ITEMS_MANUALLY").await;
    let groups = json!([{ "stock_location": "GEBZE", "package_items": package.item_ids().await }]);
    let body = json!({ "slug": slug, "input_parameters": { "assignment_groups": groups } });
    for path in [package.command_path(), format!("{}?dry_run=true", package.command_path())] {
        let refused = house.shop.changes_nothing(house.post_as(Role::Operator, &path, &body)).await;
        assert_eq!(refused.refused_by("oms_planning_2"), "GEBZE cannot serve 1 of RED.");
        let told = house.shop.changes_nothing(house.shop.post(&path, &body)).await;
        assert_eq!(told.refused_by("oms_planning_2"), "Gebze Warehouse has 0 of RED available, 1 are needed.");
    }
    // Planned again, it goes to GEBZE: what changes there is not told.
    house.shop.count("GEBZE", "RED", 5).await;
    let path = format!("{}?dry_run=true", package.command_path());
    let effects = house.post_as(Role::Operator, &path, &body).await.ok()["effects"].clone();
    let own = house.shop.location_id("KADIKOY").await;
    assert_eq!(effects["successors"], json!([]));
    assert_eq!(effects["quota"], json!([{ "stock_location": own, "delta": -1 }]));
    assert_eq!(effects["stock"], json!([{ "stock_location": own, "sku": "RED", "quantity": 0, "reserved": -1 }]));
    assert_eq!(house.shop.post(&path, &body).await.ok()["effects"]["successors"].as_array().map(Vec::len), Some(1));
    house.shop.finish().await;
}

#[tokio::test]
async fn each_end_of_a_transfer_runs_its_own_commands() {
    let house = House::open().await;
    let gebze = ["GEBZE".to_owned()];
    let at_source = add_user(house.shop.pool(), "source", Role::Operator, &gebze).await;
    house.shop.count("GEBZE", "FAR", 5).await;
    let transfer = house.shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    let post = async |token: &str, path: &str, body: &Value| {
        let request = house.shop.request(Method::POST, path).header("Authorization", format!("Token {token}"));
        send(request.json(body)).await
    };
    let at_destination = house.token(Role::Operator).to_owned();
    let ready = json!({ "tracking_number": "T", "cargo_company": 1 });
    for (command, input, by, not_by) in [
        ("TRANSFER_ITEM_NOT_FOUND", json!({}), None, &at_destination),
        ("TRANSFER_DELIVERED", json!({}), None, &at_source),
        ("TRANSFER_ORDER_ADVANCED", ready, Some(&at_source), &at_destination),
        ("TRANSFER_DISPATCH", json!({}), Some(&at_source), &at_destination),
        ("TRANSFER_DELIVERED", json!({}), Some(&at_destination), &at_source),
    ] {
        let body = json!({ "slug": transfer.slug(command).await, "input_parameters": input });
        for path in [transfer.command_path(), format!("{}?dry_run=true", transfer.command_path())] {
            let reply = house.shop.changes_nothing(post(not_by, &path, &body)).await;
            assert_eq!(reply.text(), FORBIDDEN, "{command}");
        }
        // What the other end may run is explained in the same words.
        let explained = format!("{}?explain=commands", transfer.path());
        let request = house.shop.request(Method::GET, &explained).header("Authorization", format!("Token {not_by}"));
        let rows = send(request).await.ok()["explanation"]["commands"].clone();
        let row = rows.as_array().expect("rows").iter().find(|row| row["slug"] == body["slug"]).expect("its row");
        assert_eq!(row["refusal"], serde_json::from_str::<Value>(FORBIDDEN).expect("JSON"), "{command}");
        if let Some(by) = by {
            post(by, &transfer.command_path(), &body).await.ok();
        }
    }
    assert_eq!(transfer.state().await, "transferred");
    house.shop.finish().await;
}

#[tokio::test]
async fn a_limited_admin_does_not_see_what_others_subscribed_to() {
    let house = House::open().await;
    house.package().await;
    let hook = json!({ "target_url": "https://example.com/", "event_type": "package.created",
                       "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } });
    let id = house.shop.post_as("erp", "/whisperer/hooks/", &hook).await.json(201)["id"].clone();
    house
        .shop
        .execute(
            "insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence,
                                      retry_count, response_http_status)
             select w.id, e.position, e.id, now(), 0, gen_random_uuid(), 'package', e.object_id, 1, 20, 500
               from webhooks w, events e where e.entity = 'package'",
        )
        .await;
    let own = house.post_as(Role::Admin, "/whisperer/hooks/", &hook).await.json(201)["id"].clone();
    let listed = house.get_as(Role::Admin, "/whisperer/hooks/").await.ok();
    assert_eq!((&listed["count"], &listed["results"][0]["id"]), (&json!(1), &own));
    assert_eq!(house.get_as(Role::Admin, "/whisperer/hook_events/").await.ok()["count"], 0);
    for (method, path) in [
        (Method::GET, format!("/whisperer/hooks/{id}/")),
        (Method::GET, format!("/whisperer/hooks/{id}/status/")),
        (Method::PATCH, format!("/whisperer/hooks/{id}/")),
        (Method::DELETE, format!("/whisperer/hooks/{id}/")),
        (Method::POST, format!("/whisperer/hooks/{id}/resume/")),
        (Method::POST, format!("/whisperer/hooks/{id}/replay/")),
        (Method::GET, "/whisperer/hook_events/1/".to_owned()),
        (Method::POST, "/whisperer/hook_events/1/retry/".to_owned()),
    ] {
        let body = if method == Method::GET { Value::Null } else { json!({}) };
        let reply = house.shop.changes_nothing(house.send_as(Role::Admin, method, &path, &body)).await;
        assert_eq!((reply.status, reply.text()), (404, r#"{"detail":"Not found."}"#), "{path}");
        let seen = house.shop.get(&path).await.status;
        assert!(![403, 404].contains(&seen), "{path}: {seen}");
    }
    // Replayed, the own subscription gets only what its user sees.
    let all = json!({ "from": "2000-01-01T00:00:00Z" });
    let replayed = house.post_as(Role::Admin, &format!("/whisperer/hooks/{own}/replay/"), &all).await.ok();
    assert_eq!(replayed, json!({ "replayed": 0, "added": 0 }));
    house.shop.finish().await;
}
