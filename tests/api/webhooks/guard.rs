//! Which addresses are delivered to.

use oms::webhooks::Settings;
use serde_json::json;

use super::{
    HOOKS, hook,
    receiver::{Mood, Received, Receiver},
    settings, subscribe,
};
use crate::support::Shop;

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_when_they_are_subscribed() {
    let shop = Shop::delivering(Settings::default()).await;
    for (url, why) in [
        ("http://127.0.0.1:8080/x", "is not a public address"),
        ("http://[::1]/", "is not a public address"),
        ("http://169.254.169.254/latest/", "is not a public address"),
        ("http://0x7f000001/", "is not a public address"),
        ("ftp://example.com/", "Only http"),
        ("https://user:word@example.com/", "No user or password"),
        ("no url", "Enter a valid URL."),
    ] {
        let reply = shop.changes_nothing(shop.post(HOOKS, &hook(url, "package.created"))).await.json(400);
        assert!(reply["target_url"][0].as_str().is_some_and(|said| said.contains(why)), "{url}: {reply}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_name_that_leads_to_such_an_address_is_refused_at_every_attempt() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(Settings { base_url: settings().base_url, ..Settings::default() }).await;
    // The name says nothing; what it means is looked up when it is delivered to.
    let port = receiver.url.rsplit(':').next().expect("a port");
    let mut wanted = hook(&format!("http://localhost:{port}/in"), "package.created");
    wanted["retry_countdown_config"]["kwargs"]["seconds"] = json!(3600);
    shop.post(HOOKS, &wanted).await.json(201);
    shop.package().await;
    let row = shop
        .until("the attempt is noted", async || {
            let list = shop.get("/whisperer/hook_events/").await.ok();
            (list["count"] == 1).then(|| list["results"][0].clone())
        })
        .await;
    assert_eq!((&row["response_http_status"], &row["delivered"]), (&json!(500), &json!(false)));
    let content = row["response_content"].as_str().expect("text");
    assert!(content.contains("is not a public address"), "{content}");
    assert!(receiver.received().is_empty());
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_the_guard_lets_them_and_take_no_secret_elsewhere() {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let shop = Shop::delivering(settings()).await;
    let elsewhere = format!("{}/moved", other.url);
    receiver.chooses(move |one: &Received| match one.path.as_str() {
        "/same" => Mood::Redirects(308, "/here".to_owned()),
        "/other" => Mood::Redirects(307, elsewhere.clone()),
        "/get" => Mood::Redirects(303, "/seen".to_owned()),
        "/inside" => Mood::Redirects(307, "http://10.0.0.1/".to_owned()),
        "/round" => Mood::Redirects(307, "/round".to_owned()),
        _ => Mood::Answers(200),
    });
    for path in ["same", "other", "get", "inside", "round"] {
        let mut wanted = hook(&format!("{}/{path}", receiver.url), "package.created");
        wanted["additional_headers"] = json!({ "X-Key": "geheim" });
        wanted["config"] = json!({ "auth": { "auth_type": "basic", "username": "oms", "password": "geheim" } });
        wanted["retry_countdown_config"]["kwargs"]["seconds"] = json!(3600);
        shop.post(HOOKS, &wanted).await.json(201);
    }
    shop.package().await;
    let rows = shop
        .until("every attempt is noted", async || {
            let list = shop.get("/whisperer/hook_events/?sort=webhook").await.ok();
            (list["count"] == 5).then(|| list["results"].as_array().expect("rows").clone())
        })
        .await;
    let told: Vec<(bool, i64)> = rows
        .iter()
        .map(|row| (row["delivered"] == true, row["response_http_status"].as_i64().expect("a status")))
        .collect();
    assert_eq!(told, [(true, 200), (true, 204), (true, 200), (false, 500), (false, 500)]);
    assert!(rows[3]["response_content"].as_str().is_some_and(|said| said.contains("10.0.0.1 is not a public address")));
    assert!(rows[4]["response_content"].as_str().is_some_and(|said| said.contains("more than 5 redirects")));
    let received = receiver.received();
    let at = |path: &str| received.iter().find(|one| one.path == path).expect("it came");
    assert_eq!((at("/here").method.as_str(), at("/here").header("x-key")), ("POST", "geheim"));
    assert_eq!(at("/here").body, at("/same").body);
    assert_eq!((at("/seen").method.as_str(), at("/seen").body.len()), ("GET", 0));
    let moved = other.received().remove(0);
    assert_eq!((moved.method.as_str(), moved.header("x-key"), moved.header("authorization")), ("POST", "", ""));
    moved.verify("geheim-ş");
    shop.finish().await;
    receiver.stop();
    other.stop();
}

#[tokio::test]
async fn additional_headers_neither_smuggle_lines_nor_change_what_the_others_mean() {
    let shop = Shop::delivering(settings()).await;
    for headers in [
        json!({ "X-Shop": "a\r\nX-Whisperer-Signature: sha256=00" }),
        json!({ "X-Shop\r\nHost": "a" }),
        json!({ "x-whisperer-signature": "sha256=00" }),
        json!({ "Content-Length": "1" }),
        json!({ "Host": "example.com" }),
        json!({ "X-Oms-Sequence": "1" }),
    ] {
        let mut wanted = hook("https://example.com/", "package.created");
        wanted["additional_headers"] = headers.clone();
        let reply = shop.changes_nothing(shop.post(HOOKS, &wanted)).await.json(400);
        assert!(reply["additional_headers"][0].is_string(), "{headers}");
    }
    subscribe(&shop, "https://example.com/", "package.created").await;
    shop.finish().await;
}
