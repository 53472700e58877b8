//! Waiting packages are planned again: at once when something comes free, and by the sweep.

use chrono::{DateTime, Timelike as _, Utc};
use serde_json::{Map, Value, json};

use crate::support::{Package, Shop, join};

pub const PLANNED: &str = "oms_replanning_attempts_total{cause=\"freed\",outcome=\"planned\"}";
pub const REFUSED: &str = "oms_replanning_attempts_total{cause=\"freed\",outcome=\"refused\"}";
const SWEPT: &str = "oms_replanning_attempts_total{cause=\"sweep\",outcome=\"refused\"}";

/// Waits until a package is there.
pub async fn until_at(package: &Package<'_>, place: &str) {
    let look = || async { (package.place().await == place).then_some(()) };
    package.shop.until(&format!("package {} is {place}", package.id), look).await;
}

/// Waits until everything freed so far has been looked at: the last wake is looked at last.
pub async fn until_quiet(shop: &Shop) {
    shop.execute("insert into replanning_wakes (skus) values ('{nothing}')").await;
    let look = || async {
        let left: i64 = shop.value("select count(*) from replanning_wakes where id > $1", 0_i64).await;
        (left == 0).then_some(())
    };
    shop.until("the list is empty", look).await;
}

/// Waits until a metric has a value.
async fn until_metric(shop: &Shop, sample: &str, least: u64) {
    let look = || async { (shop.metric(sample).await >= least).then_some(()) };
    shop.until(&format!("{sample} is {least}"), look).await;
}

#[tokio::test]
async fn a_count_of_stock_gives_what_waits_for_it_a_place_at_once_and_the_log_names_the_system() {
    let shop = Shop::watching().await;
    let package = shop.order(&[("PINK", 2)]).await.only_package();
    assert_eq!(package.place().await, "out-of-stock@HQ");

    // Not enough for it: nothing to try.
    shop.count("GEBZE", "PINK", 1).await;
    until_quiet(&shop).await;
    assert_eq!(package.place().await, "out-of-stock@HQ");
    assert_eq!((shop.metric(PLANNED).await, shop.metric(REFUSED).await), (0, 0));

    shop.count("GEBZE", "PINK", 2).await;
    until_at(&package, "waiting@GEBZE").await;
    assert_eq!(package.log().await, ["created -> out-of-stock@HQ", "REPACK: out-of-stock -> waiting@GEBZE"]);
    let who: String = shop
        .value(
            "select u.username from transition_logs g join users u on u.id = g.user_id
              where g.package_id = $1 order by g.id desc limit 1",
            package.id,
        )
        .await;
    assert_eq!(who, "system");
    assert_eq!(package.events().await, ["package.created", "package.status.transitioned"]);
    until_metric(&shop, PLANNED, 1).await;
    shop.finish().await;
}

#[tokio::test]
async fn what_an_import_of_stock_brings_is_found_too() {
    let shop = Shop::watching().await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "erp_code,sku,quantity\nBESIKTAS,PINK,4\n").expect("written");
    let path = file.path().to_str().expect("UTF-8");
    assert_eq!(shop.oms(&["stock", "import", path]).await.0, 0);
    until_at(&package, "waiting@BESIKTAS").await;
    shop.finish().await;
}

#[tokio::test]
async fn the_oldest_order_gets_the_one_unit_and_nobody_else_is_even_tried() {
    let shop = Shop::watching().await;
    let mut packages = Vec::new();
    for _ in 0..40 {
        packages.push(shop.order(&[("PINK", 1)]).await.only_package());
    }
    let other = shop.order(&[("GREY", 1)]).await.only_package();

    shop.count("GEBZE", "PINK", 1).await;
    until_at(&packages[0], "waiting@GEBZE").await;
    until_quiet(&shop).await;
    for package in packages[1..].iter().chain([&other]) {
        assert_eq!(package.place().await, "out-of-stock@HQ");
    }
    assert_eq!((shop.metric(PLANNED).await, shop.metric(REFUSED).await), (1, 0));

    // The next three units go to the next three.
    shop.count("GEBZE", "PINK", 4).await;
    until_at(&packages[3], "waiting@GEBZE").await;
    until_quiet(&shop).await;
    assert_eq!(packages[4].place().await, "out-of-stock@HQ");
    assert_eq!((shop.metric(PLANNED).await, shop.metric(REFUSED).await), (4, 0));
    shop.finish().await;
}

#[tokio::test]
async fn what_a_cancelled_package_held_goes_to_the_next_who_waits() {
    let shop = Shop::watching().await;
    shop.count("GEBZE", "PINK", 1).await;
    let first = shop.order(&[("PINK", 1)]).await.only_package();
    let second = shop.order(&[("PINK", 1)]).await.only_package();
    assert_eq!((first.place().await.as_str(), second.place().await.as_str()), ("waiting@GEBZE", "out-of-stock@HQ"));
    first.run("CANCEL_PACKAGE").await.ok();
    until_at(&second, "waiting@GEBZE").await;
    assert_eq!(shop.stock("GEBZE", "PINK").await, (1, 1));
    shop.finish().await;
}

#[tokio::test]
async fn room_that_packing_frees_at_a_full_location_goes_to_the_next_who_waits() {
    let shop = Shop::watching().await;
    shop.count("GEBZE", "PINK", 5).await;
    shop.limit("GEBZE", Some(1)).await;
    let first = shop.order(&[("PINK", 1)]).await.only_package();
    let second = shop.order(&[("PINK", 1)]).await.only_package();
    let third = shop.order(&[("PINK", 1)]).await.only_package();
    until_quiet(&shop).await;
    assert_eq!(second.place().await, "out-of-stock@HQ");
    // A full location is no reason to try.
    assert_eq!((shop.metric(PLANNED).await, shop.metric(REFUSED).await), (0, 0));

    first.run("COMPLETE_PACKING").await.ok();
    until_at(&second, "waiting@GEBZE").await;
    until_quiet(&shop).await;
    assert_eq!(third.place().await, "out-of-stock@HQ");

    shop.limit("GEBZE", Some(2)).await;
    until_at(&third, "waiting@GEBZE").await;
    assert_eq!((shop.quota("GEBZE").await, shop.metric(REFUSED).await), (2, 0));
    shop.finish().await;
}

#[tokio::test]
async fn a_location_that_is_asked_again_and_a_scenario_that_asks_for_less_give_places() {
    let shop = Shop::watching().await;
    shop.count("GEBZE", "PINK", 1).await;
    let gebze = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("GEBZE").await);
    shop.patch(&gebze, &json!({ "is_active": false })).await.ok();
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop.patch(&gebze, &json!({ "is_active": true })).await.ok();
    until_at(&package, "waiting@GEBZE").await;

    let nowhere = shop.order(&[("GREY", 1)]).await.only_package();
    assert_eq!(nowhere.place().await, "out-of-stock@HQ");
    let id = shop.get("/api/v1/oms/scenarios/").await.json(200)["results"][0]["id"].clone();
    let rules = json!([{ "name": "Anywhere", "conditions": [], "order_by": ["priority"] }]);
    shop.patch(&format!("/api/v1/oms/scenarios/{id}/"), &json!({ "rules": rules })).await.ok();
    until_at(&nowhere, "waiting@KADIKOY").await;
    shop.finish().await;
}

#[tokio::test]
async fn what_has_no_place_is_not_tried_again_until_something_it_wants_changes() {
    let shop = Shop::watching().await;
    let package = shop.order(&[("PINK", 1), ("GREY", 1)]).await.only_package();
    let grey = shop.order(&[("GREY", 1)]).await.only_package();
    // Other things come and go.
    shop.count("GEBZE", "TEAL", 5).await;
    shop.package().await.run("CANCEL_PACKAGE").await.ok();
    shop.limit("KADIKOY", Some(9)).await;
    until_quiet(&shop).await;
    assert_eq!((shop.metric(PLANNED).await, shop.metric(REFUSED).await), (0, 0));
    // Half of what the first wants: it goes, and what still lacks a place stays, before the younger order.
    shop.count("GEBZE", "PINK", 1).await;
    until_at(&package, "waiting@GEBZE").await;
    let rest = package.successors().await;
    assert_eq!((rest.len(), rest[0].place().await.as_str()), (1, "out-of-stock@HQ"));
    shop.count("GEBZE", "GREY", 1).await;
    until_at(&rest[0], "waiting@GEBZE").await;
    until_quiet(&shop).await;
    assert_eq!(grey.place().await, "out-of-stock@HQ");
    assert_eq!((shop.metric(PLANNED).await, shop.metric(REFUSED).await), (2, 0));
    shop.finish().await;
}

#[tokio::test]
async fn the_sweep_tries_everything_once_and_only_when_it_is_time() {
    let shop = Shop::watching().await;
    let hopeless = shop.order(&[("PINK", 1)]).await.only_package();
    let package = shop.order(&[("GREY", 1)]).await.only_package();
    until_quiet(&shop).await;
    // Stock that nobody told of: only the sweep can find it.
    shop.put_stock("select 'GREY', id, 1 from stock_locations where erp_code = 'GEBZE'").await;
    until_quiet(&shop).await;
    assert_eq!((package.place().await.as_str(), shop.metric(SWEPT).await), ("out-of-stock@HQ", 0));

    shop.execute("update replanning_sweep set swept_date = now() - interval '31 minutes'").await;
    until_at(&package, "waiting@GEBZE").await;
    until_metric(&shop, SWEPT, 1).await;
    until_quiet(&shop).await;
    assert_eq!((hopeless.place().await.as_str(), shop.metric(SWEPT).await), ("out-of-stock@HQ", 1));
    shop.finish().await;
}

#[tokio::test]
async fn a_server_that_starts_finds_what_came_free_while_none_ran() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    let first = shop.order(&[("PINK", 1)]).await.only_package();
    let second = shop.order(&[("PINK", 1)]).await.only_package();
    // This server does not watch, so nobody hears of it.
    first.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(second.place().await, "out-of-stock@HQ");
    let server = shop.second_watching_server().await;
    until_at(&second, "waiting@GEBZE").await;
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_a_server_that_died_was_at_is_taken_by_another() {
    let shop = Shop::open().await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    let server = shop.second_watching_server().await;
    until_quiet(&shop).await;
    // A count as a server leaves it that died while it was at it, and one that is still at another.
    shop.put_stock(
        "select sku, id, 1 from stock_locations, unnest('{PINK,GREY}'::text[]) as c(sku) where erp_code = 'GEBZE'",
    )
    .await;
    shop.execute(
        "insert into replanning_wakes (skus, leased_until) values ('{GREY}', now() + interval '1 hour'),
                                                                 ('{PINK}', now() - interval '1 second')",
    )
    .await;
    until_at(&package, "waiting@GEBZE").await;
    let look = || async {
        let left: i64 = shop.value("select count(*) from replanning_wakes where $1", true).await;
        (left == 1).then_some(())
    };
    shop.until("the row that is not taken stays", look).await;
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn several_servers_together_plan_each_package_once_and_sell_nothing_twice() {
    let shop = Shop::watching().await;
    let (one, other) = (shop.second_watching_server().await, shop.second_watching_server().await);
    let mut packages = Vec::new();
    for _ in 0..30 {
        packages.push(shop.order(&[("PINK", 1)]).await.only_package());
    }
    // Each count tells of one more unit; some are counted at two places at once.
    for quantity in 1..=10 {
        join([("GEBZE", quantity), ("BESIKTAS", quantity)].map(|(at, quantity)| shop.count(at, "PINK", quantity)))
            .await;
    }
    shop.execute("update replanning_sweep set swept_date = now() - interval '31 minutes'").await;
    let look = || async {
        let reserved: i64 =
            shop.value("select sum(reserved)::bigint from stocks where sku = $1", "PINK".to_owned()).await;
        (reserved == 20).then_some(())
    };
    shop.until("all of it is held", look).await;
    until_quiet(&shop).await;
    assert_eq!((shop.stock("GEBZE", "PINK").await, shop.stock("BESIKTAS", "PINK").await), ((10, 10), (10, 10)));
    let mut places = Vec::new();
    for package in &packages {
        places.push(package.state().await);
        assert!(package.log().await.len() <= 2);
    }
    assert_eq!(places.iter().filter(|state| *state == "waiting").count(), 20);
    one.stop().await;
    other.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_waits_because_every_store_is_shut_is_planned_when_one_opens() {
    let shop = Shop::open().await;
    let server = shop.second_watching_server().await;
    let scenario = shop.get("/api/v1/oms/scenarios/").await.ok()["results"][0]["id"].clone();
    let rules = json!([{ "name": "open", "conditions": ["SELECT_BY_STOCK", "SELECT_BY_OPENING_HOURS"] }]);
    shop.patch(&format!("/api/v1/oms/scenarios/{scenario}/"), &json!({ "rules": rules })).await.ok();
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    let shut = json!({ "timezone": "UTC", "opening_hours": {} });
    shop.patch(&path, &json!({ "conf": shut })).await.ok();
    shop.until("the wakes of these changes are over", || async {
        shop.rows::<(i64,)>("select id from replanning_wakes").await.is_empty().then_some(())
    })
    .await;
    let order = shop.order(&[("RED", 1)]).await;
    let package = order.only_package();
    // Not because it lacks stock, and the plan says so.
    assert_eq!(package.place().await, "needs-rescheduling@HQ");
    let path =
        format!("/api/v1/oms/orderexecutionplans/?order__number={}", order.json["number"].as_str().expect("one"));
    let plan = shop.get(&path).await.ok();
    assert_eq!(plan["results"][0]["context"]["attempts"][0]["waits_for_opening"], true, "{plan}");
    // What no store has, open or shut, is out of stock.
    let absent = shop.order(&[("RED", 1), ("PINK", 1)]).await.only_package();
    assert_eq!(absent.place().await, "out-of-stock@HQ");
    // It is noon there, and the store has opened a minute ago: no change tells that, only the clock.
    let now: DateTime<Utc> = shop.value("select now() + $1 * interval '1 second'", 0_i32).await;
    let zone = format!("Etc/GMT{:+}", i64::from(now.hour()) - 12);
    let opening = format!("12:{:02}", now.minute().saturating_sub(1));
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let hours: Map<String, Value> =
        days.iter().map(|day| ((*day).to_owned(), json!([format!("{opening}-24:00")]))).collect();
    let conf = json!({ "timezone": zone, "opening_hours": hours });
    shop.execute_text(&format!(
        "update installation set version = version + 1;
         update stock_locations set attributes = attributes || jsonb_build_object('conf', '{conf}'::jsonb)
          where erp_code = 'KADIKOY';
         delete from replanning_wakes;
         update replanning_sweep set swept_date = now() - interval '2 minutes'"
    ))
    .await;
    until_at(&package, "waiting@KADIKOY").await;
    server.stop().await;
    shop.abandon().await;
}
