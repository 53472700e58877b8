//! `/api/v1/oms/events/`: following with a cursor, waiting, streaming.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Reader;
use crate::support::{Shop, contract, join, send};

#[tokio::test]
async fn an_event_says_what_happened_to_whom_and_which_it_is() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let mut reader = Reader::new(&shop);
    let events = reader.read_all().await.to_vec();
    let of_package: Vec<&Value> = events.iter().filter(|event| event["entity"] == "package").collect();
    let told: Vec<(&Value, &Value)> =
        of_package.iter().map(|event| (&event["event"]["type"], &event["sequence"])).collect();
    assert_eq!(
        told,
        [
            (&json!("package.created"), &json!(1)),
            (&json!("package.status.transitioned"), &json!(2)),
            (&json!("package.status.packed"), &json!(3)),
            (&json!("shipment.created"), &json!(4)),
        ]
    );
    let keys: Vec<&String> = of_package[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "event", "entity", "object_id", "sequence", "created_date", "request_id", "payload"]);
    let uuid = of_package[0]["event"]["uuid"].as_str().expect("a uuid");
    assert!(uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{uuid}");
    // Read again, and by another server, it is the same to the byte.
    let second = shop.second_server().await;
    let path = "/api/v1/oms/events/?limit=1000";
    let (here, there) = (shop.get(path).await, shop.get(&format!("{}{path}", second.url)).await);
    let results = |reply: &crate::support::Reply| reply.ok()["results"].clone();
    assert_eq!(results(&here), Value::Array(events));
    assert_eq!(
        results(&here).to_string().replace(shop.url(), ""),
        results(&there).to_string().replace(&second.url, "")
    );
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn pages_end_to_end_are_everything_once_in_order() {
    let shop = Shop::open().await;
    for _ in 0..5 {
        shop.package().await.run("COMPLETE_PACKING").await.ok();
    }
    let mut whole = Reader::new(&shop);
    whole.read_all().await;
    let mut paged = Reader { query: "&limit=3", ..Reader::new(&shop) };
    assert_eq!(paged.read_all().await, whole.events);
    // `next` is the same address as `after=cursor`.
    let first = shop.get("/api/v1/oms/events/?limit=3&types=package.created").await.ok();
    let next = first["next"].as_str().expect("an address").to_owned();
    let cursor = first["cursor"].as_str().expect("a cursor");
    assert_eq!(next, format!("{}/api/v1/oms/events/?after={cursor}&limit=3&types=package.created", shop.url()));
    let second = shop.get(&next).await.ok();
    let ids: Vec<&Value> =
        [&first, &second].into_iter().flat_map(|page| page["results"].as_array().expect("results")).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|event| event["event"]["type"] == "package.created"));
    shop.finish().await;
}

#[tokio::test]
async fn a_client_that_reads_page_after_page_comes_to_an_end() {
    let shop = Shop::open().await;
    for _ in 0..5 {
        shop.package().await;
    }
    let mut next = json!(format!("{}/api/v1/oms/events/?limit=2&types=package.created", shop.url()));
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, Value::Null);
    while let Some(address) = next.as_str() {
        let page = shop.get(address).await.ok();
        ids.extend(page["results"].as_array().expect("results").iter().map(|event| event["object_id"].clone()));
        (next, cursor) = (page["next"].clone(), page["cursor"].clone());
        pages += 1;
        assert!(pages < 10, "it goes on and on: {page}");
    }
    assert_eq!((ids.len(), pages), (5, 4));
    // What happens later is behind the last cursor, and who waits is told where to go on.
    let cursor = cursor.as_str().expect("a cursor").to_owned();
    let waited =
        shop.get(&format!("/api/v1/oms/events/?after={cursor}&wait=1&entity=package&object_id=999")).await.ok();
    assert!(waited["next"].is_string() && waited["results"] == json!([]), "{waited}");
    let sixth = shop.package().await;
    let page = shop.get(&format!("/api/v1/oms/events/?after={cursor}&types=package.created")).await.ok();
    assert_eq!(page["results"][0]["object_id"], sixth.id);
    for numbered in ["?page=2", "?page=last"] {
        let refused = shop.get(&format!("/api/v1/oms/events/{numbered}")).await.wrong("page");
        assert!(refused[0].contains("`next`"), "{refused:?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_commits_late_is_not_passed_over() {
    let shop = Shop::open().await;
    let [early, late] = [shop.package().await, shop.package().await];
    let mut reader = Reader::new(&shop);
    reader.read_all().await;
    let read = reader.events.len();
    // A command that writes first and commits last, as one does that waits for a lock.
    let mut open = shop.pool().begin().await.expect("a transaction");
    sqlx::query(
        "with moved as (update packages set event_sequence = event_sequence + 1 where id = $1 returning *)
         insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
         select 'package', moved.id, 2, '{package.refused}', array[moved.stock_location_id], installation.version, '{}'
           from moved, installation",
    )
    .bind(late.id)
    .execute(&mut *open)
    .await
    .expect("an event");
    early.run("COMPLETE_PACKING").await.ok();
    // The other's events are there, and not told yet: something may still come before them.
    assert_eq!(reader.read(0).await, 0);
    open.commit().await.expect("committed");
    reader.read_until(read + 4).await;
    let types = &reader.types()[read..];
    assert_eq!(types.iter().filter(|name| name.ends_with("package.refused")).count(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn events_of_many_commands_at_once_are_read_without_a_gap() {
    let shop = Shop::open().await;
    let mut packages = Vec::new();
    for _ in 0..12 {
        packages.push(shop.package().await);
    }
    let mut reader = Reader { query: "&entity=package", ..Reader::new(&shop) };
    reader.query = "&limit=7";
    reader.read_all().await;
    let count = reader.events.len() + packages.len() * 3;
    let packing = packages.iter().map(|package| async move { package.run("COMPLETE_PACKING").await.ok() });
    let reading = async {
        while reader.events.len() < count {
            reader.read(20).await;
        }
    };
    tokio::join!(join(packing), reading);
    let mut next: std::collections::HashMap<(String, i64), i64> = std::collections::HashMap::new();
    for event in &reader.events {
        let key = (event["entity"].to_string(), event["object_id"].as_i64().expect("an id"));
        let expected = next.entry(key).or_insert(1);
        assert_eq!(event["sequence"], *expected, "{event}");
        *expected += 1;
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_by_what_happens() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let mut reader = Reader::new(&shop);
    reader.read_all().await;
    let path = format!("/api/v1/oms/events/?wait=20&after={}", reader.cursor.as_ref().expect("a cursor"));
    let waiting = shop.get(&path);
    let packing = async {
        // Once it waits: its request was counted, or at the latest when it has waited for the first look.
        package.run("COMPLETE_PACKING").await.ok();
    };
    let begun = std::time::Instant::now();
    let (answer, ()) = tokio::join!(waiting, packing);
    assert_eq!(answer.ok()["results"].as_array().map(Vec::len), Some(3));
    assert!(begun.elapsed().as_secs() < 15, "woken, not timed out");
    shop.finish().await;
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_left() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let open = |last: Option<String>| {
        let request =
            shop.request_as("admin", Method::GET, "/api/v1/oms/events/?types=package.status.packed,package.created");
        let request = request.header("Accept", "text/event-stream");
        match last {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        }
    };
    let (first, id) = read_one(open(None).send().await.expect("a stream")).await;
    assert_eq!(first["event"]["type"], "package.created");
    package.run("COMPLETE_PACKING").await.ok();
    let (second, _) = read_one(open(Some(id)).send().await.expect("a stream")).await;
    assert_eq!((&second["event"]["type"], &second["sequence"]), (&json!("package.status.packed"), &json!(3)));
    shop.finish().await;
}

/// The first event of a stream, and its id.
async fn read_one(mut response: reqwest::Response) -> (Value, String) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("\n\n") || text.starts_with(':') {
        if text.starts_with(':') {
            text = text.split_once("\n\n").map_or(String::new(), |(_, rest)| rest.to_owned());
            continue;
        }
        let bytes = response.chunk().await.expect("bytes").expect("more");
        text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
        line.trim_start_matches(':').trim().to_owned()
    };
    let event = serde_json::from_str(&field("data")).expect("JSON");
    contract::check_event(&event);
    (event, field("id"))
}

#[tokio::test]
async fn a_store_reads_of_its_own_packages_alone() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    shop.count("BESIKTAS", "NEAR", 5).await;
    let other = shop.order(&[("NEAR", 1)]).await.only_package();
    assert_eq!(other.place().await, "waiting@BESIKTAS");
    Reader::new(&shop).read_all().await;
    let answer = shop.get_as("kadikoy", "/api/v1/oms/events/?types=package.created").await.ok();
    let ids: Vec<&Value> = answer["results"].as_array().expect("results").iter().map(|e| &e["object_id"]).collect();
    assert_eq!(ids, [&json!(package.id)]);
    // Asking for another location's shows nothing.
    let path = format!("/api/v1/oms/events/?stock_location={}", shop.location_id("BESIKTAS").await);
    assert_eq!(shop.get_as("kadikoy", &path).await.ok()["results"], json!([]));
    let seen = shop.get(&format!("{path}&types=package.created")).await.ok();
    assert_eq!(seen["results"][0]["object_id"], other.id);
    let one = format!("/api/v1/oms/events/?entity=package&object_id={}", package.id);
    assert_eq!(shop.get(&one).await.ok()["results"].as_array().map(Vec::len), Some(1));
    send(shop.request(Method::GET, "/api/v1/oms/events/")).await.json(401);
    shop.finish().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let shop = Shop::open().await;
    for (query, field) in [
        ("after=yesterday", "after"),
        ("after=-1", "after"),
        ("types=package.created,package-created", "types"),
        ("stock_location=KADIKOY", "stock_location"),
        ("entity=package", "entity"),
        ("object_id=1", "entity"),
        ("entity=order&object_id=1", "entity"),
        ("entity=package&object_id=x", "object_id"),
        ("limit=many", "limit"),
        ("wait=long", "wait"),
        ("format=csv", "format"),
    ] {
        shop.get(&format!("/api/v1/oms/events/?{query}")).await.wrong(field);
    }
    let now = shop.get("/api/v1/oms/events/?after=now").await.ok();
    assert_eq!(now["results"], json!([]));
    shop.finish().await;
}
