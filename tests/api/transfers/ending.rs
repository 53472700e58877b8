//! A package that ends takes its open transfers with it.

use serde_json::json;

use super::open;
use crate::support::{SHOP, STANDARD, Shop, TRANSFERS};

#[tokio::test]
async fn cancelling_a_package_cancels_its_open_transfers_and_frees_what_they_hold() {
    let shop = open().await;
    let package = shop.fetched(&[("RED", 1), ("FAR", 2), ("NEAR", 3)]).await.only_package();
    let [near, far] = package.transfers().await[..] else { panic!("two transfers") };
    let before = shop.dump().await;
    let said = shop.changes_nothing(package.dry_run("CANCEL_PACKAGE", &json!({}))).await.ok();
    before.assert_same(&shop.dump().await);
    let stock = said["effects"]["stock"].as_array().expect("stock");
    assert_eq!(stock.len(), 3);
    package.run("CANCEL_PACKAGE").await.ok();
    for transfer in [near, far] {
        assert_eq!(transfer.log().await, ["created -> waiting", "CANCEL_PACKAGE: waiting -> cancelled"]);
        assert_eq!(
            transfer.events().await,
            ["transfer.status.created", "transfer.status.transitioned", "transfer.status.cancelled"]
        );
    }
    let events = said["effects"]["events"].as_array().expect("events");
    assert_eq!(events.len(), 2 + 4, "{events:?}");
    assert!(package.reservations().await.is_empty());
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 0));
    assert_eq!(shop.stock("GEBZE", "FAR").await, (10, 0));
    assert_eq!(shop.stock("BESIKTAS", "NEAR").await, (10, 0));
    assert_eq!(shop.quota("KADIKOY").await, 0);
    shop.finish().await;
}

#[tokio::test]
async fn what_was_on_its_way_is_promised_to_nobody_until_it_is_booked_in_and_what_has_come_stays_where_it_is() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 2), ("NEAR", 3)]).await.only_package();
    let [near, far] = package.transfers().await[..] else { panic!("two transfers") };
    near.bring().await;
    far.run("TRANSFER_DISPATCH").await.ok();
    assert_eq!(shop.stock("GEBZE", "FAR").await, (8, 0));
    package.run("CANCEL_PACKAGE").await.ok();
    assert_eq!((near.state().await, far.state().await), ("transferred".to_owned(), "cancelled_in_transit".to_owned()));
    // FAR is on no shelf; NEAR is on the shelf of KADIKOY, for anybody.
    assert_eq!((shop.stock("GEBZE", "FAR").await, shop.stock("KADIKOY", "FAR").await), ((8, 0), (0, 0)));
    assert_eq!(shop.stock("KADIKOY", "NEAR").await, (3, 0));
    assert_eq!(shop.stock("BESIKTAS", "NEAR").await, (7, 0));
    for command in ["TRANSFER_DISPATCH", "TRANSFER_ITEM_NOT_FOUND"] {
        shop.changes_nothing(far.run(command)).await.refused(crate::support::NOT_ALLOWED);
    }
    far.run("TRANSFER_DELIVERED").await.ok();
    assert_eq!(far.state().await, "transferred");
    assert_eq!((shop.stock("GEBZE", "FAR").await, shop.stock("KADIKOY", "FAR").await), ((8, 0), (2, 0)));
    assert_eq!(package.state().await, "packaging-canceled");
    shop.finish().await;
}

#[tokio::test]
async fn goods_that_turn_back_are_on_the_shelf_they_came_from_and_their_end_is_told_once() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    shop.changes_nothing(transfer.run("TRANSFER_RETURNED")).await.refused(crate::support::NOT_ALLOWED);
    transfer.run("TRANSFER_DISPATCH").await.ok();
    // Not while its package waits for it: what would become of that?
    shop.changes_nothing(transfer.run("TRANSFER_RETURNED")).await.refused(crate::support::NOT_ALLOWED);
    package.run("CANCEL_PACKAGE").await.ok();
    // Both ends book it in at once: it is there once.
    let slugs = [
        transfer.slug("TRANSFER_RETURNED").await,
        "transfer__transfer_delivered__cancelled_in_transit__transferred".to_owned(),
    ];
    let [first, second] = &slugs.map(|slug| json!({ "slug": slug }));
    let replies = tokio::join!(transfer.post(first), transfer.post(second));
    let mut statuses = [replies.0.status, replies.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 406]);
    let (there, here) = (shop.stock("GEBZE", "FAR").await, shop.stock("KADIKOY", "FAR").await);
    let is_back = transfer.state().await == "cancelled";
    assert_eq!((there, here), if is_back { ((10, 0), (0, 0)) } else { ((8, 0), (2, 0)) });
    let cancelled = transfer.events().await.into_iter().filter(|event| event == "transfer.status.cancelled");
    assert_eq!(cancelled.count(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn an_installation_without_a_state_for_it_counts_what_is_on_its_way_as_returned() {
    let shop = Shop::open().await;
    let mut without: toml::Table = STANDARD.parse().expect("TOML");
    for (section, key) in [("states", "slug"), ("transitions", "source")] {
        let entries = without[section].as_array_mut().expect("entries");
        entries.retain(|entry| entry[key].as_str() != Some("cancelled_in_transit"));
    }
    shop.install(&[&toml::to_string(&without).expect("TOML"), SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 10).await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    transfer.run("TRANSFER_DISPATCH").await.ok();
    package.run("CANCEL_PACKAGE").await.ok();
    assert_eq!((transfer.state().await, shop.stock("GEBZE", "FAR").await), ("cancelled".to_owned(), (10, 0)));
    shop.finish().await;
}

#[tokio::test]
async fn a_package_that_was_brought_together_ends_as_any_other() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    transfer.bring().await;
    package.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(transfer.state().await, "transferred");
    assert_eq!(shop.stock("KADIKOY", "FAR").await, (2, 0));
    shop.finish().await;
}

/// Commands that end it otherwise do the same: here an installation whose stores may say that it is out of stock.
#[tokio::test]
async fn out_of_stock_cancels_them_too_and_plans_the_items_again() {
    let shop = Shop::open().await;
    let entry = "[[transitions]]\nentity = \"package\"\ncommand = \"DETECTED_OUT_OF_STOCK_ITEM\"\n\
                 source = \"waiting-for-transfer\"\ndestination = \"out-of-stock\"\notherwise = \"packaging-canceled\"\n\
                 label = \"Not found\"\n";
    shop.install(&[STANDARD, SHOP, TRANSFERS, entry]).await;
    // What its own transfer holds is all there is.
    shop.count("GEBZE", "FAR", 2).await;
    let package = shop.fetched(&[("RED", 1), ("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    shop.count("BESIKTAS", "RED", 1).await;
    let input = json!({ "package_items": [package.item("RED").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();
    assert_eq!(transfer.state().await, "cancelled");
    assert_eq!(package.place().await, "packaging-canceled@KADIKOY");
    let successors = package.successors().await;
    assert_eq!(successors.len(), 1);
    assert_eq!(successors[0].place().await, "waiting-for-transfer@BESIKTAS");
    assert_eq!(successors[0].reservations().await, ["BESIKTAS RED×1", "GEBZE FAR×2"]);
    assert_eq!(shop.stock("GEBZE", "FAR").await, (2, 2));
    shop.finish().await;
}

/// An installation cannot take away what transfers under way need.
#[tokio::test]
async fn the_states_of_transfers_stay_installed_while_there_are_any_under_way() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let whole: toml::Table = STANDARD.parse().expect("TOML");
    let mut without = whole.clone();
    for section in ["states", "transitions"] {
        let entries = without[section].as_array_mut().expect("entries");
        entries.retain(|entry| entry["entity"].as_str() != Some("transfer"));
    }
    let texts = [&toml::to_string(&without).expect("TOML"), SHOP];
    let refused = oms::installation::apply::apply(shop.pool(), &crate::support::read_installation(&texts)).await;
    let told = refused.expect_err("refused").to_string();
    assert!(told.contains("transfers are under way and need the transfer state"), "{told}");
    package.run("CANCEL_PACKAGE").await.ok();
    shop.install(&texts).await;
    shop.finish().await;
}
