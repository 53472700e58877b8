//! Blocking a package, and unblocking it into its state before.

use serde_json::{Value, json};

use crate::support::{Package, SHOP, STANDARD, Shop};

/// The slugs of the ways back that a package offers.
async fn ways_back(package: Package<'_>) -> Vec<String> {
    let json = package.json().await;
    let commands = json["commands"].as_array().expect("commands").iter();
    let back = commands.filter(|command| command["command"] == "UNBLOCK_THE_PACKAGE");
    back.map(|command| command["slug"].as_str().expect("a slug").to_owned()).collect()
}

fn way_back(state: &str) -> String {
    format!("package__unblock_the_package__blocked__{state}")
}

#[tokio::test]
async fn a_blocked_package_keeps_what_it_holds_and_offers_one_way_back() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.move_to("preparing").await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    assert_eq!(package.place().await, "blocked@KADIKOY");
    assert_eq!(package.items().await, [("RED".to_owned(), "blocked".to_owned())]);
    assert_eq!((shop.quota("KADIKOY").await, shop.stock("KADIKOY", "RED").await), (1, (100, 1)));
    assert_eq!(package.reservations().await, ["KADIKOY RED×1"]);
    assert_eq!(ways_back(package).await, [way_back("preparing")]);
    let listed = shop.get("/api/v1/oms/packages/").await.ok();
    assert_eq!(listed["results"][0]["commands"], package.json().await["commands"]);

    package.post(&json!({ "slug": way_back("preparing") })).await.ok();

    assert_eq!(package.place().await, "preparing@KADIKOY");
    assert_eq!(
        package.log().await[2..],
        ["BLOCK_THE_PACKAGE: preparing -> blocked@KADIKOY", "UNBLOCK_THE_PACKAGE: blocked -> preparing@KADIKOY"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn another_way_back_is_refused_in_words_and_changes_nothing() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    for state in ["waiting-remote-action", "preparing", "ready-for-packaging"] {
        let reply = shop.changes_nothing(package.post(&json!({ "slug": way_back(state) }))).await;
        assert_eq!(
            reply.refused_by("oms_package_2"),
            "Package N1P1 was in Waiting before; run the transition that leads back there."
        );
    }
    // The explanation says the same of each.
    let explained = shop.get(&format!("{}?explain=commands", package.path())).await.ok();
    let rows = explained["explanation"]["commands"].as_array().expect("rows").clone();
    let allowed = |state: &str| -> Value {
        let row = rows.iter().find(|row| row["slug"] == way_back(state)).expect("a row");
        row["allowed"].clone()
    };
    assert_eq!((allowed("waiting"), allowed("preparing")), (json!(true), json!(false)));
    shop.finish().await;
}

#[tokio::test]
async fn the_latest_block_counts() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for state in ["waiting", "preparing", "ready-for-packaging"] {
        if state != "waiting" {
            package.move_to(state).await;
        }
        package.run("BLOCK_THE_PACKAGE").await.ok();
        assert_eq!(ways_back(package).await, [way_back(state)]);
        package.post(&json!({ "slug": way_back(state) })).await.ok();
        assert_eq!(package.state().await, state);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_package_that_began_blocked_goes_to_waiting() {
    let shop = Shop::open().await;
    let split = SHOP.replace("initial_state_when_split = \"waiting\"", "initial_state_when_split = \"blocked\"");
    shop.install(&[STANDARD, &split]).await;
    shop.count("GEBZE", "PINK", 5).await;
    let order = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    for package in order.packages() {
        assert_eq!(package.state().await, "blocked");
        assert_eq!(ways_back(package).await, [way_back("waiting")]);
        package.post(&json!({ "slug": way_back("waiting") })).await.ok();
        assert_eq!(package.state().await, "waiting");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_package_is_held_for_a_call_with_its_reason_and_goes_on_where_it_was() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.move_to("preparing").await;
    let reply = shop.changes_nothing(package.run("HOLD_FOR_CUSTOMER_CALL")).await;
    assert_eq!(reply.wrong("reason"), ["This field is required."]);

    package.run_with("HOLD_FOR_CUSTOMER_CALL", &json!({ "reason": "Which flat?" })).await.ok();

    assert_eq!(package.place().await, "waiting-customer@KADIKOY");
    assert_eq!((shop.quota("KADIKOY").await, shop.stock("KADIKOY", "RED").await), (1, (100, 1)));
    let log = shop.get(&format!("{}transition-logs/", package.path())).await.ok();
    assert_eq!(log["results"][0]["parameters"], json!({ "reason": "Which flat?" }));
    let back = "package__unblock_the_package__waiting-customer__preparing";
    assert_eq!(ways_back(package).await, [back]);
    package.post(&json!({ "slug": back })).await.ok();
    assert_eq!(package.place().await, "preparing@KADIKOY");
    shop.finish().await;
}
