//! `/whisperer/`: fields, limits, codes and bodies. What is compared to the byte was answered by dj-whisperer 0.5.1 on
//! Django REST framework 3.

use oms::webhooks::{Settings, quota::Quota};
use reqwest::Method;
use serde_json::{Value, json};

use super::{HOOKS, hook, settings, subscribe};
use crate::support::{Reply, Shop, join, send, send_loosely};

const REGISTERED: &str = r#"{"code":"webhook_100_2","en":"Webhook already registered"}"#;
const NOT_FOUND: &str = r#"{"detail":"Not found."}"#;

fn example() -> Value {
    json!({
        "target_url": "https://example.com/h", "event_type": "package.created",
        "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 5 } }
    })
}

fn with(changes: &Value) -> Value {
    let mut body = example();
    for (name, value) in changes.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_subscription_is_made_shown_changed_and_ended() {
    let shop = Shop::open().await;
    let made = shop.post(HOOKS, &example()).await;
    let json = made.json(201);
    let date = json["created_date"].as_str().expect("a date");
    let wanted = format!(
        r#"{{"id":{},"retry_countdown_config":{{"choice":"fixed","kwargs":{{"seconds":5}}}},"created_date":"{date}","modified_date":"{date}","target_url":"https://example.com/h","is_active":true,"secret_key":null,"event_type":"package.created","callback":null,"additional_headers":{{}},"config":{{}}}}"#,
        json["id"]
    );
    assert_eq!(made.text(), wanted);
    let path = format!("{HOOKS}{}/", json["id"]);
    assert_eq!(shop.get(&path).await.ok(), json);

    let again = shop.changes_nothing(shop.post(HOOKS, &example())).await;
    assert_eq!((again.status, again.text()), (406, REGISTERED));
    let other = shop.post(HOOKS, &with(&json!({ "event_type": "package.refused" }))).await.json(201);
    let same = shop.changes_nothing(shop.patch(&format!("{HOOKS}{}/", other["id"]), &example())).await;
    assert_eq!((same.status, same.text()), (406, REGISTERED));

    let changed = shop.patch(&path, &json!({ "callback": "a.b", "is_active": false })).await.ok();
    assert_eq!((&changed["callback"], &changed["is_active"]), (&json!("a.b"), &json!(false)));
    let put = shop.put(&path, &with(&json!({ "additional_headers": { "X-Shop": "one" } }))).await.ok();
    assert_eq!((&put["additional_headers"], &put["callback"]), (&json!({ "X-Shop": "********" }), &json!("a.b")));
    shop.patch(&path, &json!({ "is_active": true })).await.ok();

    let gone = send(shop.request_as("admin", Method::DELETE, &path)).await;
    assert_eq!((gone.status, gone.text()), (204, ""));
    assert_eq!(shop.get(&path).await.ok()["is_active"], false);
    let again = shop.post(HOOKS, &example()).await;
    assert_eq!((again.status, again.text()), (406, REGISTERED), "it is inactive, and still there");
    let list = shop.get(&format!("{HOOKS}?is_active=false&target_url=HTTPS://EXAMPLE.com/h")).await.ok();
    assert_eq!((&list["count"], &list["results"][0]["id"]), (&json!(1), &json["id"]));
    assert_eq!(shop.get(&format!("{HOOKS}?event_type=PACKAGE.Refused")).await.ok()["count"], 1);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_words_of_the_original() {
    let shop = Shop::open().await;
    for (changes, wanted) in [
        (json!({ "event_type": "x" }), r#"{"event_type":["\"x\" is not a valid choice."]}"#),
        (json!({ "event_type": 5 }), r#"{"event_type":["\"5\" is not a valid choice."]}"#),
        (json!({ "event_type": "" }), r#"{"event_type":["This field may not be blank."]}"#),
        (json!({ "target_url": null }), r#"{"target_url":["This field may not be null."]}"#),
        (
            json!({ "target_url": "https://e.com/".to_owned() + &"a".repeat(242) }),
            r#"{"target_url":["Ensure this field has no more than 255 characters."]}"#,
        ),
        (
            json!({ "secret_key": "a".repeat(125) }),
            r#"{"secret_key":["Ensure this field has no more than 124 characters."]}"#,
        ),
        (
            json!({ "callback": "a".repeat(65) }),
            r#"{"callback":["Ensure this field has no more than 64 characters."]}"#,
        ),
        (json!({ "is_active": "maybe" }), r#"{"is_active":["Must be a valid boolean."]}"#),
        (json!({ "is_active": null }), r#"{"is_active":["This field may not be null."]}"#),
        (json!({ "additional_headers": null }), r#"{"additional_headers":["This field may not be null."]}"#),
        (json!({ "config": null }), r#"{"config":["This field may not be null."]}"#),
        (json!({ "retry_countdown_config": null }), r#"{"retry_countdown_config":["This field may not be null."]}"#),
        (
            json!({ "retry_countdown_config": 5 }),
            r#"{"retry_countdown_config":{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]}}"#,
        ),
        (
            json!({ "retry_countdown_config": {} }),
            r#"{"retry_countdown_config":{"choice":["This field is required."],"kwargs":["This field is required."]}}"#,
        ),
        (
            json!({ "retry_countdown_config": { "choice": "fixed" } }),
            r#"{"retry_countdown_config":{"kwargs":["This field is required."]}}"#,
        ),
        (
            json!({ "retry_countdown_config": { "choice": "odd", "kwargs": {} } }),
            r#"{"retry_countdown_config":{"choice":["\"odd\" is not a valid choice."]}}"#,
        ),
        (
            json!({ "retry_countdown_config": { "choice": null, "kwargs": null } }),
            r#"{"retry_countdown_config":{"choice":["This field may not be null."],"kwargs":["This field may not be null."]}}"#,
        ),
        (
            json!({ "retry_countdown_config": { "choice": "fixed", "kwargs": [1] } }),
            r#"{"retry_countdown_config":{"kwargs":{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}}}"#,
        ),
        (json!({ "config": { "x": "a\u{0}" } }), r#"{"config":["Null characters are not allowed."]}"#),
        (
            json!({ "config": { "x": "a".repeat(16384) } }),
            r#"{"config":["Ensure this field has no more than 16384 bytes."]}"#,
        ),
        (
            json!({ "config": { "auth": 5 }, "additional_headers": { "Host": "x" } }),
            r#"{"additional_headers":["Host is set by the server; leave it out."],"config":{"auth":{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]}}}"#,
        ),
    ] {
        let reply = shop.changes_nothing(shop.post(HOOKS, &with(&changes))).await;
        assert_eq!((reply.status, reply.text()), (400, wanted), "{changes}");
    }
    for (body, wanted) in [
        (
            json!({}),
            r#"{"retry_countdown_config":["This field is required."],"target_url":["This field is required."],"event_type":["This field is required."]}"#,
        ),
        (json!([1]), r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#),
    ] {
        let reply = shop.changes_nothing(shop.post(HOOKS, &body)).await;
        assert_eq!((reply.status, reply.text()), (400, wanted));
    }
    shop.finish().await;
}

#[tokio::test]
async fn countdowns_are_checked_and_kept_as_numbers() {
    let shop = Shop::open().await;
    let config = |choice: &str, kwargs: Value| {
        let url = format!("https://example.com/{choice}/{}", kwargs.to_string().len());
        with(&json!({ "target_url": url, "retry_countdown_config": { "choice": choice, "kwargs": kwargs } }))
    };
    for (choice, kwargs, wanted) in [
        ("fixed", json!({}), json!({ "seconds": ["This field is required."] })),
        ("fixed", json!({ "seconds": -1 }), json!({ "seconds": ["Ensure this value is greater than or equal to 0."] })),
        ("fixed", json!({ "seconds": 1.5 }), json!({ "seconds": ["A valid integer is required."] })),
        ("fixed", json!({ "seconds": true }), json!({ "seconds": ["A valid integer is required."] })),
        ("fixed", json!({ "seconds": null }), json!({ "seconds": ["This field may not be null."] })),
        (
            "linear",
            json!({ "base": -1, "limit": -1 }),
            json!({ "base": ["Ensure this value is greater than or equal to 0."],
                 "limit": ["Ensure this value is greater than or equal to 0."] }),
        ),
        (
            "exponential",
            json!({ "base": 2, "factor": 0 }),
            json!({ "factor": ["Ensure this value is greater than or equal to 1."] }),
        ),
        ("exponential", json!({ "base": 2, "factor": null }), json!({ "factor": ["This field may not be null."] })),
        (
            "random",
            json!({ "min_value": 3, "max_value": 3 }),
            json!({ "non_field_errors": ["'max_value' must be greater than 'min_value'."] }),
        ),
        (
            "random",
            json!({ "min_value": -3 }),
            json!({ "min_value": ["Ensure this value is greater than or equal to 0."],
                 "max_value": ["This field is required."] }),
        ),
    ] {
        let reply = shop.changes_nothing(shop.post(HOOKS, &config(choice, kwargs.clone()))).await;
        assert_eq!(reply.json(400), json!({ "retry_countdown_config": { "kwargs": wanted } }), "{choice} {kwargs}");
    }
    for (choice, kwargs, kept) in [
        ("fixed", json!({ "seconds": "5" }), r#"{"seconds":5}"#),
        ("fixed", json!({ "seconds": 5.0, "x": 1 }), r#"{"seconds":5}"#),
        ("linear", json!({ "base": 1 }), r#"{"base":1}"#),
        ("linear", json!({ "base": 1, "limit": null }), r#"{"base":1,"limit":null}"#),
        ("exponential", json!({ "base": 2 }), r#"{"base":2,"factor":1}"#),
        ("random", json!({ "min_value": 1, "max_value": 3 }), r#"{"min_value":1,"max_value":3}"#),
    ] {
        let request = shop.request_as("admin", Method::POST, HOOKS).json(&config(choice, kwargs));
        let made = send_loosely(request).await.json(201);
        assert_eq!(made["retry_countdown_config"]["kwargs"].to_string(), kept);
    }
    shop.finish().await;
}

#[tokio::test]
async fn everybody_sees_their_own_and_an_admin_all() {
    let shop = Shop::open().await;
    let id = shop.post_as("erp", HOOKS, &example()).await.json(201)["id"].as_i64().expect("an id");
    let path = format!("{HOOKS}{id}/");
    assert_eq!(shop.get_as("erp", &path).await.ok()["id"], id);
    assert_eq!(shop.get(&path).await.ok()["id"], id, "an admin");
    assert_eq!(shop.get_as("ops", HOOKS).await.text(), r#"{"count":0,"next":null,"previous":null,"results":[]}"#);
    for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
        let request = shop.request_as("ops", method.clone(), &path).json(&example());
        let reply = shop.changes_nothing(send(request)).await;
        assert_eq!((reply.status, reply.text()), (404, NOT_FOUND), "{method}");
    }
    for action in ["status", "resume", "replay"] {
        let method = if action == "status" { Method::GET } else { Method::POST };
        let request =
            shop.request_as("ops", method, &format!("{path}{action}/")).json(&json!({ "from": "2020-01-01" }));
        assert_eq!(send(request).await.text(), NOT_FOUND);
    }
    // Another's is no obstacle.
    shop.post_as("ops", HOOKS, &example()).await.json(201);

    let reply = send(shop.request(Method::GET, HOOKS)).await;
    let wanted = r#"{"detail":"Authentication credentials were not provided."}"#;
    assert_eq!((reply.status, reply.text()), (401, wanted));
    for path in [format!("{HOOKS}99999/"), format!("{HOOKS}abc/"), "/whisperer/odd/".to_owned()] {
        let reply = shop.get(&path).await;
        assert_eq!((reply.status, reply.text()), (404, NOT_FOUND));
    }
    let reply = shop.post(&path, &json!({})).await;
    assert_eq!((reply.status, reply.text()), (405, r#"{"detail":"Method \"POST\" not allowed."}"#));
    shop.finish().await;
}

#[tokio::test]
async fn secrets_are_shown_once_and_a_mask_keeps_them() {
    let shop = Shop::open().await;
    let auth = json!({ "auth": { "auth_type": "basic", "username": "oms", "password": "geheim" } });
    let made = shop.post(HOOKS, &with(&json!({ "secret_key": "sehr geheim", "config": auth }))).await.json(201);
    assert_eq!((&made["secret_key"], &made["config"]), (&json!("sehr geheim"), &auth));
    let path = format!("{HOOKS}{}/", made["id"]);
    let shown = shop.get(&path).await;
    assert_eq!(shown.ok()["secret_key"], "********");
    assert_eq!(shown.ok()["config"]["auth"]["password"], "********");
    let replies = [shown.clone(), shop.get(HOOKS).await, shop.put(&path, &shown.ok()).await];
    for reply in &replies {
        assert!(!reply.text().contains("geheim"), "{}", reply.text());
    }
    let stored: Vec<(String, String)> = shop.rows("select secret_key, config->'auth'->>'password' from webhooks").await;
    assert_eq!(stored, [("sehr geheim".to_owned(), "geheim".to_owned())]);
    shop.patch(&path, &json!({ "secret_key": null })).await.ok();
    assert_eq!(shop.get(&path).await.ok()["secret_key"], Value::Null);
    let mask = with(&json!({ "event_type": "package.refused", "secret_key": "********" }));
    let reply = shop.post(HOOKS, &mask).await.json(400);
    assert!(reply["secret_key"][0].as_str().is_some_and(|said| said.contains("send the secret itself")));
    for (config, wanted) in [
        (json!({ "auth_type": "odd" }), json!({ "auth_type": ["Choose basic or token."] })),
        (json!({ "auth_type": "basic", "username": "a" }), json!({ "password": ["This field is required."] })),
        (
            json!({ "auth_type": "token", "url": "http://10.0.0.1/", "username": "a", "password": "b" }),
            json!({ "url": ["10.0.0.1 is not a public address. Whoever runs the server can allow it: OMS_WEBHOOK_ALLOW_PRIVATE."] }),
        ),
    ] {
        let reply = shop.patch(&path, &json!({ "config": { "auth": config } })).await;
        assert_eq!(reply.json(400), json!({ "config": { "auth": wanted } }));
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_registry_lists_the_types_and_each_can_be_subscribed_to() {
    let shop = Shop::open().await;
    let registry = shop.get(&format!("{HOOKS}registry/")).await.ok();
    let types: Vec<&str> =
        registry.as_array().expect("a list").iter().map(|name| name.as_str().expect("text")).collect();
    assert_eq!(types, oms::events::TYPES);
    for name in types {
        shop.post(HOOKS, &with(&json!({ "event_type": name }))).await.json(201);
    }
    shop.finish().await;
}

#[tokio::test]
async fn deliveries_are_listed_filtered_and_delivered_again() {
    let receiver = super::receiver::Receiver::start().await;
    receiver.is(super::receiver::Mood::Answers(503));
    let shop = Shop::delivering(settings()).await;
    let mut wanted = hook(&format!("{}/in", receiver.url), "package.created");
    wanted["retry_countdown_config"]["kwargs"]["seconds"] = json!(3600);
    let hook_id = shop.post(HOOKS, &wanted).await.json(201)["id"].as_i64().expect("an id");
    let package = shop.package().await;
    receiver.until("the first attempt", |received| !received.is_empty()).await;
    let list = shop
        .until("the attempt is noted", async || {
            let list = shop.get("/whisperer/hook_events/").await.ok();
            (list["count"] == 1).then_some(list)
        })
        .await;
    let row = &list["results"][0];
    let keys: Vec<&String> = row.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "webhook",
            "created_date",
            "modified_date",
            "uuid",
            "request_payload",
            "response_content",
            "response_http_status",
            "response_time",
            "delivered",
            "request_datetimes",
            "retry_count",
            "object_id",
            "content_type"
        ]
    );
    let sent = receiver.received().remove(0);
    assert_eq!(row["request_payload"], sent.json());
    assert_eq!(row["uuid"].as_str().expect("a uuid").replace('-', ""), sent.uuid());
    assert_eq!(row["webhook"]["id"], hook_id);
    assert_eq!(row["webhook"]["secret_key"], "********");
    assert_eq!(
        (&row["response_http_status"], &row["delivered"], &row["retry_count"]),
        (&json!(503), &json!(false), &json!(1))
    );
    assert_eq!((&row["object_id"], &row["content_type"]), (&json!(package.id.to_string()), &json!(26)));
    assert_eq!(row["request_datetimes"].as_array().map(Vec::len), Some(1));
    assert!(row["response_time"].as_str().is_some_and(|text| text.starts_with("00:00:")));
    let path = format!("/whisperer/hook_events/{}/", row["id"]);
    assert_eq!(shop.get(&path).await.ok(), *row);
    assert_eq!(shop.get_as("ops", &path).await.text(), NOT_FOUND);
    let count = async |filter: &str| shop.get(&format!("/whisperer/hook_events/?{filter}")).await.ok()["count"].clone();
    for (filter, found) in [
        (format!("uuid={}", sent.uuid()), 1),
        ("uuid=00000000-0000-0000-0000-000000000000".to_owned(), 0),
        ("response_http_status=503".to_owned(), 1),
        ("delivered=true".to_owned(), 0),
        (format!("object_id={}&content_type=26&webhook={hook_id}&event_type=PACKAGE.created", package.id), 1),
        ("created_date__gte=2999-01-01".to_owned(), 0),
        ("created_date__lt=2999-01-01".to_owned(), 1),
    ] {
        assert_eq!(count(&filter).await, found, "{filter}");
    }
    assert_eq!(shop.get("/whisperer/hook_events/?uuid=zz").await.text(), r#"{"uuid":["Enter a valid UUID."]}"#);
    assert_eq!(
        shop.get("/whisperer/hook_events/?created_date__gte=zz").await.text(),
        r#"{"created_date__gte":["Enter a valid date/time."]}"#
    );

    let retry = async |body: &Value| shop.post(&format!("{path}retry/"), body).await;
    let reply = retry(&json!({})).await;
    assert_eq!((reply.status, reply.text()), (406, r#"{"code":"event_100_6","en":"Event is still in retry process"}"#));
    let reply = retry(&json!({ "force": true })).await.json(406);
    assert_eq!((&reply["detail"], &reply["response_status"]), (&json!("Webhook event delivery failed"), &json!(503)));
    receiver.is(super::receiver::Mood::Says("thanks".to_owned()));
    let answer = retry(&json!({ "force": true })).await;
    let reply = answer.ok();
    assert_eq!(reply["detail"], "Webhook event delivered successfully");
    // The keys in the order of the original, and the seconds as Python prints them.
    let took = reply["response_time"].as_str().expect("a text");
    assert!(took.parse::<f64>().is_ok_and(|seconds| (0.0..10.0).contains(&seconds)), "{took}");
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"detail":"Webhook event delivered successfully","response_status":200,"response_content":"thanks","response_time":"{took}","delivered":true}}"#
        )
    );
    assert_eq!(
        (&reply["response_status"], &reply["response_content"], &reply["delivered"]),
        (&json!(200), &json!("thanks"), &json!(true))
    );
    let reply = retry(&json!({ "force": true })).await;
    assert_eq!((reply.status, reply.text()), (406, r#"{"code":"event_100_3","en":"Event already delivered"}"#));
    assert_eq!(retry(&json!({ "force": "maybe" })).await.text(), r#"{"force":["Must be a valid boolean."]}"#);
    let attempts: Vec<i64> = receiver.received().iter().map(super::receiver::Received::attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    receiver.assert_same_bytes();
    assert_eq!(shop.get(&path).await.ok()["request_payload"], sent.json(), "made again, it is the same");
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn a_store_hears_of_its_own_places_only() {
    let receiver = super::receiver::Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let url = format!("{}/store", receiver.url);
    shop.post_as("kadikoy", HOOKS, &hook(&url, "package.created")).await.json(201);
    subscribe(&shop, &format!("{}/all", receiver.url), "package.created").await;
    shop.count("GEBZE", "FAR", 5).await;
    shop.order(&[("FAR", 1)]).await;
    let seen = shop.package().await;
    receiver.until_taken(3).await;
    let taken = receiver.taken();
    let store: Vec<i64> =
        taken.iter().filter(|one| one.path == "/store").map(super::receiver::Received::object_id).collect();
    assert_eq!((store, taken.len()), (vec![seen.id], 3));
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn subscriptions_are_limited_per_user_and_in_all_also_when_they_come_at_once() {
    let quota = Quota { per_user: 5, in_all: 8 };
    let shop = Shop::delivering(Settings { quota, ..settings() }).await;
    let bodies: Vec<Value> =
        (0..20).map(|number| hook(&format!("https://example.com/{number}"), "package.created")).collect();
    let statuses = |replies: Vec<Reply>| {
        let made = replies.iter().filter(|reply| reply.status == 201).count();
        assert!(replies.iter().all(|reply| [201, 400].contains(&reply.status)));
        made
    };
    assert_eq!(statuses(join(bodies.iter().map(|body| shop.post_as("erp", HOOKS, body))).await), 5);
    let refused = shop.changes_nothing(shop.post_as("erp", HOOKS, &bodies[19])).await.json(400);
    assert!(refused.to_string().contains("OMS_MAX_WEBHOOKS_PER_USER"), "{refused}");
    // Neither an inactive one nor one that is deactivated makes room.
    let mut inactive = hook("https://example.com/inactive", "package.created");
    inactive["is_active"] = json!(false);
    shop.changes_nothing(shop.post_as("erp", HOOKS, &inactive)).await.json(400);
    let list = shop.get_as("erp", HOOKS).await.ok();
    let own = format!("{HOOKS}{}/", list["results"][0]["id"]);
    send(shop.request_as("erp", Method::DELETE, &own)).await;
    shop.changes_nothing(shop.post_as("erp", HOOKS, &inactive)).await.json(400);
    // It can be made another, and what is registered is said to be.
    let other = json!({ "target_url": "https://example.com/other", "is_active": true, "secret_key": "another" });
    assert_eq!(send(shop.request_as("erp", Method::PATCH, &own).json(&other)).await.status, 200);
    let taken = list["results"][1]["target_url"].as_str().expect("an address");
    assert_eq!(shop.post_as("erp", HOOKS, &hook(taken, "package.created")).await.text(), REGISTERED);
    assert_eq!(statuses(join(bodies.iter().map(|body| shop.post_as("ops", HOOKS, body))).await), 3);
    let refused = shop.changes_nothing(shop.post_as("kadikoy", HOOKS, &bodies[0])).await.json(400);
    assert!(refused.to_string().contains("OMS_MAX_WEBHOOKS."), "{refused}");
    shop.finish().await;
}

#[tokio::test]
async fn the_root_names_the_lists_and_a_queue_has_what_was_not_tried_yet() {
    let shop = Shop::open().await;
    let root = shop.get("/whisperer/").await;
    let url = shop.url();
    assert_eq!(
        root.text(),
        format!(
            r#"{{"hooks":"{url}/whisperer/hooks/","hook_events":"{url}/whisperer/hook_events/","event_queues":"{url}/whisperer/event_queues/"}}"#
        )
    );
    assert_eq!(send(shop.request(Method::GET, "/whisperer/")).await.status, 401);
    for address in ["hooks", "hook_events", "event_queues"] {
        assert_eq!(shop.get(root.ok()[address].as_str().expect("an address")).await.ok()["count"], 0);
    }
    shop.finish().await;

    let receiver = super::receiver::Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let id = subscribe(&shop, &format!("{}/q", receiver.url), "package.created").await;
    shop.execute("update webhooks set paused_date = now()").await;
    let package = shop.package().await;
    let queue = "/whisperer/event_queues/?event_type=PACKAGE.created";
    let row = shop
        .until("it waits", async || {
            let page = shop.get(queue).await.ok();
            (page["count"] == 1).then(|| page["results"][0].clone())
        })
        .await;
    let keys: Vec<_> = row.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "created_date",
            "modified_date",
            "uuid",
            "hook_id",
            "event_type",
            "app_label",
            "model_name",
            "object_id",
            "instance_dict"
        ]
    );
    assert_eq!((&row["hook_id"], &row["model_name"]), (&json!(id), &json!("package")));
    assert_eq!((&row["event_type"], &row["object_id"]), (&json!("package.created"), &json!(package.id.to_string())));
    // Others do not see it, and once it was tried it is in the other list.
    assert_eq!(shop.get_as("erp", queue).await.ok()["count"], 0);
    shop.patch(&format!("{HOOKS}{id}/"), &json!({ "is_active": true })).await.ok();
    shop.until("it is delivered", async || (shop.get(queue).await.ok()["count"] == 0).then_some(())).await;
    assert_eq!(shop.get("/whisperer/hook_events/").await.ok()["results"][0]["uuid"], row["uuid"]);
    shop.finish().await;
    receiver.stop();
}
