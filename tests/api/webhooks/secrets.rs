//! Secrets of subscriptions: shown to nobody, and handed on to no other address.

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    HOOKS,
    receiver::{Mood, Receiver},
    settings, subscribe,
};
use crate::support::{Shop, send, send_loosely};

const MASK: &str = "********";
const FIRST: &str = "https://first.example/in";
const OTHER: &str = "https://other.example/in";

/// A word in every place where a secret may be.
const MARKS: [&str; 6] = ["MARK-key", "MARK-header", "MARK-authorization", "MARK-password", "MARK-own", "MARK-nested"];

fn with_marks(url: &str) -> Value {
    json!({
        "target_url": url, "event_type": "package.created", "secret_key": MARKS[0], "callback": "shop.orders",
        "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 3600 } },
        "additional_headers": { "X-Shop": MARKS[1], "X-Authorization": MARKS[2] },
        "config": {
            "auth": { "auth_type": "basic", "username": "oms", "password": MARKS[3] },
            "client_secret": MARKS[4], "more": { "list": [MARKS[5]] },
        },
    })
}

fn login(url: &str, password: &str) -> Value {
    json!({ "auth": { "auth_type": "token", "url": url, "username": "oms", "password": password } })
}

async fn subscribe_with(shop: &Shop, body: &Value) -> String {
    let made = shop.post(HOOKS, body).await.json(201);
    format!("{HOOKS}{}/", made["id"])
}

/// What is stored of the only subscription.
async fn stored(shop: &Shop) -> (String, Option<String>, Value, Value) {
    let rows: Vec<(String, Option<String>, Value, Value)> =
        shop.rows("select target_url, secret_key, additional_headers::jsonb, config::jsonb from webhooks").await;
    rows.into_iter().next().expect("a subscription")
}

#[tokio::test]
async fn no_answer_list_file_event_or_delivery_shows_a_secret() {
    let receiver = Receiver::start().await;
    receiver.is(Mood::Repeats(503));
    let shop = Shop::delivering(settings()).await;
    let path = subscribe_with(&shop, &with_marks(&format!("{}/in", receiver.url))).await;
    // Another that is paused and resumed, which is told by events.
    let paused = subscribe(&shop, &format!("{}/paused", receiver.url), "package.refused").await;
    shop.execute("update webhooks set paused_date = now(), pause_reason = 'x' where event_type = 'package.refused'")
        .await;
    shop.post(&format!("{HOOKS}{paused}/resume/"), &json!({})).await.ok();
    shop.package().await;
    let sent = receiver.until("the first attempt", |received| !received.is_empty()).await.remove(0);
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("oms:{}", MARKS[3]));
    assert_eq!((sent.header("x-shop"), sent.header("authorization")), (MARKS[1], format!("Basic {pair}").as_str()));
    let delivery = shop
        .until("the attempt is noted", async || {
            let list = shop.get("/whisperer/hook_events/").await.ok();
            (list["count"] == 1).then(|| list["results"][0].clone())
        })
        .await;
    // It repeated everything.
    let content = delivery["response_content"].as_str().expect("text");
    assert!(content.contains("x-shop") && content.contains("package.created") && content.contains(MASK), "{content}");

    let mut texts = Vec::new();
    let document = oms::server::document();
    for (address, item) in document["paths"].as_object().expect("paths") {
        if item.get("get").is_none() || address.contains("{key}") || address.contains("pull_from") {
            continue;
        }
        let id = if address.contains("hook_events") { &delivery["id"] } else { &json!(paused - 1) };
        let address = address.replace("{id}", &id.to_string());
        for query in ["", "?format=csv", "?secret_key=MARK"] {
            texts.push(shop.get(&format!("{address}{query}")).await.text().to_owned());
        }
    }
    for method in [Method::OPTIONS, Method::HEAD] {
        texts.push(send(shop.request_as("admin", method, &path)).await.text().to_owned());
    }
    let shown = shop.get(&path).await.ok();
    assert_eq!(shown["additional_headers"], json!({ "X-Shop": MASK, "X-Authorization": MASK }));
    let auth = json!({ "auth_type": "basic", "username": "oms", "password": MASK });
    assert_eq!(shown["config"], json!({ "auth": auth, "client_secret": MASK, "more": MASK }));
    for body in [
        json!({ "is_active": false }),
        json!({ "is_active": true }),
        json!({ "target_url": OTHER }),
        json!({ "event_type": "package.refused", "target_url": format!("{}/paused", receiver.url) }),
        json!({ "additional_headers": { "Host": MASK } }),
        shown,
    ] {
        texts.push(send_loosely(shop.request_as("admin", Method::PATCH, &path).json(&body)).await.text().to_owned());
    }
    texts.push(shop.post(HOOKS, &with_marks(&format!("{}/in", receiver.url))).await.text().to_owned());
    texts.push(shop.post(&format!("{path}replay/"), &json!({ "from": "2020-01-01" })).await.text().to_owned());
    let retry = format!("/whisperer/hook_events/{}/retry/", delivery["id"]);
    texts.push(shop.post(&retry, &json!({ "force": true })).await.text().to_owned());
    let (code, printed, said) = shop.oms(&["webhooks", "list"]).await;
    assert_eq!(code, 0);
    texts.extend([printed, said]);
    assert!(texts.len() > 100, "{}", texts.len());
    for text in &texts {
        assert!(!text.contains("MARK-") && !text.contains(&pair), "{text}");
    }
    // Nor does what is stored of a delivery.
    let noted: Vec<(String,)> = shop.rows("select to_jsonb(h)::text from hook_events h").await;
    assert!(noted.iter().all(|(row,)| !row.contains("MARK-") && !row.contains(&pair)), "{noted:?}");
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn a_mask_keeps_each_secret_while_the_address_stays() {
    let shop = Shop::open().await;
    let path = subscribe_with(&shop, &with_marks(FIRST)).await;
    let before = stored(&shop).await;
    let shown = shop.get(&path).await.ok();
    for (method, body) in [
        (Method::PUT, shown.clone()),
        (Method::PATCH, shown.clone()),
        (Method::PATCH, json!({ "target_url": FIRST })),
        (Method::PATCH, json!({ "additional_headers": { "X-SHOP": MASK, "x-authorization": MASK } })),
        (Method::PUT, shown.clone()),
    ] {
        let reply = send_loosely(shop.request_as("admin", method, &path).json(&body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let (url, key, headers, config) = stored(&shop).await;
        assert_eq!((&url, &key, &config), (&before.0, &before.1, &before.3), "{body}");
        let values: Vec<&Value> = headers.as_object().expect("headers").values().collect();
        assert_eq!(values.len(), 2, "{headers}");
        assert!(values.contains(&&json!(MARKS[1])) && values.contains(&&json!(MARKS[2])), "{headers}");
    }
    // The same address, written otherwise.
    let mut again = shown.clone();
    again["target_url"] = json!("HTTPS://First.Example:443/in#there");
    shop.put(&path, &again).await.ok();
    assert_eq!(stored(&shop).await.3, before.3);
    // One of several is changed.
    shop.patch(&path, &json!({ "additional_headers": { "X-Shop": MASK, "X-New": "two" } })).await.ok();
    assert_eq!(stored(&shop).await.2, json!({ "X-Shop": MARKS[1], "X-New": "two" }));
    shop.finish().await;
}

#[tokio::test]
async fn no_secret_goes_to_another_address_by_a_mask_or_by_being_left_out() {
    let shop = Shop::open().await;
    let path = subscribe_with(&shop, &with_marks(FIRST)).await;
    let shown = shop.get(&path).await.ok();
    // Everything is sent anew, or ended, but for one field.
    let anew = json!({
        "event_type": "package.created", "retry_countdown_config": shown["retry_countdown_config"],
        "secret_key": "new", "additional_headers": { "X-Shop": "new" }, "config": {},
    });
    for other in [OTHER, "http://first.example/in", "https://first.example:8443/in", "https://first.example/elsewhere"]
    {
        for (field, masked) in [
            ("secret_key", json!(MASK)),
            ("additional_headers", json!({ "X-Shop": "new", "X-Authorization": MASK })),
            ("additional_headers", json!({ "x-shop": MASK })),
            ("config", json!({ "auth": { "auth_type": "basic", "username": "oms", "password": MASK } })),
            ("config", json!({ "client_secret": MASK })),
            ("config", json!({ "more": MASK })),
        ] {
            for method in [Method::PATCH, Method::PUT] {
                for given in [Some(&masked), None] {
                    let mut body = anew.clone();
                    body["target_url"] = json!(other);
                    body.as_object_mut().expect("an object").remove(field);
                    if let Some(given) = given {
                        body[field] = given.clone();
                    }
                    let request = shop.request_as("admin", method.clone(), &path).json(&body);
                    let reply = shop.changes_nothing(send(request)).await;
                    let said = reply.json(400);
                    let fields: Vec<&String> = said.as_object().expect("fields").keys().collect();
                    assert_eq!(fields, [field], "{method} {body}: {said}");
                    assert!(said.to_string().contains("send it again"), "{said}");
                }
            }
        }
    }
    // As it was shown, with another address: every secret is named at once.
    let mut moved = shown;
    moved["target_url"] = json!(OTHER);
    let said = shop.changes_nothing(shop.put(&path, &moved)).await.json(400);
    let fields: Vec<&String> = said.as_object().expect("fields").keys().collect();
    assert_eq!(fields, ["additional_headers", "config", "secret_key"], "{said}");
    let fields: Vec<&String> = said["config"].as_object().expect("fields").keys().collect();
    assert_eq!(fields, ["client_secret", "more", "auth"], "{said}");
    // Sent again, they go there.
    let mut body = anew;
    body["target_url"] = json!(OTHER);
    shop.patch(&path, &body).await.ok();
    let (url, key, headers, config) = stored(&shop).await;
    assert_eq!((url.as_str(), key.as_deref()), (OTHER, Some("new")));
    assert_eq!((headers, config), (json!({ "X-Shop": "new" }), json!({})));
    // Where there is no secret, an address alone may change.
    shop.patch(&path, &json!({ "secret_key": null, "additional_headers": {} })).await.ok();
    shop.patch(&path, &json!({ "target_url": FIRST })).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_password_goes_to_no_other_login() {
    let shop = Shop::open().await;
    let mut body = with_marks(FIRST);
    body["config"] = login("https://login.example/", MARKS[3]);
    let path = subscribe_with(&shop, &body).await;
    let basic = json!({ "auth": { "auth_type": "basic", "username": "oms", "password": MASK } });
    for config in [login("https://other.example/", MASK), login("https://login.example/other", MASK), basic.clone()] {
        let said = shop.changes_nothing(shop.patch(&path, &json!({ "config": config }))).await.json(400);
        assert!(said["config"]["auth"]["password"].to_string().contains("send it again"), "{config}: {said}");
    }
    shop.patch(&path, &json!({ "config": login("https://login.example", MASK) })).await.ok();
    assert_eq!(stored(&shop).await.3["auth"]["password"], MARKS[3]);
    // The other way round: it went to the receiver.
    shop.patch(&path, &json!({ "config": with_marks(FIRST)["config"] })).await.ok();
    let said = shop.changes_nothing(shop.patch(&path, &json!({ "config": login(FIRST, MASK) }))).await.json(400);
    assert!(said["config"]["auth"]["password"].to_string().contains("send it again"), "{said}");
    shop.patch(&path, &json!({ "config": basic })).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_mask_where_nothing_is_stored_is_no_secret() {
    let shop = Shop::open().await;
    let plain = json!({ "target_url": FIRST, "event_type": "package.created",
                        "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 5 } } });
    let path = subscribe_with(&shop, &plain).await;
    for (field, masked) in [
        ("secret_key", json!(MASK)),
        ("additional_headers", json!({ "X-Shop": MASK })),
        ("config", login("https://login.example/", MASK)),
        ("config", json!({ "own": MASK })),
    ] {
        let mut body = plain.clone();
        body["target_url"] = json!(OTHER);
        body[field] = masked.clone();
        for request in [
            shop.request_as("admin", Method::POST, HOOKS).json(&body),
            shop.request_as("admin", Method::PATCH, &path).json(&json!({ field: masked })),
            shop.request_as("admin", Method::PUT, &path).json(&body),
        ] {
            let said = shop.changes_nothing(send(request)).await.json(400);
            assert!(said[field].to_string().contains("send the secret itself"), "{said}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_a_mask_keeps_is_what_goes_to_the_address_at_that_moment() {
    let shop = Shop::open().await;
    let path = subscribe_with(&shop, &with_marks(FIRST)).await;
    // Somebody moves the subscription while another request keeps its password.
    let mut moving = shop.pool().begin().await.expect("a transaction");
    sqlx::query(
        "update webhooks set target_url = $1, secret_key = 'new', additional_headers = '{\"X-Shop\": \"new\"}',
                config = '{\"auth\": {\"auth_type\": \"basic\", \"username\": \"oms\", \"password\": \"new\"}}'",
    )
    .bind(OTHER)
    .execute(&mut *moving)
    .await
    .expect("moved");
    let kept = json!({
        "additional_headers": { "X-Shop": MASK },
        "config": { "auth": { "auth_type": "basic", "username": "oms", "password": MASK } },
    });
    let change = async { shop.patch(&path, &kept).await };
    let commit = async {
        shop.until("the change waits", async || {
            let waiting: i64 = shop.value("select count(*) from pg_locks where not granted and $1", true).await;
            (waiting > 0).then_some(())
        })
        .await;
        moving.commit().await.expect("committed");
    };
    let (reply, ()) = tokio::join!(change, commit);
    reply.ok();
    let (url, _, headers, config) = stored(&shop).await;
    assert_eq!(url, OTHER);
    assert_eq!((&headers["X-Shop"], &config["auth"]["password"]), (&json!("new"), &json!("new")));
    shop.finish().await;
}
