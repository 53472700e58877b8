//! The examples of the public Akinon OMS documentation, as printed: command objects, requests and answers.

use serde_json::{Value, json};

use crate::support::{MISMATCH, NOT_ALLOWED, Package, REQUIRED, SHOP, STANDARD, Shop};

/// The standard workflow with the ids and slugs of the documented list of commands.
fn documented_installation() -> String {
    let with_id = |text: String, slug: &str, id: u32, new: &str| {
        let text = text.replacen(&format!("slug = \"{slug}\""), &format!("id = {id}\nslug = \"{new}\""), 1);
        [("source", slug), ("destination", slug)]
            .iter()
            .fold(text, |text, (key, slug)| text.replace(&format!("{key} = \"{slug}\""), &format!("{key} = \"{new}\"")))
    };
    let mut text = STANDARD.to_owned();
    for (slug, id, new) in [
        ("waiting", 33, "waiting"),
        ("packaging-canceled", 44, "packaging-canceled"),
        ("waiting-remote-action", 142, "uzaktan-eylem-bekleniyor"),
        ("preparing", 34, "hazırlanıyor"),
    ] {
        text = with_id(text, slug, id, new);
    }
    let manual = "command = \"ASSIGN_PACKAGE_ITEMS_MANUALLY\"\nsource = \"waiting\"\ndestination = \"packaging-canceled\"\nlabel = \"Plan by hand\"\ntranslations = { \"tr-tr\" = \"Elle planla\" }\nui_visibility = [\"oms_web\"]";
    assert!(text.contains(manual), "the standard installation was reworded: adapt this test");
    text = text.replace(
        manual,
        "id = 1841\ncommand = \"ASSIGN_PACKAGE_ITEMS_MANUALLY\"\nsource = \"waiting\"\ndestination = \"packaging-canceled\"\nlabel = \"Test Label\"\nui_visibility = [\"oms_web\"]",
    );
    let plain = "source = \"uzaktan-eylem-bekleniyor\"\ndestination = \"hazırlanıyor\"\nlabel = \"Release and pick\"\ntranslations = { \"tr-tr\" = \"Serbest bırak ve topla\" }\nui_visibility = [\"oms_web\", \"third_party\"]";
    assert!(text.contains(plain), "the standard installation was reworded: adapt this test");
    text.replace(
        plain,
        "id = 1809\nsource = \"uzaktan-eylem-bekleniyor\"\ndestination = \"hazırlanıyor\"\nlabel = \"Test-2 Label\"\nui_visibility = [\"third_party\", \"oms_web\", \"instore\"]",
    )
}

/// The command object of that id, its dates replaced by what they look like.
fn printed(package: &Value, id: i64) -> String {
    let commands = package["commands"].as_array().expect("commands");
    let mut command = commands.iter().find(|command| command["id"] == id).expect("listed").clone();
    for key in ["created_date", "modified_date"] {
        let shape: String = command[key]
            .as_str()
            .expect("a date")
            .chars()
            .map(|character| if character.is_ascii_digit() { '9' } else { character })
            .collect();
        command[key] = json!(shape);
    }
    command.to_string()
}

#[tokio::test]
async fn the_documented_command_objects_are_listed_as_printed() {
    let shop = Shop::bare().await;
    let split = SHOP
        .replace("initial_state_when_split = \"waiting\"", "initial_state_when_split = \"uzaktan-eylem-bekleniyor\"");
    shop.install(&[&documented_installation(), &split]).await;
    shop.count("KADIKOY", "RED", 9).await;
    shop.count("BESIKTAS", "BLUE", 9).await;
    // A whole second has no fraction, as in Django REST framework; that would be a rare day for this test.
    shop.execute("update transitions set created_date = '2023-02-28T08:48:29.679101Z', modified_date = '2023-02-28T08:48:29.679141Z';
                  update installation set version = version + 1").await;

    let waiting = shop.package().await.json().await;
    let expected = r#"{"id":1841,"label":"Test Label","ui_visibility":["oms_web"],"slug":"package__assign_package_items_manually__waiting__packaging-canceled","created_date":"9999-99-99T99:99:99.999999Z","modified_date":"9999-99-99T99:99:99.999999Z","translations":null,"command":"ASSIGN_PACKAGE_ITEMS_MANUALLY","source_state":33,"destination_state":44}"#;
    assert_eq!(printed(&waiting, 1841), expected);

    let split = shop.order(&[("RED", 1), ("BLUE", 1)]).await.packages()[0];
    let expected = r#"{"id":1809,"label":"Test-2 Label","ui_visibility":["third_party","oms_web","instore"],"slug":"package__pkg_state_transition__uzaktan-eylem-bekleniyor__hazırlanıyor","created_date":"9999-99-99T99:99:99.999999Z","modified_date":"9999-99-99T99:99:99.999999Z","translations":null,"command":"PKG_STATE_TRANSITION","source_state":142,"destination_state":34}"#;
    assert_eq!(printed(&split.json().await, 1809), expected);
    // Sent as it is, not escaped.
    assert!(shop.get(&split.path()).await.text().contains("uzaktan-eylem-bekleniyor__hazırlanıyor"));

    let body = json!({ "slug": "package__pkg_state_transition__uzaktan-eylem-bekleniyor__hazırlanıyor" });
    split.post(&body).await.ok();
    assert_eq!(split.state().await, "hazırlanıyor");
    shop.finish().await;
}

#[tokio::test]
async fn a_translated_label_is_sent_in_every_language() {
    let shop = Shop::open().await;
    let package = shop.package().await.json().await;
    let commands = package["commands"].as_array().expect("commands");
    let pack = commands.iter().find(|command| command["command"] == "COMPLETE_PACKING").expect("listed");
    assert_eq!(pack["translations"], json!({ "en-us": { "label": "Pack" }, "tr-tr": { "label": "Paketle" } }));
    assert_eq!(
        package["state"]["translations"],
        json!({ "en-us": { "name": "Waiting" }, "tr-tr": { "name": "Bekliyor" } })
    );
    let keys: Vec<_> = package["state"].as_object().expect("an object").keys().collect();
    let documented = [
        "id",
        "name",
        "config",
        "enum_class",
        "enum_value",
        "content_type",
        "created_date",
        "modified_date",
        "translations",
    ];
    assert_eq!(keys, documented);
    assert_eq!(package["state"]["enum_class"], "PackageStatus");
    assert_eq!(package["state"]["enum_value"], "100");
    shop.finish().await;
}

#[tokio::test]
async fn the_documented_keys_of_a_package_stand_in_their_order() {
    let shop = Shop::open().await;
    let package = shop.package().await.json().await;
    let keys: Vec<_> = package.as_object().expect("an object").keys().map(String::as_str).collect();
    let documented = [
        "id",
        "city",
        "state",
        "number",
        "commands",
        "order_id",
        "shipment",
        "remote_id",
        "date_placed",
        "order_notes",
        "channel_name",
        "order_number",
        "payment_type",
        "shipment_date",
        "delivery_range",
        "invoice_number",
        "shipping_label",
        "stock_location",
    ];
    assert_eq!(keys[..documented.len()], documented);
    for key in ["packageitem_set", "order", "created_date", "modified_date", "replaced_by"] {
        assert!(keys.contains(&key), "{key}");
    }
    shop.finish().await;
}

/// The request body as printed: transition, then parameters, then slug.
async fn seed_body(package: Package<'_>, command: &str, input: &Value) -> Value {
    let commands = package.json().await["commands"].clone();
    let listed = commands.as_array().expect("a list").iter().find(|listed| listed["command"] == command);
    let listed = listed.expect("the command is listed");
    json!({ "transition": listed["id"], "input_parameters": input, "slug": listed["slug"] })
}

/// Runs a documented request, then meets each documented failure.
async fn run_seed(package: Package<'_>, command: &str, input: &Value) {
    let shop = package.shop;
    let body = seed_body(package, command, input).await;
    let mut other = body.clone();
    other["slug"] = json!("unique-slug-value");
    shop.changes_nothing(package.post(&other)).await.refused(MISMATCH);
    let nameless = json!({ "input_parameters": input });
    shop.changes_nothing(package.post(&nameless)).await.refused(REQUIRED);

    let answer = package.post(&body).await.ok();

    let keys: Vec<_> = answer.as_object().expect("an object").keys().collect();
    let documented = [
        "package_id",
        "package_number",
        "package_stock_location_id",
        "package_stock_location_name",
        "is_same_location",
    ];
    assert_eq!(keys, documented, "{command}");
    assert!(answer["package_id"].is_i64() && answer["package_number"].is_string(), "{answer}");
    assert!(answer["package_stock_location_id"].is_i64() && answer["is_same_location"].is_boolean(), "{answer}");
    shop.changes_nothing(package.post(&body)).await.refused(NOT_ALLOWED);
}

#[tokio::test]
async fn the_six_documented_commands_take_their_printed_requests() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 9).await;
    shop.count("BESIKTAS", "BLUE", 9).await;

    run_seed(shop.package().await, "COMPLETE_PACKING", &json!({})).await;

    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    run_seed(package, "SHIP_THE_PACKAGE", &json!({ "package_items": [1, 2, 3] })).await;

    let package = shop.order(&[("RED", 1), ("BLUE", 1), ("RED", 2)]).await.only_package();
    let items = package.item_ids().await;
    assert_eq!(items.len(), 3);
    run_seed(package, "DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": items })).await;

    let package = shop.order(&[("PINK", 1)]).await.only_package();
    shop.count("GEBZE", "PINK", 1).await;
    run_seed(package, "REPACK", &json!({})).await;

    run_seed(shop.package().await, "CHANNEL_BASED_COMPLETE_PACKING", &json!({})).await;

    // "str or id !!!!!!!!!!!!!!" says the documentation of cargo_company; it means the id, and names are understood.
    let yurtici: i64 = shop.value("select id from cargo_companies where slug = $1", "yurtici").await;
    for company in [json!(yurtici), json!(yurtici.to_string()), json!("yurtici")] {
        let package = shop.package().await;
        package.run("COMPLETE_PACKING").await.ok();
        let input = json!({ "tracking_number": "1Z 999", "cargo_company": company });
        run_seed(package, "SHIP_THE_PACKAGE_ADVANCED", &input).await;
        let shipment = package.json().await["shipment"].clone();
        assert_eq!(shipment["tracking_number"], "1Z 999");
        assert_eq!(shipment["cargo_company"], json!({ "id": yurtici, "name": "Yurtiçi", "slug": "yurtici" }));
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_shipment_status_is_taken_as_documented_from_the_three_documented_states_only() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let known: i64 = shop
        .value(
            "select id from transitions where slug = $1",
            "package__update_package_shipment_status__shipped__delivered",
        )
        .await;
    let input = |delivered: bool| json!({ "package": package.id, "delivered_status": delivered });
    let body = json!({ "transition": known, "input_parameters": input(true) });
    for next in ["COMPLETE_PACKING", "SHIP_THE_PACKAGE"] {
        shop.changes_nothing(package.post(&body)).await.refused(NOT_ALLOWED);
        package.run(next).await.ok();
    }
    for state in ["shipped", "attempted-delivery", "delivery-failed"] {
        assert_eq!(package.state().await, state);
        let body = seed_body(package, "UPDATE_PACKAGE_SHIPMENT_STATUS", &input(false)).await;
        package.post(&body).await.done();
    }
    let body = seed_body(package, "UPDATE_PACKAGE_SHIPMENT_STATUS", &input(true)).await;
    package.post(&body).await.done();
    assert_eq!(package.state().await, "delivered");
    shop.changes_nothing(package.post(&body)).await.refused(NOT_ALLOWED);
    shop.finish().await;
}
