//! Scenarios by REST and by installation, and the versions that plans name.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{FORBIDDEN, NOT_FOUND, SHOP, STANDARD, Shop, order_json, send};

const SCENARIOS: &str = "/api/v1/oms/scenarios/";

fn scenario(name: &str) -> Value {
    json!({
        "name": name, "priority": 0, "default_location": "HQ", "initial_state_when_split": "waiting",
        "rules": [{ "name": "Anywhere", "conditions": ["SELECT_BY_STOCK"], "order_by": ["priority"] }]
    })
}

fn path(scenario: &Value) -> String {
    format!("{SCENARIOS}{}/", scenario["id"])
}

async fn made(shop: &Shop, definition: &Value) -> Value {
    shop.post(SCENARIOS, definition).await.json(201)
}

async fn delete(shop: &Shop, path: &str) {
    send(shop.request_as("admin", Method::DELETE, path)).await.done();
}

#[tokio::test]
async fn a_scenario_is_made_read_changed_and_deleted() {
    let shop = Shop::open().await;
    let made = made(&shop, &scenario("Express")).await;
    let keys: Vec<&String> = made.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "version",
            "name",
            "kind",
            "description",
            "priority",
            "is_active",
            "channels",
            "shipping",
            "payments",
            "default_location",
            "initial_state_when_split",
            "splitting",
            "rules",
            "is_installed",
            "created_date",
            "modified_date"
        ]
    );
    assert_eq!((&made["version"], &made["is_active"], &made["is_installed"]), (&json!(1), &json!(true), &json!(false)));
    assert_eq!(made["splitting"], json!({ "allowed": true, "most_packages": null, "kilometres_per_package": null }));
    assert_eq!(shop.get(&path(&made)).await.ok(), made);

    let changed =
        shop.patch(&path(&made), &json!({ "channels": ["web"], "splitting": { "most_packages": 2 } })).await.ok();
    assert_eq!(
        (&changed["version"], &changed["channels"], &changed["name"]),
        (&json!(2), &json!(["web"]), &json!("Express"))
    );
    assert_eq!(changed["splitting"]["most_packages"], 2);
    // What is sent back as it was read changes nothing.
    assert_eq!(shop.changes_nothing(shop.put(&path(&made), &changed)).await.ok(), changed);
    let replaced = shop.put(&path(&made), &scenario("Express")).await.ok();
    assert_eq!((&replaced["version"], &replaced["channels"]), (&json!(3), &json!([])));

    let list = shop.get(&format!("{SCENARIOS}?sort=priority")).await.ok();
    let names: Vec<&Value> = list["results"].as_array().expect("results").iter().map(|one| &one["name"]).collect();
    assert_eq!((&list["count"], names), (&json!(2), vec![&json!("Express"), &json!("Standard")]));

    delete(&shop, &path(&made)).await;
    shop.get(&path(&made)).await.refused(NOT_FOUND);
    send(shop.request_as("admin", Method::DELETE, &path(&made))).await.refused(NOT_FOUND);

    let versions = shop.get(&format!("{}versions/", path(&made))).await.ok();
    let told: Vec<(i64, &str, &str)> = versions["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().expect("text");
            (one["version"].as_i64().expect("a number"), text("change"), text("user"))
        })
        .collect();
    let expected = [(4, "deleted", "admin"), (3, "changed", "admin"), (2, "changed", "admin"), (1, "created", "admin")];
    assert_eq!(told, expected);
    assert_eq!(versions["results"][2]["definition"]["channels"], json!(["web"]));
    shop.get(&format!("{SCENARIOS}999999/versions/")).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_scenario_is_said_with_its_place_and_remedy_and_nothing_happens() {
    let shop = Shop::open().await;
    let with = |key: &str, value: Value| {
        let mut one = scenario("Express");
        one[key] = value;
        one
    };
    for (body, field, message) in [
        (with("name", json!("Standard")), "name", "There is a scenario Standard already."),
        (
            with("default_location", json!("KADIKOI")),
            "default_location",
            "there is no location `KADIKOI` — did you mean `KADIKOY`?",
        ),
        (
            with("initial_state_when_split", json!("packaging-canceled")),
            "initial_state_when_split",
            "`packaging-canceled` is final, a package cannot begin in it — name a state that is not final",
        ),
        (with("priority", json!("1")), "priority", "must be a whole number, not a text — write it without quotes"),
        (
            with("rules", json!([{ "name": "r", "conditions": ["SELECT_BY_STOCK"], "order_by": ["distanse"] }])),
            "rules",
            "rules[0].order_by[0]: `distanse` is not one of its words — did you mean `distance`? (one of priority, distance, available_quota, available_quota_share, items_covered, open_packages)",
        ),
        (
            with("rules", json!([{ "name": "r", "conditions": [], "order": { "package_locations": ["GEBZ"] } }])),
            "rules",
            "rules[0].order.package_locations[0]: there is no location `GEBZ` — did you mean `GEBZE`?",
        ),
        (
            with("splitting", json!({ "allowed": false, "most_packages": 2 })),
            "splitting",
            "splitting.most_packages: says how to split what is not to be split — leave it out, or write `allowed = true`",
        ),
    ] {
        let reply = shop.changes_nothing(shop.post(SCENARIOS, &body)).await;
        assert_eq!(reply.wrong(field), [message]);
    }
    let standard = shop.get(SCENARIOS).await.ok()["results"][0].clone();
    let reply = shop.changes_nothing(shop.patch(&path(&standard), &json!({ "moon": 1 }))).await;
    assert!(reply.wrong("moon")[0].starts_with("there is no such key"));
    let reply = shop.changes_nothing(shop.post(SCENARIOS, &json!([]))).await;
    assert_eq!(reply.status, 400);
    // Whoever is not an operator may look.
    for user in ["erp", "kadikoy"] {
        assert_eq!(shop.get_as(user, &path(&standard)).await.ok(), standard);
        shop.changes_nothing(shop.post_as(user, SCENARIOS, &scenario("Mine"))).await.refused(FORBIDDEN);
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let request = shop.request_as(user, method, &path(&standard)).json(&json!({}));
            shop.changes_nothing(send(request)).await.refused(FORBIDDEN);
        }
    }
    assert_eq!(shop.post_as("ops", SCENARIOS, &scenario("Theirs")).await.status, 201);
    shop.finish().await;
}

#[tokio::test]
async fn a_change_counts_from_the_next_order_on_at_every_server_and_plans_name_the_version() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    shop.count("BESIKTAS", "RED", 9).await;
    let mut definition = scenario("Web");
    definition["channels"] = json!(["web"]);
    let first = made(&shop, &definition).await;
    let mut chosen = Vec::new();
    for (number, order_by) in [("1", "priority"), ("2", "open_packages"), ("3", "priority")] {
        let rules = json!([{ "name": "r", "conditions": ["SELECT_BY_STOCK"], "order_by": [order_by] }]);
        shop.patch(&path(&first), &json!({ "rules": rules })).await.ok();
        // At once, at the other server: it does not wait to be told.
        let url = format!("{}/api/v1/oms/orders/", second.url);
        let order = shop.post(&url, &order_json(number, &[("RED", 1)])).await.json(201);
        chosen.push(order["packages"][0]["stock_location"]["erp_code"].clone());
    }
    assert_eq!(chosen, ["KADIKOY", "BESIKTAS", "KADIKOY"]);
    let plans: Vec<(i64, i32)> = shop.rows("select scenario_id, scenario_version from order_plans order by id").await;
    let id = first["id"].as_i64().expect("an id");
    assert_eq!(plans, [(id, 2), (id, 3), (id, 4)]);
    // Deleted, the next one plans; the old plans are still told by the versions that made them.
    delete(&shop, &path(&first)).await;
    let order = shop.order(&[("RED", 1)]).await;
    assert_eq!(order.trace().await["scenarios"][0]["name"], "Standard");
    for number in ["1", "2", "3"] {
        let plans = shop.get(&format!("/api/v1/oms/orderexecutionplans/?order__number={number}")).await.ok();
        let attempt = &plans["results"][0]["context"]["attempts"][0];
        assert_eq!((&attempt["reproduced"], &attempt["scenarios"][0]["name"]), (&json!(true), &json!("Web")));
    }
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn the_files_decide_the_scenarios_they_name_and_leave_the_others_alone() {
    let shop = Shop::open().await;
    let standard = shop.get(SCENARIOS).await.ok()["results"][0].clone();
    assert_eq!(
        (&standard["name"], &standard["is_installed"], &standard["version"]),
        (&json!("Standard"), &json!(true), &json!(1))
    );
    let own = made(&shop, &scenario("Own")).await;
    shop.patch(&path(&standard), &json!({ "priority": 9 })).await.ok();

    shop.install(&[STANDARD, SHOP]).await;

    // What the files say of it stands again, as a version of its own.
    let back = shop.get(&path(&standard)).await.ok();
    assert_eq!((&back["priority"], &back["version"]), (&json!(1), &json!(3)));
    let versions = shop.get(&format!("{}versions/", path(&standard))).await.ok();
    let users: Vec<&Value> = versions["results"].as_array().expect("results").iter().map(|one| &one["user"]).collect();
    assert_eq!(users, [&json!(null), &json!("admin"), &json!(null)]);
    assert_eq!(shop.get(&path(&own)).await.ok(), own);

    // The files name it: it is theirs from now on.
    let text = SHOP.replace("name = \"Standard\"", "name = \"Own\"");
    shop.install(&[STANDARD, &text]).await;
    let taken = shop.get(&path(&own)).await.ok();
    assert_eq!((&taken["is_installed"], &taken["priority"], &taken["version"]), (&json!(true), &json!(1), &json!(2)));
    // The files no longer name it.
    let passive = shop.get(&path(&standard)).await.ok();
    assert_eq!((&passive["is_active"], &passive["is_installed"]), (&json!(false), &json!(false)));
    shop.package().await;
    shop.install(&[STANDARD, SHOP]).await;
    let passive = shop.get(&path(&own)).await.ok();
    assert_eq!((&passive["is_active"], &passive["is_installed"]), (&json!(false), &json!(false)));
    // Somebody wants it back: the files leave it alone.
    let active = shop.patch(&path(&own), &json!({ "is_active": true })).await.ok();
    shop.install(&[STANDARD, SHOP]).await;
    assert_eq!(shop.get(&path(&own)).await.ok(), active);
    shop.finish().await;
}

#[tokio::test]
async fn every_key_can_stand_in_the_file_and_a_mistake_has_its_line() {
    let shop = Shop::open().await;
    let rule = "[[scenarios.rules]]\nname = \"Everything\"\n\
                order = { channels = [\"web\"], cities = [\"Istanbul\"] }\n\
                products = { which = \"these\", attributes = { cold = [\"true\"] } }\n\
                conditions = [\n\
                    \"SELECT_BY_STOCK\",\n\
                    { condition = \"SELECT_BY_TAG\", tags = [\"fast\"] },\n\
                    { condition = \"SELECT_BY_DISTANCE\", kilometres = 12.5 },\n\
                    \"SELECT_BY_OPENING_HOURS\",\n\
                ]\n\
                order_by = [\"open_packages\", \"items_covered\"]\n\
                transferable = true\n";
    let splitting = "[scenarios.splitting]\nmost_packages = 3\nkilometres_per_package = 40\n";
    let location = "name = \"Kadıköy Store\"\ntags = [\"fast\"]\ntimezone = \"Europe/Istanbul\"\n\
                    opening_hours = { monday = \"09:00-18:00\" }\nholidays = [\"2026-01-01\"]\n";
    let text = format!("{}{splitting}{rule}", SHOP.replace("name = \"Kadıköy Store\"\n", location));
    // The table of splitting stands before the rules of its scenario.
    let text =
        text.replace("[[scenarios.rules]]\nname = \"First", &format!("{splitting}[[scenarios.rules]]\nname = \"First"));
    let text = text.replacen(&format!("{splitting}{rule}"), rule, 1);
    shop.install(&[STANDARD, &text]).await;
    let standard = shop.get(SCENARIOS).await.ok()["results"][0].clone();
    assert_eq!(standard["splitting"], json!({ "allowed": true, "most_packages": 3, "kilometres_per_package": 40 }));
    assert_eq!(
        standard["rules"][1],
        json!({
            "name": "Everything", "order": { "channels": ["web"], "cities": ["Istanbul"] },
            "products": { "which": "these", "attributes": { "cold": ["true"] } },
            "conditions": ["SELECT_BY_STOCK", { "condition": "SELECT_BY_TAG", "tags": ["fast"] },
                           { "condition": "SELECT_BY_DISTANCE", "kilometres": 12.5 }, "SELECT_BY_OPENING_HOURS"],
            "order_by": ["open_packages", "items_covered"], "transferable": true
        })
    );
    let kadikoy = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    let location = shop.get(&kadikoy).await.ok();
    assert_eq!(location["tags"], json!(["fast"]));
    assert_eq!(
        location["conf"],
        json!({ "timezone": "Europe/Istanbul", "opening_hours": { "monday": ["09:00-18:00"] }, "holidays": ["2026-01-01"] })
    );

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.toml");
    let wrong = text.replace("tags = [\"fast\"] },", "tag = [\"fast\"] },").replace("09:00-18:00", "9-18");
    std::fs::write(&file, &wrong).expect("a file");
    let standard_file = folder.path().join("standard.toml");
    std::fs::write(&standard_file, STANDARD).expect("a file");
    let arguments = ["install", "--check", standard_file.to_str().expect("text"), file.to_str().expect("text")];
    let (code, _, errors) = shop.oms(&arguments).await;
    let line_of = |part: &str| 1 + wrong.lines().position(|line| line.contains(part)).expect("a line");
    let shown: Vec<String> = errors.lines().map(|line| line.replace(&format!("{}, ", file.display()), "")).collect();
    assert_eq!(code, 1, "{errors}");
    assert_eq!(
        shown,
        [
            format!(
                "error: line {}: stock_locations.opening_hours.monday: `9-18` are no hours — write them as in `09:00-18:00`",
                line_of("9-18")
            ),
            format!("error: line {}: scenarios.rules.conditions.tags: is missing — add `tags`", line_of("tag = ")),
            format!(
                "error: line {}: scenarios.rules.conditions.tag: there is no such key — did you mean `tags`? (one of condition, tags)",
                line_of("tag = ")
            ),
        ]
    );
    shop.finish().await;
}

#[tokio::test]
async fn two_who_change_a_scenario_at_once_make_two_versions() {
    let shop = Shop::open().await;
    let made = made(&shop, &scenario("Web")).await;
    let path = path(&made);
    let changes = (0..8).map(|priority| {
        let (shop, path) = (&shop, &path);
        async move { shop.patch(path, &json!({ "priority": priority + 10 })).await.ok()["version"].clone() }
    });
    let mut versions: Vec<i64> =
        crate::support::join(changes).await.into_iter().map(|version| version.as_i64().expect("a number")).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=9).collect::<Vec<_>>());
    shop.finish().await;
}
