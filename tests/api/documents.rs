//! Invoices, and shipments that differ from the expected ones.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{NOT_FOUND, Package, Shop, order_json, send};

/// `<Invoice/>` in base64.
const XML: &str = "PEludm9pY2UvPg==";

async fn packed(shop: &Shop) -> Package<'_> {
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    package
}

/// The path of an address from the server.
fn path(address: &Value) -> String {
    let address = address.as_str().expect("an address");
    let at = address.find("/api/").expect("a path");
    address[at..].to_owned()
}

// ── UPDATE_INVOICE ─────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn an_invoice_is_shown_with_the_package_and_served_without_a_token() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    let before = package.json().await;
    assert_eq!(
        (&before["invoice_number"], &before["invoice_date"], &before["invoice_document"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let events = package.events().await;
    let input = json!({ "invoice_number": "ABC2024000000123", "invoice_date": "2024-05-02",
                        "document_type": "xml", "document_content": XML });

    package.run_with("UPDATE_INVOICE", &input).await.ok();

    let shown = package.json().await;
    assert_eq!((&shown["invoice_number"], &shown["invoice_date"]), (&json!("ABC2024000000123"), &json!("2024-05-02")));
    assert_eq!(package.place().await, "packed@KADIKOY");
    assert_eq!(package.log().await.last().map(String::as_str), Some("UPDATE_INVOICE: packed -> packed@KADIKOY"));
    assert_eq!(package.events().await, events);
    let document = send(shop.request(Method::GET, &path(&shown["invoice_document"]))).await;
    assert_eq!((document.status, document.text()), (200, "<Invoice/>"));
    // Only to be kept: what a browser may show is told by its bytes (tests/api/pages.rs).
    assert_eq!(document.header("content-type"), "application/octet-stream");
    assert_eq!(document.header("x-content-type-options"), "nosniff");
    assert_eq!(document.header("content-disposition"), "attachment; filename=\"invoice.xml\"");
    shop.finish().await;
}

#[tokio::test]
async fn what_is_not_given_stays_and_a_new_document_has_a_new_address() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    let first = json!({ "invoice_number": "A1", "invoice_date": "2024-05-02", "document_type": "xml",
                        "document_content": XML });
    package.run_with("UPDATE_INVOICE", &first).await.ok();
    let old = path(&package.json().await["invoice_document"]);

    package.run("SHIP_THE_PACKAGE").await.ok();
    package.run_with("UPDATE_INVOICE", &json!({ "invoice_number": "A2" })).await.ok();
    let shown = package.json().await;
    assert_eq!((&shown["invoice_number"], &shown["invoice_date"]), (&json!("A2"), &json!("2024-05-02")));
    assert_eq!(path(&shown["invoice_document"]), old);

    let pdf = json!({ "document_type": "pdf", "document_content": "JVBERi0xLjc=" });
    package.run_with("UPDATE_INVOICE", &pdf).await.ok();
    let shown = package.json().await;
    assert_eq!(shown["invoice_number"], "A2");
    let new = send(shop.request(Method::GET, &path(&shown["invoice_document"]))).await;
    assert_eq!((new.text(), new.header("content-type")), ("%PDF-1.7", "application/pdf"));
    send(shop.request(Method::GET, &old)).await.refused(NOT_FOUND);
    send(shop.request(Method::GET, "/api/v1/oms/invoices/no-key/")).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn that_parameters_are_missing_is_no_reason_against_a_command() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    let explained = shop.get(&format!("{}?explain=commands", package.path())).await.ok();
    let rows = explained["explanation"]["commands"].as_array().expect("rows").clone();
    for state in ["packed", "shipped"] {
        for command in ["update_invoice", "update_shipment_info"] {
            let slug = format!("package__{command}__{state}__{state}");
            let row = rows.iter().find(|row| row["slug"] == slug).expect("a row");
            assert_eq!(row["allowed"], json!(state == "packed"), "{slug}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_invoice_that_is_wrong_names_the_field_and_changes_nothing() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    for (input, field) in [
        (json!({}), "invoice_number"),
        (json!({ "invoice_number": "" }), "invoice_number"),
        (json!({ "invoice_date": "yesterday" }), "invoice_date"),
        (json!({ "document_type": "pdf" }), "document_content"),
        (json!({ "document_content": XML }), "document_type"),
        (json!({ "document_type": "exe", "document_content": XML }), "document_type"),
        (json!({ "document_type": "pdf", "document_content": "?" }), "document_content"),
        (json!({ "document_type": "pdf", "document_content": XML }), "document_content"),
        (json!({ "invoice_number": "A1", "sync_remote_order_status": true }), "sync_remote_order_status"),
    ] {
        let reply = shop.changes_nothing(package.run_with("UPDATE_INVOICE", &input)).await;
        assert_eq!(reply.wrong(field).len(), 1, "{input}");
    }
    shop.finish().await;
}

// ── UPDATE_SHIPMENT_INFO ───────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_corrected_shipment_has_its_new_numbers_and_a_new_label() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    let before = package.json().await;
    let input = json!({ "cargo_company": "yurtici", "tracking_number": "TN9", "query_number": "Q9" });

    package.run_with("UPDATE_SHIPMENT_INFO", &input).await.ok();

    let shown = package.json().await;
    let shipment = &shown["shipment"];
    assert_eq!(shipment["id"], before["shipment"]["id"]);
    assert_eq!(
        (&shipment["cargo_company"]["slug"], &shipment["tracking_number"], &shipment["query_number"]),
        (&json!("yurtici"), &json!("TN9"), &json!("Q9"))
    );
    send(shop.request(Method::GET, &path(&before["shipping_label"]))).await.refused(NOT_FOUND);
    let label = send(shop.request(Method::GET, &path(&shown["shipping_label"]))).await;
    assert_eq!((label.status, label.header("content-type")), (200, "application/pdf"));
    assert_eq!(package.events().await.last().map(String::as_str), Some("package.shipment.awb_number"));

    let only_query = json!({ "query_number": "Q10" });
    package.run_with("UPDATE_SHIPMENT_INFO", &only_query).await.ok();
    let shipment = package.json().await["shipment"].clone();
    assert_eq!((&shipment["tracking_number"], &shipment["query_number"]), (&json!("TN9"), &json!("Q10")));
    assert_eq!(package.events().await.iter().filter(|event| *event == "package.shipment.awb_number").count(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn a_shipment_that_is_not_there_or_a_carrier_nobody_knows_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let without = shop.package().await;
    without.run("COMPLETE_PACKING_WITHOUT_SHIPMENT").await.ok();
    let number = json!({ "tracking_number": "TN9" });
    let reply = shop.changes_nothing(without.run_with("UPDATE_SHIPMENT_INFO", &number)).await;
    assert_eq!(
        reply.refused_by("oms_shipment_1"),
        "Package N1P1 has no shipment; pack it with one, or ship it with a number."
    );
    let reply = shop.changes_nothing(without.run_with("UPDATE_SHIPMENT_LABEL", &json!({ "package_items": [] }))).await;
    reply.refused_by("oms_shipment_1");

    let package = packed(&shop).await;
    for (input, field) in [
        (json!({}), "tracking_number"),
        (json!({ "query_number": "" }), "query_number"),
        (json!({ "tracking_number": "x".repeat(257) }), "tracking_number"),
    ] {
        let reply = shop.changes_nothing(package.run_with("UPDATE_SHIPMENT_INFO", &input)).await;
        assert_eq!(reply.wrong(field).len(), 1, "{input}");
    }
    let nobody = json!({ "cargo_company": "nobody" });
    shop.changes_nothing(package.run_with("UPDATE_SHIPMENT_INFO", &nobody)).await.refused_by("oms_cargo_1");
    shop.finish().await;
}

// ── UPDATE_SHIPMENT_LABEL ──────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_new_label_replaces_the_old_one_and_answers_204() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    let before = package.json().await;
    for items in [json!([]), json!([{}]), json!([{ "id": package.item("RED").await }])] {
        package.run_with("UPDATE_SHIPMENT_LABEL", &json!({ "package_items": items })).await.done();
    }
    let shown = package.json().await;
    assert_ne!(shown["shipping_label"], before["shipping_label"]);
    assert_eq!(shown["shipment"]["tracking_number"], before["shipment"]["tracking_number"]);
    send(shop.request(Method::GET, &path(&before["shipping_label"]))).await.refused(NOT_FOUND);
    assert_eq!(send(shop.request(Method::GET, &path(&shown["shipping_label"]))).await.status, 200);
    for wrong in [json!({}), json!({ "package_items": 1 }), json!({ "package_items": [999_999] })] {
        let reply = shop.changes_nothing(package.run_with("UPDATE_SHIPMENT_LABEL", &wrong)).await;
        assert_eq!(reply.wrong("package_items").len(), 1, "{wrong}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn letters_that_the_fonts_lack_are_on_the_label_in_latin_ones_or_it_is_said_how_many_are_not() {
    let shop = Shop::open().await;
    let label_of = async |number: &str, name: &str| {
        let mut order = order_json(number, &[("RED", 1)]);
        order["customer"] = json!({ "first_name": name, "last_name": "Yılmaz" });
        let package = shop.order_of(&order).await.only_package();
        package.run("COMPLETE_PACKING").await.ok();
        let shown = package.json().await;
        let label = send(shop.request(Method::GET, &path(&shown["shipping_label"]))).await;
        assert_eq!((label.status, label.header("content-type")), (200, "application/pdf"));
        [label.header("x-label-transliterated").to_owned(), label.header("x-label-missing").to_owned()]
    };
    assert_eq!(label_of("1", "Ayşe Παπαδόπουλος Щукин محمد").await, ["0", "0"]);
    assert_eq!(label_of("2", "王伟 🎁").await, ["3", "0"]);
    assert_eq!(label_of("3", "王\u{f8ff}\u{f8ff}").await, ["1", "2"]);
    assert_eq!(shop.metric("oms_label_letters_total{outcome=\"transliterated\"}").await, 4);
    assert_eq!(shop.metric("oms_label_letters_total{outcome=\"missing\"}").await, 2);
    shop.finish().await;
}
