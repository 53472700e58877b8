//! The payload of an event is the object as it was, even if it or its references change later.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Reader;
use crate::support::{Package, SHOP, STANDARD, Shop, TRANSFERS};

/// The answers of the routes for every object, after each of its events.
#[derive(Default)]
struct Diary {
    /// By entity, id and the number of its latest event.
    pages: BTreeMap<(String, i64, i64), Value>,
}

impl Diary {
    /// Reads everything, and stores the objects with new events.
    async fn note(&mut self, shop: &Shop) {
        let objects: Vec<(String, i64, i64)> = shop
            .rows(
                "select 'package', id, event_sequence from packages
                 union all select 'transfer', id, event_sequence from transfers
                 union all select 'stock_location', id, event_sequence from stock_locations where event_sequence > 0",
            )
            .await;
        for (entity, id, sequence) in objects {
            let key = (entity, id, sequence);
            if self.pages.contains_key(&key) {
                continue;
            }
            let route = match key.0.as_str() {
                "package" => "packages",
                "transfer" => "transfer_orders",
                _ => "stocklocations",
            };
            let mut page = shop.get(&format!("/api/v1/oms/{route}/{id}/")).await.ok();
            forget_what_is_not_told(&mut page);
            self.pages.insert(key, page);
        }
    }

    /// Compares every stored object with the event of its number.
    fn assert_told(&self, events: &[Value]) {
        let told: BTreeMap<(String, i64, i64), &Value> = events
            .iter()
            .map(|event| {
                let entity = event["entity"].as_str().expect("an entity").to_owned();
                let number = |key: &str| event[key].as_i64().expect("a number");
                ((entity, number("object_id"), number("sequence")), event)
            })
            .collect();
        for (key, page) in &self.pages {
            let event = told.get(key).unwrap_or_else(|| panic!("no event {key:?}"));
            assert_eq!(&event["payload"], page, "{key:?} {}", event["event"]["type"]);
        }
    }
}

/// Fields that events do not have: a location's quota, which changes with every packing, and a package's transfers,
/// which have their own events.
fn forget_what_is_not_told(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("quota");
            object.remove("available_quota");
            object.remove("transfer_orders");
            object.values_mut().for_each(forget_what_is_not_told);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_what_is_not_told),
        _ => {}
    }
}

async fn run(diary: &mut Diary, package: Package<'_>, command: &str, input: Value) {
    let reply = package.run_with(command, &input).await;
    assert!(matches!(reply.status, 200 | 204), "{command}: {}", reply.text());
    diary.note(package.shop).await;
}

#[tokio::test]
async fn every_event_tells_the_package_as_it_was_then() {
    let shop = Shop::open().await;
    let mut diary = Diary::default();
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();
    diary.note(&shop).await;
    run(&mut diary, package, "BLOCK_THE_PACKAGE", json!({})).await;
    let back = "package__unblock_the_package__blocked__waiting";
    package.post(&json!({ "slug": back })).await.ok();
    diary.note(&shop).await;
    package.move_to("preparing").await;
    diary.note(&shop).await;
    run(&mut diary, package, "COMPLETE_PACKING", json!({})).await;
    run(&mut diary, package, "UPDATE_INVOICE", json!({ "invoice_number": "A1", "invoice_date": "2024-05-02" })).await;
    run(&mut diary, package, "UPDATE_SHIPMENT_LABEL", json!({ "package_items": package.item_ids().await })).await;
    let number = json!({ "tracking_number": "T2", "query_number": "Q2" });
    run(&mut diary, package, "UPDATE_SHIPMENT_INFO", number).await;
    run(&mut diary, package, "SHIP_THE_PACKAGE", json!({})).await;
    for delivered in [false, true] {
        let input = json!({ "package": package.id, "delivered_status": delivered });
        run(&mut diary, package, "UPDATE_PACKAGE_SHIPMENT_STATUS", input).await;
    }
    let mut reader = Reader::new(&shop);
    diary.assert_told(reader.read_all().await);
    shop.finish().await;
}

#[tokio::test]
async fn a_product_that_was_replaced_is_told_as_it_was_before() {
    let shop = Shop::open().await;
    let mut diary = Diary::default();
    let package = shop.order(&[("RED", 1), ("BLUE", 2)]).await.only_package();
    diary.note(&shop).await;
    let replacement = json!({ "replacements": [{ "package_item": package.item("BLUE").await, "sku": "GREEN" }] });
    run(&mut diary, package, "REPLACE_PRODUCT", replacement).await;
    run(&mut diary, package, "COMPLETE_PACKING", json!({})).await;
    let mut reader = Reader::new(&shop);
    let events = reader.read_all().await.to_vec();
    diary.assert_told(&events);
    let skus = |event: &Value| -> Vec<String> {
        let items = event["payload"]["packageitem_set"].as_array().expect("items").iter();
        items.map(|item| item["order_item"]["sku"].as_str().expect("a SKU").to_owned()).collect()
    };
    let of_package: Vec<&Value> = events.iter().filter(|event| event["entity"] == "package").collect();
    assert_eq!(skus(of_package[0]), ["RED", "BLUE"]);
    assert_eq!(skus(of_package[of_package.len() - 1]), ["RED", "GREEN"]);
    shop.finish().await;
}

#[tokio::test]
async fn successors_and_their_origin_are_told_as_they_were() {
    let shop = Shop::open().await;
    let mut diary = Diary::default();
    shop.count("BESIKTAS", "BLUE", 5).await;
    let package = shop.order(&[("RED", 1), ("BLUE", 2)]).await.only_package();
    diary.note(&shop).await;
    let items = json!({ "package_items": [package.item("BLUE").await] });
    run(&mut diary, package, "DETECTED_OUT_OF_STOCK_ITEM", items).await;
    for successor in package.successors().await {
        run(&mut diary, successor, "COMPLETE_PACKING", json!({})).await;
    }
    let mut reader = Reader::new(&shop);
    diary.assert_told(reader.read_all().await);
    shop.finish().await;
}

#[tokio::test]
async fn a_location_that_was_renamed_keeps_its_old_name_in_what_was_told_before() {
    let shop = Shop::open().await;
    let mut diary = Diary::default();
    let package = shop.package().await;
    diary.note(&shop).await;
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    for change in [json!({ "name": "Moda", "daytime_phone": "555" }), json!({ "max_quota": 7, "tags": ["asia"] })] {
        shop.patch(&path, &change).await.ok();
        diary.note(&shop).await;
    }
    run(&mut diary, package, "COMPLETE_PACKING", json!({})).await;
    // Nothing new is no event.
    shop.patch(&path, &json!({ "name": "Moda" })).await.ok();
    let mut reader = Reader::new(&shop);
    let events = reader.read_all().await;
    diary.assert_told(events);
    let names: Vec<&Value> = events
        .iter()
        .filter(|event| event["entity"] == "package")
        .map(|event| &event["payload"]["stock_location"]["name"])
        .collect();
    assert_eq!(names[0], "Kadıköy Store");
    assert_eq!(names[names.len() - 1], "Moda");
    let new = json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store" });
    shop.post("/api/v1/oms/stocklocations/", &new).await.json(201);
    diary.note(&shop).await;
    reader.read_all().await;
    assert!(reader.types().last().is_some_and(|last| last.ends_with("stock_location.created")), "{:?}", reader.types());
    diary.assert_told(&reader.events);
    shop.finish().await;
}

#[tokio::test]
async fn transfers_and_the_packages_that_wait_for_them_are_told_as_they_were() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 10).await;
    shop.count("BESIKTAS", "NEAR", 10).await;
    let mut diary = Diary::default();
    let package = shop.fetched(&[("RED", 1), ("FAR", 2), ("NEAR", 3)]).await.only_package();
    diary.note(&shop).await;
    let [near, far] = package.transfers().await[..] else { panic!("two transfers") };
    let ready = json!({ "tracking_number": "T1", "cargo_company": "manual" });
    near.run_with("TRANSFER_ORDER_ADVANCED", &ready).await.ok();
    diary.note(&shop).await;
    for transfer in [near, far] {
        for command in ["TRANSFER_DISPATCH", "TRANSFER_DELIVERED"] {
            transfer.run(command).await.ok();
            diary.note(&shop).await;
        }
    }
    run(&mut diary, package, "COMPLETE_PACKING", json!({})).await;
    let mut reader = Reader::new(&shop);
    diary.assert_told(reader.read_all().await);
    shop.finish().await;
}

#[tokio::test]
async fn states_and_companies_keep_their_old_names_in_what_was_told_before() {
    let shop = Shop::open().await;
    let mut diary = Diary::default();
    let package = shop.package().await;
    diary.note(&shop).await;
    run(&mut diary, package, "COMPLETE_PACKING", json!({})).await;
    let renamed =
        STANDARD.replace("name = \"Waiting\"", "name = \"Queued\"").replace("label = \"Pack\"", "label = \"Box\"");
    assert_ne!(renamed, STANDARD);
    shop.install(&[&renamed, &SHOP.replace("Yurtiçi", "Aras")]).await;
    let other = shop.package().await;
    diary.note(&shop).await;
    run(&mut diary, other, "COMPLETE_PACKING", json!({})).await;
    let mut reader = Reader::new(&shop);
    let events = reader.read_all().await;
    diary.assert_told(events);
    let states: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"]["type"] == "package.created")
        .map(|event| &event["payload"]["state"]["name"])
        .collect();
    assert_eq!(states, ["Waiting", "Queued"]);
    shop.finish().await;
}
