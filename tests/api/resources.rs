//! Lists for clients: package items, reasons, sender addresses, conditions, flat locations.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oms::{
    cargo::{CargoCompany, CargoCompanyCondition},
    installation::{apply, check},
    locations::senders::SenderAddress,
    page::ListRow as _,
    reasons::{CancellationReason, DenialReason},
    stock::list::StockLevel,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    lists::{check_filters, column, values},
    support::{FORBIDDEN, NOT_FOUND, SHOP, STANDARD, Shop, order_json, read_installation, send},
};

const ITEMS: &str = "/api/v1/oms/packages/package-items/";
const DENIALS: &str = "/api/v1/oms/packages/package_denial_reason/";
const OLDER_DENIALS: &str = "/api/v1/oms/package-denial-reason/";
const SIMPLE_DENIALS: &str = "/api/v1/oms/package-denial-reason/list-simple/";
const SENDERS: &str = "/api/v1/oms/stocklocations-senderaddress/";
const CONDITIONS: &str = "/api/v1/oms/cargo-company-conditions/";
const CANCELLATIONS: &str = "/api/v1/oms/cancellation-reasons/";
const COMPANIES: &str = "/api/v1/oms/cargo-company/";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

// ── Package items ──────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn an_item_shows_its_package_its_line_and_its_state() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();
    let full = package.json().await;
    let ids = package.item_ids().await;

    let item = shop.get(&format!("{ITEMS}{}/", ids[1])).await.ok();

    let expected = &full["packageitem_set"][1];
    for key in ["id", "state", "order_item", "quantity", "unit_weight", "created_date", "modified_date"] {
        assert_eq!(item[key], expected[key], "{key}");
    }
    assert_eq!(
        item["package"],
        json!({
            "id": package.id, "number": "N1P1", "state": full["state"],
            "order": { "id": order.id(), "number": "N1", "omnitron_id": null },
            "stock_location": { "id": full["stock_location"]["id"], "erp_code": "KADIKOY", "name": "Kadıköy Store" },
            "created_date": full["created_date"], "modified_date": full["modified_date"],
        })
    );
    assert_eq!(
        keys(&item),
        [
            "id",
            "package",
            "order_item",
            "state",
            "quantity",
            "unit_weight",
            "created_date",
            "modified_date",
            "transfer_orders",
            "denial_reasons",
            "discrepancies"
        ]
    );
    let page = shop.get(ITEMS).await.ok();
    assert_eq!((&page["count"], &page["results"][0]), (&json!(2), &item));
    for id in ["999999", "x", "0"] {
        shop.get(&format!("{ITEMS}{id}/")).await.refused(NOT_FOUND);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_store_sees_the_items_of_its_own_packages() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    let packages = order.packages();
    let page = shop.get_as("kadikoy", ITEMS).await.ok();
    assert_eq!(column(&page, "id"), [json!(packages[0].item_ids().await[0])]);
    let foreign = format!("{ITEMS}{}/", packages[1].item_ids().await[0]);
    shop.get_as("kadikoy", &foreign).await.refused(NOT_FOUND);
    assert_eq!(shop.get(&foreign).await.status, 200);
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_package_items_filters() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 9).await;
    let mut old = order_json("OLD", &[("RED", 2)]);
    old["orderitem_set"][0]["pk"] = json!(71);
    let mut new = order_json("NEW", &[("PINK", 5)]);
    new["orderitem_set"][0]["pk"] = json!(81);
    let (old, new) = (shop.order_of(&old).await, shop.order_of(&new).await);
    old.only_package().run("COMPLETE_PACKING").await.ok();
    shop.execute(
        "update package_items set created_date = '2001-01-01', modified_date = '2001-01-01'
          where package_id = (select id from packages where number = 'OLDP1')",
    )
    .await;
    let text = |id: i64| id.to_string();
    let (old_id, new_id) = (text(old.only_package().item_ids().await[0]), text(new.only_package().item_ids().await[0]));
    let (old_package, new_package) = (text(old.only_package().id), text(new.only_package().id));
    let (old_order, new_order) = (text(old.id()), text(new.id()));
    let lines: Vec<(i64,)> = shop.rows("select order_item_id from package_items order by id").await;
    let (old_line, new_line) = (text(lines[0].0), text(lines[1].0));
    let (packed, waiting) = (text(shop.state_id("packed").await), text(shop.state_id("waiting").await));
    let (kadikoy, gebze) = (text(shop.location_id("KADIKOY").await), text(shop.location_id("GEBZE").await));
    let of = |name: &str| {
        Some(match name {
            "package" | "package__in" => values(&[&old_package], &[&new_package]),
            "package__number" => values(&["OLDP1"], &["NEWP1"]),
            "package__state" | "state" => values(&[&packed], &[&waiting]),
            "order" => values(&[&old_order], &[&new_order]),
            "order__number" => values(&["OL"], &["NEW"]),
            "state__enum_value" => values(&["500"], &["100"]),
            "state__enum_value__in" => values(&["500,600"], &["100,200"]),
            "stock_location" => values(&[&kadikoy], &[&gebze]),
            "stock_location__erp_code" => values(&["KADIKOY"], &["GEBZE"]),
            "order_item" => values(&[&old_line], &[&new_line]),
            "order_item__omnitron_id" | "order_item__omnitron_id__in" => values(&["71"], &["81"]),
            "product_sku" => values(&["RED"], &["PINK"]),
            "product_barcode" => values(&["869RED"], &["869PINK"]),
            "quantity" => values(&["2"], &["5"]),
            "quantity__gt" => values(&[], &["2"]),
            "quantity__gte" => values(&[], &["5"]),
            "quantity__lt" => values(&["5"], &[]),
            "quantity__lte" => values(&["2"], &[]),
            "created_date__gte" | "modified_date__gte" => values(&[], &["2002-01-01"]),
            "created_date__lte" | "modified_date__lte" => values(&["2002-01-01"], &[]),
            "id__gt" => values(&[], &[&old_id]),
            "id__gte" => values(&[], &[&new_id]),
            "id__lt" => values(&[&new_id], &[]),
            "id__lte" => values(&[&old_id], &[]),
            "pk__in" => values(&[&old_id], &[&new_id]),
            _ => return None,
        })
    };
    check_filters(&shop, ITEMS, oms::packages::items::LIST.filters, [2, 5], "quantity", of).await;
    shop.finish().await;
}

// ── Denial reasons ─────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_denial_reason_is_added_and_read_at_every_address() {
    let shop = Shop::open().await;
    let input = json!({ "title": "Flooded", "remote_id": 12, "priority": 3, "is_active": false });
    let made = shop.post_as("ops", DENIALS, &input).await.json(201);
    let id = made["id"].as_i64().expect("an id");
    assert_eq!(made, json!({ "id": id, "title": "Flooded", "remote_id": "12", "priority": 3, "is_active": false }));
    assert_eq!(shop.get_as("kadikoy", &format!("{DENIALS}{id}/")).await.ok(), made);
    for path in [DENIALS, OLDER_DENIALS] {
        let page = shop.get_as("kadikoy", &format!("{path}?page_size=2")).await.ok();
        assert_eq!((&page["count"], &page["results"][0]), (&json!(6), &made));
        assert_eq!(column(&page, "title"), ["Flooded", "Store is closed"]);
    }
    let simple = shop.get(&format!("{SIMPLE_DENIALS}?is_active=false")).await.ok();
    assert_eq!(
        keys(&simple["results"][0]),
        ["id", "created_date", "modified_date", "title", "remote_id", "priority", "is_active"]
    );
    assert_eq!(column(&simple, "title"), ["Flooded"]);
    // The least there may be.
    let least = shop.post_as("erp", DENIALS, &json!({ "title": "Strike" })).await.json(201);
    assert_eq!(
        least,
        json!({ "id": id + 1, "title": "Strike", "remote_id": null, "priority": null, "is_active": true })
    );
    shop.get(&format!("{DENIALS}999999/")).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn a_denial_reason_that_is_wrong_names_each_field_and_is_not_added() {
    let shop = Shop::open().await;
    for (input, field, message) in [
        (json!({}), "title", "This field is required."),
        (json!({ "title": null }), "title", "This field may not be null."),
        (json!({ "title": " " }), "title", "This field may not be blank."),
        (json!({ "title": "t".repeat(256) }), "title", "Ensure this field has no more than 255 characters."),
        (json!({ "title": "Store is closed" }), "title", "There is a denial reason with this title already."),
        (json!({ "title": ["x"] }), "title", "Not a valid string."),
        (json!({ "title": "x\u{0}" }), "title", "Null characters are not allowed."),
        (
            json!({ "title": "x", "remote_id": "r".repeat(101) }),
            "remote_id",
            "Ensure this field has no more than 100 characters.",
        ),
        (json!({ "title": "x", "priority": -1 }), "priority", "Ensure this value is greater than or equal to 0."),
        (json!({ "title": "x", "priority": "high" }), "priority", "A valid integer is required."),
        (json!({ "title": "x", "is_active": "x" }), "is_active", "Must be a valid boolean."),
    ] {
        let reply = shop.changes_nothing(shop.post(DENIALS, &input)).await;
        assert_eq!(reply.wrong(field), [message], "{input}");
    }
    let both = shop.post(DENIALS, &json!({ "priority": -1 })).await.json(400);
    assert_eq!(keys(&both["error"]), ["title", "priority"]);
    let none = shop.changes_nothing(shop.post(DENIALS, &json!([]))).await.json(400);
    assert_eq!(none["error"]["non_field_errors"], "Invalid data. Expected a dictionary, but got list.");
    shop.changes_nothing(shop.post_as("kadikoy", DENIALS, &json!({ "title": "x" }))).await.refused(FORBIDDEN);
    // As long as it may be.
    shop.post(DENIALS, &json!({ "title": "ş".repeat(255), "remote_id": "r".repeat(100) })).await.json(201);
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_reasons_filters() {
    let shop = Shop::open().await;
    shop.execute("delete from denial_reasons; delete from cancellation_reasons").await;
    let old = json!({ "title": "Old", "remote_id": "r1", "priority": 1 });
    let new = json!({ "title": "New", "remote_id": "r2", "priority": 2, "is_active": false });
    let (old, new) = (shop.post(DENIALS, &old).await.json(201), shop.post(DENIALS, &new).await.json(201));
    let (old, new) = (old["id"].to_string(), new["id"].to_string());
    let of = |name: &str| {
        Some(match name {
            "is_active" => values(&["true", "1"], &["false", "False"]),
            "title" => values(&["ol"], &["EW"]),
            "priority" => values(&["1"], &["2"]),
            "remote_id" => values(&["r1"], &["r2"]),
            "id__gt" => values(&[], &[&old]),
            "id__lt" => values(&[&new], &[]),
            "pk__in" => values(&[&old], &[&new]),
            _ => return None,
        })
    };
    for path in [DENIALS, OLDER_DENIALS, SIMPLE_DENIALS] {
        check_filters(&shop, path, DenialReason::LIST.filters, ["Old", "New"], "title", of).await;
    }
    shop.execute(
        "insert into cancellation_reasons (subject, cancellation_type, omnitron_id, is_active, installed)
         values ('Old', 'cancel', 1, true, true), ('New', 'refund', 2, false, true)",
    )
    .await;
    let ids: Vec<(i64,)> = shop.rows("select id from cancellation_reasons order by id").await;
    let (old, new) = (ids[0].0.to_string(), ids[1].0.to_string());
    let of = |name: &str| {
        Some(match name {
            "is_active" => values(&["true"], &["0"]),
            "subject" => values(&["ol"], &["EW"]),
            "cancellation_type" => values(&["cancel"], &["refund"]),
            "omnitron_id" => values(&["1"], &["2"]),
            "id__gt" => values(&[], &[&old]),
            "id__lt" => values(&[&new], &[]),
            "pk__in" => values(&[&old], &[&new]),
            _ => return None,
        })
    };
    check_filters(&shop, CANCELLATIONS, CancellationReason::LIST.filters, ["Old", "New"], "subject", of).await;
    shop.finish().await;
}

#[tokio::test]
async fn cancellation_reasons_are_those_of_the_installation() {
    let shop = Shop::open().await;
    let page = shop.get_as("kadikoy", &format!("{CANCELLATIONS}?cancellation_type=refund&sort=order")).await.ok();
    assert_eq!(column(&page, "subject"), ["Arrived damaged", "Does not fit"]);
    let first = &page["results"][0];
    assert_eq!(
        keys(first),
        [
            "id",
            "created_date",
            "modified_date",
            "omnitron_id",
            "subject",
            "cancellation_type",
            "extra_information_needed",
            "order",
            "is_active"
        ]
    );
    assert_eq!((&first["extra_information_needed"], &first["order"]), (&json!(true), &json!(1)));
    assert_eq!(&shop.get(&format!("{CANCELLATIONS}{}/", first["id"])).await.ok(), first);
    shop.get(&format!("{CANCELLATIONS}999/")).await.refused(NOT_FOUND);
    shop.finish().await;
}

// ── Cargo companies and locations ──────────────────────────────────────────────────────────────

#[tokio::test]
async fn conditions_of_cargo_companies_are_read_as_installed() {
    let shop = Shop::open().await;
    let yurtici: i64 = shop.value("select id from cargo_companies where slug = $1", "yurtici").await;
    let page = shop.get(CONDITIONS).await.ok();
    let condition = json!({
        "id": 1, "rules_configuration": { "rules": [{ "field": "desi", "value": 30, "lookup": "lte" }] },
        "cargo_company": yurtici
    });
    assert_eq!((&page["count"], &page["results"][0]), (&json!(1), &condition));
    assert_eq!(keys(&page["results"][0]), ["id", "rules_configuration", "cargo_company"]);
    assert_eq!(shop.get_as("kadikoy", &format!("{CONDITIONS}1/")).await.ok(), condition);
    shop.get(&format!("{CONDITIONS}2/")).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn a_sender_address_is_added_changed_and_read() {
    let shop = Shop::open().await;
    let (gebze, manual) = (shop.location_id("GEBZE").await, 1);
    let input = json!({ "origin_id": "G-1", "stock_location": gebze, "cargo_company": manual });
    let made = shop.post_as("erp", SENDERS, &input).await.json(201);
    assert_eq!(keys(&made), ["id", "created_date", "modified_date", "origin_id", "stock_location", "cargo_company"]);
    assert_eq!(
        (&made["origin_id"], &made["stock_location"], &made["cargo_company"]),
        (&json!("G-1"), &json!(gebze), &json!(manual))
    );
    let path = format!("{SENDERS}{}/", made["id"]);
    assert_eq!(shop.get(&path).await.ok(), made);
    let changed = shop.patch(&path, &json!({ "origin_id": "G-2" })).await.ok();
    assert_eq!((&changed["origin_id"], &changed["stock_location"]), (&json!("G-2"), &json!(gebze)));
    assert_ne!(changed["modified_date"], made["modified_date"]);
    let page = shop.get(&format!("{SENDERS}?sort=id")).await.ok();
    assert_eq!(column(&page, "origin_id"), ["98765", "G-2"]);
    // A store sees its own, and changes nothing.
    let page = shop.get_as("kadikoy", SENDERS).await.ok();
    assert_eq!(column(&page, "origin_id"), ["98765"]);
    shop.get_as("kadikoy", &path).await.refused(NOT_FOUND);
    shop.changes_nothing(shop.post_as("kadikoy", SENDERS, &input)).await.refused(FORBIDDEN);
    shop.finish().await;
}

#[tokio::test]
async fn a_sender_address_is_deleted_and_one_of_a_file_comes_back_with_it() {
    let shop = Shop::open().await;
    let gebze = shop.location_id("GEBZE").await;
    let own = shop.post(SENDERS, &json!({ "origin_id": "G-1", "stock_location": gebze, "cargo_company": 1 })).await;
    let page = shop.get(&format!("{SENDERS}?sort=id")).await.ok();
    let installed = format!("{SENDERS}{}/", page["results"][0]["id"]);
    let own = format!("{SENDERS}{}/", own.json(201)["id"]);
    let delete = |user: &'static str, path: String| send(shop.request_as(user, Method::DELETE, &path));
    // A store sees its own and deletes none.
    shop.changes_nothing(delete("kadikoy", installed.clone())).await.refused(FORBIDDEN);
    shop.changes_nothing(delete("kadikoy", own.clone())).await.refused(NOT_FOUND);
    for path in [&own, &installed] {
        delete("erp", path.clone()).await.done();
        shop.get(path).await.refused(NOT_FOUND);
        shop.changes_nothing(delete("erp", path.clone())).await.refused(NOT_FOUND);
    }
    shop.install(&[STANDARD, SHOP]).await;
    assert_eq!(column(&shop.get(SENDERS).await.ok(), "origin_id"), ["98765"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_sender_address_that_is_wrong_names_the_field() {
    let shop = Shop::open().await;
    let (kadikoy, gebze) = (shop.location_id("KADIKOY").await, shop.location_id("GEBZE").await);
    let yurtici: i64 = shop.value("select id from cargo_companies where slug = $1", "yurtici").await;
    let base = json!({ "origin_id": "x", "stock_location": gebze, "cargo_company": yurtici });
    shop.post(SENDERS, &base).await.json(201);
    for (field, value, message) in [
        ("origin_id", json!(""), "This field may not be blank."),
        ("origin_id", json!("x".repeat(256)), "Ensure this field has no more than 255 characters."),
        ("stock_location", json!(null), "This field may not be null."),
        ("stock_location", json!("GEBZE"), "Incorrect type. Expected pk value, received str."),
        ("stock_location", json!(999), "Invalid pk - object does not exist."),
        ("cargo_company", json!(999), "Invalid pk - object does not exist."),
    ] {
        let mut input = base.clone();
        input[field] = value.clone();
        let reply = shop.changes_nothing(shop.post(SENDERS, &input)).await;
        assert_eq!(reply.wrong(field), [message], "{input}");
        let reply = shop.changes_nothing(shop.patch(&format!("{SENDERS}1/"), &json!({ field: value }))).await;
        assert_eq!(reply.wrong(field), [message], "{input}");
    }
    let taken = "The location has a sender address with this cargo company already.";
    assert_eq!(shop.changes_nothing(shop.post(SENDERS, &base)).await.wrong("cargo_company"), [taken]);
    let clash = json!({ "stock_location": gebze });
    assert_eq!(shop.changes_nothing(shop.patch(&format!("{SENDERS}1/"), &clash)).await.wrong("cargo_company"), [taken]);
    let missing = shop.changes_nothing(shop.post(SENDERS, &json!({ "stock_location": kadikoy }))).await.json(400);
    assert_eq!(keys(&missing["error"]), ["origin_id", "cargo_company"]);
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_cargo_companies_and_what_they_know_filters() {
    let shop = Shop::open().await;
    let (kadikoy, gebze) = (shop.location_id("KADIKOY").await, shop.location_id("GEBZE").await);
    shop.post(SENDERS, &json!({ "origin_id": "G-1", "stock_location": gebze, "cargo_company": 1 })).await.json(201);
    shop.execute(
        "update cargo_companies set is_active = false where slug = 'manual';
         insert into cargo_company_conditions (cargo_company_id) select id from cargo_companies where slug = 'manual'",
    )
    .await;
    let yurtici: i64 = shop.value("select id from cargo_companies where slug = $1", "yurtici").await;
    let yurtici = yurtici.to_string();
    let of = |name: &str| {
        Some(match name {
            "slug" => values(&["manual"], &["yurtici"]),
            "name" => values(&["own"], &["yurt"]),
            "is_active" => values(&["false"], &["true"]),
            "pk__in" => values(&["1"], &[&yurtici]),
            _ => return None,
        })
    };
    check_filters(&shop, COMPANIES, CargoCompany::LIST.filters, ["manual", "yurtici"], "slug", of).await;
    let of = |name: &str| {
        Some(match name {
            "origin_id" => values(&["98765"], &["G-1"]),
            "stock_location" => values(&[&kadikoy.to_string()], &[&gebze.to_string()]),
            "stock_location__erp_code" => values(&["KADIKOY"], &["GEBZE"]),
            "cargo_company" => values(&[&yurtici], &["1"]),
            "id__gt" => values(&[], &["1"]),
            "id__lt" => values(&["2"], &[]),
            "pk__in" => values(&["1"], &["2"]),
            _ => return None,
        })
    };
    check_filters(&shop, SENDERS, SenderAddress::LIST.filters, ["98765", "G-1"], "origin_id", of).await;
    let of = |name: &str| {
        Some(match name {
            "cargo_company" | "cargo_company__in" => values(&[&yurtici], &["1"]),
            "id__gt" => values(&[], &["1"]),
            "id__lt" => values(&["2"], &[]),
            "pk__in" => values(&["1"], &["2"]),
            _ => return None,
        })
    };
    check_filters(&shop, CONDITIONS, CargoCompanyCondition::LIST.filters, [1, 2], "id", of).await;
    let of = |name: &str| {
        Some(match name {
            "sku" => values(&["RED"], &["PINK"]),
            "sku__in" => values(&["RED,x"], &["PINK,x"]),
            "stock_location" => values(&[&kadikoy.to_string()], &[&gebze.to_string()]),
            "stock_location__erp_code" => values(&["KADIKOY"], &["GEBZE"]),
            "is_short" => values(&["false"], &["true"]),
            "modified_date__gte" => values(&[], &["2002-01-01"]),
            "modified_date__lt" => values(&["2002-01-01"], &[]),
            // After the one of PINK comes the one of RED.
            "cursor" => values(&[&URL_SAFE_NO_PAD.encode(format!(r#"{{"count":1,"keys":["PINK","{gebze}"]}}"#))], &[]),
            _ => return None,
        })
    };
    shop.forget_stock("sku <> 'RED'").await;
    shop.count("GEBZE", "PINK", 1).await;
    shop.order(&[("PINK", 1)]).await;
    shop.count("GEBZE", "PINK", 0).await;
    shop.execute("update stocks set modified_date = '2001-01-01' where sku = 'RED'").await;
    check_filters(&shop, "/api/v1/oms/stocks/", StockLevel::LIST.filters, ["RED", "PINK"], "sku", of).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_flat_location_has_no_object_in_it() {
    let shop = Shop::open().await;
    shop.limit("KADIKOY", Some(5)).await;
    shop.package().await;
    let page = shop.get_as("kadikoy", "/api/v1/oms/stocklocations/list-simple/").await.ok();
    assert_eq!(page["count"], 1);
    let location = &page["results"][0];
    assert!(location.as_object().expect("an object").values().all(|value| !value.is_object() && !value.is_array()));
    for (key, value) in [
        ("erp_code", json!("KADIKOY")),
        ("name", json!("Kadıköy Store")),
        ("stock_location_type", json!("store")),
        ("address_line", json!("Moda Caddesi 1")),
        ("city", json!("Istanbul")),
        ("country", Value::Null),
        ("latitude", json!("40.99000000")),
        ("quota", json!(1)),
        ("max_quota", json!(5)),
        ("available_quota", json!(4)),
    ] {
        assert_eq!(location[key], value, "{key}");
    }
    shop.finish().await;
}

// ── The installation ───────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn fixed_ids_are_those_that_clients_send() {
    let shop = Shop::bare().await;
    let text = SHOP
        .replacen("slug = \"yurtici\"", "id = 77\nslug = \"yurtici\"", 1)
        .replacen("cargo_company = \"yurtici\"\nrules", "id = 233\ncargo_company = \"yurtici\"\nrules", 1)
        .replacen("stock_location = \"KADIKOY\"", "id = 44\nstock_location = \"KADIKOY\"", 1);
    let standard = STANDARD
        .replacen(
            "title = \"Store is closed\"",
            "id = 500\nremote_id = \"c\"\npriority = 9\ntitle = \"Store is closed\"",
            1,
        )
        .replacen("subject = \"Does not fit\"", "id = 600\nomnitron_id = 6\nsubject = \"Does not fit\"", 1);
    for _ in 0..2 {
        shop.install(&[&standard, &text]).await;
        assert_eq!(
            shop.get(&format!("{DENIALS}500/")).await.ok(),
            json!({ "id": 500, "title": "Store is closed",
            "remote_id": "c", "priority": 9, "is_active": true })
        );
        assert_eq!(shop.get(&format!("{CANCELLATIONS}600/")).await.ok()["omnitron_id"], 6);
        assert_eq!(shop.get(&format!("{CONDITIONS}233/")).await.ok()["cargo_company"], 77);
        assert_eq!(shop.get(&format!("{SENDERS}44/")).await.ok()["cargo_company"], 77);
        assert_eq!(shop.get(&format!("{COMPANIES}?slug=yurtici")).await.ok()["results"][0]["id"], 77);
    }
    // The next ones come after them.
    let made = shop.post(DENIALS, &json!({ "title": "Next" })).await.json(201);
    assert!(made["id"].as_i64().is_some_and(|id| id > 500), "{made}");
    // An id that is another entry's already.
    let first: i64 = shop.value("select id from denial_reasons where title = $1", "Item is damaged").await;
    let clash = standard.replacen("id = 500\n", &format!("id = {first}\n"), 1);
    let installation = read_installation(&[&clash, &text]);
    shop.changes_nothing(async { apply::apply(shop.pool(), &installation).await.expect_err("refused") }).await;
    shop.finish().await;
}

#[tokio::test]
async fn what_is_gone_from_the_files_goes_and_what_was_made_over_http_stays() {
    let shop = Shop::open().await;
    shop.post(DENIALS, &json!({ "title": "Strike" })).await.json(201);
    let gebze = shop.location_id("GEBZE").await;
    shop.post(SENDERS, &json!({ "origin_id": "G", "stock_location": gebze, "cargo_company": 1 })).await.json(201);
    let standard = STANDARD.replacen("[[denial_reasons]]\ntitle = \"Store is closed\"", "", 1).replacen(
        "[[cancellation_reasons]]\nsubject = \"Does not fit\"\ntype = \"refund\"\norder = 2",
        "",
        1,
    );
    let text = SHOP.split("[[cargo_company_conditions]]").next().expect("a beginning");
    shop.install(&[&standard, text]).await;
    let page = shop.get(&format!("{DENIALS}?is_active=false")).await.ok();
    assert_eq!(column(&page, "title"), ["Store is closed"]);
    let page = shop.get(&format!("{DENIALS}?is_active=true&title=Strike")).await.ok();
    assert_eq!(page["count"], 1);
    let page = shop.get(&format!("{CANCELLATIONS}?is_active=false")).await.ok();
    assert_eq!(column(&page, "subject"), ["Does not fit"]);
    assert_eq!(shop.get(CONDITIONS).await.ok()["count"], 0);
    assert_eq!(column(&shop.get(SENDERS).await.ok(), "origin_id"), ["G"]);
    // Back again under the ids they had.
    shop.install(&[STANDARD, SHOP]).await;
    assert_eq!(shop.get(&format!("{DENIALS}?is_active=false")).await.ok()["count"], 0);
    shop.finish().await;
}

#[test]
fn an_entry_that_refers_to_nothing_or_is_there_twice_is_a_problem() {
    let problems = |more: &str| -> Vec<String> {
        let files = [("standard.toml", STANDARD), ("shop.toml", SHOP), ("more.toml", more)];
        let problems = check::load(&files, oms::commands::kinds()).expect_err("problems");
        problems.iter().map(|problem| format!("{}: {} ({})", problem.key, problem.message, problem.remedy)).collect()
    };
    for (more, expected) in [
        (
            "[[sender_addresses]]\nstock_location = \"KADIKO\"\ncargo_company = \"yurtic\"\norigin_id = \"1\"",
            vec![
                "sender_addresses.stock_location: there is no location `KADIKO` (did you mean `KADIKOY`?)",
                "sender_addresses.cargo_company: there is no cargo company `yurtic` (did you mean `yurtici`?)",
            ],
        ),
        (
            "[[sender_addresses]]\nstock_location = \"HQ\"\ncargo_company = \"yurtici\"\norigin_id = \"1\"\n\
             [[sender_addresses]]\nstock_location = \"HQ\"\ncargo_company = \"yurtici\"\norigin_id = \"2\"",
            vec![
                "sender_addresses.cargo_company: two sender addresses of one location have the cargo_company \
                  `yurtici`, the other is at more.toml, line 1 (give one of them another cargo_company)",
            ],
        ),
        (
            "[[cancellation_reasons]]\nsubject = \"Changed my mind\"\ntype = \"swap\"",
            vec!["cancellation_reasons.type: `swap` is not one of its words (write one of cancel, refund)"],
        ),
        (
            "[[denial_reasons]]\nid = 5\ntitle = \"A\"\n[[denial_reasons]]\nid = 5\ntitle = \"B\"",
            vec![
                "denial_reasons.id: two denial reasons have the id `5`, the other is at more.toml, line 1 (give one of \
                  them another id)",
            ],
        ),
    ] {
        assert_eq!(problems(more), expected, "{more}");
    }
}
