//! The same orders, pushed as webhooks.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{EAGER, Upstream, numbers, order, until_taken};
use crate::support::{Shop, send, send_loosely};

const PATH: &str = "/api/v1/oms/orders-webhook/";

#[tokio::test]
async fn an_order_is_taken_whether_it_is_pushed_or_read() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    for (path, status, taken) in [(PATH, 201, true), (PATH, 200, true), (PATH.trim_end_matches('/'), 200, true)] {
        let answer = upstream.push(&shop, path, "order.created", &order(1)).await;
        assert_eq!((&answer["status"], &answer["body"]["taken"]), (&json!(status), &json!(taken)), "{answer}");
    }
    let mut early = order(2);
    early["status"] = json!("300");
    let answer = upstream.push(&shop, PATH, "order.created", &early).await;
    assert_eq!((&answer["status"], &answer["body"]["taken"]), (&json!(200), &json!(false)), "{answer}");
    // What was pushed is in the list too.
    upstream.bring(vec![order(1), order(2)]).await;
    let server = shop.second_following_server(&upstream.settings(), EAGER).await;
    until_taken(&shop, 1..3).await;
    server.stop().await;
    assert_eq!(shop.rows::<(i64,)>("select count(*) from packages").await, [(2,)]);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn orders_whose_long_numbers_come_as_numbers_are_not_mixed_up() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let digits = ["1000000000000008781491", "1000000000000008781492"];
    for (pk, digits) in (1..).zip(digits) {
        let mut long = order(pk);
        long["number"] = serde_json::from_str(digits).expect("a number");
        let answer = upstream.push(&shop, PATH, "order.created", &long).await;
        assert_eq!((&answer["status"], &answer["body"]["taken"]), (&json!(201), &json!(true)), "{answer}");
    }
    let numbers: Vec<(String,)> = shop.rows("select number from orders order by 1").await;
    assert_eq!(numbers.iter().map(|(number,)| number.as_str()).collect::<Vec<_>>(), digits);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_and_kept_once() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let mut strange = order(1);
    strange["cargo_company"] = json!("pigeons");
    for _ in 0..2 {
        let answer = upstream.push(&shop, PATH, "order.created", &strange).await;
        assert_eq!(answer["status"], 400);
        assert_eq!(answer["body"]["error"], json!({ "cargo_company": ["There is no cargo company pigeons."] }));
    }
    let problems = shop.get("/api/v1/oms/upstream/problems/").await.ok();
    assert_eq!((&problems["count"], &problems["results"][0]["attempts"]), (&json!(1), &json!(2)));
    assert_eq!(upstream.push(&shop, PATH, "order.created", &order(1)).await["status"], 201);
    assert!(shop.get("/api/v1/oms/upstream/problems/").await.ok()["results"][0]["resolved_date"].is_string());
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn dj_whisperer_authenticates_its_webhooks_by_name_and_token() {
    let shop = Shop::open().await;
    let push = async |path: &str, event: &str, payload: &Value, name: &str, password: &str| {
        let body = json!({ "event": { "type": event, "uuid": "u" }, "payload": payload });
        send_loosely(shop.request(Method::POST, path).basic_auth(name, Some(password)).json(&body)).await
    };
    let erp = Shop::token("erp");
    let store = json!({ "pk": 41, "erp_code": "S-YORK", "name": "York" });
    let plan = json!({ "pk": 1, "plan_type": "cancel", "order": { "pk": 1, "number": order(1)["number"] } });
    for (path, event, payload, status) in [
        (PATH, "order.created", &order(1), 201),
        (PATH.trim_end_matches('/'), "order.created", &order(1), 200),
        ("/api/v1/oms/stocklocations-webhook/", "retail_store.created", &store, 201),
        ("/api/v1/oms/cancellation_plan/", "cancellation_plan.created", &plan, 200),
    ] {
        let reply = push(path, event, payload, "erp", erp).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
    }
    // The name must be that of the token's user; a password of the user is none; a role counts as ever.
    for (name, password, status) in [
        ("admin", erp, 401),
        ("erp", "wrong", 401),
        ("erp", "", 401),
        ("", erp, 401),
        ("erp", "correct horse battery staple", 401),
        ("kadikoy", Shop::token("kadikoy"), 403),
    ] {
        let reply = shop.changes_nothing(push(PATH, "order.created", &order(2), name, password)).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
    }
    // It is a way in for webhooks alone.
    let list = shop.request(Method::GET, "/api/v1/oms/packages/").basic_auth("erp", Some(erp));
    send(list).await.json(401);
    for broken in ["Basic", "Basic ???", "Basic ZXJw"] {
        let request = shop.request(Method::POST, PATH).header("Authorization", broken);
        send(request.json(&json!({}))).await.json(401);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_webhook_needs_a_token_and_where_it_is_agreed_on_a_signature() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let envelope = json!({ "event": { "type": "order.created", "uuid": "u" }, "payload": order(1) });
    let refused = shop
        .changes_nothing(async {
            send(shop.request(Method::POST, PATH).json(&envelope)).await.json(401);
            shop.post_as("kadikoy", PATH, &envelope).await.json(403);
            shop.post_as("erp", PATH, &json!({ "event": { "type": "order.created" } })).await.json(400)
        })
        .await;
    assert_eq!(refused["error"], json!({ "payload": ["An object is required: what the event is about."] }));
    let mut settings = upstream.settings();
    settings.webhook_secret = "agreed".parse().ok();
    let server = shop.second_following_server(&settings, EAGER).await;
    let to = |secret: &str| {
        let url = format!("{}{PATH}", server.url);
        json!({ "url": url, "token": Shop::token("erp"), "secret": secret })
    };
    assert_eq!(upstream.push_to(&to("another"), "order.created", &order(1)).await["status"], 401);
    assert!(numbers(&shop).await.is_empty());
    assert_eq!(upstream.push_to(&to("agreed"), "order.created", &order(1)).await["status"], 201);
    assert_eq!(numbers(&shop).await, [1]);
    server.stop().await;
    shop.finish().await;
    upstream.stop();
}
