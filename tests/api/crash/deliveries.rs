//! Webhooks are delivered while the server and Postgres crash: every event arrives, in order and signed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{House, Moments, survive_in};
use crate::{
    support::client,
    webhooks::{
        HOOKS, hook,
        receiver::{Mood, Received, Receiver},
    },
};

const TYPES: [&str; 3] = ["package.created", "package.status.transitioned", "package.status.packed"];
/// Longer than a lease: a row that a crashed server had claimed comes due again.
const PATIENCE: Duration = Duration::from_mins(2);

async fn subscribe(house: &House, receiver: &Receiver) {
    let client = client().build().expect("a client");
    for event_type in TYPES {
        let request = client.post(format!("{}{HOOKS}", house.url())).json(&hook(&receiver.url, event_type));
        let answer = request.header("Authorization", format!("Token {}", house.token)).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
    }
}

/// Every event of the types: type, package, sequence.
async fn happened(house: &House) -> BTreeSet<(String, i64, i64)> {
    let pool = house.pool().await;
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select t.name, e.object_id, e.sequence + t.nth - 1
           from events e cross join lateral unnest(e.types) with ordinality as t(name, nth)
          where e.entity = 'package' and t.name = any($1)",
    )
    .bind(TYPES.map(str::to_owned).to_vec())
    .fetch_all(&pool)
    .await
    .expect("events");
    pool.close().await;
    rows.into_iter().collect()
}

fn name(one: &Received) -> (String, i64, i64) {
    (one.header("x-whisperer-event").to_owned(), one.object_id(), one.sequence())
}

/// Ends the leases of crashed servers early. Rows whose result is being written are left alone.
async fn let_leases_run_out(house: &House) {
    let pool = house.pool().await;
    sqlx::query(
        "update hook_events set next_attempt_date = next_attempt_date - interval '1 minute'
          where id in (select id from hook_events where not delivered for update skip locked)",
    )
    .execute(&pool)
    .await
    .expect("deliveries");
    pool.close().await;
}

async fn assert_everything_arrived(house: &House, receiver: &Receiver) {
    let happened = happened(house).await;
    assert!(!happened.is_empty());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let arrived: BTreeSet<_> = receiver.taken().iter().map(name).collect();
        let missing = happened.difference(&arrived).count();
        if missing == 0 {
            assert_eq!(arrived, happened, "nothing arrived that did not happen");
            break;
        }
        assert!(Instant::now() < deadline, "{missing} of {} are missing\n{:#?}", happened.len(), house.errors());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Of each package, whichever subscription each event is of: all are of one receiver.
    let mut orders: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (_, package, sequence) in receiver.taken().iter().map(name) {
        let taken = orders.entry(package).or_default();
        if !taken.contains(&sequence) {
            taken.push(sequence);
        }
    }
    let disordered: Vec<_> = orders.iter().filter(|(_, sequences)| !sequences.is_sorted()).collect();
    assert!(disordered.is_empty(), "{disordered:?}");
    receiver.received().iter().for_each(|one| one.verify("geheim-ş"));
    receiver.assert_same_bytes();
    let uuids: BTreeSet<String> = receiver.taken().iter().map(Received::uuid).collect();
    assert_eq!(uuids.len(), happened.len(), "one uuid an event, however often it came");
}

async fn deliver_through(crash: impl AsyncFn(&House, &mut Moments)) {
    let receiver = Receiver::start().await;
    // One of nine fails, whatever it tells of.
    receiver.chooses(|one: &Received| {
        let uuid: Uuid = one.uuid().parse().expect("a uuid");
        let fails = (uuid.as_u128() % 9 + u128::from(one.attempt().unsigned_abs())).is_multiple_of(9);
        Mood::Answers(if fails { 500 } else { 200 })
    });
    let house = House::build().await;
    house.start_server().await;
    subscribe(&house, &receiver).await;
    survive_in(&house, crash).await;
    let_leases_run_out(&house).await;
    assert_everything_arrived(&house, &receiver).await;
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_it_delivers_loses_no_event() {
    deliver_through(async |house, _| {
        house.kill_server().await;
        house.start_server().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_crashes_while_events_are_delivered_loses_none() {
    deliver_through(async |house, _| {
        house.crash_postgres().await;
        house.ready().await;
    })
    .await;
}
