//! What waits to be delivered is looked at once more when it is sent: its subscriber may have fewer rights than when it
//! happened.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    AT_ONCE, HOOKS, hook, pausing_after,
    receiver::{Mood, Received, Receiver},
    settings, subscribe,
};
use crate::support::{Package, Shop, send};

async fn user_id(shop: &Shop, name: &str) -> i64 {
    shop.value("select id from users where username = $1", name.to_owned()).await
}

async fn change(shop: &Shop, name: &str, change: &Value) {
    shop.patch(&format!("/api/v1/auth/users/{}/", user_id(shop, name).await), change).await.ok();
}

/// It is tried again each second: without a wait, the quick retries would be over before a test has changed the user's rights.
async fn subscribe_as(shop: &Shop, user: &str, url: &str, event_type: &str) -> i64 {
    let mut hook = hook(url, event_type);
    hook["retry_countdown_config"]["kwargs"]["seconds"] = json!(1);
    shop.post_as(user, HOOKS, &hook).await.json(201)["id"].as_i64().expect("an id")
}

async fn waiting(shop: &Shop, webhook_id: i64) -> i64 {
    shop.value("select count(*) from hook_events where webhook_id = $1 and not delivered", webhook_id).await
}

/// A package at GEBZE.
async fn elsewhere(shop: &Shop) -> Package<'_> {
    shop.count("GEBZE", "FAR", 5).await;
    shop.order(&[("FAR", 1)]).await.only_package()
}

/// How long an answer is waited for.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

fn of(received: &[Received], path: &str) -> Vec<i64> {
    received.iter().filter(|one| one.path == path).map(Received::object_id).collect()
}

#[tokio::test]
async fn what_waits_is_not_sent_to_who_may_not_see_it_any_more() {
    for role in ["operator", "store"] {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Answers(500));
        let shop = Shop::delivering(settings()).await;
        let id = subscribe_as(&shop, "ops", &format!("{}/ops", receiver.url), "package.created").await;
        let before = shop.package().await;
        receiver.until("an attempt", |received| !received.is_empty()).await;
        let gebze = shop.location_id("GEBZE").await;
        change(&shop, "ops", &json!({ "role": role, "stock_locations": [gebze] })).await;
        shop.until("it waits no more", async || (waiting(&shop, id).await == 0).then_some(())).await;
        receiver.is(Mood::Answers(204));
        let own = elsewhere(&shop).await;
        let taken = receiver.until_taken(1).await;
        assert_eq!(of(&taken, "/ops"), [own.id], "{role}");
        // With the right to see it comes the right to ask for it again.
        change(&shop, "ops", &json!({ "role": "operator", "stock_locations": [] })).await;
        let again = json!({ "entity": "package", "object_id": before.id, "from": "2020-01-01" });
        let answer = shop.post_as("ops", &format!("{HOOKS}{id}/replay/"), &again).await.ok();
        assert_eq!(answer, json!({ "replayed": 0, "added": 1 }));
        assert_eq!(of(&receiver.until_taken(2).await, "/ops"), [own.id, before.id]);
        shop.finish().await;
        receiver.stop();
    }
}

#[tokio::test]
async fn what_waits_for_a_user_who_is_disabled_is_sent_when_the_user_is_let_in_again() {
    let receiver = Receiver::start().await;
    receiver.is(Mood::Answers(500));
    let shop = Shop::delivering(settings()).await;
    let id = subscribe_as(&shop, "ops", &format!("{}/ops", receiver.url), "package.created").await;
    subscribe(&shop, &format!("{}/all", receiver.url), "package.created").await;
    let package = shop.package().await;
    let delivery = shop
        .until("an attempt is noted", async || {
            let path = format!("/whisperer/hook_events/?webhook={id}");
            shop.get(&path).await.ok()["results"][0]["id"].as_i64()
        })
        .await;
    change(&shop, "ops", &json!({ "is_active": false })).await;
    receiver.chooses(|one| Mood::Answers(if one.path == "/ops" { 500 } else { 204 }));
    // What was under way is over when others were told twice.
    for _ in 0..2 {
        let other = shop.package().await;
        receiver.until("others are told", |received| of(received, "/all").contains(&other.id)).await;
    }
    let attempts = of(&receiver.received(), "/ops").len();
    receiver.is(Mood::Answers(204));
    // Not by hand, either.
    let retry = format!("/whisperer/hook_events/{delivery}/retry/");
    assert_eq!(shop.post(&retry, &json!({ "force": true })).await.status, 403);
    let other = shop.package().await;
    receiver.until("others are told", |received| of(received, "/all").contains(&other.id)).await;
    assert_eq!((of(&receiver.received(), "/ops").len(), waiting(&shop, id).await), (attempts, 1));
    change(&shop, "ops", &json!({ "is_active": true })).await;
    receiver.until("it comes", |received| of(received, "/ops").len() > attempts).await;
    shop.until("it is noted", async || (waiting(&shop, id).await == 0).then_some(())).await;
    assert_eq!(of(&receiver.taken(), "/ops"), [package.id]);
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn what_waits_for_its_turn_at_a_stalled_receiver_is_looked_at_once_more() {
    let receiver = Receiver::start().await;
    receiver.chooses(|one| if one.path == "/ops" { Mood::Answers(204) } else { Mood::Stalls });
    let shop = Shop::delivering(settings()).await;
    // Four to each of four subscriptions: as many as one host is sent at once.
    for number in 0..4 {
        subscribe(&shop, &format!("{}/stalls-{number}", receiver.url), "package.created").await;
    }
    let id = subscribe_as(&shop, "ops", &format!("{}/ops", receiver.url), "package.status.packed").await;
    let package = shop.package().await;
    for _ in 0..3 {
        shop.package().await;
    }
    receiver.until("a slot is taken", |received| !received.is_empty()).await;
    let begun = Instant::now();
    receiver.until("all slots are taken", |received| received.len() == 16).await;
    package.run("COMPLETE_PACKING").await.ok();
    shop.until("it is claimed", async || {
        let sql = "select exists (select from hook_events
                                   where webhook_id = $1 and next_attempt_date > now() + interval '30 seconds')";
        shop.value::<bool, _>(sql, id).await.then_some(())
    })
    .await;
    change(&shop, "ops", &json!({ "stock_locations": [shop.location_id("GEBZE").await] })).await;
    assert!(begun.elapsed() < LONGEST_ANSWER, "a slot came free before that");
    shop.until("it waits no more", async || (waiting(&shop, id).await == 0).then_some(())).await;
    assert_eq!(of(&receiver.received(), "/ops"), Vec::<i64>::new());
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn a_delivery_is_shown_and_made_again_as_far_as_its_subscriber_may_see_it() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let id = subscribe_as(&shop, "ops", &format!("{}/ops", receiver.url), "package.created").await;
    let package = shop.package().await;
    receiver.until_taken(1).await;
    shop.until("it is noted", async || (waiting(&shop, id).await == 0).then_some(())).await;
    let list = shop.get_as("ops", "/whisperer/hook_events/").await.ok();
    assert_eq!(list["results"][0]["request_payload"]["payload"]["id"], package.id);
    change(&shop, "ops", &json!({ "stock_locations": [shop.location_id("GEBZE").await] })).await;
    let list = shop.get_as("ops", "/whisperer/hook_events/").await;
    assert_eq!(list.ok()["results"][0]["request_payload"], json!({}), "nor does a file of the list have it");
    let file = send(shop.request_as("ops", Method::GET, "/whisperer/hook_events/?format=csv")).await;
    assert!(!file.text().contains(&package.number().await), "{}", file.text());
    // A replay does not bring it, and nothing waits for it.
    shop.post_as("ops", &format!("{HOOKS}{id}/replay/"), &json!({ "from": "2020-01-01" })).await.ok();
    shop.until("nothing waits", async || (waiting(&shop, id).await == 0).then_some(())).await;
    assert_eq!(receiver.received().len(), 1);
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn only_its_owner_and_admins_hear_that_a_subscription_is_paused() {
    let receiver = Receiver::start().await;
    receiver.chooses(|one| Mood::Answers(if one.path.starts_with("/news") { 204 } else { 500 }));
    let shop = Shop::delivering(pausing_after(AT_ONCE)).await;
    // The store is limited to its location, and hears of its own subscriptions all the same.
    for user in ["admin", "erp", "ops", "kadikoy"] {
        subscribe_as(&shop, user, &format!("{}/news-{user}", receiver.url), "webhook.paused").await;
    }
    let mut paused = Vec::new();
    for user in ["erp", "kadikoy"] {
        paused.push(subscribe_as(&shop, user, &format!("{}/{user}", receiver.url), "package.created").await);
    }
    let package = shop.package().await;
    let taken = receiver.until_taken(4).await;
    let (of_erp, of_store) = (vec![paused[0]], vec![paused[1]]);
    let sorted = |mut ids: Vec<i64>| {
        ids.sort_unstable();
        ids
    };
    for (user, ids) in [("admin", &paused), ("erp", &of_erp), ("ops", &vec![]), ("kadikoy", &of_store)] {
        assert_eq!(sorted(of(&taken, &format!("/news-{user}"))), *ids, "{user}");
        let feed = async |query: &str| {
            let events = shop.get_as(user, &format!("/api/v1/oms/events/?{query}")).await.ok()["results"].clone();
            let events = events.as_array().expect("events").clone();
            sorted(events.iter().filter_map(|event| event["payload"]["id"].as_i64()).collect())
        };
        assert_eq!(feed("types=webhook.paused").await, *ids, "{user}");
        let one = feed(&format!("entity=webhook&object_id={}", paused[0])).await;
        assert_eq!(one, if ids.contains(&paused[0]) { of_erp.clone() } else { vec![] }, "{user}");
        // It happens at no location.
        let here = format!("types=webhook.paused,package.created&stock_location={}", shop.location_id("KADIKOY").await);
        assert_eq!(feed(&here).await, [package.id], "{user}");
    }
    // A replay brings none of others, either.
    let own = shop.get_as("ops", HOOKS).await.ok()["results"][0]["id"].clone();
    let answer = shop.post_as("ops", &format!("{HOOKS}{own}/replay/"), &json!({ "from": "2020-01-01" })).await.ok();
    assert_eq!(answer, json!({ "replayed": 0, "added": 0 }));
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn the_link_to_a_label_is_good_however_long_a_delivery_was_tried() {
    let receiver = Receiver::start().await;
    receiver.is(Mood::Answers(500));
    let shop = Shop::delivering(settings()).await;
    let id = subscribe(&shop, &format!("{}/a", receiver.url), "package.status.packed").await;
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    receiver.until("an attempt", |received| !received.is_empty()).await;
    // What a body is whose first attempt was long ago.
    let expire = "update hook_events set request_body = replace(request_body, '?expires=', '?expires=1')
                   where webhook_id = $1 and request_body like '%?expires=%' returning true";
    shop.until("the body of the attempt has expired", async || {
        let expired: Option<bool> =
            sqlx::query_scalar(expire).bind(id).fetch_optional(shop.pool()).await.expect(expire);
        expired
    })
    .await;
    receiver.is(Mood::Answers(204));
    let body = receiver.until_taken(1).await.remove(0).json();
    let label = body["payload"]["shipping_label"].as_str().expect("an address");
    let path = label.strip_prefix("http://oms.example").expect("its beginning");
    assert_eq!(send(shop.request(Method::GET, path)).await.status, 200, "{label}");
    shop.finish().await;
    receiver.stop();
}
