//! Readers of events go on after a crash of Postgres and after a failover: they are told what is acknowledged then, though
//! Postgres gives out again the transaction ids that it has lost.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use oms::verify::verify;
use serde_json::{Value, json};

use super::{
    house::House,
    load::{Client, ORDERS, Outcome, PACK, command_path},
    standby::Standby,
};
use crate::{
    support::{client, join, order_json},
    webhooks::{HOOKS, hook, receiver::Receiver},
};

/// Packages that are packed after each crash.
const PACKAGES: usize = 20;
/// Ids of transactions that are rolled back. More than the relay leaves unread when no event is wanted.
const IDS: usize = 12_000;
const PACKED: &str = "package.status.packed";

/// An event: its object and its number there.
type Told = ((String, i64), i64);

/// A client that follows the feed, whatever happens.
struct Follower<'h> {
    client: Client<'h>,
    cursor: String,
    /// By the id of the event, in the order in which they were told.
    told: Vec<(String, Told)>,
}

impl<'h> Follower<'h> {
    fn new(house: &'h House, repeats: &'h AtomicUsize) -> Self {
        let client = Client::new(house, "follower".to_owned(), repeats);
        Self { client, cursor: "0".to_owned(), told: Vec::new() }
    }

    /// Reads to the present end of the feed.
    async fn read(&mut self, house: &House) {
        loop {
            let path = format!("/api/v1/oms/events/?after={}&limit=1000", self.cursor);
            let client = &self.client;
            let page = house
                .until("a page of events", async || match client.get(&path).await {
                    Outcome::Answer(200, body) => Some(serde_json::from_str::<Value>(&body).expect("JSON")),
                    _ => None,
                })
                .await;
            page["cursor"].as_str().expect("a cursor").clone_into(&mut self.cursor);
            let events = page["results"].as_array().expect("events");
            if events.is_empty() {
                return;
            }
            self.told.extend(events.iter().map(|event| (event["id"].as_str().expect("an id").to_owned(), told(event))));
        }
    }
}

fn told(event: &Value) -> Told {
    let number = |key: &str| event[key].as_i64().expect("a number");
    ((event["entity"].as_str().expect("a kind").to_owned(), number("object_id")), number("sequence"))
}

/// Ids of all stored events.
async fn stored(house: &House) -> BTreeSet<String> {
    let pool = house.pool().await;
    let ids: Vec<String> = sqlx::query_scalar(
        "select concat_ws('-', position, id, n - 1) from events, lateral generate_series(1, cardinality(types)) n",
    )
    .fetch_all(&pool)
    .await
    .expect("events");
    pool.close().await;
    ids.into_iter().collect()
}

/// Dry runs, and transactions that are rolled back, until it is stopped; the answers do not matter.
async fn disturb(house: &House, repeats: &AtomicUsize, stop: &AtomicBool) {
    let client = Client::new(house, "dry".to_owned(), repeats);
    while !stop.load(Ordering::Relaxed) {
        client.post(&format!("{ORDERS}?dry_run=true"), None, &order_json("DRY", &[("RED", 1)])).await;
        client.post(&format!("{}?dry_run=true", command_path(1)), None, &json!({ "slug": PACK })).await;
    }
}

/// Lets many transactions begin and roll back.
async fn roll_back(house: &House) {
    let pool = house.pool().await;
    let many = format!("do $$ begin for n in 1..{IDS} loop perform pg_current_xact_id(); rollback; end loop; end $$");
    sqlx::raw_sql(sqlx::AssertSqlSafe(many)).execute(&pool).await.expect("rolled back");
    pool.close().await;
}

/// A house with a server, and a receiver of its events.
async fn followed_house() -> (House, Receiver) {
    let (house, receiver) = (House::build().await, Receiver::start().await);
    house.start_server().await;
    let request = client().build().expect("a client").post(format!("{}{HOOKS}", house.url()));
    let request = request.header("Authorization", format!("Token {}", house.token));
    let answer = request.json(&hook(&receiver.url, PACKED)).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    (house, receiver)
}

/// Takes orders, and lets commands race for some of their packages. Returns those that wait.
async fn take_orders(client: &mut Client<'_>, n: &mut usize) -> Vec<i64> {
    for _ in 0..4 {
        *n += 1;
        let package = client.order(*n).await;
        client.pack_against_a_rival(package, *n).await;
    }
    let mut packages = Vec::new();
    for _ in 0..PACKAGES {
        *n += 1;
        packages.push(client.order(*n).await);
    }
    packages
}

async fn pack(client: &mut Client<'_>, packages: &[i64]) {
    for package in packages {
        assert_eq!(client.command(*package, PACK, format!("pack-{package}")).await, 200);
    }
}

/// Dry runs go on while the readers read to the end, many ids of transactions are lost, and Postgres crashes. The package
/// is the last that is told before.
async fn crash(
    house: &House,
    follower: &mut Follower<'_>,
    package: impl Future<Output = i64>,
    crash: impl AsyncFnOnce(),
) {
    let (stop, repeats) = (AtomicBool::new(false), AtomicUsize::new(0));
    let disturbing = join((0..4).map(|_| disturb(house, &repeats, &stop)));
    let crashing = async {
        roll_back(house).await;
        let before = relayed(house).await;
        package.await;
        house.until("the relay went on", async || (relayed(house).await > before).then_some(())).await;
        roll_back(house).await;
        follower.read(house).await;
        crash().await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(disturbing, crashing);
    house.ready().await;
}

/// How far the relay of webhooks has read.
async fn relayed(house: &House) -> i64 {
    let pool = house.pool().await;
    let position = sqlx::query_scalar("select position from webhook_relay").fetch_one(&pool).await.expect("a cursor");
    pool.close().await;
    position
}

/// The follower is told all stored events, and the receiver gets its own. Returns what the follower was told besides.
async fn assert_told(house: &House, follower: &mut Follower<'_>, receiver: &Receiver) -> Vec<Told> {
    let stored = stored(house).await;
    house
        .until("the follower is told everything", async || {
            follower.read(house).await;
            let told: BTreeSet<&String> = follower.told.iter().map(|(id, _)| id).collect();
            stored.iter().all(|id| told.contains(id)).then_some(())
        })
        .await;
    let ids: BTreeSet<&String> = follower.told.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), follower.told.len(), "each event is told once");
    let mut last: BTreeMap<&(String, i64), i64> = BTreeMap::new();
    for (id, (object, sequence)) in follower.told.iter().filter(|(id, _)| stored.contains(id)) {
        let expected = last.insert(object, *sequence).unwrap_or_default() + 1;
        assert_eq!(*sequence, expected, "{object:?} {id}");
    }
    let pool = house.pool().await;
    let packed: Vec<(i64, i64)> = sqlx::query_as(
        "select object_id, sequence + n - 1 from events, unnest(types) with ordinality t(name, n) where name = $1",
    )
    .bind(PACKED)
    .fetch_all(&pool)
    .await
    .expect("events");
    receiver
        .until("everything packed", |received| {
            let taken: BTreeSet<(i64, i64)> =
                received.iter().filter(|one| one.is_taken()).map(|one| (one.object_id(), one.sequence())).collect();
            packed.iter().all(|event| taken.contains(event))
        })
        .await;
    assert_eq!(verify(&pool).await.expect("verify"), [""; 0]);
    pool.close().await;
    follower.told.iter().filter(|(id, _)| !stored.contains(id)).map(|(_, told)| told.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_postgres_hides_no_event_from_any_reader() {
    let (house, receiver) = followed_house().await;
    let repeats = AtomicUsize::new(0);
    let mut client = Client::new(&house, "C".to_owned(), &repeats);
    let mut follower = Follower::new(&house, &repeats);
    let mut n = 0;
    for kind in ["restart", "kill", "kill a connection"] {
        let packages = take_orders(&mut client, &mut n).await;
        crash(&house, &mut follower, client.order(1000 + n), async || match kind {
            "restart" => house.crash_postgres().await,
            "kill" => house.kill_and_start_postgres().await,
            _ => house.kill_connection().await,
        })
        .await;
        pack(&mut client, &packages).await;
        assert_eq!(assert_told(&house, &mut follower, &receiver).await, [], "{kind}");
    }
    receiver.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_on_with_a_promoted_standby() {
    let (house, receiver) = followed_house().await;
    let repeats = AtomicUsize::new(0);
    let mut client = Client::new(&house, "C".to_owned(), &repeats);
    let mut follower = Follower::new(&house, &repeats);
    let standby = Standby::start(&house).await;
    let mut n = 0;
    let packages = take_orders(&mut client, &mut n).await;
    follower.read(&house).await;
    standby.catch_up().await;
    standby.cut_off().await;
    // The standby misses what is told now; its ids of transactions are given out again.
    let lost = Cell::new(0);
    let losing = async {
        lost.set(client.order(1000).await);
        lost.get()
    };
    crash(&house, &mut follower, losing, async || {
        house.kill_postgres().await;
        standby.promote().await;
    })
    .await;
    pack(&mut client, &packages).await;
    // The numbers of packages, too.
    let again = client.order(1001).await;
    pack(&mut client, &[again]).await;
    let told = assert_told(&house, &mut follower, &receiver).await;
    assert_eq!(told, [(("package".to_owned(), lost.get()), 1)], "told, and lost with the primary");
    receiver.stop();
}
