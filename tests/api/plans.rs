//! Planning records, the stock that plans saw, and dry runs of orders.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{NOT_FOUND, Shop, order_json};

const PLANS: &str = "/api/v1/oms/orderexecutionplans/";
const ORDERS: &str = "/api/v1/oms/orders/";
const DRY: &str = "/api/v1/oms/orders/?dry_run=true";
const STOCK: &str = "/api/v1/oms/order-stock-info/";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_record_of_an_order_tells_each_time_it_was_planned() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    let record = order.execution_plan().await;
    assert_eq!(
        keys(&record),
        ["id", "state", "order", "commands", "created_date", "modified_date", "orderexecutionplanitem_set", "context"]
    );
    assert_eq!((&record["state"], &record["order"]["number"]), (&json!("pending"), &json!("N1")));
    let items = record["orderexecutionplanitem_set"].as_array().expect("items");
    let places: Vec<&Value> = items.iter().map(|item| &item["stock_location_erp_code"]).collect();
    assert_eq!(places, ["KADIKOY", "HQ"]);

    let package = order.packages().remove(0);
    let input = json!({ "package_items": package.item_ids().await });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();
    order.packages()[1].run("CANCEL_PACKAGE").await.ok();
    let record = order.execution_plan().await;
    assert_eq!(record["state"], "completed");
    let attempts = record["context"]["attempts"].as_array().expect("attempts");
    let told: Vec<(&Value, &Value)> =
        attempts.iter().map(|attempt| (&attempt["package"], &attempt["reproduced"])).collect();
    assert_eq!(told, [(&Value::Null, &json!(true)), (&json!(package.id), &json!(true))]);
    assert_eq!(attempts[1]["parcels"][0]["stock_location"], shop.location_id("BESIKTAS").await);
    assert_eq!(
        (&attempts[0]["scenario_version"], attempts[0]["unplaced"].as_array().map(Vec::len)),
        (&json!(1), Some(1))
    );

    let only = shop.get(&format!("{PLANS}?order__number=N1")).await.ok();
    assert_eq!((&only["count"], &only["results"][0]), (&json!(1), &record));
    assert_eq!(shop.get(&format!("{PLANS}?order__number=N2")).await.ok()["count"], 0);
    shop.get(&format!("{PLANS}999/")).await.refused(NOT_FOUND);
    shop.get(&format!("{PLANS}x/")).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn a_cancelled_order_is_cancelled_in_its_record() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1)]).await;
    assert_eq!(order.execution_plan().await["state"], "completed");
    order.only_package().run("CANCEL_PACKAGE").await.ok();
    assert_eq!(order.execution_plan().await["state"], "cancelled");
    shop.finish().await;
}

#[tokio::test]
async fn a_record_stays_true_when_everything_it_was_made_from_has_changed() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    shop.limit("BESIKTAS", Some(3)).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let before = order.trace().await;
    shop.count("KADIKOY", "RED", 0).await;
    shop.limit("BESIKTAS", None).await;
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    shop.patch(&path, &json!({ "priority": 99, "name": "Elsewhere", "latitude": 1, "is_active": false })).await.ok();
    let scenario = shop.get("/api/v1/oms/scenarios/").await.ok()["results"][0]["id"].clone();
    let rules = json!([{ "name": "Other", "conditions": [] }]);
    shop.patch(&format!("/api/v1/oms/scenarios/{scenario}/"), &json!({ "name": "New", "rules": rules })).await.ok();
    order.only_package().run("CANCEL_PACKAGE").await.ok();
    assert_eq!(order.trace().await, before);
    assert_eq!(before["rules"][0]["candidates"][0]["name"], "Kadıköy Store");
    assert_eq!(before["rules"][0]["candidates"][0]["stock"], json!({ "RED": 100, "BLUE": 100 }));
    shop.finish().await;
}

#[tokio::test]
async fn a_store_sees_the_records_of_its_orders_and_of_them_its_own_part() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "PINK", 5).await;
    let own = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    let other = shop.order(&[("PINK", 1)]).await;
    let list = shop.get_as("kadikoy", PLANS).await.ok();
    assert_eq!((&list["count"], &list["results"][0]["id"]), (&json!(1), &json!(own.id())));
    let candidates = list["results"][0]["context"]["attempts"][0]["rules"][0]["candidates"].as_array().expect("a list");
    assert_eq!(candidates.iter().map(|candidate| &candidate["erp_code"]).collect::<Vec<_>>(), ["KADIKOY"]);
    shop.get_as("kadikoy", &format!("{PLANS}{}/", other.id())).await.refused(NOT_FOUND);
    let rows = shop.get_as("kadikoy", &format!("{STOCK}?order_number=N1")).await.ok();
    assert_eq!(rows["count"], 1);
    shop.finish().await;
}

#[tokio::test]
async fn a_plan_from_before_facts_were_kept_is_shown_as_it_was() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1)]).await;
    shop.execute(
        "update order_plans set facts = null, scenario_version = null,
                trace = '{\"scenarios\": [{\"scenario_id\": 1, \"version\": 1, \"name\": \"Old\", \"priority\": 1,
                                       \"verdict\": \"chosen\"}],
                          \"rules\": [{\"rule\": \"r\", \"conditions\": [], \"order_by\": [], \"transferable\": false,
                                   \"asked\": {\"count\": 0, \"ids\": []}, \"placed\": 0, \"exact\": true,
                                   \"candidates\": []}]}'",
    )
    .await;
    let record = order.execution_plan().await;
    let attempt = &record["context"]["attempts"][0];
    assert_eq!((&attempt["reproduced"], &attempt["scenarios"][0]["name"]), (&Value::Null, &json!("Old")));
    assert_eq!(attempt["rules"][0]["rule"], "r");
    assert_eq!(shop.get(&format!("{STOCK}?order_number=N1")).await.ok()["count"], 0);
    shop.finish().await;
}

#[tokio::test]
async fn the_stock_a_plan_saw_is_told_by_order_and_location() {
    let shop = Shop::open().await;
    shop.order(&[("RED", 6)]).await;
    shop.count("KADIKOY", "RED", 1).await;
    let mut order = order_json("N2", &[("RED", 1), ("BLUE", 1)]);
    order["orderitem_set"][0]["pk"] = json!(77);
    let order = shop.order_of(&order).await;
    let rows = shop.get(&format!("{STOCK}?order_number=N2&erp_code=KADIKOY")).await.ok();
    assert_eq!(rows["count"], 2);
    let row = &rows["results"][0];
    assert_eq!(keys(row), ["date", "order_item", "stock_data"]);
    assert_eq!(
        row["order_item"],
        json!({ "pk": order.json["orderitem_set"][0]["id"], "sku": "RED", "omnitron_id": 77, "order_number": "N2" })
    );
    assert_eq!(
        row["stock_data"],
        json!({ "quantity": "-5.00", "unit_type": "quantity", "stock_count": "1.00", "reservation_count": "6.00" })
    );
    let page = shop.get(&format!("{STOCK}?order_number=N2&limit=1&erp_code=KADIKOY")).await.ok();
    assert!(
        page["next"].as_str().is_some_and(|next| next.ends_with("?erp_code=KADIKOY&limit=1&order_number=N2&page=2"))
    );
    assert_eq!(shop.get(&format!("{STOCK}?order_number=N2&erp_code=GEBZE")).await.ok()["count"], 0);
    assert_eq!(shop.get(&format!("{STOCK}?order_number=none")).await.ok()["count"], 0);
    shop.get(STOCK).await.wrong("order_number");
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_of_an_order_says_where_it_would_go_and_why_and_writes_nothing() {
    let shop = Shop::open().await;
    let order = order_json("D1", &[("RED", 2), ("PINK", 1)]);
    let said = shop.changes_nothing(shop.post(DRY, &order)).await.ok();
    assert_eq!(keys(&said), ["status_code", "order", "plan"]);
    assert_eq!(said["status_code"], 201);
    let packages = said["order"]["packages"].as_array().expect("packages");
    let told: Vec<(&Value, &Value, &Value)> = packages
        .iter()
        .map(|package| (&package["stock_location_erp_code"], &package["state"]["enum_value"], &package["items"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("KADIKOY"), &json!("100"), &json!([{ "order_item": 1, "sku": "RED", "quantity": 2 }])),
            (&json!("HQ"), &json!("920"), &json!([{ "order_item": 2, "sku": "PINK", "quantity": 1 }])),
        ]
    );
    assert_eq!(said["plan"]["rules"][0]["candidates"][0]["verdict"], "chosen");
    assert_eq!(said["plan"]["unplaced"], json!([2]));

    // Taken, it goes where it was said, for the same reasons.
    let taken = shop.order_of(&order).await;
    let verdicts = |rules: &Value| -> Vec<Value> {
        let candidates = rules[0]["candidates"].as_array().expect("candidates").iter();
        candidates.map(|candidate| json!([candidate["erp_code"], candidate["verdict"], candidate["stock"]])).collect()
    };
    assert_eq!(verdicts(&taken.trace().await["rules"]), verdicts(&said["plan"]["rules"]));
    let again = shop.changes_nothing(shop.post(DRY, &order)).await.ok();
    assert_eq!(again, json!({ "status_code": 200, "order": { "id": taken.id(), "number": "D1" }, "plan": null }));
    shop.finish().await;
}

#[tokio::test]
async fn the_orders_of_a_list_are_planned_one_after_the_other_without_being_taken() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "RED", 1).await;
    shop.count("BESIKTAS", "RED", 1).await;
    shop.limit("GEBZE", Some(1)).await;
    shop.count("GEBZE", "GREY", 5).await;
    let list = json!([
        order_json("1", &[("RED", 1)]), order_json("2", &[("RED", 1)]), order_json("3", &[("RED", 1)]),
        order_json("1", &[("RED", 1)]), { "number": "4" }, order_json("5", &[("GREY", 1)]), order_json("6", &[("GREY", 1)])
    ]);
    let said = shop.changes_nothing(shop.post(DRY, &list)).await.ok();
    let results = said.as_array().expect("a list");
    let place = |at: usize| results[at]["order"]["packages"][0]["stock_location_erp_code"].as_str();
    assert_eq!([place(0), place(1), place(2)], [Some("KADIKOY"), Some("BESIKTAS"), Some("HQ")]);
    let codes: Vec<&Value> = results.iter().map(|result| &result["status_code"]).collect();
    assert_eq!(codes, [201, 201, 201, 200, 400, 201, 201]);
    assert_eq!([place(5), place(6)], [Some("GEBZE"), Some("HQ")], "the first took the last room");
    // The same, taken.
    let taken = shop.post(ORDERS, &list).await.ok();
    for (said, taken) in results.iter().zip(taken.as_array().expect("a list")) {
        assert_eq!(said["status_code"], taken["status_code"]);
        if said["status_code"] == 201 {
            let location = &taken["order"]["packages"][0]["stock_location"]["erp_code"];
            assert_eq!(&said["order"]["packages"][0]["stock_location_erp_code"], location);
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_refuses_what_taking_would_refuse() {
    let shop = Shop::open().await;
    let mut order = order_json("1", &[("RED", 1)]);
    order["cargo_company"] = json!("nobody");
    let dry = shop.changes_nothing(shop.post(DRY, &order)).await;
    let real = shop.post(ORDERS, &order).await;
    assert_eq!((dry.status, dry.text()), (real.status, real.text()));
    shop.post("/api/v1/oms/orders/?dry_run=perhaps", &order).await.wrong("dry_run");
    let request = shop.request_as("kadikoy", Method::POST, DRY).json(&order_json("2", &[("RED", 1)]));
    assert_eq!(crate::support::send(request).await.status, 403);
    shop.finish().await;
}
