//! `?dry_run=true` and `?explain=commands`: the result of a command before it runs.

use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, REQUIRED, SHOP, STANDARD, Shop};

#[tokio::test]
async fn a_dry_run_says_what_the_command_would_answer_and_write_and_writes_nothing() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    let (waiting, packed) = (shop.state_id("waiting").await, shop.state_id("packed").await);
    let location = shop.location_id("KADIKOY").await;

    let said = shop.changes_nothing(package.dry_run("COMPLETE_PACKING", &json!({}))).await.ok();

    let state = |from: &Value, to: &Value| json!({ "from": from, "to": to });
    let waiting = json!({ "id": waiting, "slug": "waiting", "enum_value": "100" });
    let packed = json!({ "id": packed, "slug": "packed", "enum_value": "500" });
    let keys: Vec<_> = said.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["status_code", "reply", "effects"]);
    let effects = &said["effects"];
    assert_eq!(effects["state"], state(&waiting, &packed));
    assert_eq!(effects["stock_location"], json!({ "from": location, "to": location }));
    assert_eq!(effects["items"][0]["package_item"], package.item("RED").await);
    assert_eq!(effects["items"][0]["state"], state(&waiting, &packed));
    assert_eq!(effects["successors"], json!([]));
    assert_eq!(effects["quota"], json!([{ "stock_location": location, "delta": -1 }]));
    assert_eq!(effects["stock"], json!([{ "stock_location": location, "sku": "RED", "quantity": -2, "reserved": -2 }]));
    assert_eq!(effects["events"], json!(["package.status.transitioned", "package.status.packed", "shipment.created"]));

    let done = package.run("COMPLETE_PACKING").await;
    assert_eq!((&said["status_code"], &said["reply"]), (&json!(done.status), &done.ok()));
    let tracking_number = package.json().await["shipment"]["tracking_number"].clone();
    assert_eq!(effects["shipments"][0]["tracking_number"], tracking_number);
    assert_eq!(said["effects"]["events"].as_array().expect("a list")[..], package.events().await[1..]);
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_of_planning_shows_the_successors() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let package = shop.package().await;
    let input = json!({ "package_items": package.item_ids().await });
    let said = shop.changes_nothing(package.dry_run("DETECTED_OUT_OF_STOCK_ITEM", &input)).await.ok();
    let besiktas = shop.location_id("BESIKTAS").await;
    assert_eq!(said["effects"]["successors"][0]["stock_location"], besiktas);
    assert_eq!(said["reply"]["package_stock_location_id"], besiktas);
    assert_eq!(said["effects"]["quota"].as_array().map(Vec::len), Some(2));
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_of_a_command_without_an_answer_says_204() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    let input = json!({ "package": package.id, "delivered_status": true });
    let said = shop.changes_nothing(package.dry_run("UPDATE_PACKAGE_SHIPMENT_STATUS", &input)).await.ok();
    assert_eq!((&said["status_code"], &said["reply"]), (&json!(204), &Value::Null));
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_is_refused_as_the_command_is() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let path = format!("{}?dry_run=true", package.command_path());
    shop.changes_nothing(shop.post(&path, &json!({}))).await.refused(REQUIRED);
    shop.changes_nothing(package.dry_run("SHIP_THE_PACKAGE", &json!({}))).await.refused(NOT_ALLOWED);
    shop.changes_nothing(package.dry_run("DETECTED_OUT_OF_STOCK_ITEM", &json!({}))).await.wrong("package_items");
    let wrong = format!("{}?dry_run=perhaps", package.command_path());
    shop.changes_nothing(shop.post(&wrong, &json!({ "slug": "x" }))).await.wrong("dry_run");
    let homeless = shop.order(&[("PINK", 1)]).await.only_package();
    shop.changes_nothing(homeless.dry_run("REPACK", &json!({}))).await.refused_by("oms_planning_1");
    let real = format!("{}?dry_run=false", package.command_path());
    shop.post(&real, &json!({ "slug": package.slug("COMPLETE_PACKING").await })).await.ok();
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}

#[tokio::test]
async fn explain_says_for_every_transition_of_the_table_whether_it_is_allowed_or_why_not() {
    let shop = Shop::open().await;
    let line = "command = \"CANCEL_PACKAGE\"";
    let restricted = STANDARD.replace(line, &format!("{line}\nroles = [\"operator\"]"));
    shop.install(&[&restricted, SHOP]).await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    let path = format!("{}?explain=commands", package.path());

    let explained = shop.changes_nothing(shop.get_as("erp", &path)).await.ok();

    let rows = explained["explanation"]["commands"].as_array().expect("rows");
    let transitions: i64 = shop.value("select count(*) from transitions where entity = $1", "package").await;
    assert_eq!(i64::try_from(rows.len()), Ok(transitions));
    for row in rows {
        let keys: Vec<_> = row.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["transition", "slug", "command", "allowed", "refusal"]);
        // It is the refusal that running it would meet.
        let answer = shop
            .changes_nothing(shop.post_as(
                "erp",
                &format!("{}?dry_run=true", package.command_path()),
                &json!({ "transition": row["transition"] }),
            ))
            .await;
        match row["allowed"].as_bool() {
            Some(true) => assert_eq!((answer.status, &row["refusal"]), (200, &Value::Null)),
            _ => answer.refused(&row["refusal"].to_string()),
        }
    }
    let of =
        |slug: &str| rows.iter().find(|row| row["slug"] == slug).expect("listed")["refusal"]["status_code"].clone();
    assert_eq!(of("package__repack__out-of-stock__waiting"), 406);
    assert_eq!(of("package__cancel_package__out-of-stock__packaging-canceled"), 403);
    // The rest of the package is as ever.
    let mut plain = explained.as_object().expect("an object").clone();
    plain.remove("explanation");
    assert_eq!(Value::Object(plain), package.json().await);
    assert_eq!(shop.get(&format!("{}?explain=everything", package.path())).await.wrong("explain").len(), 1);
    shop.finish().await;
}
