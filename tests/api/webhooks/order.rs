//! What happened to one object arrives at a receiver in its order, whichever subscription each event is of.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::http::Method;
use serde_json::json;

use super::{
    HOOKS,
    receiver::{Mood, Received, Receiver},
    settings, subscribe,
};
use crate::support::{Package, Shop, join, send};

/// What happens to a package that is packed and shipped, in this order.
const TYPES: [&str; 3] = ["package.created", "package.status.packed", "package.status.shipped"];

fn event(one: &Received) -> &str {
    one.header("x-whisperer-event")
}

/// The types that a receiver took of an object at a path.
fn taken(received: &[Received], path: &str, object_id: i64) -> Vec<String> {
    let of_it = received.iter().filter(|one| one.is_taken() && one.path == path && one.object_id() == object_id);
    of_it.map(|one| event(one).to_owned()).collect()
}

/// Fails at `/erp` with what came of the first object that came, as long as the flag says so.
fn fail_with_the_first(receiver: &Receiver, event_type: &'static str) -> Arc<AtomicBool> {
    let fails = Arc::new(AtomicBool::new(true));
    let (failing, first) = (Arc::clone(&fails), AtomicI64::new(0));
    receiver.chooses(move |one| {
        first.compare_exchange(0, one.object_id(), SeqCst, SeqCst).ok();
        let is_bad = one.path == "/erp" && event(one) == event_type && one.object_id() == first.load(SeqCst);
        Mood::Answers(if is_bad && failing.load(SeqCst) { 500 } else { 200 })
    });
    fails
}

async fn pack_and_ship(package: &Package<'_>) {
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_holds_back_what_happened_later_to_its_object_at_its_receiver_and_nothing_else() {
    let receiver = Receiver::start().await;
    let fails = fail_with_the_first(&receiver, "package.created");
    let shop = Shop::delivering(settings()).await;
    // One receiver, however its address is written.
    let upper = receiver.url.replace("http://", "HTTP://");
    for (event_type, url) in
        TYPES.iter().zip([format!("{}/erp", receiver.url), format!("{upper}/erp"), format!("{}/erp#it", receiver.url)])
    {
        subscribe(&shop, &url, event_type).await;
        subscribe(&shop, &format!("{}/app", receiver.url), event_type).await;
    }
    let bad = shop.package().await;
    receiver.until("the bad one's", |received| !received.is_empty()).await;
    let good = shop.package().await;
    join([&bad, &good].map(pack_and_ship)).await;
    let received = receiver
        .until("everything else", |received| {
            let is_tried = received.iter().any(|one| one.object_id() == bad.id && one.attempt() == 11);
            // Its quick retries are over.
            is_tried
                && [("/app", bad.id), ("/app", good.id), ("/erp", good.id)]
                    .iter()
                    .all(|(path, id)| taken(received, path, *id).len() == 3)
        })
        .await;
    let of_bad = received.iter().filter(|one| one.path == "/erp" && one.object_id() == bad.id);
    assert_eq!(of_bad.map(event).collect::<BTreeSet<_>>(), BTreeSet::from([TYPES[0]]));
    fails.store(false, SeqCst);
    let id: i64 = shop
        .value(
            "select h.id from hook_events h join webhooks w on w.id = h.webhook_id
              where h.object_id = $1 and not h.delivered and not h.held_back",
            bad.id,
        )
        .await;
    shop.post(&format!("/whisperer/hook_events/{id}/retry/"), &json!({ "force": true })).await.ok();
    let received = receiver.until("the bad one's", |received| taken(received, "/erp", bad.id).len() == 3).await;
    for (path, package) in [("/app", &bad), ("/app", &good), ("/erp", &bad), ("/erp", &good)] {
        assert_eq!(taken(&received, path, package.id), TYPES, "{path}");
    }
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_does_not_go_on_and_an_event_that_is_given_up_hold_nothing_back() {
    for way in ["paused", "deactivated", "deleted", "sent elsewhere", "given up"] {
        let receiver = Receiver::start().await;
        fail_with_the_first(&receiver, "package.created");
        let shop = Shop::delivering(settings()).await;
        let url = format!("{}/erp", receiver.url);
        let first = subscribe(&shop, &url, TYPES[0]).await;
        subscribe(&shop, &url, TYPES[1]).await;
        let package = shop.package().await;
        package.run("COMPLETE_PACKING").await.ok();
        shop.until("it is held back", async || {
            let held: i64 =
                shop.value("select count(*) from hook_events where held_back and object_id = $1", package.id).await;
            (held == 1).then_some(())
        })
        .await;
        let path = format!("{HOOKS}{first}/");
        match way {
            "paused" => {
                shop.execute("update webhooks set paused_date = now() where event_type = 'package.created'").await;
            }
            "deactivated" => drop(shop.patch(&path, &json!({ "is_active": false })).await.ok()),
            "deleted" => assert_eq!(send(shop.request_as("admin", Method::DELETE, &path)).await.status, 204),
            "sent elsewhere" => {
                let there = json!({ "target_url": format!("{}/other", receiver.url), "secret_key": "geheim-ş" });
                drop(shop.patch(&path, &there).await.ok());
            }
            _ => {
                shop.execute(
                    "update hook_events set created_date = created_date - interval '12 weeks'
                      where not delivered and not held_back",
                )
                .await;
                oms::webhooks::forget_old(shop.pool()).await.expect("forgotten");
            }
        }
        // As if a minute had passed.
        shop.execute("update hook_events set next_attempt_date = now() where held_back").await;
        receiver.until(way, |received| taken(received, "/erp", package.id) == [TYPES[1]]).await;
        shop.abandon().await;
        receiver.stop();
    }
}

/// A number that a request has by chance, always the same.
fn chance(one: &Received) -> u64 {
    let mut hasher = DefaultHasher::new();
    (one.uuid(), one.attempt()).hash(&mut hasher);
    hasher.finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_and_a_receiver_that_fails_by_chance_keep_the_order_of_each_object() {
    const ALL: [&str; 4] =
        ["package.created", "package.status.transitioned", "package.status.packed", "package.status.shipped"];
    let receiver = Receiver::start().await;
    receiver.chooses(|one| match chance(one) % 16 {
        0 | 1 => Mood::Answers(500),
        2 => Mood::ClosesEarly,
        3 => Mood::Slow(Duration::from_millis(30)),
        _ => Mood::Answers(204),
    });
    let shop = Shop::delivering(settings()).await;
    let second = shop.second_delivering_server(settings()).await;
    for event_type in ALL {
        for path in ["erp", "app"] {
            subscribe(&shop, &format!("{}/{path}", receiver.url), event_type).await;
        }
    }
    let packages: Vec<Package<'_>> = join((0..10).map(|_| shop.package())).await;
    join(packages.iter().map(async |package| {
        for _ in 0..2 {
            package.run("BLOCK_THE_PACKAGE").await.ok();
            package.run("UNBLOCK_THE_PACKAGE").await.ok();
        }
        pack_and_ship(package).await;
    }))
    .await;
    let happened: Vec<(i64, i64)> = sqlx::query_as(
        "select e.object_id, e.sequence + t.nth - 1
           from events e cross join lateral unnest(e.types) with ordinality as t(name, nth)
          where e.entity = 'package' and t.name = any($1) order by 1, 2",
    )
    .bind(ALL.map(str::to_owned).to_vec())
    .fetch_all(shop.pool())
    .await
    .expect("events");
    let arrived = receiver.until_taken(happened.len() * 2).await;
    let mut expected: BTreeMap<(&str, i64), Vec<i64>> = BTreeMap::new();
    for (object, sequence) in happened {
        for path in ["/erp", "/app"] {
            expected.entry((path, object)).or_default().push(sequence);
        }
    }
    let mut first: BTreeMap<(&str, i64), Vec<i64>> = BTreeMap::new();
    for one in &arrived {
        let taken = first.entry((&one.path, one.object_id())).or_default();
        if !taken.contains(&one.sequence()) {
            taken.push(one.sequence());
        }
    }
    assert_eq!(first, expected);
    assert!(receiver.received().iter().any(|one| one.attempt() > 1));
    second.stop().await;
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_hook_is_tried_again_when_it_asked_for_it() {
    let receiver = Receiver::start().await;
    receiver.is(Mood::Answers(500));
    let shop = Shop::delivering(settings()).await;
    subscribe(&shop, &format!("{}/erp", receiver.url), "package.created").await;
    let packages: Vec<Package<'_>> = join((0..3).map(|_| shop.package())).await;
    // Ten retries follow each other at once (`fixed`, 0 seconds), however many others fail.
    let received = receiver.until("eleven attempts of each", |received| received.len() >= 33).await;
    for package in packages {
        let attempts = received.iter().filter(|one| one.object_id() == package.id).map(Received::attempt);
        assert_eq!(attempts.collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    }
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_asks_to_come_back_later_is_left_alone_until_then_but_no_longer_than_an_hour() {
    for (asked, seconds) in [("300", 300), ("864000", 3600)] {
        let receiver = Receiver::start().await;
        receiver.chooses(
            move |one| {
                if one.path == "/busy" { Mood::AsksToWait(429, asked) } else { Mood::Answers(204) }
            },
        );
        let shop = Shop::delivering(settings()).await;
        for path in ["busy", "free"] {
            subscribe(&shop, &format!("{}/{path}", receiver.url), "package.created").await;
        }
        let package = shop.package().await;
        let waits = shop
            .until("the failure is noted", async || {
                let rows: Vec<(i64,)> = shop
                    .rows(
                        "select round(extract(epoch from next_attempt_date - modified_date))::bigint
                           from hook_events where retry_count = 1 and not delivered",
                    )
                    .await;
                rows.first().map(|(wait,)| *wait)
            })
            .await;
        assert_eq!(waits, seconds);
        // Nor does it get what else happens.
        let other = shop.package().await;
        let received = receiver
            .until("the other one", |received| {
                [package.id, other.id].iter().all(|id| taken(received, "/free", *id).len() == 1)
            })
            .await;
        assert_eq!(received.iter().filter(|one| one.path == "/busy").count(), 1);
        shop.abandon().await;
        receiver.stop();
    }
}
