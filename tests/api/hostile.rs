//! No input ends or stalls the process: what is too deep, too long, too much or never finished is refused, and others are
//! served meanwhile.

use std::time::Duration;

use oms::server::Limits;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Reply, Shop, order_json, send};

const LOGIN: &str = "/api/v1/auth/login/";
const ORDERS: &str = "/api/v1/oms/orders/";

/// Limits that end soon.
fn short() -> Limits {
    Limits {
        connections: 12,
        connections_per_peer: 8,
        first_request: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        unread: Duration::from_millis(300),
    }
}

async fn connect(shop: &Shop) -> TcpStream {
    TcpStream::connect(shop.url().trim_start_matches("http://")).await.expect("a connection")
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_connection_that_does_not_finish_its_request_is_closed() {
    let shop = Shop::limited(short()).await;
    for beginning in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: 1"] {
        let mut stream = connect(&shop).await;
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        assert!(!rest(&mut stream).await.contains("200 OK"), "{beginning}");
    }
    // One that has asked may ask again, and is closed once it does not.
    let mut stream = connect(&shop).await;
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut unread = [0; 4096];
        let count = stream.read(&mut unread).await.expect("the rest of it");
        assert!(count > 0);
    }
    assert!(!rest(&mut stream).await.contains("200 OK"));
    shop.finish().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_place_of_one_that_ends_is_free() {
    let shop = Shop::limited(Limits { first_request: Duration::from_mins(5), ..short() }).await;
    let mut open = Vec::new();
    for _ in 0..short().connections_per_peer {
        open.push(connect(&shop).await);
    }
    let answer = rest(&mut connect(&shop).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"), "{answer}");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!(body["status_code"], 503);
    drop(open);
    // The server hears of their end in its own time.
    loop {
        let mut stream = connect(&shop).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ok();
        if rest(&mut stream).await.starts_with("HTTP/1.1 200 ") {
            break;
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_let_go() {
    let shop = Shop::limited(short()).await;
    let mut stream = connect(&shop).await;
    // Asks on and on and reads nothing, until the server does not take more and closes.
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
    let ended =
        tokio::time::timeout(Duration::from_mins(1), async { while stream.write_all(&request).await.is_ok() {} });
    ended.await.expect("the server closed");
    shop.finish().await;
}

async fn log_in(shop: &Shop, body: String) -> Reply {
    send(reqwest::Client::new().post(format!("{}{LOGIN}", shop.url())).body(body)).await
}

#[tokio::test]
async fn a_login_is_short() {
    let shop = Shop::open().await;
    let body = format!("[{}0]", "0,".repeat(8_000_000));
    assert_eq!(log_in(&shop, body).await.detail(413), "The body is larger than 4096 bytes.");
    let long = json!({ "username": "x".repeat(5000), "password": "p" });
    assert_eq!(log_in(&shop, long.to_string()).await.status, 413);
    shop.finish().await;
}

#[tokio::test]
async fn who_guesses_at_passwords_must_wait_and_others_need_not() {
    let shop = Shop::open().await;
    let guess = async |name: &str| {
        let body = json!({ "username": name, "password": "wrong" });
        log_in(&shop, body.to_string()).await
    };
    for _ in 0..10 {
        assert_eq!(guess("ayse").await.status, 400);
    }
    let throttled = guess("ayse").await;
    assert_eq!(throttled.status, 429);
    let seconds: u64 = throttled.header("retry-after").parse().expect("seconds");
    assert!((1..=300).contains(&seconds));
    assert_eq!(throttled.detail(429), format!("Request was throttled. Expected available in {seconds} seconds."));
    assert_eq!(guess("mehmet").await.status, 400, "another name");
    shop.finish().await;
}

/// Objects that are hostile to whoever reads them.
fn hostile() -> Vec<(&'static str, Value)> {
    let nested = |depth: usize| (0..depth).fold(json!(1), |below, _| json!({ "k": below }));
    vec![
        ("a key of dots", json!({ ".".repeat(16_000): 1 })),
        ("too deep", nested(100)),
        ("lists too deep", (0..100).fold(json!(1), |below, _| json!([below]))),
    ]
}

#[tokio::test]
async fn what_is_too_deep_or_too_long_is_kept_nowhere() {
    let shop = Shop::open().await;
    for (what, value) in hostile() {
        let mut sent = order_json("H-1", &[("RED", 1)]);
        sent["customer"] = value.clone();
        for (path, body) in [
            (ORDERS, sent.clone()),
            (ORDERS, json!([sent])),
            (
                "/whisperer/hooks/",
                json!({ "event_type": "package.created", "target_url": "https://example.com/", "config": value }),
            ),
            ("/api/v1/oms/orders-webhook/", json!({ "event": { "type": "order.created" }, "payload": sent })),
        ] {
            let reply = shop.post(path, &body).await;
            assert_eq!(reply.status, 400, "{what} to {path}: {}", reply.text());
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn hostile_keys_that_are_there_already_end_no_export() {
    let shop = Shop::open().await;
    shop.order(&[("RED", 1)]).await;
    // As an earlier version kept them.
    let dots = json!({ "first_name": "A", ".".repeat(16_000): 1, "a.b": { "": { "..": 2 } }, "=1+1": "=1+1" });
    sqlx::query("update orders set details = jsonb_set(details, '{customer}', $1)")
        .bind(&dots)
        .execute(shop.pool())
        .await
        .expect("kept");
    for list in ["orders", "packages"] {
        for format in ["csv", "xlsx"] {
            let reply = shop.get(&format!("/api/v1/oms/{list}/?format={format}")).await;
            assert_eq!(reply.status, 200, "{list} as {format}");
            assert!(!reply.body.is_empty());
        }
    }
    shop.finish().await;
}
