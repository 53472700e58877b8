//! The same guarantees as for packages: the order of checks, visibility, roles, dry runs, explanations, repeats.

use reqwest::Method;
use serde_json::{Value, json};

use super::open;
use crate::support::{
    FORBIDDEN, MISMATCH, NOT_ALLOWED, NOT_FOUND, Package, REQUIRED, SHOP, STANDARD, Shop, TRANSFERS, Transfer,
    add_user, send, standard::standard,
};
use oms::{auth::Role, installation::read::Entity};

const DISPATCH: &str = "transfer__transfer_dispatch__waiting__in_transit";
const DELIVERED: &str = "transfer__transfer_delivered__in_transit__transferred";

async fn one(shop: &Shop) -> Transfer<'_> {
    shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await
}

#[tokio::test]
async fn checks_come_in_the_documented_order() {
    let shop = open().await;
    let transfer = one(&shop).await;
    let path = transfer.command_path();
    let id = |slug: &'static str| {
        let shop = &shop;
        async move { shop.value::<i64, _>("select id from transitions where slug = $1", slug.to_owned()).await }
    };
    let (dispatch, delivered) = (id(DISPATCH).await, id(DELIVERED).await);
    let package_transition = id("package__complete_packing__waiting__packed").await;

    assert_eq!(send(shop.request(Method::POST, &path).json(&json!({}))).await.status, 401);
    let text = send(shop.request_as("admin", Method::POST, &path).header("content-type", "application/json").body("{"));
    assert!(text.await.detail(400).starts_with("JSON parse error"));
    transfer.post(&json!([])).await.detail(400);
    transfer.post(&json!({ "transition": "x" })).await.wrong("transition");
    transfer.post(&json!({ "slug": 1 })).await.wrong("slug");
    transfer.post(&json!({ "slug": DISPATCH, "input_parameters": [] })).await.wrong("input_parameters");
    shop.post("/api/v1/oms/transfer_orders/999999/command/", &json!({})).await.refused(NOT_FOUND);
    shop.post("/api/v1/oms/transfer_orders/x/command/", &json!({})).await.refused(NOT_FOUND);
    transfer.post(&json!({})).await.refused(REQUIRED);
    transfer.post(&json!({ "transition": null, "slug": "" })).await.refused(REQUIRED);
    transfer.post(&json!({ "transition": dispatch, "slug": DELIVERED })).await.refused(MISMATCH);
    transfer.post(&json!({ "transition": 999_999 })).await.refused(NOT_ALLOWED);
    // A package's transition is none of a transfer's, nor the other way round.
    transfer.post(&json!({ "transition": package_transition })).await.refused(NOT_ALLOWED);
    let package = shop.package().await;
    package.post(&json!({ "slug": DISPATCH })).await.refused(NOT_ALLOWED);
    // The source state before the parameters.
    let input = json!({ "slug": DELIVERED, "input_parameters": { "transfer": 0 } });
    transfer.post(&input).await.refused(NOT_ALLOWED);
    transfer.post(&json!({ "transition": dispatch, "input_parameters": { "transfer": 0 } })).await.wrong("transfer");
    assert_eq!(transfer.state().await, "waiting");
    transfer.post(&json!({ "transition": dispatch, "slug": DISPATCH })).await.ok();
    transfer.post(&json!({ "transition": delivered })).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_role_that_may_not_is_refused_before_the_state_is_looked_at() {
    let shop = Shop::open().await;
    let line = "command = \"TRANSFER_DELIVERED\"";
    let restricted = STANDARD.replace(line, &format!("{line}\nroles = [\"operator\"]"));
    shop.install(&[&restricted, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 10).await;
    let transfer = one(&shop).await;
    shop.changes_nothing(transfer.post_as("erp", &json!({ "slug": DELIVERED }))).await.refused(FORBIDDEN);
    shop.changes_nothing(transfer.post_as("ops", &json!({ "slug": DELIVERED }))).await.refused(NOT_ALLOWED);
    shop.finish().await;
}

#[tokio::test]
async fn a_store_sees_and_moves_the_transfers_from_and_to_it_and_no_others() {
    let shop = open().await;
    let pool = shop.pool();
    let gebze = add_user(pool, "gebze", Role::Store, &["GEBZE".to_owned()]).await;
    let besiktas = add_user(pool, "besiktas", Role::Store, &["BESIKTAS".to_owned()]).await;
    let transfer = one(&shop).await;
    let item = transfer.item_ids().await[0];
    let get = |token: String, path: String| {
        let request = shop.request(Method::GET, &path).header("Authorization", format!("Token {token}"));
        send(request)
    };
    let item_path = format!("/api/v1/oms/transfer_orders/transfer-items/{item}/");
    let kadikoy = Shop::token("kadikoy").to_owned();
    for (token, sees) in [(gebze.clone(), true), (kadikoy, true), (besiktas.clone(), false)] {
        for path in [transfer.path(), item_path.clone()] {
            let reply = get(token.clone(), path).await;
            if sees {
                reply.ok();
            } else {
                reply.refused(NOT_FOUND);
            }
        }
        for list in ["", "short/", "transfer-items/"] {
            let page = get(token.clone(), format!("/api/v1/oms/transfer_orders/{list}")).await.ok();
            assert_eq!(page["count"], i64::from(sees), "{list}");
        }
    }
    let post = |token: &str, body: Value| {
        let request = shop.request(Method::POST, &transfer.command_path());
        send(request.header("Authorization", format!("Token {token}")).json(&body))
    };
    shop.changes_nothing(post(&besiktas, json!({ "slug": DISPATCH }))).await.refused(NOT_FOUND);
    post(&gebze, json!({ "slug": DISPATCH })).await.ok();
    transfer.post_as("kadikoy", &json!({ "slug": DELIVERED })).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_transfer_lists_the_commands_it_allows() {
    let shop = open().await;
    let transfer = one(&shop).await;
    let ready = json!({ "tracking_number": "T", "cargo_company": 1 });
    for (step, expected) in [
        ("", vec!["TRANSFER_ORDER_ADVANCED", "TRANSFER_DISPATCH", "TRANSFER_ITEM_NOT_FOUND"]),
        ("TRANSFER_ORDER_ADVANCED", vec!["TRANSFER_DISPATCH"]),
        ("TRANSFER_DISPATCH", vec!["TRANSFER_DELIVERED"]),
        ("TRANSFER_DELIVERED", vec![]),
    ] {
        if !step.is_empty() {
            let input = if step == "TRANSFER_ORDER_ADVANCED" { ready.clone() } else { json!({}) };
            transfer.run_with(step, &input).await.ok();
        }
        let listed = transfer.json().await["commands"].clone();
        let listed = listed.as_array().expect("a list");
        let commands: Vec<&str> = listed.iter().map(|it| it["command"].as_str().expect("text")).collect();
        assert_eq!(commands, expected);
        for command in listed {
            let keys: Vec<_> = command.as_object().expect("an object").keys().collect();
            assert_eq!(
                keys,
                [
                    "id",
                    "label",
                    "ui_visibility",
                    "slug",
                    "created_date",
                    "modified_date",
                    "translations",
                    "command",
                    "source_state",
                    "destination_state"
                ]
            );
            assert!(command["translations"]["tr-tr"]["label"].is_string());
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let shop = open().await;
    let package = shop.fetched(&[("RED", 1), ("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    let (gebze, kadikoy) = (shop.location_id("GEBZE").await, shop.location_id("KADIKOY").await);

    let said = shop.changes_nothing(transfer.dry_run("TRANSFER_DISPATCH", &json!({}))).await.ok();
    let keys: Vec<_> = said.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["status_code", "reply", "effects"]);
    let effects = &said["effects"];
    assert_eq!(
        (&effects["state"]["from"]["slug"], &effects["state"]["to"]["slug"]),
        (&json!("waiting"), &json!("in_transit"))
    );
    assert_eq!(effects["stock"], json!([{ "stock_location": gebze, "sku": "FAR", "quantity": -2, "reserved": -2 }]));
    assert_eq!(effects["package"]["state"]["to"]["slug"], "waiting-for-transfer");
    assert_eq!(effects["package"]["items"], json!([]));
    let done = transfer.run("TRANSFER_DISPATCH").await;
    assert_eq!((&said["status_code"], &said["reply"]), (&json!(200), &done.ok()));
    assert_eq!(effects["events"].as_array().expect("a list")[..], transfer.events().await[1..]);

    let said = shop.changes_nothing(transfer.dry_run("TRANSFER_DELIVERED", &json!({}))).await.ok();
    let effects = &said["effects"];
    assert_eq!(effects["stock"], json!([{ "stock_location": kadikoy, "sku": "FAR", "quantity": 2, "reserved": 2 }]));
    assert_eq!(effects["package"]["state"]["to"]["slug"], "waiting");
    assert_eq!(effects["package"]["items"][0]["package_item"], package.item("FAR").await);
    assert_eq!(
        effects["events"],
        json!(["package.status.transitioned", "transfer.status.transitioned", "transfer.status.transferred"])
    );
    assert_eq!(effects["quota"], json!([]));
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_of_not_found_shows_the_new_source_or_what_has_none() {
    let shop = open().await;
    let package = shop.fetched(&[("RED", 1), ("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    let said = shop.changes_nothing(transfer.dry_run("TRANSFER_ITEM_NOT_FOUND", &json!({}))).await.ok();
    assert_eq!(said["effects"]["successors"][0]["state"]["slug"], "out-of-stock");
    assert_eq!(said["effects"]["transfers"], json!([]));
    shop.count("HQ", "FAR", 2).await;
    let said = shop.changes_nothing(transfer.dry_run("TRANSFER_ITEM_NOT_FOUND", &json!({}))).await.ok();
    assert_eq!(said["effects"]["successors"], json!([]));
    assert_eq!(said["effects"]["transfers"][0]["source"], shop.location_id("HQ").await);
    shop.finish().await;
}

#[tokio::test]
async fn explain_says_for_every_transition_whether_it_is_allowed_or_why_not() {
    let shop = open().await;
    let transfer = one(&shop).await;
    let path = format!("{}?explain=commands", transfer.path());
    let explained = shop.changes_nothing(shop.get(&path)).await.ok();
    let rows = explained["explanation"]["commands"].as_array().expect("rows");
    let of_transfers = standard().transitions.iter().filter(|transition| transition.entity == Entity::Transfer);
    assert_eq!(rows.len(), of_transfers.count());
    for row in rows {
        let keys: Vec<_> = row.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["transition", "slug", "command", "allowed", "refusal"]);
        let dry = format!("{}?dry_run=true", transfer.command_path());
        let answer = shop.post(&dry, &json!({ "transition": row["transition"] })).await;
        match row["allowed"].as_bool() {
            // With its parameters it would be.
            Some(true) if row["command"] == "TRANSFER_ORDER_ADVANCED" => assert_eq!(answer.status, 400),
            Some(true) => assert_eq!((answer.status, &row["refusal"]), (200, &Value::Null)),
            _ => answer.refused(&row["refusal"].to_string()),
        }
    }
    let mut plain = explained.as_object().expect("an object").clone();
    plain.remove("explanation");
    assert_eq!(Value::Object(plain), transfer.json().await);
    assert_eq!(shop.get(&format!("{}?explain=everything", transfer.path())).await.wrong("explain").len(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn a_repeat_with_a_key_gets_the_same_bytes_and_runs_nothing() {
    let shop = open().await;
    let (transfer, other) = (one(&shop).await, one(&shop).await);
    let body = json!({ "slug": DISPATCH });
    let first = transfer.run_keyed("erp", "k", &body).await;
    first.ok();
    let again = shop.changes_nothing(transfer.run_keyed("erp", "k", &body)).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // Another transfer is another request, and so is a package of the same id.
    assert_eq!(shop.changes_nothing(other.run_keyed("erp", "k", &body)).await.status, 422);
    let package = Package::new(&shop, transfer.id);
    assert_eq!(shop.changes_nothing(package.run_keyed("erp", "k", &body)).await.status, 422);
    let refused = shop.changes_nothing(transfer.run_keyed("erp", "later", &body)).await;
    refused.refused(NOT_ALLOWED);
    assert_eq!(shop.changes_nothing(transfer.run_keyed("erp", "later", &body)).await.body, refused.body);
    let not_found = json!({ "slug": other.slug("TRANSFER_ITEM_NOT_FOUND").await });
    let first = other.run_keyed("erp", "nf", &not_found).await;
    first.ok();
    assert_eq!(shop.changes_nothing(other.run_keyed("erp", "nf", &not_found)).await.body, first.body);
    shop.finish().await;
}

#[tokio::test]
async fn the_examples_of_the_documentation_are_taken() {
    let shop = open().await;
    let document = send(shop.request(Method::GET, "/openapi.json")).await.ok();
    let operation = &document["paths"]["/api/v1/oms/transfer_orders/{id}/command/"]["post"];
    let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object().expect("examples");
    assert_eq!(examples.len(), oms::commands::transfer::commands().count());
    let transfer = one(&shop).await;
    assert_eq!(transfer.item_ids().await, [1], "the examples speak of item 1 and cargo company 1");
    for (command, then) in [
        ("TRANSFER_ITEM_NOT_FOUND", false),
        ("TRANSFER_ORDER_ADVANCED", true),
        ("TRANSFER_DISPATCH", true),
        ("TRANSFER_DELIVERED", true),
    ] {
        let input = &examples[command]["value"]["input_parameters"];
        transfer.dry_run(command, input).await.ok();
        if then {
            transfer.run_with(command, input).await.ok();
        }
    }
    let shown = transfer.json().await;
    for (name, shown) in [("Transfer", &shown), ("TransferItem", &shown["transferitem_set"][0])] {
        let schema = &document["components"]["schemas"][name];
        let shown = shown.as_object().expect("an object");
        assert!(shown.keys().all(|key| schema["properties"].get(key).is_some()), "{name}: {shown:?}");
        let required = schema["required"].as_array().expect("keys");
        assert!(required.iter().all(|key| shown.contains_key(key.as_str().expect("a key"))), "{name}: {shown:?}");
    }
    shop.finish().await;
}
