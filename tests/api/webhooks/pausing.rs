//! A receiver that fails for long is paused and told of, resumes where it stopped, and gets again what it lost.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    AT_ONCE, HOOKS, pausing_after,
    receiver::{Mood, Received, Receiver},
    settings, subscribe,
};
use crate::support::{Package, Shop};

async fn status(shop: &Shop, id: i64) -> Value {
    shop.get(&format!("{HOOKS}{id}/status/")).await.ok()
}

async fn until_paused(shop: &Shop, id: i64) -> Value {
    shop.until("it is paused", async || {
        let status = status(shop, id).await;
        (status["state"] == "paused").then_some(status)
    })
    .await
}

fn objects(received: &[Received]) -> Vec<i64> {
    received.iter().map(Received::object_id).collect()
}

#[tokio::test]
async fn a_receiver_that_fails_for_long_is_paused_told_of_and_resumes_where_it_stopped() {
    for way in ["patch", "resume", "command line"] {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Answers(500));
        let shop = Shop::delivering(pausing_after(AT_ONCE)).await;
        let told = subscribe(&shop, &format!("{}/news", receiver.url), "webhook.paused").await;
        let id = subscribe(&shop, &format!("{}/a", receiver.url), "package.created").await;
        receiver.chooses(|one| Mood::Answers(if one.path == "/news" { 200 } else { 500 }));
        let first = shop.package().await;
        let paused = until_paused(&shop, id).await;
        assert!(
            paused["pause_reason"].as_str().is_some_and(|why| why.starts_with("no delivery has succeeded since 20"))
        );
        let path = format!("{HOOKS}{id}/");
        assert_eq!(shop.get(&path).await.ok()["is_active"], false);
        assert_eq!(shop.metric("oms_webhook_pauses_total").await, 1);
        assert_eq!(shop.metric("oms_webhooks{state=\"paused\"}").await, 1);
        let news = receiver.until_taken(1).await.remove(0).json();
        assert_eq!((&news["payload"]["id"], &news["payload"]["is_active"]), (&json!(id), &json!(false)));
        assert!(!news.to_string().contains("geheim"));
        let feed = shop.get("/api/v1/oms/events/?types=webhook.paused").await.ok();
        assert_eq!(feed["results"][0]["payload"], news["payload"]);

        // While it is paused nothing is sent, and nothing is lost.
        let second = shop.package().await;
        shop.until("what waits is there", async || (status(&shop, id).await["pending"] == 2).then_some(())).await;
        let attempts = receiver.received().len();
        assert_eq!(status(&shop, told).await["state"], "active");
        receiver.is(Mood::Answers(200));
        match way {
            "patch" => assert_eq!(shop.patch(&path, &json!({ "is_active": true })).await.ok()["is_active"], true),
            "resume" => assert_eq!(shop.post(&format!("{path}resume/"), &json!({})).await.ok()["is_active"], true),
            _ => {
                let (code, printed, _) = shop.oms(&["webhooks", "list"]).await;
                let line = printed.lines().find(|line| line.starts_with(&format!("{id}: "))).expect("its line");
                assert!(code == 0 && line.contains("paused, 2 wait; no delivery has succeeded"), "{printed}");
                let (code, printed, _) = shop.oms(&["webhooks", "resume", &id.to_string()]).await;
                assert_eq!((code, printed), (0, format!("webhook {id} goes on where it stopped\n")));
            }
        }
        receiver
            .until("both arrive", |received| {
                received.iter().filter(|one| one.path == "/a" && one.is_taken()).count() == 2
            })
            .await;
        let sent: Vec<Received> = receiver.received().split_off(attempts);
        let arrived: BTreeSet<i64> = objects(&sent).into_iter().collect();
        assert_eq!(arrived, BTreeSet::from([first.id, second.id]));
        let feed = shop.get("/api/v1/oms/events/?types=webhook.resumed").await.ok();
        assert_eq!(feed["results"][0]["payload"]["is_active"], true);
        assert_eq!(status(&shop, id).await["failing_since"], Value::Null);
        shop.finish().await;
        receiver.stop();
    }
}

#[tokio::test]
async fn a_replay_delivers_once_what_it_adds_however_quick_the_delivery_is() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    shop.package().await;
    let id = subscribe(&shop, &format!("{}/a", receiver.url), "package.created").await;
    let known = shop.package().await;
    receiver.until_taken(1).await;
    shop.until("it is noted", async || (status(&shop, id).await["pending"] == 0).then_some(())).await;
    // As if what is added were delivered at once.
    shop.execute(
        "create function deliver() returns trigger language plpgsql as 'begin new.delivered := true; return new; end';
         create trigger deliver before insert on hook_events for each row execute function deliver()",
    )
    .await;
    let answer = shop.post(&format!("{HOOKS}{id}/replay/"), &json!({ "from": "2020-01-01" })).await.ok();
    assert_eq!(answer, json!({ "replayed": 1, "added": 1 }));
    receiver.until("it comes again", |received| received.len() >= 2).await;
    shop.until("it is noted", async || (status(&shop, id).await["pending"] == 0).then_some(())).await;
    assert_eq!(objects(&receiver.received()), [known.id, known.id]);
    shop.abandon().await;
    receiver.stop();
}

#[tokio::test]
async fn what_a_receiver_lost_is_delivered_again_under_the_uuids_it_had() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(settings()).await;
    let before = shop.package().await;
    let id = subscribe(&shop, &format!("{}/a", receiver.url), "package.created").await;
    let packages: Vec<Package<'_>> = [shop.package().await, shop.package().await, shop.package().await].to_vec();
    let first = receiver.until_taken(3).await;
    shop.until("all is noted", async || (status(&shop, id).await["pending"] == 0).then_some(())).await;
    let path = format!("{HOOKS}{id}/replay/");
    let replay = async |body: &Value| shop.post(&path, body).await;

    let answer = replay(&json!({ "entity": "package", "object_id": packages[1].id })).await.ok();
    assert_eq!(answer, json!({ "replayed": 1, "added": 0 }));
    let again = receiver.until("one comes again", |received| received.len() == 4).await.remove(3);
    let known = first.iter().find(|one| one.object_id() == packages[1].id).expect("it came");
    assert_eq!((again.uuid(), &again.body), (known.uuid(), &known.body));

    // Everything, also what happened before there was a subscription.
    assert_eq!(replay(&json!({ "from": "2020-01-01" })).await.ok(), json!({ "replayed": 3, "added": 1 }));
    let all = receiver.until("all come again", |received| received.len() == 8).await.split_off(4);
    let ids: BTreeSet<i64> = objects(&all).into_iter().collect();
    assert_eq!(ids, packages.iter().map(|package| package.id).chain([before.id]).collect());
    shop.until("all is noted", async || (status(&shop, id).await["pending"] == 0).then_some(())).await;

    // Since the last good one there is nothing, and nothing in a time that is over.
    assert_eq!(replay(&json!({ "since_last_delivered": true })).await.ok(), json!({ "replayed": 0, "added": 0 }));
    let over = json!({ "from": "2020-01-01", "to": "2021-01-01" });
    assert_eq!(replay(&over).await.ok(), json!({ "replayed": 0, "added": 0 }));
    assert_eq!(replay(&json!({})).await.status, 400);
    let reply = replay(&json!({ "entity": "odd", "object_id": 1, "to": "x" })).await.json(400);
    let fields: BTreeSet<&String> = reply.as_object().expect("fields").keys().collect();
    assert_eq!(fields, BTreeSet::from([&"entity".to_owned(), &"to".to_owned()]));

    let object = format!("package:{}", packages[0].id);
    let number = id.to_string();
    let (code, printed, _) = shop.oms(&["webhooks", "replay", &number, "--object", &object]).await;
    assert_eq!((code, printed.as_str()), (0, "1 deliveries are made again, 0 for the first time\n"));
    let again = receiver.until("it comes again", |received| received.len() == 9).await.remove(8);
    assert_eq!(again.object_id(), packages[0].id);
    assert_eq!(shop.oms(&["webhooks", "replay", &number]).await.0, 2, "it has to be said what");
    let (code, _, said) = shop.oms(&["webhooks", "replay", "999", "--from", "2020-01-01"]).await;
    assert!(code == 1 && said.contains("there is no webhook 999"), "{said}");
    shop.finish().await;
    receiver.stop();
}
