//! What arrives, how, in which order, whatever the receiver does.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use axum::http::header;
use serde_json::{Value, json};

use super::{
    HOOKS, hook,
    receiver::{Mood, Received, Receiver},
    settings, subscribe,
};
use crate::support::{Package, Shop, join};

const TYPES: [&str; 3] = ["package.created", "package.status.transitioned", "package.status.packed"];

/// Sequence numbers of a type's events, by package, as the database has them.
async fn happened(shop: &Shop, event_type: &str) -> BTreeMap<i64, Vec<i64>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "select e.object_id, e.sequence + t.nth - 1
           from events e cross join lateral unnest(e.types) with ordinality as t(name, nth)
          where e.entity = 'package' and t.name = $1 order by 1, 2",
    )
    .bind(event_type)
    .fetch_all(shop.pool())
    .await
    .expect("events");
    let mut happened: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (package, sequence) in rows {
        happened.entry(package).or_default().push(sequence);
    }
    happened
}

/// Waits until everything that happened has arrived, and holds it against the database: each once or more, in order.
async fn assert_everything_arrived(shop: &Shop, receiver: &Receiver) {
    for event_type in TYPES {
        let path = format!("/{event_type}");
        let happened = happened(shop, event_type).await;
        let count: usize = happened.values().map(Vec::len).sum();
        assert!(count > 0);
        receiver
            .until(&format!("{count} of {event_type}"), |received| {
                let taken = received.iter().filter(|one| one.is_taken() && one.path == path);
                taken.map(|one| (one.object_id(), one.sequence())).collect::<BTreeSet<_>>().len() >= count
            })
            .await;
        let arrived: BTreeMap<i64, Vec<i64>> = receiver
            .orders()
            .into_iter()
            .filter(|((at, _), _)| *at == path)
            .map(|((_, package), sequences)| (package, sequences))
            .collect();
        assert_eq!(arrived, happened, "{event_type}");
    }
    receiver.received().iter().for_each(|one| one.verify("geheim-ş"));
    receiver.assert_same_bytes();
}

async fn subscribe_to_all(shop: &Shop, receiver: &Receiver) {
    for event_type in TYPES {
        subscribe(shop, &format!("{}/{event_type}", receiver.url), event_type).await;
    }
}

/// Packages that are blocked, unblocked and packed.
async fn work(shop: &Shop, count: usize) {
    let packages: Vec<Package<'_>> = join((0..count).map(|_| shop.package())).await;
    join(packages.iter().map(async |package| {
        for _ in 0..3 {
            package.run("BLOCK_THE_PACKAGE").await.ok();
            package.run("UNBLOCK_THE_PACKAGE").await.ok();
        }
        package.run("COMPLETE_PACKING").await.ok();
    }))
    .await;
}

#[tokio::test]
async fn a_delivery_has_the_headers_the_bytes_and_the_signature_of_the_original() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let mut wanted = hook(&format!("{}/in/?a=b", receiver.url), "package.status.packed");
    wanted["additional_headers"] = json!({ "X-Shop": "one", "Content-Type": "application/json; charset=utf-8" });
    wanted["config"] = json!({ "auth": { "auth_type": "basic", "username": "oms", "password": "pass:word" } });
    shop.post(HOOKS, &wanted).await.json(201);
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let packed = package.json().await;
    package.run("SHIP_THE_PACKAGE").await.ok();
    let one = receiver.until_taken(1).await.remove(0);
    assert_eq!((one.method.as_str(), one.path.as_str()), ("POST", "/in/"));
    assert_eq!(one.header("x-whisperer-event"), "package.status.packed");
    assert_eq!(one.header("x-shop"), "one");
    assert_eq!(one.header("content-type"), "application/json; charset=utf-8", "additional headers come last");
    assert_eq!(one.headers[header::AUTHORIZATION], "Basic b21zOnBhc3M6d29yZA==");
    assert_eq!((one.attempt(), one.header("x-oms-event-id").split('-').count()), (1, 3));
    one.verify("geheim-ş");
    let json = one.json();
    assert_eq!(json["event"]["type"], "package.status.packed");
    let uuid = one.uuid();
    assert!(uuid.len() == 32 && uuid.chars().all(|digit| digit.is_ascii_hexdigit()), "{uuid}");
    assert_eq!(json["payload"]["state"]["enum_value"], "500", "the package as it was, not as it is");
    assert_eq!(json["payload"]["number"], packed["number"]);
    let text = String::from_utf8(one.body.clone()).expect("ASCII is UTF-8");
    assert!(
        text.is_ascii()
            && text.starts_with(&format!(
                r#"{{"event": {{"type": "package.status.packed", "uuid": "{uuid}"}}, "payload": {{"#
            ))
    );
    assert!(text.contains(r"Ay\u015fe"), "escaped as Python does: {text}");
    assert_eq!(oms::webhooks::json::python(&json.to_string()), text);
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_is_slow_and_closes_early_gets_everything_in_order() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    subscribe_to_all(&shop, &receiver).await;
    receiver.chooses(|one: &Received| {
        let chance = one.object_id() * 7 + one.sequence() * 3 + one.attempt() * 5;
        match chance % 11 {
            0 => Mood::Answers(500),
            1 => Mood::ClosesEarly,
            2 => Mood::Slow(Duration::from_millis(40)),
            3 => Mood::Answers(404),
            4 => Mood::Answers(302),
            _ => Mood::Answers(204),
        }
    });
    work(&shop, 12).await;
    assert_everything_arrived(&shop, &receiver).await;
    let attempts: Vec<i64> = receiver.received().iter().map(Received::attempt).collect();
    assert!(attempts.iter().any(|attempt| *attempt > 1));
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_away_for_a_while_gets_what_it_missed() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    subscribe_to_all(&shop, &receiver).await;
    receiver.is(Mood::Answers(500));
    work(&shop, 4).await;
    receiver.until("many failures", |received| received.len() > 20).await;
    assert!(receiver.taken().is_empty());
    receiver.is(Mood::Answers(200));
    // Quick retries are over for some: what comes due later is called up.
    shop.execute("update hook_events set next_attempt_date = now() where not delivered and not held_back").await;
    assert_everything_arrived(&shop, &receiver).await;
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_fails_holds_back_only_itself_and_a_receiver_that_stalls_no_other() {
    let (receiver, silent) = (Receiver::start().await, Receiver::start().await);
    silent.is(Mood::Stalls);
    let shop = Shop::delivering(settings()).await;
    subscribe(&shop, &format!("{}/a", silent.url), "package.status.transitioned").await;
    subscribe(&shop, &format!("{}/a", receiver.url), "package.status.transitioned").await;
    let bad = shop.package().await;
    let bad_id = bad.id;
    receiver.chooses(move |one| Mood::Answers(if one.object_id() == bad_id { 500 } else { 200 }));
    bad.run("BLOCK_THE_PACKAGE").await.ok();
    bad.run("UNBLOCK_THE_PACKAGE").await.ok();
    receiver.until("the bad one fails", |received| !received.is_empty()).await;
    let good = shop.package().await;
    good.run("BLOCK_THE_PACKAGE").await.ok();
    good.run("UNBLOCK_THE_PACKAGE").await.ok();
    let started = Instant::now();
    receiver.until_taken(2).await;
    assert!(started.elapsed() < Duration::from_secs(9), "nobody waited for the one that stalls");
    let of_bad: BTreeSet<i64> =
        receiver.received().iter().filter(|one| one.object_id() == bad_id).map(Received::sequence).collect();
    assert_eq!(of_bad.len(), 1, "its second event waits for the first");
    shop.finish().await;
    receiver.stop();
    silent.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_share_the_work_and_each_event_arrives_once() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let second = shop.second_delivering_server(settings()).await;
    subscribe_to_all(&shop, &receiver).await;
    work(&shop, 15).await;
    assert_everything_arrived(&shop, &receiver).await;
    let uuids: Vec<String> = receiver.taken().iter().map(Received::uuid).collect();
    let distinct: BTreeSet<&String> = uuids.iter().collect();
    assert_eq!(distinct.len(), uuids.len(), "nothing failed, so nothing came twice");
    second.stop().await;
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_server_takes_on_in_the_moment_it_is_called_up_stays_with_that_server() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    subscribe(&shop, &format!("{}/a", receiver.url), "package.status.transitioned").await;
    receiver.is(Mood::Answers(500));
    let package = shop.package().await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    package.run("UNBLOCK_THE_PACKAGE").await.ok();
    let is_held_back = "select count(*) from hook_events where object_id = $1 and held_back";
    shop.until("one waits for the other", || async {
        (shop.value::<i64, _>(is_held_back, package.id).await > 0).then_some(())
    })
    .await;
    // Another server takes on what is held back: it has the locks, and has not committed yet.
    let mut other = shop.pool().begin().await.expect("begin");
    let taken_on: Vec<i64> = sqlx::query_scalar(
        "update hook_events set held_back = false, next_attempt_date = now() + interval '1 hour'
          where object_id = $1 and held_back returning id",
    )
    .bind(package.id)
    .fetch_all(&mut *other)
    .await
    .expect("rows");
    assert!(!taken_on.is_empty());
    receiver.is(Mood::Answers(200));
    shop.execute("update hook_events set next_attempt_date = now() where not delivered and retry_count > 0").await;
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = $1";
    shop.until("it calls up what comes next", || async {
        (shop.value::<i64, _>(waits, "Lock").await > 0).then_some(())
    })
    .await;
    other.commit().await.expect("commit");
    shop.until("it has looked", || async { (shop.value::<i64, _>(waits, "Lock").await == 0).then_some(()) }).await;
    // What it writes next is written after that.
    let later = shop.package().await;
    later.run("BLOCK_THE_PACKAGE").await.ok();
    let is_delivered = "select exists (select from hook_events where object_id = $1 and delivered)";
    shop.until("the next is delivered", || async { shop.value::<bool, _>(is_delivered, later.id).await.then_some(()) })
        .await;
    let still: i64 = shop
        .value(
            "select count(*) from hook_events where object_id = $1 and next_attempt_date > now() + interval '50 minutes'",
            package.id,
        )
        .await;
    assert_eq!(usize::try_from(still), Ok(taken_on.len()));
    shop.finish().await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_that_fell_over_had_taken_on_comes_due_again_under_the_same_uuid() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    subscribe(&shop, &format!("{}/a", receiver.url), "package.created").await;
    let package = shop.package().await;
    let first = receiver.until_taken(1).await.remove(0);
    shop.until("it is noted", async || {
        let row: bool = shop.value("select delivered from hook_events where object_id = $1", package.id).await;
        row.then_some(())
    })
    .await;
    // As if nobody had noted it: taken on by a server that is gone, its lease over.
    shop.execute("update hook_events set delivered = false, retry_count = 0, next_attempt_date = now()").await;
    let second = receiver.until("it comes again", |received| received.len() == 2).await.remove(1);
    assert_eq!((second.uuid(), second.body), (first.uuid(), first.body));
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn a_token_is_fetched_at_the_login_kept_and_renewed_when_it_is_refused() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let logins = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&logins);
    receiver.chooses(move |one| {
        use std::sync::atomic::Ordering::SeqCst;
        if one.path == "/login/" {
            assert_eq!(one.json(), json!({ "user": "oms", "password": "geheim" }));
            let number = counted.fetch_add(1, SeqCst) + 1;
            return Mood::Says(json!({ "token": format!("t{number}") }).to_string());
        }
        // The first token is good for one delivery.
        let second = one.header("x-oms-sequence") != "1";
        let wanted = if second { "JWT t2" } else { "JWT t1" };
        Mood::Answers(if one.header("authorization") == wanted { 200 } else { 401 })
    });
    let mut wanted = hook(&format!("{}/in", receiver.url), "package.status.transitioned");
    wanted["config"] = json!({ "auth": {
        "auth_type": "token", "url": format!("{}/login/", receiver.url), "username": "oms", "password": "geheim",
        "username_field": "user", "token_key": "token", "header_format": "JWT {}"
    } });
    shop.post(HOOKS, &wanted).await.json(201);
    let package = shop.package().await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    package.run("UNBLOCK_THE_PACKAGE").await.ok();
    let is_in = |received: &[Received]| received.iter().filter(|one| one.path == "/in" && one.is_taken()).count() == 2;
    receiver.until("both are taken", is_in).await;
    assert!(logins.load(std::sync::atomic::Ordering::SeqCst) <= 2);
    let tokens: Vec<String> = receiver
        .taken()
        .iter()
        .filter(|one| one.path == "/in")
        .map(|one| one.header("authorization").to_owned())
        .collect();
    assert!(tokens.iter().all(|token| token.starts_with("JWT t")), "{tokens:?}");
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn a_subscription_hears_what_happens_after_it_was_made_while_it_is_active() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    shop.package().await;
    let id = subscribe(&shop, &format!("{}/a", receiver.url), "package.created").await;
    let second = shop.package().await;
    assert_eq!(receiver.until_taken(1).await[0].object_id(), second.id);
    let path = format!("{HOOKS}{id}/");
    shop.patch(&path, &json!({ "is_active": false })).await.ok();
    let third = shop.package().await;
    let relayed = "select position > (select max(position) from events where object_id = $1 and entity = 'package')
                     from webhook_relay";
    // The relay reads on when somebody subscribes to something else.
    subscribe(&shop, &format!("{}/b", receiver.url), "package.created").await;
    let fourth = shop.package().await;
    receiver.until_taken(2).await;
    let _: bool = shop.value(relayed, third.id).await;
    shop.patch(&path, &json!({ "is_active": true })).await.ok();
    let fifth = shop.package().await;
    let taken = receiver.until_taken(4).await;
    let at =
        |path: &str| -> Vec<i64> { taken.iter().filter(|one| one.path == path).map(Received::object_id).collect() };
    assert_eq!((at("/a"), at("/b")), (vec![second.id, fifth.id], vec![fourth.id, fifth.id]));
    let states: Value = shop.get(&format!("{path}status/")).await.ok();
    assert_eq!(states["state"], "active");
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn an_event_of_which_no_payload_can_be_made_keeps_no_other_from_arriving() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let id = subscribe(&shop, &format!("{}/a", receiver.url), "package.created").await;
    shop.execute("update webhooks set paused_date = now()").await;
    let (broken, whole) = (shop.package().await, shop.package().await);
    let path = format!("{HOOKS}{id}/");
    shop.until("both wait", async || {
        let status = shop.get(&format!("{path}status/")).await.ok();
        (status["pending"] == 2).then_some(())
    })
    .await;
    sqlx::query("update events set facts = '{\"state\": 1}' where entity = 'package' and object_id = $1")
        .bind(broken.id)
        .execute(shop.pool())
        .await
        .expect("updated");
    shop.patch(&path, &json!({ "is_active": true })).await.ok();
    assert_eq!(receiver.until_taken(1).await[0].object_id(), whole.id);
    let minutes: f64 = shop
        .value(
            "select extract(epoch from next_attempt_date - now())::float8 / 60 from hook_events
              where object_id = $1 and not delivered",
            broken.id,
        )
        .await;
    assert!((0.5..=60.2).contains(&minutes), "it is kept, and tried again: {minutes}");
    shop.abandon().await;
    receiver.stop();
}
