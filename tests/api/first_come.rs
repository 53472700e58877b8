//! First come, first served: what comes free goes to the order that was placed first, whoever orders meanwhile.

use serde_json::{Value, json};

use crate::{
    support::{Package, Shop, join, order_json},
    waiting::{PLANNED, REFUSED, until_at, until_quiet},
};

/// An order that was placed on a day of January.
async fn placed(shop: &Shop, number: &str, day: u32, lines: &[(&str, i64)]) -> i64 {
    let mut order = order_json(number, lines);
    order["date_placed"] = json!(format!("2026-01-{day:02}T10:00:00Z"));
    shop.order_of(&order).await.only_package().id
}

/// Changes the shop's scenario.
async fn scenario(shop: &Shop, change: Value) {
    let id = shop.get("/api/v1/oms/scenarios/").await.json(200)["results"][0]["id"].clone();
    shop.patch(&format!("/api/v1/oms/scenarios/{id}/"), &change).await.ok();
}

#[tokio::test]
async fn units_that_return_go_to_the_orders_that_were_placed_first_however_many_order_meanwhile() {
    let shop = Shop::watching().await;
    let other = shop.second_watching_server().await;
    // The order that was placed first arrives last.
    let mut waiting = Vec::new();
    for day in (1..=25).rev() {
        waiting.push((day, placed(&shop, &format!("W{day}"), day, &[("PINK", 1)]).await));
    }
    let customers = join((0..4).map(|customer| {
        let shop = &shop;
        async move {
            for at in 0..10 {
                placed(shop, &format!("N{customer}-{at}"), 28, &[("PINK", 1)]).await;
            }
        }
    }));
    let counts = async {
        for units in 1..=10 {
            shop.count("GEBZE", "PINK", units).await;
            shop.count("BESIKTAS", "PINK", units).await;
        }
    };
    tokio::join!(customers, counts);
    let look = || async {
        let reserved: i64 =
            shop.value("select sum(reserved)::bigint from stocks where sku = $1", "PINK".to_owned()).await;
        (reserved == 20).then_some(())
    };
    shop.until("all of it is held", look).await;
    let mut served = Vec::new();
    for (day, package) in &waiting {
        if Package::new(&shop, *package).state().await == "waiting" {
            served.push(*day);
        }
    }
    served.sort_unstable();
    assert_eq!(served, (1..=20).collect::<Vec<u32>>());
    other.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn before_the_older_order_is_planned_again_nobody_else_gets_what_returned_for_it() {
    // No server plans again by itself: the unit lies there for as long as it takes.
    let shop = Shop::open().await;
    let older = placed(&shop, "OLD", 5, &[("PINK", 2)]).await;
    shop.count("GEBZE", "PINK", 2).await;
    let younger = placed(&shop, "NEW", 6, &[("PINK", 1)]).await;
    assert_eq!(Package::new(&shop, younger).place().await, "out-of-stock@HQ");
    // Somebody who ordered before both, and whose order arrives only now, does not queue behind them.
    let oldest = placed(&shop, "FIRST", 4, &[("PINK", 1)]).await;
    assert_eq!(Package::new(&shop, oldest).place().await, "waiting@GEBZE");
    // What nobody waits for is for everybody.
    shop.count("GEBZE", "PINK", 4).await;
    let last = placed(&shop, "LAST", 7, &[("PINK", 1)]).await;
    assert_eq!(Package::new(&shop, last).place().await, "out-of-stock@HQ", "2 for OLD, 1 for NEW");
    Package::new(&shop, older).run("REPACK").await.ok();
    Package::new(&shop, younger).run("REPACK").await.ok();
    shop.count("GEBZE", "PINK", 5).await;
    Package::new(&shop, last).run("REPACK").await.ok();
    assert_eq!(Package::new(&shop, last).place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn a_line_of_five_gets_its_units_although_lines_of_one_want_each_of_them_and_those_are_hardly_tried() {
    let shop = Shop::watching().await;
    let five = placed(&shop, "FIVE", 1, &[("PINK", 5)]).await;
    let mut ones = Vec::new();
    for at in 0..6 {
        ones.push(placed(&shop, &format!("ONE{at}"), 2, &[("PINK", 1)]).await);
    }
    // What the orders woke when they found nothing is over.
    until_quiet(&shop).await;
    for units in 1..=4 {
        shop.count("GEBZE", "PINK", units).await;
        until_quiet(&shop).await;
    }
    assert_eq!(shop.metric(PLANNED).await, 0);
    assert_eq!(shop.metric(REFUSED).await, 4, "one is tried for each count, and not six");
    shop.count("GEBZE", "PINK", 6).await;
    until_at(&Package::new(&shop, five), "waiting@GEBZE").await;
    until_at(&Package::new(&shop, ones[0]), "waiting@GEBZE").await;
    until_quiet(&shop).await;
    for one in &ones[1..] {
        assert_eq!(Package::new(&shop, *one).place().await, "out-of-stock@HQ");
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_was_left_to_an_order_is_for_the_next_one_when_it_is_cancelled() {
    let shop = Shop::watching().await;
    let five = placed(&shop, "FIVE", 1, &[("PINK", 5)]).await;
    let one = placed(&shop, "ONE", 2, &[("PINK", 1)]).await;
    shop.count("GEBZE", "PINK", 1).await;
    until_quiet(&shop).await;
    assert_eq!(Package::new(&shop, one).place().await, "out-of-stock@HQ");
    Package::new(&shop, five).run("CANCEL_PACKAGE").await.ok();
    until_at(&Package::new(&shop, one), "waiting@GEBZE").await;
    shop.finish().await;
}

#[tokio::test]
async fn an_older_order_that_cannot_use_what_returned_holds_nobody_up() {
    let shop = Shop::watching().await;
    shop.count("GEBZE", "PINK", 2).await;
    let older = shop.order(&[("PINK", 1)]).await.only_package();
    // The store does not find it: the order waits, and GEBZE is not asked for it again. Another unit is there.
    let item = older.item("PINK").await;
    older.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": [item] })).await.ok();
    assert_eq!(older.place().await, "out-of-stock@HQ");
    let younger = shop.order(&[("PINK", 1)]).await.only_package();
    assert_eq!(younger.place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn room_that_comes_free_is_left_to_the_order_that_waits_for_it_whatever_it_wants_there() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 5).await;
    shop.count("GEBZE", "GREY", 5).await;
    shop.limit("GEBZE", Some(1)).await;
    let first = shop.order(&[("PINK", 1)]).await.only_package();
    let second = placed(&shop, "SECOND", 3, &[("PINK", 1)]).await;
    assert_eq!(Package::new(&shop, second).place().await, "out-of-stock@HQ");
    first.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.quota("GEBZE").await, 0);
    let third = placed(&shop, "THIRD", 4, &[("GREY", 1)]).await;
    assert_eq!(Package::new(&shop, third).place().await, "out-of-stock@HQ");
    // Whoever ordered before it has the room.
    let oldest = placed(&shop, "FIRST", 2, &[("GREY", 1)]).await;
    assert_eq!(Package::new(&shop, oldest).place().await, "waiting@GEBZE");
    shop.limit("GEBZE", Some(2)).await;
    let fourth = placed(&shop, "FOURTH", 5, &[("GREY", 1)]).await;
    assert_eq!(Package::new(&shop, fourth).place().await, "out-of-stock@HQ");
    shop.limit("GEBZE", Some(4)).await;
    let fifth = placed(&shop, "FIFTH", 6, &[("GREY", 1)]).await;
    assert_eq!(Package::new(&shop, fifth).place().await, "out-of-stock@HQ", "three places, for three who wait");
    shop.limit("GEBZE", Some(6)).await;
    let sixth = placed(&shop, "SIXTH", 7, &[("GREY", 1)]).await;
    assert_eq!(Package::new(&shop, sixth).place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn a_scenario_may_say_that_whoever_fits_is_served() {
    let shop = Shop::open().await;
    placed(&shop, "OLD", 1, &[("PINK", 5)]).await;
    shop.count("GEBZE", "PINK", 1).await;
    let queued = placed(&shop, "NEW", 2, &[("PINK", 1)]).await;
    assert_eq!(Package::new(&shop, queued).place().await, "out-of-stock@HQ");
    scenario(&shop, json!({ "waiting": "whoever_fits" })).await;
    let served = placed(&shop, "NEWER", 3, &[("PINK", 1)]).await;
    assert_eq!(Package::new(&shop, served).place().await, "waiting@GEBZE");
    let wrong = shop.get("/api/v1/oms/scenarios/").await.json(200)["results"][0]["id"].clone();
    let reply = shop.patch(&format!("/api/v1/oms/scenarios/{wrong}/"), &json!({ "waiting": "first" })).await;
    assert!(reply.wrong("waiting")[0].contains("first_come"), "{}", reply.text());
    shop.finish().await;
}

#[tokio::test]
async fn the_plan_says_what_was_left_to_older_orders_and_can_be_made_again() {
    let shop = Shop::open().await;
    placed(&shop, "OLD", 1, &[("PINK", 5)]).await;
    shop.count("GEBZE", "PINK", 3).await;
    let mut order = order_json("NEW", &[("PINK", 1)]);
    order["date_placed"] = json!("2026-02-01");
    let order = shop.order_of(&order).await;
    let plan = order.execution_plan().await;
    let shown = plan.to_string();
    assert!(shown.contains(r#""set_aside":{"PINK":3}"#), "{shown}");
    assert!(shown.contains(r#""reproduced":true"#) && !shown.contains(r#""reproduced":false"#), "{shown}");
    shop.finish().await;
}
