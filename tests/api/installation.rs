//! Applying an installation to a running shop.

use oms::installation::apply;
use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, SHOP, STANDARD, Shop, order_json, read_installation};

const UNPACK: &str = "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\nsource = \"packed\"\n\
                      destination = \"preparing\"\nlabel = \"Unpack\"\n";
const LOCATIONS: &str = "/api/v1/oms/stocklocations/";
const UNPACK_SLUG: &str = "package__pkg_state_transition__packed__preparing";

/// Every table except the row with the date and number of applications, and who applied it.
async fn tables(shop: &Shop) -> crate::support::Dump {
    let mut dump = shop.dump().await;
    dump.0.remove("installation");
    dump.0.get_mut("audit").expect("a table").retain(|row| !row.contains("\"kind\": \"installation\""));
    dump
}

/// The standard workflow without one transition.
fn without(command: &str, source: &str) -> String {
    let parts: Vec<&str> = STANDARD.split("[[transitions]]").collect();
    let is_it = |part: &&&str| {
        part.contains(&format!("command = \"{command}\"")) && part.contains(&format!("source = \"{source}\""))
    };
    let gone = *parts.iter().find(is_it).expect("a transition of the standard installation");
    // What follows its last key may be the comment of the next section.
    STANDARD.replacen(&format!("[[transitions]]{gone}"), "", 1)
}

async fn labels(shop: &Shop, path: &str) -> Vec<Value> {
    let package = shop.get(path).await.ok();
    package["commands"].as_array().expect("commands").iter().map(|command| command["label"].clone()).collect()
}

#[tokio::test]
async fn applied_again_it_changes_nothing() {
    let shop = Shop::open().await;
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    let before = tables(&shop).await;
    for _ in 0..2 {
        shop.install(&[STANDARD, SHOP]).await;
        before.assert_same(&tables(&shop).await);
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_installation_without_states_of_orders_gets_the_standard_ones_and_takes_orders() {
    let (before, rest) = STANDARD.split_once("# ── Order states").expect("the states of orders");
    let (_, after) = rest.split_once("\n# ── ").expect("the next section");
    let without = format!("{before}\n# ── {after}");
    assert!(!without.contains("entity = \"order\""));
    let shop = Shop::installed(&[&without, SHOP], false).await;
    let taken = shop.post("/api/v1/oms/orders/", &order_json("1", &[("RED", 1)])).await.json(201);
    assert_eq!(taken["state"]["enum_value"], "400");
    // They are installed like any others.
    let (code, exported, _) = shop.oms(&["installation", "export"]).await;
    assert_eq!((code, exported.matches("entity = \"order\"").count()), (0, 16));
    shop.finish().await;
}

#[tokio::test]
async fn every_running_server_follows_a_change_without_a_restart() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let paths = [package.path(), format!("{}{}", second.url, package.path())];
    for path in &paths {
        assert!(!labels(&shop, path).await.contains(&json!("Unpack")));
    }

    shop.install(&[STANDARD, UNPACK, SHOP]).await;

    for path in &paths {
        shop.until("the new command is listed", async || {
            labels(&shop, path).await.contains(&json!("Unpack")).then_some(())
        })
        .await;
    }
    // Gone again, and listed no more.
    shop.install(&[STANDARD, SHOP]).await;
    for path in &paths {
        shop.until("it is listed no more", async || {
            (!labels(&shop, path).await.contains(&json!("Unpack"))).then_some(())
        })
        .await;
    }
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_command_goes_by_the_installation_of_the_moment_it_runs() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    for url in [shop.url(), &second.url] {
        let package = shop.package().await;
        package.run("COMPLETE_PACKING").await.ok();
        let path = format!("{url}{}", package.command_path());
        let body = json!({ "slug": UNPACK_SLUG });
        // At once: it does not wait to be told.
        shop.changes_nothing(shop.post(&path, &body)).await.refused(NOT_ALLOWED);
        shop.install(&[STANDARD, UNPACK, SHOP]).await;
        shop.post(&path, &body).await.ok();
        assert_eq!(package.state().await, "preparing");
        shop.install(&[STANDARD, SHOP]).await;
        package.run("COMPLETE_PACKING").await.ok();
        shop.changes_nothing(shop.post(&path, &body)).await.refused(NOT_ALLOWED);
    }
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_transition_that_logs_name_is_retired_and_comes_back_with_its_id() {
    let shop = Shop::open().await;
    let used = shop.package().await;
    used.move_to("preparing").await;
    used.move_to("ready-for-packaging").await;
    let preparing = shop.package().await;
    preparing.move_to("preparing").await;
    let slug = "package__pkg_state_transition__preparing__ready-for-packaging";
    let id: i64 = shop.value("select id from transitions where slug = $1", slug).await;
    let unused = "package__cancel_package__blocked__packaging-canceled";

    let text = without("PKG_STATE_TRANSITION", "preparing");
    let text = text.replace(
        "command = \"CANCEL_PACKAGE\"\nsource = \"blocked\"",
        "command = \"CANCEL_PACKAGE\"\nsource = \"preparing\"\nslug = \"other\"",
    );
    shop.install(&[&text, SHOP]).await;

    for body in [json!({ "slug": slug }), json!({ "transition": id })] {
        shop.changes_nothing(preparing.post(&body)).await.refused(NOT_ALLOWED);
    }
    let retired: bool = shop.value("select retired_date is not null from transitions where slug = $1", slug).await;
    let left: bool = shop.value("select exists (select from transitions where slug = $1)", unused).await;
    // One that no log names is retired, too: to look for its name in all logs would take longer than commands can wait.
    assert_eq!((retired, left), (true, true));
    let again: bool = shop.value("select retired_date is not null from transitions where slug = $1", unused).await;
    assert!(again);

    shop.install(&[STANDARD, SHOP]).await;
    preparing.post(&json!({ "transition": id, "slug": slug })).await.ok();
    assert_eq!(preparing.state().await, "ready-for-packaging");
    shop.finish().await;
}

#[tokio::test]
async fn a_state_that_begins_or_ceases_to_occupy_recounts_the_quota_with_a_ledger_row_each() {
    let shop = Shop::open().await;
    let waiting = shop.package().await;
    let packed = shop.package().await;
    packed.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.quota("KADIKOY").await, 1);

    let counts = |slug: &str, occupies: bool| {
        let line = format!("slug = \"{slug}\"\n");
        STANDARD.replacen(&line, &format!("{line}occupies_quota = {occupies}\n"), 1)
    };
    shop.install(&[&counts("packed", true), SHOP]).await;
    assert_eq!((shop.quota("KADIKOY").await, packed.ledger().await.len()), (2, 3));
    let version: i64 = shop.value("select version from installation where only_row = $1", true).await;
    let path = format!("/api/v1/oms/stocklocations/{}/quota-ledger/", shop.location_id("KADIKOY").await);
    let row = shop.get(&path).await.ok()["results"][0].clone();
    assert_eq!(
        (&row["package"], &row["delta"], &row["transition_log"], &row["installation_version"]),
        (&json!(packed.id), &json!(1), &Value::Null, &json!(version))
    );

    shop.install(&[&counts("waiting", false), SHOP]).await;
    assert_eq!(shop.quota("KADIKOY").await, 0);
    assert_eq!(waiting.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    assert_eq!(packed.ledger().await, ["KADIKOY +1", "KADIKOY -1", "KADIKOY +1", "KADIKOY -1"]);
    // Moves go by it from now on.
    waiting.move_to("preparing").await;
    assert_eq!(shop.quota("KADIKOY").await, 1);
    shop.install(&[STANDARD, SHOP]).await;
    shop.finish().await;
}

#[tokio::test]
async fn fixed_ids_are_kept_and_new_ones_begin_after_them() {
    let shop = Shop::bare().await;
    let fixed = STANDARD.replacen("slug = \"waiting\"", "id = 33\nslug = \"waiting\"", 1).replacen(
        "command = \"COMPLETE_PACKING\"",
        "id = 333\ncommand = \"COMPLETE_PACKING\"",
        1,
    );
    shop.install(&[&fixed, SHOP]).await;
    let first: (i64, i64) = (
        shop.state_id("waiting").await,
        shop.value("select id from transitions where slug = $1", "package__complete_packing__waiting__packed").await,
    );
    assert_eq!(first, (33, 333));
    shop.install(&[&fixed, UNPACK, SHOP]).await;
    let unpack: i64 = shop.value("select id from transitions where slug = $1", UNPACK_SLUG).await;
    assert!(unpack > 333, "{unpack}");
    shop.count("KADIKOY", "RED", 1).await;
    let package = shop.package().await;
    package.post(&json!({ "transition": 333 })).await.ok();
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}

#[tokio::test]
async fn an_id_that_is_another_entrys_is_refused() {
    let shop = Shop::open().await;
    let blocked = shop.state_id("blocked").await;
    let cancel: i64 = shop
        .value("select id from transitions where slug = $1", "package__cancel_package__blocked__packaging-canceled")
        .await;
    let state = STANDARD.replacen("slug = \"packed\"", &format!("id = {blocked}\nslug = \"packed\""), 1);
    let transition = STANDARD.replacen(
        "command = \"CANCEL_PACKAGE\"\nsource = \"out-of-stock\"",
        &format!("id = {cancel}\ncommand = \"CANCEL_PACKAGE\"\nsource = \"out-of-stock\""),
        1,
    );
    for text in [state, transition] {
        assert_ne!(text, STANDARD);
        let installation = read_installation(&[&text, SHOP]);
        shop.changes_nothing(async { apply::apply(shop.pool(), &installation).await.expect_err("refused") }).await;
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_state_that_holds_packages_cannot_become_another_and_nothing_is_applied() {
    let shop = Shop::open().await;
    shop.package().await;
    let changed = STANDARD.replacen("enum_value = \"100\"", "enum_value = \"101\"", 1);
    let installation = read_installation(&[UNPACK, &changed, SHOP]);
    let before = shop.dump().await;
    let error = apply::apply(shop.pool(), &installation).await.expect_err("refused").to_string();
    assert!(error.contains("waiting") && error.contains("101"), "{error}");
    before.assert_same(&shop.dump().await);
    shop.finish().await;
}

#[tokio::test]
async fn a_location_made_over_http_stays_when_an_installation_is_applied() {
    let shop = Shop::open().await;
    let location =
        json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store", "max_quota": 3, "latitude": "41.5" });
    let made = shop.post("/api/v1/oms/stocklocations/", &location).await.json(201);
    shop.install(&[STANDARD, SHOP]).await;
    assert_eq!(shop.get(&format!("/api/v1/oms/stocklocations/{}/", made["id"])).await.ok(), made);
    assert_eq!((&made["available_quota"], &made["address"]["latitude"]), (&json!(3), &json!("41.50000000")));
    shop.finish().await;
}

#[tokio::test]
async fn a_location_that_is_wrong_names_the_field() {
    let shop = Shop::open().await;
    let base = json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store" });
    let one = format!("{LOCATIONS}{}/", shop.location_id("HQ").await);
    for (field, value) in [
        ("erp_code", json!("")),
        ("erp_code", json!("KADIKOY")),
        ("name", json!(" ")),
        ("stock_location_type", json!("ship")),
        ("max_quota", json!(-1)),
        ("latitude", json!("91")),
        ("longitude", json!(181)),
        ("cargo_company", json!(999)),
    ] {
        let mut new = base.clone();
        new[field] = value.clone();
        assert_eq!(shop.changes_nothing(shop.post(LOCATIONS, &new)).await.wrong(field).len(), 1, "{field}");
        assert_eq!(
            shop.changes_nothing(shop.patch(&one, &json!({ field: value }))).await.wrong(field).len(),
            1,
            "{field}"
        );
    }
    for field in ["erp_code", "name", "stock_location_type"] {
        let mut new = base.clone();
        new.as_object_mut().expect("an object").remove(field);
        assert_eq!(shop.changes_nothing(shop.post(LOCATIONS, &new)).await.wrong(field), ["This field is required."]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_state_of_which_no_notice_has_come_yet_is_shown() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    // Another server's installation, at the moment between its commit and our hearing of it.
    shop.execute(
        "insert into states (id, entity, slug, enum_value, name) values (4711, 'package', 'gift-wrapping', '250', 'Gift')",
    )
    .await;
    shop.execute("update packages set state_id = 4711").await;
    assert_eq!(package.json().await["state"]["id"], 4711);
    for path in ["/api/v1/oms/packages/", "/api/v1/oms/orders/"] {
        assert_eq!(shop.get(path).await.status, 200, "{path}");
    }
    shop.abandon().await;
}
