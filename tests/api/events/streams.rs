//! Many who follow: each reads what it asked for, from what was read once for all, and nobody follows too often.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode, header};
use serde_json::Value;

use crate::support::{STREAMS_PER_USER, Shop, contract, send};

/// How long an event may take that is sure to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(shop: &Shop, user: &str, query: &str) -> Self {
        let request = shop.request_as(user, Method::GET, &format!("/api/v1/oms/events/?{query}"));
        let response = request.header(header::ACCEPT, "text/event-stream").send().await.expect("a stream");
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, text: String::new() }
    }

    /// The next event.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let data = block.lines().find_map(|line| line.strip_prefix("data:")).map(str::to_owned);
                let rest = rest.to_owned();
                self.text = rest;
                if let Some(data) = data {
                    let event = serde_json::from_str(data.trim()).expect("JSON");
                    contract::check_event(&event);
                    return event;
                }
                continue;
            }
            let bytes = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let bytes = bytes.expect("an event").expect("bytes").expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }
}

/// What a page has after a cursor.
async fn page(shop: &Shop, user: &str, query: &str) -> Vec<Value> {
    let answer = shop.get_as(user, &format!("/api/v1/oms/events/?limit=1000&{query}")).await.ok();
    answer["results"].as_array().expect("results").clone()
}

#[tokio::test]
async fn each_stream_tells_what_a_page_with_the_same_filter_has() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "NEAR", 100).await;
    let (here, there) = (shop.location_id("KADIKOY").await, shop.location_id("BESIKTAS").await);
    let known = shop.package().await;
    let cursor = shop.get("/api/v1/oms/events/?after=now").await.ok()["cursor"].as_str().expect("a cursor").to_owned();

    let filters = [
        ("admin", String::new()),
        ("admin", "&types=package.created,package.status.packed".to_owned()),
        ("admin", format!("&stock_location={there}")),
        ("erp", format!("&stock_location={here}&types=package.status.transitioned")),
        ("admin", format!("&entity=package&object_id={}", known.id)),
        ("admin", "&entity=stock_location&object_id=1&limit=1".to_owned()),
        ("admin", "&limit=1".to_owned()),
        ("kadikoy", String::new()),
        ("kadikoy", "&types=package.created".to_owned()),
    ];
    let mut streams = Vec::new();
    for (user, filter) in &filters {
        streams.push(Stream::open(&shop, user, &format!("after={cursor}{filter}")).await);
    }
    known.run("COMPLETE_PACKING").await.ok();
    for _ in 0..5 {
        shop.package().await.run("COMPLETE_PACKING").await.ok();
        shop.order(&[("NEAR", 1)]).await.only_package().run("BLOCK_THE_PACKAGE").await.ok();
    }
    shop.limit("KADIKOY", Some(1000)).await;

    for ((user, filter), mut stream) in filters.iter().zip(streams) {
        let expected = page(&shop, user, &format!("after={cursor}{}", filter.replace("&limit=1", ""))).await;
        assert!(!expected.is_empty() || filter.contains("stock_location&"), "{filter}");
        for event in expected {
            assert_eq!(stream.next().await, event, "{user} {filter}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_stream_that_comes_late_or_again_misses_nothing() {
    let shop = Shop::open().await;
    let first = Stream::open(&shop, "admin", "after=now").await;
    let mut cursors = vec![shop.get("/api/v1/oms/events/?after=now").await.ok()["cursor"].clone()];
    for _ in 0..4 {
        shop.package().await.run("COMPLETE_PACKING").await.ok();
        cursors.push(shop.get("/api/v1/oms/events/?after=now").await.ok()["cursor"].clone());
    }
    // From before what is held in memory, from within, and from its end.
    for cursor in cursors.iter().map(|cursor| cursor.as_str().expect("a cursor")).chain([""]) {
        let query = if cursor.is_empty() { String::new() } else { format!("after={cursor}") };
        let mut stream = Stream::open(&shop, "admin", &query).await;
        for event in page(&shop, "admin", &query).await {
            assert_eq!(stream.next().await, event, "{cursor}");
        }
    }
    drop(first);
    shop.finish().await;
}

#[tokio::test]
async fn a_user_follows_so_often_at_a_time() {
    let shop = Shop::open().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_PER_USER {
        streams.push(Stream::open(&shop, "erp", "after=now").await);
    }
    for accept in ["text/event-stream", "application/json"] {
        let request = shop.request_as("erp", Method::GET, "/api/v1/oms/events/?after=now&wait=20");
        let refused = send(request.header(header::ACCEPT, accept)).await;
        assert_eq!(refused.header("retry-after"), "5");
        refused.json(429);
    }
    // Pages do not wait, and other users have places of their own.
    shop.get_as("erp", "/api/v1/oms/events/?after=now").await.ok();
    let mut other = Stream::open(&shop, "admin", "after=now").await;

    // A place comes free when its stream is closed: the server notices when it has something to say, or by itself.
    streams.pop();
    shop.package().await;
    other.next().await;
    shop.until("the place of the stream that was closed", || async {
        let request = shop.request_as("erp", Method::GET, "/api/v1/oms/events/?after=now&wait=1");
        (request.send().await.expect("an answer").status() == StatusCode::OK).then_some(())
    })
    .await;
    shop.finish().await;
}
