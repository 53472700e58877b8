//! The history of an item: its transfers, refusals, and locations that did not have it.

use serde_json::{Value, json};

use crate::support::{Package, SHOP, STANDARD, Shop, TRANSFERS};

async fn item(shop: &Shop, id: i64) -> Value {
    shop.get(&format!("/api/v1/oms/packages/package-items/{id}/")).await.ok()
}

/// A list from an item's history, without dates.
fn undated(list: &Value) -> Vec<Value> {
    let mut entries = list.as_array().expect("a list").clone();
    for entry in &mut entries {
        let date = entry.as_object_mut().expect("an object").shift_remove("created_date").expect("a date");
        assert!(date.as_str().is_some_and(|date| date.ends_with('Z')));
    }
    entries
}

#[tokio::test]
async fn an_item_and_its_package_name_the_transfers_that_bring_it() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 5).await;
    shop.count("BESIKTAS", "FAR", 5).await;
    let package = shop.fetched(&[("RED", 1), ("FAR", 2)]).await.only_package();
    let [red, far] = package.item_ids().await[..] else { panic!("two items") };
    package.only_transfer().await.run("TRANSFER_ITEM_NOT_FOUND").await.ok();
    let [lost, next] = package.transfers().await[..] else { panic!("two transfers") };
    let kadikoy = shop.location_id("KADIKOY").await;
    let mut transfers = Vec::new();
    for (transfer, state) in [(lost, "cancelled"), (next, "waiting")] {
        let json = transfer.json().await;
        transfers.push(json!({ "id": transfer.id, "number": json["number"], "state": state,
                               "source": json["source"]["id"], "source_erp_code": json["source"]["erp_code"],
                               "destination": kadikoy, "destination_erp_code": "KADIKOY" }));
    }

    assert_eq!(package.json().await["transfer_orders"], json!(transfers));
    let (there, fetched) = (item(&shop, red).await, item(&shop, far).await);
    let keys: Vec<&String> = fetched.as_object().expect("an object").keys().collect();
    assert_eq!(keys[8..], ["transfer_orders", "denial_reasons", "discrepancies"], "behind the documented ones");
    for transfer in &mut transfers {
        transfer["quantity"] = json!(2);
    }
    assert_eq!(fetched["transfer_orders"], json!(transfers));
    // Where it was not found it is not looked for again.
    let lacking = json!({ "stock_location": transfers[0]["source"],
                          "stock_location_erp_code": transfers[0]["source_erp_code"] });
    assert_eq!(undated(&fetched["discrepancies"]), [lacking]);
    assert_eq!((&there["transfer_orders"], &there["discrepancies"]), (&json!([]), &json!([])));
    shop.finish().await;
}

#[tokio::test]
async fn an_item_names_who_refused_it_until_now_and_who_lacks_it_until_they_count() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "RED", 5).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    let package = order.only_package();
    let reason: i64 = shop.value("select id from denial_reasons where title = $1", "Item is damaged".to_owned()).await;
    package.run_with("REFUSE_PACKAGE", &json!({ "denial_reason": reason })).await.ok();
    let kadikoy = shop.location_id("KADIKOY").await;
    // RED goes to GEBZE; BLUE, which nobody else has, leaves in a package of its own.
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@GEBZE");
    let left: Vec<Package> = package.successors().await;
    assert_eq!(left[0].place().await, "out-of-stock@HQ");

    let at_kadikoy = json!({ "stock_location": kadikoy, "stock_location_erp_code": "KADIKOY" });
    let denial = json!({ "id": reason, "title": "Item is damaged", "stock_location": kadikoy,
                         "stock_location_erp_code": "KADIKOY" });
    for package in [package, left[0]] {
        let shown = item(&shop, package.item_ids().await[0]).await;
        assert_eq!(undated(&shown["denial_reasons"]), std::slice::from_ref(&denial));
        assert_eq!(undated(&shown["discrepancies"]), std::slice::from_ref(&at_kadikoy));
    }
    // A refusal of what has left is not one of the item.
    package.run_with("REFUSE_PACKAGE", &json!({ "denial_reason": reason })).await.ok();
    let (red, blue) = (package.item_ids().await[0], left[0].item_ids().await[0]);
    assert_eq!(undated(&item(&shop, red).await["denial_reasons"]).len(), 2);
    assert_eq!(undated(&item(&shop, blue).await["denial_reasons"]), [denial]);
    shop.count("KADIKOY", "BLUE", 3).await;
    let counted = item(&shop, blue).await;
    assert_eq!((&counted["discrepancies"], undated(&counted["denial_reasons"]).len()), (&json!([]), 1));
    shop.finish().await;
}
