//! The locations of a new order's items, and the reasons.

use serde_json::{Value, json};

use crate::support::{Order, SHOP, STANDARD, Shop, order_json};

/// The shop's installation with other rules; `rules` is a TOML array of inline tables.
async fn with_rules(shop: &Shop, rules: &str) {
    let head = SHOP.split("[[scenarios.rules]]").next().expect("a scenario");
    let text = format!("{head}rules = [{rules}]\n");
    shop.install(&[STANDARD, &text]).await;
}

async fn places(order: &Order<'_>) -> Vec<String> {
    order.summary().await
}

#[tokio::test]
async fn one_location_with_everything_gets_one_package() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 9).await;
    shop.count("GEBZE", "RED", 9).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    assert_eq!(places(&order).await, ["N1P1 waiting@GEBZE: RED×1=waiting, PINK×1=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn otherwise_the_fewest_packages_then_the_order() {
    let shop = Shop::open().await;
    // Greedy by priority would take A at KADIKOY and need three packages.
    for (erp_code, skus) in
        [("KADIKOY", vec!["A"]), ("BESIKTAS", vec!["A", "B"]), ("GEBZE", vec!["C", "D"]), ("HQ", vec!["C", "D"])]
    {
        for sku in skus {
            shop.count(erp_code, sku, 1).await;
        }
    }
    let order = shop.order(&[("A", 1), ("B", 1), ("C", 1), ("D", 1)]).await;
    assert_eq!(
        places(&order).await,
        ["N1P1 waiting@BESIKTAS: A×1=waiting, B×1=waiting", "N1P2 waiting@GEBZE: C×1=waiting, D×1=waiting"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn the_first_by_priority_is_asked_first() {
    let shop = Shop::open().await;
    for erp_code in ["HQ", "GEBZE", "BESIKTAS"] {
        shop.count(erp_code, "PINK", 9).await;
        assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, format!("waiting@{erp_code}"));
    }
    shop.finish().await;
}

#[tokio::test]
async fn by_distance_the_nearest_is_asked_first() {
    let shop = Shop::open().await;
    with_rules(&shop, r#"{ name = "Nearest", conditions = ["SELECT_BY_STOCK"], order_by = ["distance", "priority"] }"#)
        .await;
    shop.count("GEBZE", "RED", 9).await;
    for (latitude, longitude, expected) in
        [("40.80", "29.40", "GEBZE"), ("40.99", "29.00", "KADIKOY"), (/* in Ankara */ "39.93", "32.86", "GEBZE")]
    {
        let mut order = order_json(latitude, &[("RED", 1)]);
        order["shipping_address"]["latitude"] = json!(latitude);
        order["shipping_address"]["longitude"] = json!(longitude);
        assert_eq!(shop.order_of(&order).await.only_package().place().await, format!("waiting@{expected}"));
    }
    // Without a distance, the next of the order decides.
    let mut order = order_json("nowhere", &[("RED", 1)]);
    order["shipping_address"] = json!({});
    assert_eq!(shop.order_of(&order).await.only_package().place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn a_location_without_coordinates_is_the_farthest_and_its_trace_says_that_the_distance_is_unknown() {
    let unknown = SHOP.replacen("latitude = 40.99", "", 1);
    assert_ne!(unknown, SHOP, "KADIKOY has a longitude only");
    let head = unknown.split("[[scenarios.rules]]").next().expect("a scenario");
    let rules =
        r#"rules = [{ name = "Nearest", conditions = ["SELECT_BY_STOCK"], order_by = ["distance", "priority"] }]"#;
    let shop = Shop::installed(&[STANDARD, &format!("{head}{rules}\n")], false).await;
    let new = json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store", "priority": 1 });
    shop.post("/api/v1/oms/stocklocations/", &new).await.json(201);
    for erp_code in ["NEW", "KADIKOY", "GEBZE"] {
        shop.count(erp_code, "RED", 9).await;
    }
    // Next door to KADIKOY, if it were known.
    let order = shop.order_of(&order_json("N1", &[("RED", 1)])).await;
    assert_eq!(order.only_package().place().await, "waiting@GEBZE");
    let trace = order.trace().await;
    let candidates = trace["rules"][0]["candidates"].as_array().expect("candidates");
    let with_stock = candidates.iter().filter(|one| one["stock"]["RED"] == 9);
    let seen: Vec<_> = with_stock.map(|one| (one["erp_code"].clone(), one["distance_km"].is_number())).collect();
    assert_eq!(seen, [(json!("GEBZE"), true), (json!("NEW"), false), (json!("KADIKOY"), false)]);
    assert!(candidates.iter().all(|one| one.get("distance_km").is_some()), "null where it is unknown");

    // And where coordinates were, they can be taken away.
    let gebze = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("GEBZE").await);
    let changed = shop.patch(&gebze, &json!({ "latitude": null, "longitude": null })).await.ok();
    assert_eq!(changed["address"]["latitude"], Value::Null);
    shop.finish().await;
}

#[tokio::test]
async fn by_available_quota_the_location_with_most_room_is_asked_first() {
    let shop = Shop::open().await;
    with_rules(
        &shop,
        r#"{ name = "Room", conditions = ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"], order_by = ["available_quota", "priority"] }"#,
    )
    .await;
    shop.count("BESIKTAS", "RED", 9).await;
    shop.limit("KADIKOY", Some(2)).await;
    shop.limit("BESIKTAS", Some(3)).await;
    let mut chosen = Vec::new();
    for _ in 0..5 {
        chosen.push(shop.package().await.place().await);
    }
    assert_eq!(
        chosen,
        ["waiting@BESIKTAS", "waiting@KADIKOY", "waiting@BESIKTAS", "waiting@KADIKOY", "waiting@BESIKTAS"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn rules_run_in_order_and_each_places_what_the_earlier_left() {
    let shop = Shop::open().await;
    with_rules(
        &shop,
        r#"{ name = "With room", conditions = ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"], order_by = ["priority"] },
           { name = "Anyhow", conditions = ["SELECT_BY_STOCK"], order_by = ["priority"] }"#,
    )
    .await;
    shop.limit("KADIKOY", Some(0)).await;
    shop.count("BESIKTAS", "RED", 1).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    assert_eq!(places(&order).await, ["N1P1 waiting@BESIKTAS: RED×1=waiting", "N1P2 waiting@KADIKOY: BLUE×1=waiting"]);
    let trace = order.trace().await;
    let rules: Vec<&Value> = trace["rules"].as_array().expect("rules").iter().map(|rule| &rule["rule"]).collect();
    assert_eq!(rules, ["With room", "Anyhow"]);
    shop.finish().await;
}

#[tokio::test]
async fn what_has_no_place_waits_out_of_stock_at_the_default_location() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("PINK", 2), ("GREY", 1)]).await;
    assert_eq!(
        places(&order).await,
        ["N1P1 waiting@KADIKOY: RED×1=waiting", "N1P2 out-of-stock@HQ: PINK×2=out-of-stock, GREY×1=out-of-stock"]
    );
    assert_eq!(shop.quota("HQ").await, 0);
    assert_eq!(shop.stock("HQ", "PINK").await, (0, 0));
    shop.finish().await;
}

#[tokio::test]
async fn a_split_order_begins_in_the_state_of_its_scenario_and_a_whole_one_in_waiting() {
    let shop = Shop::open().await;
    let split =
        SHOP.replace("initial_state_when_split = \"waiting\"", "initial_state_when_split = \"waiting-remote-action\"");
    shop.install(&[STANDARD, &split]).await;
    shop.count("BESIKTAS", "PINK", 1).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    assert_eq!(
        places(&order).await,
        [
            "N1P1 waiting-remote-action@KADIKOY: RED×1=waiting-remote-action",
            "N1P2 waiting-remote-action@BESIKTAS: PINK×1=waiting-remote-action"
        ]
    );
    assert_eq!(shop.package().await.state().await, "waiting");
    shop.finish().await;
}

#[tokio::test]
async fn what_is_held_for_one_order_is_not_promised_to_another() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "RED", 3).await;
    let first = shop.order(&[("RED", 2)]).await.only_package();
    let second = shop.order(&[("RED", 2)]).await.only_package();
    assert_eq!(second.place().await, "out-of-stock@HQ");
    second.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(shop.order(&[("RED", 1)]).await.only_package().place().await, "waiting@KADIKOY");
    assert_eq!(shop.stock("KADIKOY", "RED").await, (3, 3));
    first.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(shop.order(&[("RED", 2)]).await.only_package().place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn a_line_is_never_split() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "RED", 2).await;
    shop.count("BESIKTAS", "RED", 2).await;
    // Two lines of one SKU are two.
    let order = shop.order(&[("RED", 2), ("RED", 1)]).await;
    assert_eq!(places(&order).await, ["N1P1 waiting@KADIKOY: RED×2=waiting", "N1P2 waiting@BESIKTAS: RED×1=waiting"]);
    shop.count("KADIKOY", "RED", 4).await;
    shop.count("BESIKTAS", "RED", 3).await;
    assert_eq!(shop.order(&[("RED", 3)]).await.only_package().place().await, "out-of-stock@HQ");
    shop.finish().await;
}

#[tokio::test]
async fn an_inactive_location_gets_nothing() {
    let shop = Shop::open().await;
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    shop.patch(&path, &json!({ "is_active": false })).await.ok();
    assert_eq!(shop.package().await.place().await, "out-of-stock@HQ");
    shop.finish().await;
}

#[tokio::test]
async fn the_first_scenario_by_priority_whose_prerequisites_fit_plans_the_order() {
    let shop = Shop::open().await;
    let scenario = |name: &str, priority: u32, prerequisites: &str, default: &str| {
        format!(
            "[[scenarios]]\nname = \"{name}\"\npriority = {priority}\n{prerequisites}\ndefault_location = \"{default}\"\n\
             initial_state_when_split = \"waiting\"\nrules = [{{ name = \"r\", conditions = [\"SELECT_BY_STOCK\"], order_by = [\"priority\"] }}]\n"
        )
    };
    let locations = SHOP.split("[[scenarios]]").next().expect("locations");
    let text = [
        locations.to_owned(),
        scenario("Marketplace", 1, "channels = [\"marketplace\"]", "KADIKOY"),
        scenario("Express", 2, "shipping = [\"express\"]", "BESIKTAS"),
        scenario("On delivery", 3, "payments = [\"cash\"]", "GEBZE"),
        scenario("Else", 4, "channels = [\"web\", \"1\"]", "HQ"),
    ]
    .concat();
    shop.install(&[STANDARD, &text]).await;
    let order = |number: &str, channel: &str, shipping: &str, payment: &str| {
        let mut order = order_json(number, &[("NOWHERE", 1)]);
        order["channel"] = json!({ "pk": 7, "name": channel });
        order["shipping_option_slug"] = json!(shipping);
        order["payment_option"]["slug"] = json!(payment);
        order
    };
    for (number, channel, shipping, payment, default) in [
        ("1", "marketplace", "express", "cash", "KADIKOY"),
        ("2", "web", "express", "cash", "BESIKTAS"),
        ("3", "web", "standard", "cash", "GEBZE"),
        ("4", "web", "standard", "card", "HQ"),
    ] {
        let package = shop.order_of(&order(number, channel, shipping, payment)).await.only_package();
        assert_eq!(package.place().await, format!("out-of-stock@{default}"));
    }
    let stranger = order("5", "phone", "standard", "card");
    let reply = shop.changes_nothing(shop.post("/api/v1/oms/orders/", &stranger)).await;
    assert_eq!(reply.refused_by("oms_planning_3"), "No active distribution scenario fits order 5; add one.");
    shop.finish().await;
}

#[tokio::test]
async fn the_trace_of_a_plan_says_why_each_location_was_passed_over() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 0).await;
    shop.count("GEBZE", "RED", 9).await;
    let order = shop.order(&[("RED", 1)]).await;
    let trace = order.trace().await;
    assert_eq!(trace["scenarios"][0]["verdict"], "chosen");
    let candidates = trace["rules"][0]["candidates"].as_array().expect("candidates");
    let mut verdicts: Vec<(&str, &str)> = candidates
        .iter()
        .map(|candidate| (candidate["erp_code"].as_str().expect("text"), candidate["verdict"].as_str().expect("text")))
        .collect();
    verdicts.sort_unstable();
    assert_eq!(
        verdicts,
        [("BESIKTAS", "no_stock"), ("GEBZE", "not_needed"), ("HQ", "no_stock"), ("KADIKOY", "chosen")]
    );
    let missing = candidates.iter().find(|candidate| candidate["erp_code"] == "BESIKTAS").expect("considered");
    assert_eq!(missing["missing"][0]["needed"], 1);
    assert_eq!(missing["missing"][0]["available"], 0);
    shop.finish().await;
}

#[tokio::test]
async fn what_a_rule_places_without_stock_is_not_held_against_what_another_places_by_stock() {
    let shop = Shop::open().await;
    let by_stock = r#"{ name = "By stock", conditions = ["SELECT_BY_STOCK"], order_by = ["priority"] }"#;
    let anyway = r#"{ name = "Anyway", conditions = [], order_by = ["priority"] }"#;
    with_rules(&shop, &format!("{by_stock}, {anyway}")).await;
    shop.count("KADIKOY", "RED", 2).await;
    let order = shop.order(&[("RED", 2), ("RED", 1)]).await;
    assert_eq!(order.summary().await, ["N1P1 waiting@KADIKOY: RED×2=waiting, RED×1=waiting"]);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (2, 3));
    shop.finish().await;
}
