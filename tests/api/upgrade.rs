//! An upgrade: a database that the version before filled is migrated, and nothing that was told is told differently.
//!
//! `tests/fixtures/upgrade/` says what it holds and how it was made. Each test compares texts, so the order of keys and
//! the form of numbers count too. A key that answers have since then is named in [`NEW_KEYS`]: nothing else may differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
};

use flate2::read::GzDecoder;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};

use crate::{
    support::{Package, Reply, Shop, send},
    webhooks::{receiver::Receiver, settings},
};

/// What answers, events and deliveries have that they had not: each key with the value it has for what is older.
const NEW_KEYS: &[(&str, &str)] = &[
    ("state", "\"waiting\""),
    ("given_up_date", "null"),
    ("ended_by", "null"),
    ("request_id", "null"),
    ("missing", "0"),
    ("has_gift_box", "false"),
    ("gift_box_note", "null"),
    ("shipping_amount", "null"),
    ("extra_field", "null"),
    ("quantities", "null"),
    ("waits_for_opening", "false"),
    ("kind", "\"not_taken\""),
    ("order", "null"),
    ("not_packed", "null"),
    ("parent", "null"),
];

/// Who filled the database.
const OWNER: &str = "demo";
/// How the version before was addressed: addresses in its answers begin with it.
const HOST: &str = "oms.example";
const EVENTS: &str = "/api/v1/oms/events/?limit=200";
/// What lapses by itself has not: the upgrade comes soon after.
const SOON_AFTER: &str = "update idempotency_keys set created_date = now();
                          update replanning_wakes set created_date = now();
                          update hook_events set created_date = now();";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upgrade").join(name);
    let mut text = String::new();
    let bytes = std::fs::read(&path).expect("a fixture");
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("a fixture");
    text
}

fn lines(name: &str) -> Vec<Value> {
    fixture(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect(key)
}

async fn upgraded() -> Shop {
    Shop::upgraded(&fixture("database.sql.gz"), OWNER, SOON_AFTER).await
}

/// A text without what is new, and without the signatures of documents, which are made when they are read.
fn as_before(text: &str) -> String {
    let mut parts = text.split("?expires=");
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, part| text + &part[part.find('"').expect("the end of an address")..]);
    NEW_KEYS.iter().fold(text, |text, (key, value)| {
        let compact = text.replace(&format!(",\"{key}\":{value}"), "");
        compact.replace(&format!(", \"{key}\": {value}"), "")
    })
}

/// A text without the values of `created_date`.
fn without_dates(text: &str) -> String {
    let mut parts = text.split("\"created_date\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "\"created_date\"" + part.split_once('"').expect("a date").1)
}

fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// Fails where two texts part, with what is around.
#[track_caller]
fn assert_same(what: &str, before: &str, now: &str) {
    let now = as_before(now);
    let Some(at) = before.bytes().zip(now.bytes()).position(|(before, now)| before != now) else {
        assert_eq!(before.len(), now.len(), "{what}: one is longer\n  before: {before}\n  now: {now}");
        return;
    };
    let around = |text: &str| {
        let bytes = &text.as_bytes()[at.saturating_sub(160)..text.len().min(at + 160)];
        String::from_utf8_lossy(bytes).into_owned()
    };
    panic!("{what} is not told as before\n  before: …{}…\n  now:    …{}…", around(before), around(&now));
}

async fn get(shop: &Shop, path: &str) -> Reply {
    send(shop.request_as("admin", Method::GET, path).header("Host", HOST)).await
}

/// A page of the feed, its events as they stand in the answer.
#[derive(Deserialize)]
struct Feed<'a> {
    cursor: String,
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

/// The texts of all events, in their order.
async fn events(shop: &Shop) -> Vec<String> {
    let mut events = Vec::new();
    let mut path = EVENTS.to_owned();
    loop {
        let page = get(shop, &path).await;
        page.ok();
        let feed: Feed<'_> = serde_json::from_slice(&page.body).expect("a page of the feed");
        if feed.results.is_empty() {
            return events;
        }
        events.extend(feed.results.iter().map(|event| event.get().to_owned()));
        path = format!("{EVENTS}&after={}", feed.cursor);
    }
}

/// `position-change-nth`, as numbers: the order of the feed.
fn place(event: &Value) -> [i64; 3] {
    let parts: Vec<i64> = text(event, "id").split('-').map(|part| part.parse().expect("a number")).collect();
    parts.try_into().expect("three parts")
}

#[tokio::test]
async fn old_events_are_told_in_old_words_and_in_their_order() {
    let shop = upgraded().await;
    let now = events(&shop).await;
    let mut before: Vec<(Value, String)> = fixture("events.ndjson.gz")
        .lines()
        .map(|line| (serde_json::from_str(line).expect("JSON"), line.to_owned()))
        .collect();
    before.sort_by_key(|(event, _)| place(event));
    assert_eq!(now.len(), before.len());
    for ((event, line), now) in before.iter().zip(&now) {
        let what = format!("event {}", event["id"]);
        match event["sha256"].as_str() {
            None => assert_same(&what, line, now),
            Some(known) => assert_eq!(digest(&as_before(now)), known, "{what} is not told as before: {now}"),
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_was_asked_before_is_answered_the_same() {
    let shop = upgraded().await;
    for line in lines("answers.ndjson.gz") {
        let path = text(&line, "path");
        let reply = get(&shop, path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        // The values of additional headers are shown no more.
        let masked = r#""X-Shop":"********","X-Number":"********""#;
        let before = text(&line, "answer").replace(r#""X-Shop":"bazaar","X-Number":"7""#, masked);
        if path.starts_with("/whisperer/hook_events/") {
            // When they were made out was moved, see `SOON_AFTER`; payloads name the server by its setting.
            let now = reply.text().replace("http://localhost:8000", &format!("http://{HOST}"));
            assert_same(path, &without_dates(&before), &without_dates(&now));
        } else {
            assert_same(path, &before, reply.text());
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_command_that_was_answered_before_is_answered_the_same_and_runs_nothing() {
    let shop = upgraded().await;
    let before = shop.dump().await;
    for line in lines("repeats.ndjson.gz") {
        let request = shop.request_as("admin", Method::POST, text(&line, "path"));
        let request = request.header("Idempotency-Key", text(&line, "key")).header("Content-Type", "application/json");
        let reply = send(request.body(text(&line, "body").to_owned())).await;
        assert_eq!((json!(reply.status), reply.text()), (line["status"].clone(), text(&line, "answer")), "{line}");
    }
    before.assert_same(&shop.dump().await);
    shop.finish().await;
}

#[tokio::test]
async fn what_waits_is_delivered_after_the_upgrade_as_it_would_have_been_before() {
    let receiver = Receiver::start().await;
    let shop = upgraded().await;
    // Until then they lead where nobody listens.
    sqlx::query("update webhooks set target_url = replace(target_url, 'http://127.0.0.1:1', $1)")
        .bind(&receiver.url)
        .execute(shop.pool())
        .await
        .expect("a receiver");
    shop.execute("update hook_events set next_attempt_date = now() where not delivered").await;
    let line =
        |one: &Value| (text(one, "path").to_owned(), one["sequence"].clone().as_i64(), text(one, "uuid").to_owned());
    let before: BTreeMap<_, String> =
        lines("deliveries.ndjson.gz").iter().map(|one| (line(one), text(one, "sha256").to_owned())).collect();

    let server = shop.second_delivering_server(settings()).await;
    let taken = receiver.until_taken(before.len()).await;
    server.stop().await;

    let mut seen = BTreeSet::new();
    for one in &taken {
        let key = (one.path.clone(), Some(one.sequence()), one.uuid());
        let body = std::str::from_utf8(&one.body).expect("UTF-8");
        let known = before.get(&key).unwrap_or_else(|| panic!("{key:?} was not waiting: {body}"));
        assert_eq!(digest(&as_before(body)), *known, "{key:?} is not told as before: {body}");
        seen.insert(key);
    }
    assert_eq!(seen.len(), before.len());
    // Of each subscription, an object's in their order.
    let mut told: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    for one in &taken {
        let event_type = text(&one.json()["event"], "type").to_owned();
        told.entry((event_type, one.object_id())).or_default().push(one.sequence());
    }
    assert!(told.values().all(|sequences| sequences.is_sorted()), "{told:?}");
    shop.finish().await;
    receiver.stop();
}

/// Of every state the version before left packages in, one is moved by each command that it lists and that needs no
/// parameters; what they do afterwards is proved as ever.
#[tokio::test]
async fn commands_go_on_from_wherever_packages_are() {
    let shop = upgraded().await;
    let moved_before: i64 = shop.value("select count(*) from transition_logs where $1", true).await;
    let packages: Vec<(i64, String)> = shop
        .rows(
            "select distinct on (s.id) p.id, s.slug from packages p join states s on s.id = p.state_id
              where not s.final and exists (select from package_items i where i.package_id = p.id)
              order by s.id, p.id",
        )
        .await;
    assert!(packages.len() > 8, "{packages:?}");
    let mut done = 0;
    for (id, state) in &packages {
        let package = Package::new(&shop, *id);
        let shown = package.json().await;
        let listed = shown["commands"].as_array().expect("commands");
        assert!(!listed.is_empty(), "{state}: {shown}");
        for command in listed.iter().filter(|command| command["slug"].as_str().is_some()) {
            if package.state().await != *state {
                break;
            }
            let reply = package.post(&json!({ "slug": command["slug"], "input_parameters": {} })).await;
            assert!(reply.status < 500, "{command}: {}", reply.text());
            done += i64::from(reply.status < 300);
        }
    }
    let moved: i64 = shop.value("select count(*) from transition_logs where $1", true).await;
    assert!(done > 8 && moved - moved_before >= done, "{done} commands, {moved_before} and {moved} moves");
    // A new order finds its way too.
    let order = shop.order(&[("NEAR", 1)]).await;
    assert!(!order.packages().is_empty());
    let told = events(&shop).await;
    assert!(told.iter().any(|event| event.contains("\"package.created\"") && event.contains("\"N1P1\"")));
    // The ledger of stock began with what there was, and what happened since is told.
    let openings: i64 = shop.value("select count(*) from stock_ledger where kind = $1", "opening".to_owned()).await;
    assert!(openings > 100, "{openings}");
    shop.assert_history_adds_up().await;
    shop.finish().await;
}
