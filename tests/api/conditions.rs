//! Every condition, sort key, prerequisite and limit of scenarios, by the plan of an order.

use serde_json::{Value, json};

use crate::support::{Order, Shop, order_json};

/// Sets the rules of the standard scenario.
async fn with_rules(shop: &Shop, rules: Value) {
    change(shop, &json!({ "rules": rules })).await;
}

async fn change(shop: &Shop, change: &Value) {
    let scenario = shop.get("/api/v1/oms/scenarios/").await.ok()["results"][0]["id"].clone();
    shop.patch(&format!("/api/v1/oms/scenarios/{scenario}/"), change).await.ok();
}

/// Changes a location.
async fn set(shop: &Shop, erp_code: &str, change: &Value) {
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id(erp_code).await);
    shop.patch(&path, change).await.ok();
}

/// One RED at each location but head office.
async fn stocked() -> Shop {
    let shop = Shop::open().await;
    for erp_code in ["BESIKTAS", "GEBZE"] {
        shop.count(erp_code, "RED", 9).await;
    }
    shop
}

/// A rule by stock and this condition; the first by priority wins.
async fn asking(shop: &Shop, condition: Value) {
    with_rules(shop, json!([{ "name": "r", "conditions": ["SELECT_BY_STOCK", condition] }])).await;
}

/// The location of an order of one RED, and the reason why it is not another one.
async fn place_and_verdict(shop: &Shop, order: &Value, erp_code: &str) -> (String, String) {
    let order = shop.order_of(order).await;
    (order.only_package().place().await, verdict(&order, erp_code).await)
}

async fn verdict(order: &Order<'_>, erp_code: &str) -> String {
    let trace = order.trace().await;
    let candidates = trace["rules"][0]["candidates"].as_array().expect("candidates").clone();
    let found = candidates.iter().find(|candidate| candidate["erp_code"] == erp_code).expect("a candidate");
    found["verdict"].as_str().expect("a verdict").to_owned()
}

fn red(number: &str) -> Value {
    order_json(number, &[("RED", 1)])
}

fn went(place: &str, verdict: &str) -> (String, String) {
    (format!("waiting@{place}"), verdict.to_owned())
}

#[tokio::test]
async fn a_kind_of_location() {
    let shop = stocked().await;
    asking(&shop, json!({ "condition": "SELECT_BY_LOCATION_TYPE", "location_types": ["warehouse"] })).await;
    assert_eq!(place_and_verdict(&shop, &red("1"), "KADIKOY").await, went("GEBZE", "other_type"));
    shop.finish().await;
}

#[tokio::test]
async fn a_tag() {
    let shop = stocked().await;
    asking(&shop, json!({ "condition": "SELECT_BY_TAG", "tags": ["fast", "cold"] })).await;
    set(&shop, "BESIKTAS", &json!({ "tags": ["north", "cold"] })).await;
    assert_eq!(place_and_verdict(&shop, &red("1"), "KADIKOY").await, went("BESIKTAS", "no_tag"));
    shop.finish().await;
}

#[tokio::test]
async fn the_city_and_the_country_of_the_address() {
    let shop = stocked().await;
    set(&shop, "KADIKOY", &json!({ "address": { "city": "Istanbul", "country": "tr" } })).await;
    set(&shop, "GEBZE", &json!({ "address": { "city": "Kocaeli", "country": "Türkiye" } })).await;
    set(&shop, "BESIKTAS", &json!({ "address": { "city": "Paris", "country": "fr" } })).await;
    let to = |number: &str, city: &str| {
        let mut order = red(number);
        order["shipping_address"]["city"] = json!({ "name": city });
        order["shipping_address"]["country"] = json!({ "code": "tr", "name": "Türkiye" });
        order
    };
    asking(&shop, json!("SELECT_BY_SAME_CITY")).await;
    assert_eq!(place_and_verdict(&shop, &to("1", "KOCAELİ"), "KADIKOY").await, went("GEBZE", "other_city"));
    assert_eq!(place_and_verdict(&shop, &to("2", "istanbul"), "GEBZE").await, went("KADIKOY", "other_city"));
    asking(&shop, json!("SELECT_BY_SAME_COUNTRY")).await;
    shop.count("KADIKOY", "RED", 0).await;
    assert_eq!(place_and_verdict(&shop, &to("3", "Ankara"), "BESIKTAS").await, went("GEBZE", "other_country"));
    shop.finish().await;
}

#[tokio::test]
async fn a_distance() {
    let shop = stocked().await;
    asking(&shop, json!({ "condition": "SELECT_BY_DISTANCE", "kilometres": 5 })).await;
    let mut order = red("1");
    order["shipping_address"]["latitude"] = json!("41.05");
    order["shipping_address"]["longitude"] = json!("29.00");
    assert_eq!(place_and_verdict(&shop, &order, "KADIKOY").await, went("BESIKTAS", "too_far"));
    let mut nowhere = red("2");
    nowhere["shipping_address"] = json!({});
    let package = shop.order_of(&nowhere).await.only_package();
    assert_eq!(package.place().await, "out-of-stock@HQ", "an unknown distance is too far");
    shop.finish().await;
}

#[tokio::test]
async fn opening_hours_and_holidays() {
    let shop = stocked().await;
    asking(&shop, json!("SELECT_BY_OPENING_HOURS")).await;
    // The server's clock decides, so the hours are closed or open whatever it says.
    let never = json!({ "timezone": "Europe/Istanbul", "opening_hours": {} });
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let all: serde_json::Map<String, Value> =
        days.iter().map(|day| ((*day).to_owned(), json!(["00:00-24:00"]))).collect();
    let always = json!({ "timezone": "Asia/Tokyo", "opening_hours": all });
    set(&shop, "KADIKOY", &json!({ "conf": never })).await;
    set(&shop, "BESIKTAS", &json!({ "conf": always })).await;
    assert_eq!(place_and_verdict(&shop, &red("1"), "KADIKOY").await, went("BESIKTAS", "closed"));
    // Today is a holiday, whatever day it is there.
    let today: chrono::DateTime<chrono::Utc> = shop.value("select now() + $1 * interval '1 day'", 0_i32).await;
    let around = [-1, 0, 1].map(|days| (today + chrono::Duration::days(days)).date_naive().to_string());
    let mut holiday = always.clone();
    holiday["holidays"] = json!(around);
    set(&shop, "BESIKTAS", &json!({ "conf": holiday })).await;
    assert_eq!(place_and_verdict(&shop, &red("2"), "BESIKTAS").await, went("GEBZE", "closed"));

    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("GEBZE").await);
    let reply = shop.changes_nothing(shop.patch(&path, &json!({ "conf": { "timezone": "Mars" } }))).await;
    assert_eq!(
        reply.wrong("conf"),
        ["timezone: there is no time zone `Mars` — write a name of the IANA database, as in `Europe/Istanbul`"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn not_refused_before_for_this_order() {
    let shop = Shop::open().await;
    let rules = |condition: &[&str]| {
        let conditions: Vec<&str> = ["SELECT_BY_STOCK"].iter().chain(condition).copied().collect();
        json!([{ "name": "r", "conditions": conditions }])
    };
    with_rules(&shop, rules(&["SELECT_BY_NOT_REFUSED"])).await;
    shop.count("BESIKTAS", "RED", 9).await;
    shop.count("BESIKTAS", "BLUE", 9).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    let package = order.only_package();
    let input = json!({ "package_items": [package.item("RED").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();
    // Kadıköy still has BLUE, but could not find RED: the order does not go there again.
    let places = order.summary().await;
    assert!(places[1].starts_with("N1P2 waiting@BESIKTAS: RED×1=waiting, BLUE×1=waiting"), "{places:?}");
    assert_eq!(verdict(&order, "KADIKOY").await, "refused_before");

    with_rules(&shop, rules(&[])).await;
    shop.count("BESIKTAS", "BLUE", 0).await;
    let other = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    let package = other.only_package();
    let input = json!({ "package_items": [package.item("RED").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();
    let places = other.summary().await;
    assert!(places.iter().any(|place| place.contains("waiting@KADIKOY: BLUE×1=waiting")), "{places:?}");
    shop.finish().await;
}

#[tokio::test]
async fn a_refusal_is_remembered_also_when_the_stock_is_counted_anew() {
    let shop = stocked().await;
    let refused = async |number: &str| {
        let order = shop.order_of(&red(number)).await;
        let package = order.only_package();
        assert_eq!(package.place().await, "waiting@KADIKOY");
        let reason: i64 = shop.value("select min(id) from denial_reasons where is_active = $1", true).await;
        package.run_with("REFUSE_PACKAGE", &json!({ "denial_reason": reason })).await.ok();
        // A location that could not serve an item is asked again once its stock is counted anew.
        shop.count("KADIKOY", "RED", 50).await;
        package.run("REPACK").await.ok();
        package.place().await
    };
    with_rules(&shop, json!([{ "name": "r", "conditions": ["SELECT_BY_STOCK"] }])).await;
    assert_eq!(refused("1").await, "waiting@KADIKOY");
    asking(&shop, json!("SELECT_BY_NOT_REFUSED")).await;
    assert_eq!(refused("2").await, "waiting@BESIKTAS");
    shop.finish().await;
}

#[tokio::test]
async fn the_products_own_allowed_locations() {
    let shop = stocked().await;
    asking(&shop, json!("SELECT_BY_PRODUCT_LOCATIONS")).await;
    let allowing = |number: &str, codes: Value| {
        let mut order = red(number);
        order["orderitem_set"][0]["product"]["extra_attributes"] = json!({ "allowed_stock_locations": codes });
        order
    };
    assert_eq!(
        place_and_verdict(&shop, &allowing("1", json!(["GEBZE", "HQ"])), "KADIKOY").await,
        went("GEBZE", "not_allowed")
    );
    assert_eq!(place_and_verdict(&shop, &allowing("2", json!(null)), "GEBZE").await, went("KADIKOY", "not_needed"));
    let reply = shop.changes_nothing(shop.post("/api/v1/oms/orders/", &allowing("3", json!("GEBZE")))).await;
    assert_eq!(
        reply.wrong("orderitem_set"),
        [
            "Item 1: product.extra_attributes.allowed_stock_locations: a list of ERP codes is required; leave it out to allow every location."
        ]
    );
    shop.finish().await;
}

#[tokio::test]
async fn the_weight_that_a_location_can_handle() {
    let shop = stocked().await;
    asking(&shop, json!("SELECT_BY_MAX_WEIGHT")).await;
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    assert_eq!(shop.get(&path).await.ok()["max_weight_kg"], Value::Null);
    assert_eq!(shop.patch(&path, &json!({ "max_weight_kg": "7.5" })).await.ok()["max_weight_kg"], json!(7.5));
    let reply = shop.changes_nothing(shop.patch(&path, &json!({ "max_weight_kg": -1 }))).await;
    assert_eq!(reply.wrong("max_weight_kg"), ["A number from 0 to 1000000000 is required. Send null for no limit."]);
    let weighing = |number: &str, kilograms: Value| {
        let mut order = red(number);
        order["orderitem_set"][0]["product"]["extra_attributes"] = json!({ "weight_kg": kilograms });
        order
    };
    assert_eq!(place_and_verdict(&shop, &weighing("1", json!(7.5)), "BESIKTAS").await, went("KADIKOY", "not_needed"));
    assert_eq!(
        place_and_verdict(&shop, &weighing("2", json!("7.501")), "KADIKOY").await,
        went("BESIKTAS", "too_heavy")
    );
    assert_eq!(place_and_verdict(&shop, &red("3"), "BESIKTAS").await, went("KADIKOY", "not_needed"));
    shop.finish().await;
}

#[tokio::test]
async fn orders_of_locations() {
    let shop = stocked().await;
    shop.count("BESIKTAS", "BLUE", 9).await;
    let place = async |key: &str, number: &str, lines: &[(&str, i64)]| {
        with_rules(&shop, json!([{ "name": "r", "conditions": ["SELECT_BY_STOCK"], "order_by": [key] }])).await;
        shop.order_of(&order_json(number, lines)).await.packages()[0].place().await
    };
    assert_eq!(place("priority", "1", &[("RED", 1)]).await, "waiting@KADIKOY");
    assert_eq!(place("open_packages", "2", &[("RED", 1)]).await, "waiting@BESIKTAS");
    assert_eq!(place("open_packages", "3", &[("RED", 1)]).await, "waiting@GEBZE");
    // Kadıköy 1 of 3, Beşiktaş 1 of 4, Gebze 1 of 100: the share is not the number.
    for (erp_code, most) in [("KADIKOY", 30), ("BESIKTAS", 4), ("GEBZE", 20)] {
        shop.limit(erp_code, Some(most)).await;
    }
    assert_eq!(place("available_quota_share", "4", &[("RED", 1)]).await, "waiting@KADIKOY");
    assert_eq!(place("available_quota", "5", &[("RED", 1)]).await, "waiting@KADIKOY");
    shop.limit("GEBZE", Some(31)).await;
    assert_eq!(place("available_quota", "6", &[("RED", 1)]).await, "waiting@GEBZE");
    shop.count("GEBZE", "PINK", 9).await;
    shop.count("KADIKOY", "BLUE", 0).await;
    // One place for all there is not; of those that could take one, the one that could take two is first.
    assert_eq!(place("items_covered", "7", &[("RED", 1), ("BLUE", 1), ("GREEN", 1)]).await, "waiting@KADIKOY");
    shop.count("BESIKTAS", "GREEN", 9).await;
    shop.count("KADIKOY", "GREEN", 0).await;
    assert_eq!(place("items_covered", "8", &[("RED", 1), ("BLUE", 1), ("GREEN", 1)]).await, "waiting@BESIKTAS");
    shop.finish().await;
}

#[tokio::test]
async fn rules_for_some_orders_and_some_products() {
    let shop = stocked().await;
    let to_gebze = json!({ "condition": "SELECT_BY_LOCATION_TYPE", "location_types": ["warehouse"] });
    let rule = |prerequisites: Value| {
        let mut rule = json!({ "name": "Special", "conditions": ["SELECT_BY_STOCK", to_gebze], "transferable": true });
        rule.as_object_mut().expect("an object").extend(prerequisites.as_object().expect("an object").clone());
        json!([rule, { "name": "Else", "conditions": ["SELECT_BY_STOCK"] }])
    };
    shop.count("GEBZE", "BLUE", 9).await;
    with_rules(&shop, rule(json!({ "order": { "shipping": ["express"], "cities": ["ISTANBUL"] } }))).await;
    let mut express = red("1");
    express["shipping_option_slug"] = json!("express");
    assert_eq!(shop.order_of(&express).await.only_package().place().await, "waiting@GEBZE");
    let order = shop.order_of(&red("2")).await;
    assert_eq!(order.only_package().place().await, "waiting@KADIKOY");
    let trace = order.trace().await;
    assert_eq!((&trace["rules"][0]["skipped"], &trace["rules"][0]["transferable"]), (&json!("shipping"), &json!(true)));

    for (number, which, skus, expected) in [
        ("3", "all", json!(["RED"]), vec!["waiting@KADIKOY"]),
        ("4", "all", json!(["RED", "BLUE"]), vec!["waiting@GEBZE"]),
        ("5", "any", json!(["RED"]), vec!["waiting@GEBZE"]),
        ("6", "any", json!(["PINK"]), vec!["waiting@KADIKOY"]),
        ("7", "these", json!(["RED"]), vec!["waiting@GEBZE", "waiting@KADIKOY"]),
    ] {
        with_rules(&shop, rule(json!({ "products": { "which": which, "skus": skus } }))).await;
        // So that "these" and the rest go to different places.
        shop.count("GEBZE", "BLUE", if which == "these" { 0 } else { 9 }).await;
        let order = shop.order_of(&order_json(number, &[("RED", 1), ("BLUE", 1)])).await;
        let mut places = Vec::new();
        for package in order.packages() {
            places.push(package.place().await);
        }
        assert_eq!(places, expected, "order {number}");
        order.trace().await;
    }
    // Attributes and base codes come with the order's line.
    with_rules(&shop, rule(json!({ "products": { "which": "all", "attributes": { "cold": ["true"] } } }))).await;
    let mut cold = red("8");
    cold["orderitem_set"][0]["product"]["attributes"] = json!({ "cold": true });
    assert_eq!(shop.order_of(&cold).await.only_package().place().await, "waiting@GEBZE");
    with_rules(&shop, rule(json!({ "products": { "which": "all", "base_codes": ["R"] } }))).await;
    let mut based = red("9");
    based["orderitem_set"][0]["product"]["base_code"] = json!("R");
    assert_eq!(shop.order_of(&based).await.only_package().place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn a_rule_for_packages_that_are_planned_again_from_a_location() {
    let shop = stocked().await;
    let warehouses = json!({ "condition": "SELECT_BY_LOCATION_TYPE", "location_types": ["warehouse"] });
    with_rules(
        &shop,
        json!([{ "name": "From Kadıköy to Gebze", "order": { "package_locations": ["KADIKOY"] },
                 "conditions": ["SELECT_BY_STOCK", warehouses] },
               { "name": "Else", "conditions": ["SELECT_BY_STOCK"] }]),
    )
    .await;
    let order = shop.order_of(&red("1")).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "waiting@KADIKOY");
    let input = json!({ "package_items": package.item_ids().await });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();
    let places = order.summary().await;
    assert!(places[1].contains("waiting@GEBZE"), "{places:?}");
    assert_eq!(order.trace().await["parcels"][0]["rule"], "From Kadıköy to Gebze");
    shop.finish().await;
}

#[tokio::test]
async fn an_order_is_not_split_where_the_scenario_forbids_it() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "PINK", 9).await;
    change(&shop, &json!({ "splitting": { "allowed": false } })).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    assert_eq!(order.summary().await, ["N1P1 out-of-stock@HQ: RED×1=out-of-stock, PINK×1=out-of-stock"]);
    assert_eq!(verdict(&order, "KADIKOY").await, "not_everything");
    shop.count("BESIKTAS", "RED", 1).await;
    assert_eq!(shop.order(&[("RED", 1), ("PINK", 1)]).await.only_package().place().await, "waiting@BESIKTAS");
    shop.finish().await;
}

#[tokio::test]
async fn at_most_so_many_packages_also_when_the_rest_is_planned_again() {
    let shop = Shop::open().await;
    change(&shop, &json!({ "splitting": { "most_packages": 2 } })).await;
    shop.count("BESIKTAS", "PINK", 9).await;
    shop.count("GEBZE", "GREY", 9).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1), ("GREY", 1)]).await;
    assert_eq!(
        order.summary().await,
        [
            "N1P1 waiting@KADIKOY: RED×1=waiting",
            "N1P2 waiting@BESIKTAS: PINK×1=waiting",
            "N1P3 out-of-stock@HQ: GREY×1=out-of-stock"
        ]
    );
    assert_eq!(verdict(&order, "GEBZE").await, "no_package_left");
    // The sweep may not open a third one either, until one of the two is gone.
    let rest = order.packages().remove(2);
    let reply = shop.changes_nothing(rest.run("REPACK")).await;
    reply.refused_by("oms_planning_1");
    order.packages()[0].run("CANCEL_PACKAGE").await.ok();
    rest.run("REPACK").await.ok();
    assert_eq!(rest.place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn a_weight_prefers_nearer_packages_to_fewer() {
    let shop = Shop::open().await;
    with_rules(&shop, json!([{ "name": "r", "conditions": ["SELECT_BY_STOCK"], "order_by": ["distance"] }])).await;
    // Kadıköy and Beşiktaş are 2 and 7 km away, Gebze 39 km.
    shop.count("BESIKTAS", "PINK", 9).await;
    for sku in ["RED", "PINK"] {
        shop.count("GEBZE", sku, 9).await;
    }
    let lines = [("RED", 1), ("PINK", 1)];
    assert_eq!(shop.order(&lines).await.only_package().place().await, "waiting@GEBZE");
    change(&shop, &json!({ "splitting": { "kilometres_per_package": 10 } })).await;
    assert_eq!(shop.order(&lines).await.packages().len(), 2);
    change(&shop, &json!({ "splitting": { "kilometres_per_package": 50 } })).await;
    assert_eq!(shop.order(&lines).await.packages().len(), 1);
    shop.finish().await;
}
