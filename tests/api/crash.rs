//! Crashes of the server and of Postgres under load: every acknowledged result is stored, once, and its key repeats it.
//!
//! `OMS_CRASH_ROUNDS` (default 4) sets the crashes of each test; `OMS_CRASH_SEED` repeats the times of a run that
//! printed it.
#![expect(clippy::print_stdout, reason = "what a failed run has to be repeated with")]

mod deliveries;
mod feed;
mod house;
mod load;
mod standby;

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use oms::{db::PgPool, verify::verify};
use tokio::sync::Notify;

use crate::support::join;
use house::House;
use load::{Acknowledged, Client, NOT_FOUND, Once, Outcome, Told, command_path};

const CLIENTS: usize = 8;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn rounds() -> u64 {
    setting("OMS_CRASH_ROUNDS").unwrap_or(4)
}

/// Random times (`SplitMix64`) from a seed that is printed.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let seed = setting("OMS_CRASH_SEED").unwrap_or_else(|| RandomState::new().hash_one("moments") >> 32);
        println!("OMS_CRASH_SEED={seed} OMS_CRASH_ROUNDS={}", rounds());
        Self(seed)
    }

    fn next(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// A pause of up to this many milliseconds, to the microsecond.
    async fn pass(&mut self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_micros(self.next(milliseconds * 1000))).await;
    }
}

/// Lets clients work while `crash` happens, then compares their answers with the database.
async fn survive(crash: impl AsyncFn(&House, &mut Moments)) {
    let house = House::build().await;
    house.start_server().await;
    survive_in(&house, crash).await;
}

/// The same with an existing server.
async fn survive_in(house: &House, crash: impl AsyncFn(&House, &mut Moments)) {
    let mut moments = Moments::new();
    let (stop, repeats) = (AtomicBool::new(false), AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|n| Client::new(house, format!("C{n}"), &repeats).work(&stop));
    let crashing = async {
        for _ in 0..rounds() {
            moments.pass(500).await;
            crash(house, &mut moments).await;
        }
        moments.pass(200).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (told, ()) = tokio::join!(join(clients), crashing);
    house.ready().await;
    assert_kept(house, &told).await;
    let commands: usize = told.iter().map(|told| told.commands.len()).sum();
    let repeats = repeats.into_inner();
    println!("{commands} commands acknowledged, {repeats} requests sent again");
    assert!(commands > 0);
    let faults: Vec<&String> = told.iter().flat_map(|told| &told.faults).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{:#?}", house.errors());
}

async fn assert_kept(house: &House, told: &[Told]) {
    let pool = house.pool().await;
    let faults = verify(&pool).await.expect("verify");
    assert!(faults.is_empty(), "{faults:#?}");
    let commands: Vec<&Acknowledged> = told.iter().flat_map(|told| &told.commands).collect();
    let done: HashSet<(i64, String)> = commands
        .iter()
        .filter(|command| command.status == 200)
        .map(|command| (command.package_id, command.slug.to_owned()))
        .collect();
    assert_moves(&pool, &done).await;
    let orders: BTreeMap<String, (i64, i64, usize)> = told
        .iter()
        .flat_map(|told| &told.orders)
        .map(|(number, id, package_id)| {
            let has_successor = done.contains(&(*package_id, NOT_FOUND.to_owned()));
            (number.clone(), (*id, *package_id, 1 + usize::from(has_successor)))
        })
        .collect();
    assert_eq!(stored_orders(&pool).await, orders, "each acknowledged order is there with its packages, and no other");
    // Its key tells each command's answer again, and it is not run again.
    let repeats = AtomicUsize::new(0);
    let client = Client::new(house, "again".to_owned(), &repeats);
    for command in &commands {
        let path = command_path(command.package_id);
        let answer = client.post(&path, Some(&command.key), &command.request).await;
        let Outcome::Answer(status, body) = answer else { panic!("no answer to {command:?}") };
        assert_eq!((status, &body), (command.status, &command.body), "{command:?}");
    }
    assert_moves(&pool, &done).await;
    pool.close().await;
}

/// The log has exactly these moves, each once.
async fn assert_moves(pool: &PgPool, expected: &HashSet<(i64, String)>) {
    let logged: Vec<(i64, String, i64)> = sqlx::query_as(
        "select g.package_id, t.slug, count(*) from transition_logs g join transitions t on t.id = g.transition_id
          group by 1, 2",
    )
    .fetch_all(pool)
    .await
    .expect("the log");
    let twice: Vec<_> = logged.iter().filter(|(.., count)| *count != 1).collect();
    assert!(twice.is_empty(), "carried out more than once: {twice:?}");
    let logged: HashSet<(i64, String)> = logged.into_iter().map(|(package, slug, _)| (package, slug)).collect();
    let lost: Vec<_> = expected.difference(&logged).collect();
    let unheard: Vec<_> = logged.difference(expected).collect();
    assert!(lost.is_empty() && unheard.is_empty(), "lost: {lost:?}, never acknowledged: {unheard:?}");
}

/// Id of each order, id of its first package and how many it has, by number.
async fn stored_orders(pool: &PgPool) -> BTreeMap<String, (i64, i64, usize)> {
    let rows: Vec<(String, i64, Vec<i64>)> = sqlx::query_as(
        "select o.number, o.id, array_agg(p.id order by p.id) from orders o left join packages p on p.order_id = o.id
          group by 1, 2",
    )
    .fetch_all(pool)
    .await
    .expect("orders");
    rows.into_iter().map(|(number, id, packages)| (number, (id, packages[0], packages.len()))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_loses_nothing_and_does_nothing_twice() {
    survive(async |house, _| {
        house.kill_server().await;
        house.start_server().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_crashes_under_load_loses_nothing_and_the_server_goes_on() {
    survive(async |house, moments| {
        house.crash_postgres().await;
        house.ready().await;
        // Now and then both, the server a moment after Postgres began to recover.
        if moments.next(3) == 0 {
            tokio::join!(house.crash_postgres(), async {
                moments.pass(100).await;
                house.kill_server().await;
                house.start_server().await;
            });
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_told_to_stop_under_load_answers_what_it_accepted_and_nothing_else_is_done() {
    let mut moments = Moments::new();
    let house = House::build().await;
    let (mut orders, mut commands) = (HashSet::new(), HashSet::new());
    for round in 0..rounds().div_ceil(2) {
        house.start_server().await;
        let repeats = AtomicUsize::new(0);
        let working = Notify::new();
        let client = |n| Client::new(&house, format!("G{round}-{n}"), &repeats);
        let clients = (0..CLIENTS * 2).map(|n| client(n).work_once(&working));
        let stopping = async {
            tokio::time::timeout(Duration::from_mins(1), working.notified()).await.expect("it is under load");
            moments.pass(300).await;
            house.stop_server().await
        };
        let (told, (status, said)) = tokio::join!(join(clients), stopping);
        assert_eq!(status.code(), Some(0), "{said}");
        for Once { orders: taken, commands: done, wrong } in told {
            assert!(wrong.is_empty(), "{wrong:?}\n{said}");
            orders.extend(taken);
            commands.extend(done);
        }
        let pool = house.pool().await;
        let faults = verify(&pool).await.expect("verify");
        assert!(faults.is_empty(), "{faults:#?}");
        assert_moves(&pool, &commands).await;
        assert_eq!(stored_orders(&pool).await.into_keys().collect::<HashSet<_>>(), orders);
        pool.close().await;
    }
    println!("{} commands answered", commands.len());
}
