//! Scenarios that make transfers: by REST, in dry runs of orders, and in plans that are made again.

use oms::installation::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::open;
use crate::support::{SHOP, STANDARD, Shop, TRANSFERS, order_json, read_installation, send};

const SCENARIOS: &str = "/api/v1/oms/scenarios/";

fn gather() -> Value {
    json!({
        "name": "Gather", "priority": 0, "channels": ["gather"], "default_location": "HQ",
        "initial_state_when_split": "waiting",
        "rules": [{ "name": "Together", "conditions": ["SELECT_BY_QUOTA"], "transferable": true }]
    })
}

fn sources() -> Value {
    json!({
        "name": "Sources", "kind": "transfer", "priority": 1, "default_location": "HQ",
        "rules": [{ "name": "Nearest", "conditions": [], "order_by": ["distance"] }]
    })
}

async fn made(shop: &Shop, definition: &Value) -> String {
    format!("{SCENARIOS}{}/", shop.post(SCENARIOS, definition).await.json(201)["id"])
}

async fn delete(shop: &Shop, path: &str) {
    send(shop.request_as("admin", Method::DELETE, path)).await.done();
}

/// The standard without transfers.
fn without_transfers() -> String {
    let mut text = String::new();
    for entry in STANDARD.split_inclusive("\n\n") {
        if !entry.contains("entity = \"transfer\"") && !entry.contains("\"waiting-for-transfer\"") {
            text.push_str(entry);
        }
    }
    text
}

#[tokio::test]
async fn they_are_made_by_rest_and_a_plan_stays_what_it_was_when_they_are_gone() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "FAR", 10).await;
    shop.count("BESIKTAS", "FAR", 10).await;
    let gather = made(&shop, &gather()).await;
    let lines = [("RED", 1), ("FAR", 2)];
    // Nothing says where to fetch from yet.
    assert!(shop.fetched(&lines).await.transfers().await.is_empty());
    let sources = made(&shop, &sources()).await;
    let view = shop.get(&sources).await.ok();
    assert_eq!((&view["kind"], &view["initial_state_when_split"]), (&json!("transfer"), &json!("waiting")));
    let of_transfers = shop.get(&format!("{SCENARIOS}?kind=transfer")).await.ok();
    assert_eq!((&of_transfers["count"], &of_transfers["results"][0]["name"]), (&json!(1), &json!("Sources")));

    let order = shop.fetched(&lines).await;
    let number = order.only_package().number().await;
    assert_eq!(order.transfers().await, [format!("{number}T1 waiting BESIKTAS->KADIKOY: FAR×2")]);
    let before = order.trace().await;
    assert_eq!(before["gatherings"].as_array().map(Vec::len), Some(1));
    // Another source is planned again, and the plan of that is kept too.
    order.only_package().only_transfer().await.run("TRANSFER_ITEM_NOT_FOUND").await.ok();
    let again = order.trace().await;
    assert_eq!(again["gatherings"][0]["transfers"][0]["source_location_id"], shop.location_id("GEBZE").await);
    assert_eq!((&again["scenario"], &again["rules"][0]["rule"]), (&view["id"], &json!("Nearest")));

    shop.patch(&sources, &json!({ "rules": [{ "name": "By priority", "conditions": [] }] })).await.ok();
    delete(&shop, &sources).await;
    delete(&shop, &gather).await;
    shop.count("BESIKTAS", "FAR", 0).await;
    assert_eq!(order.trace().await, again, "and each attempt is made again");
    let attempts = order.execution_plan().await["context"]["attempts"].clone();
    assert_eq!(attempts[0], before);
    let fresh = shop.fetched(&lines).await;
    assert!(fresh.transfers().await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn a_scenario_that_cannot_be_is_refused_by_rest_as_in_files() {
    let shop = Shop::open().await;
    let refused = async |definition: Value, field: &str, message: &str| {
        let said = shop.changes_nothing(shop.post(SCENARIOS, &definition)).await.wrong(field);
        assert!(said.len() == 1 && said[0].contains(message), "{said:?}");
    };
    let mut fetching = sources();
    fetching["rules"][0]["transferable"] = json!(true);
    refused(fetching, "rules", "rules[0].transferable: a source has what it sends").await;
    let mut waiting = gather();
    waiting["initial_state_when_split"] = json!("waiting-for-transfer");
    refused(waiting, "initial_state_when_split", "because of its transfers alone").await;
    let mut unknown = sources();
    unknown["kind"] = json!("transfers");
    refused(unknown, "kind", "`transfers` is not one of its words").await;

    // The states are taken away only as long as no scenario needs them, and are needed by whoever makes one.
    let installation = read_installation(&[&without_transfers(), SHOP]);
    let gather_path = made(&shop, &gather()).await;
    let error = shop.changes_nothing(apply::apply(shop.pool(), &installation)).await.expect_err("refused").to_string();
    assert!(error.contains("the scenario Gather makes transfers"), "{error}");
    delete(&shop, &gather_path).await;
    apply::apply(shop.pool(), &installation).await.expect("applied");
    refused(gather(), "rules", "rules[0].transferable: transfers need the package state `waiting-for-transfer`").await;
    shop.install(&[STANDARD, SHOP]).await;
    made(&shop, &gather()).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_of_orders_says_what_would_be_fetched_and_leaves_it_to_no_other() {
    let shop = open().await;
    let order = |number: &str, far: i64| {
        let mut order = order_json(number, &[("RED", 1), ("FAR", far)]);
        order["channel"] = json!({ "pk": 3, "name": "gather" });
        order
    };
    let list = json!([order("1", 6), order("2", 6), order("3", 4)]);
    let said = shop.changes_nothing(shop.post("/api/v1/oms/orders/?dry_run=true", &list)).await.ok();
    let first = &said[0]["order"];
    assert_eq!(first["packages"][0]["state"]["enum_value"], "120");
    assert_eq!(first["packages"][0]["stock_location_erp_code"], "KADIKOY");
    let transfer = &first["transfers"][0];
    assert_eq!(
        (&transfer["source"]["erp_code"], &transfer["destination"]["erp_code"]),
        (&json!("GEBZE"), &json!("KADIKOY"))
    );
    assert_eq!(transfer["items"], json!([{ "order_item": 2, "sku": "FAR", "quantity": 6 }]));
    assert_eq!(said[0]["plan"]["gatherings"].as_array().map(Vec::len), Some(1));
    let transfers = |at: usize| said[at]["order"]["transfers"].as_array().map(Vec::len);
    assert_eq!([transfers(1), transfers(2)], [Some(0), Some(0)], "the first left four, and the second waits for them");
    // The same, taken.
    shop.post("/api/v1/oms/orders/", &list).await.ok();
    let taken: Vec<(String, i64)> = shop
        .rows(
            "select o.number, (select count(*) from transfers t join packages p on p.id = t.package_id
                                where p.order_id = o.id) from orders o order by o.number",
        )
        .await;
    assert_eq!(taken, [("1".to_owned(), 1), ("2".to_owned(), 0), ("3".to_owned(), 0)]);
    shop.finish().await;
}

#[tokio::test]
async fn a_source_meets_the_conditions_of_its_scenario() {
    let shop = open().await;
    shop.count("BESIKTAS", "FAR", 10).await;
    let from = async |conditions: &str, more: &str| {
        let wanted = format!("conditions = [{conditions}]");
        let sources = TRANSFERS.replace(r#"conditions = ["SELECT_BY_STOCK"]"#, &wanted);
        let sources = sources.replace("kind = \"transfer\"\n", &format!("kind = \"transfer\"\n{more}\n"));
        shop.install(&[STANDARD, SHOP, &sources]).await;
        let order = shop.fetched(&[("RED", 1), ("FAR", 1), ("NEAR", 1)]).await;
        assert!(order.trace().await["rules"].is_array());
        let transfers = order.transfers().await;
        transfers.iter().map(|text| text.split(' ').skip(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(from(r#""SELECT_BY_STOCK""#, "").await, ["BESIKTAS->KADIKOY: FAR×1, NEAR×1"]);
    let far = r#"{ condition = "SELECT_BY_LOCATION_TYPE", location_types = ["warehouse"] }"#;
    assert_eq!(from(far, "").await, ["GEBZE->KADIKOY: FAR×1"]);
    // Between the two locations, not to the customer.
    let near = r#"{ condition = "SELECT_BY_DISTANCE", kilometres = 0 }"#;
    assert!(from(near, "").await.is_empty());
    // One source must have everything: so KADIKOY gets neither, and the two are brought together elsewhere.
    shop.count("BESIKTAS", "FAR", 0).await;
    assert_eq!(from("", "splitting = { allowed = false }").await, ["GEBZE->BESIKTAS: FAR×1"]);
    assert_eq!(from("", "").await.len(), 2);
    shop.finish().await;
}

#[tokio::test]
async fn what_a_transfer_sets_free_is_fetched_for_what_waits_for_it() {
    let shop = Shop::watching().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 2).await;
    let first = shop.fetched(&[("RED", 1), ("FAR", 2)]).await.only_package();
    let second = shop.fetched(&[("FAR", 1)]).await.only_package();
    assert_eq!(second.place().await, "out-of-stock@HQ");
    // The first one is cancelled, and its transfer with it.
    first.run("CANCEL_PACKAGE").await.ok();
    let look = || async { (second.place().await == "waiting-for-transfer@KADIKOY").then_some(()) };
    shop.until("the second is fetched", look).await;
    assert_eq!(second.reservations().await, ["GEBZE FAR×1"]);
    assert_eq!(second.log().await[1], "REPACK: out-of-stock -> waiting-for-transfer@KADIKOY");
    // And what is counted at a source is fetched.
    let third = shop.fetched(&[("LATE", 1)]).await.only_package();
    shop.count("BESIKTAS", "LATE", 1).await;
    let look = || async { (third.place().await == "waiting-for-transfer@KADIKOY").then_some(()) };
    shop.until("the third is fetched", look).await;
    shop.finish().await;
}
