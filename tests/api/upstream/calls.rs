//! Calls that commands ask for: where they may go, that they are independent of each other, and how they end.

use std::time::Duration;

use oms::{invoicing::Rules, upstream::Pace};
use serde_json::{Value, json};

use super::house::{EAGER, Upstream, order_of, until_taken};
use crate::{
    support::{Package, SHOP, STANDARD, Server, Shop, on_this_machine, send_loosely},
    webhooks::receiver::{Mood, Received, Receiver},
};

const CALLS: &str = "/api/v1/oms/upstream/calls/";

fn rules(urls: &str, allow_private: &str) -> Rules {
    Rules::new(urls.parse().expect(urls), allow_private.parse().expect(allow_private))
}

fn invoice_call(url: &str) -> Value {
    json!({ "remote_invoice_call": {
        "auth": { "request_type": "token", "token": "geheim", "token_prefix": "Chosen" },
        "timeouts": { "read": 10, "connect": 10 }, "remote_url": url,
        "generate_invoice_number": true } })
}

/// A shop with a server that makes calls, by rules that are those of its commands too.
async fn calling(rules: Rules, pace: Pace) -> (Shop, Server) {
    let shop = Shop::allowing(rules.clone()).await;
    let server = shop.second_calling_server(rules, pace).await;
    (shop, server)
}

/// Packs a package and asks this address for its invoice.
async fn packed<'s>(shop: &'s Shop, url: &str) -> Package<'s> {
    let package = shop.package().await;
    package.run_with("COMPLETE_PACKING", &invoice_call(url)).await.ok();
    package
}

/// The call of a package, once it is as wanted.
async fn call_of(shop: &Shop, package: Package<'_>, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("{CALLS}?package={}&kind=invoice", package.id);
    shop.until("the call", async || {
        let found = shop.get(&path).await.ok()["results"][0].clone();
        is_wanted(&found).then_some(found)
    })
    .await
}

async fn call_in(shop: &Shop, package: Package<'_>, state: &str) -> Value {
    call_of(shop, package, |call| call["state"] == state).await
}

async fn secrets(shop: &Shop) -> i64 {
    let sql = "select count(*) from transition_records where to_jsonb(transition_records)::text like $1";
    shop.value(sql, "%geheim%".to_owned()).await
}

fn says(number: &str) -> Mood {
    Mood::Says(json!({ "invoice_number": number }).to_string())
}

#[tokio::test]
async fn no_role_makes_the_server_call_an_address_that_no_setting_allows() {
    let inside = Receiver::start().await;
    let shop = Shop::open().await;
    let package = shop.package().await;
    let url = format!("{}/admin", inside.url);
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await, "input_parameters": invoice_call(&url) });
    for user in ["admin", "ops", "erp", "kadikoy"] {
        let reply = shop.changes_nothing(package.post_as(user, &body)).await;
        let said = &reply.wrong("remote_invoice_call")[0];
        assert!(said.starts_with("remote_url: ") && said.contains("OMS_INVOICE_URLS"), "{user}: {said}");
    }
    let tried = package.dry_run("COMPLETE_PACKING", &invoice_call(&url)).await;
    assert!(tried.wrong("remote_invoice_call")[0].contains("OMS_INVOICE_URLS"));
    let mut one = body.clone();
    one["package"] = json!(package.id);
    let listed = shop.changes_nothing(shop.post("/api/v1/oms/packages/commands/", &json!([one]))).await.ok();
    assert_eq!(listed[0]["status_code"], 400, "{listed}");
    for command in ["COMPLETE_PACKING_WITHOUT_SHIPMENT", "CHANNEL_BASED_COMPLETE_PACKING"] {
        let reply = shop.changes_nothing(package.run_with(command, &invoice_call(&url))).await;
        assert!(reply.wrong("remote_invoice_call")[0].contains("OMS_INVOICE_URLS"), "{command}");
    }
    package.run("COMPLETE_PACKING").await.ok();
    for command in ["UPDATE_INVOICE", "SHIP_THE_PACKAGE_ADVANCED"] {
        let mut input = invoice_call(&url);
        if command == "SHIP_THE_PACKAGE_ADVANCED" {
            input["tracking_number"] = json!("1");
        }
        let slug = package.slug(command).await;
        let body = json!({ "slug": slug, "input_parameters": input });
        let request = shop.request_as("admin", reqwest::Method::POST, &package.command_path()).json(&body);
        let reply = shop.changes_nothing(send_loosely(request)).await;
        assert!(reply.wrong("remote_invoice_call")[0].contains("OMS_INVOICE_URLS"), "{command}");
    }
    assert!(inside.received().is_empty());
    shop.finish().await;
    inside.stop();
}

#[tokio::test]
async fn addresses_of_every_private_family_are_refused_even_where_any_may_be_brought() {
    let shop = Shop::allowing(rules("any", "false")).await;
    let package = shop.package().await;
    for host in [
        "127.0.0.1:5432",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
    ] {
        let input = invoice_call(&format!("http://{host}/"));
        let reply = shop.changes_nothing(package.run_with("COMPLETE_PACKING", &input)).await;
        let said = &reply.wrong("remote_invoice_call")[0];
        assert!(
            said.contains("is not a public address") && said.contains("OMS_INVOICE_ALLOW_PRIVATE"),
            "{host}: {said}"
        );
    }
    let input = invoice_call("http://user:word@erp.example/");
    let reply = shop.changes_nothing(package.run_with("COMPLETE_PACKING", &input)).await;
    assert!(reply.wrong("remote_invoice_call")[0].contains("No user or password"));
    shop.finish().await;
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_at_each_attempt() {
    let inside = Receiver::start().await;
    let (shop, server) = calling(rules("any", "false"), EAGER).await;
    let port = inside.url.rsplit(':').next().expect("a port");
    let package = packed(&shop, &format!("http://localhost:{port}/")).await;
    let call = call_of(&shop, package, |call| call["attempts"].as_i64() > Some(1)).await;
    assert!(call["last_error"].as_str().is_some_and(|why| why.contains("is not a public address")), "{call}");
    assert!(inside.received().is_empty());
    server.stop().await;
    shop.finish().await;
    inside.stop();
}

#[tokio::test]
async fn what_was_asked_for_under_other_settings_is_not_called() {
    let inside = Receiver::start().await;
    let shop = Shop::allowing(on_this_machine()).await;
    let package = packed(&shop, &inside.url).await;
    let server = shop.second_calling_server(Rules::default(), EAGER).await;
    let call = call_of(&shop, package, |call| call["last_error"].is_string()).await;
    assert!(call["last_error"].as_str().is_some_and(|why| why.contains("OMS_INVOICE_URLS")), "{call}");
    assert!(inside.received().is_empty());
    server.stop().await;
    shop.finish().await;
    inside.stop();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (outside, inside) = (Receiver::start().await, Receiver::start().await);
    for status in [301, 302, 303, 307, 308] {
        let (shop, server) = calling(on_this_machine(), EAGER).await;
        outside.is(Mood::Redirects(status, inside.url.clone()));
        let package = packed(&shop, &outside.url).await;
        let call = call_of(&shop, package, |call| call["last_error"].is_string()).await;
        assert_eq!(call["answered_status"], status);
        assert!(call["last_error"].as_str().is_some_and(|why| why.contains("redirects are not followed")), "{call}");
        server.stop().await;
        shop.finish().await;
    }
    assert!(inside.received().is_empty());
    outside.stop();
    inside.stop();
}

#[tokio::test]
async fn what_was_cancelled_before_its_invoice_was_made_is_not_billed() {
    let service = Receiver::start().await;
    let (shop, server) = calling(on_this_machine(), EAGER).await;
    service.is(Mood::Answers(500));
    let package = packed(&shop, &service.url).await;
    call_of(&shop, package, |call| call["last_error"].is_string()).await;
    package.run_with("CANCEL_PACKED_PACKAGE", &json!({ "restock": true })).await.ok();
    service.is(says("A-7"));
    let call = call_in(&shop, package, "failed").await;
    assert_eq!(call["last_error"], "the package was cancelled meanwhile");
    assert_eq!(package.json().await["invoice_number"], Value::Null);
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn nothing_of_an_answer_is_told_but_what_was_asked_for() {
    let service = Receiver::start().await;
    let (shop, server) = calling(on_this_machine(), EAGER).await;
    let answer = json!({ "invoice_number": "A-7", "invoice_url": "https://i.example/7", "inside": "topsecret" });
    service.is(Mood::Says(answer.to_string()));
    let package = packed(&shop, &format!("{}/?key=hidden", service.url)).await;
    let call = call_in(&shop, package, "done").await;
    assert_eq!((&call["answer"], &call["answered_status"]), (&Value::Null, &json!(200)));
    assert_eq!(call["payload"], json!({ "remote_url": format!("{}/", service.url) }));
    let shown = package.json().await;
    assert_eq!((&shown["invoice_number"], &shown["invoice_document"]), (&json!("A-7"), &Value::Null));
    // Nor of one that refuses, is no JSON, or too long.
    let page = format!("<html>topsecret{}</html>", "x".repeat(70_000));
    service.chooses(move |one: &Received| match one.path.as_str() {
        "/long" => Mood::Says(page.clone()),
        _ => Mood::Says("topsecret".to_owned()),
    });
    for (path, why) in [("long", "its answer is longer than"), ("page", "its answer has no invoice_number")] {
        let package = packed(&shop, &format!("{}/{path}", service.url)).await;
        let call = call_of(&shop, package, |call| call["last_error"].is_string()).await;
        assert!(call["last_error"].as_str().is_some_and(|said| said.contains(why)), "{call}");
    }
    server.stop().await;
    for (table, rows) in shop.dump().await.0 {
        assert!(!rows.iter().any(|row| row.contains("topsecret")), "{table}");
        assert!(table == "transition_records" || !rows.iter().any(|row| row.contains("hidden")), "{table}");
    }
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_service_of_the_installation_is_called_by_its_name_with_its_own_secrets() {
    let service = Receiver::start().await;
    service.is(says("A-1"));
    let (shop, server) = calling(Rules::default(), EAGER).await;
    let services = format!(
        "[[invoice_services]]\nslug = \"till\"\nurl = \"{}/till\"\n\
         auth = {{ type = \"token\", token = \"of-the-installation\", token_prefix = \"Key\" }}\n",
        service.url
    );
    let by_itself = format!(
        "command = \"CHANNEL_BASED_COMPLETE_PACKING\"\nparameters.remote_invoice_call = {{ auth = {{ request_type = \
         \"anonymous\" }}, timeouts = {{}}, remote_url = \"{}/default\", generate_invoice_number = true }}",
        service.url
    );
    let standard = STANDARD.replacen("command = \"CHANNEL_BASED_COMPLETE_PACKING\"", &by_itself, 1);
    shop.install(&[&standard, SHOP, &services]).await;
    let package = shop.package().await;
    let named = |slug: &str| json!({ "remote_invoice_call": { "service": slug, "generate_invoice_number": true } });
    let reply = shop.changes_nothing(package.run_with("COMPLETE_PACKING", &named("tills"))).await;
    let known = "service: The installation has no invoice service tills. It has: till.";
    assert_eq!(reply.wrong("remote_invoice_call"), [known]);
    package.run_with("COMPLETE_PACKING", &named("till")).await.ok();
    let call = call_in(&shop, package, "done").await;
    assert_eq!(call["payload"], json!({ "service": "till" }));
    assert_eq!(package.json().await["invoice_number"], "A-1");
    // An address that the installation gives a transition is the operator's too.
    let other = shop.package().await;
    other.run("CHANNEL_BASED_COMPLETE_PACKING").await.ok();
    call_in(&shop, other, "done").await;
    let received = service.received();
    let at = |path: &str| received.iter().find(|one| one.path == path).expect("it came");
    assert_eq!(at("/till").header("authorization"), "Key of-the-installation");
    assert_eq!(at("/default").header("authorization"), "");
    server.stop().await;
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_slow_address_delays_no_other_call_and_is_asked_a_few_times_at_once() {
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.is(Mood::Stalls);
    quick.is(says("B-1"));
    let (shop, server) = calling(on_this_machine(), EAGER).await;
    for _ in 0..12 {
        packed(&shop, &slow.url).await;
    }
    shop.until("the slow one is asked", async || (slow.received().len() == 4).then_some(())).await;
    for _ in 0..6 {
        let package = packed(&shop, &quick.url).await;
        call_in(&shop, package, "done").await;
    }
    assert_eq!(slow.received().len(), 4, "as many as at the beginning are under way, and all of them stall");
    slow.stop();
    server.stop().await;
    shop.finish().await;
    quick.stop();
}

#[tokio::test]
async fn the_upstream_is_told_of_an_order_while_its_invoice_is_waited_for() {
    let slow = Receiver::start().await;
    slow.is(Mood::Stalls);
    let upstream = Upstream::start(vec![order_of(1, &[("RED", 1)])]).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..2).await;
    let package = Package::new(&shop, shop.value("select min(id) from packages where $1", true).await);
    package.run_with("COMPLETE_PACKING", &invoice_call(&slow.url)).await.ok();
    shop.until("the invoice is asked for", async || (slow.received().len() == 1).then_some(())).await;
    package.run("SHIP_THE_PACKAGE").await.ok();
    shop.until("it is told", async || (upstream.count("/api/v1/order_items/101/", 200) == 2).then_some(())).await;
    assert_eq!(call_in(&shop, package, "waiting").await["attempts"], 1);
    slow.stop();
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn a_call_has_a_last_attempt_and_a_person_may_ask_for_more() {
    let service = Receiver::start().await;
    service.is(Mood::Answers(503));
    let pace = Pace { give_up_after: Duration::from_millis(200), ..EAGER };
    let (shop, server) = calling(on_this_machine(), pace).await;
    let package = packed(&shop, &service.url).await;
    let call = call_in(&shop, package, "failed").await;
    assert!(call["given_up_date"].is_string() && call["attempts"].as_i64() > Some(1), "{call}");
    assert_eq!(call["last_error"], "it answered 503 Service Unavailable");
    let attempts = service.received().len();
    let status = shop.get("/api/v1/oms/upstream/").await.ok();
    assert_eq!((&status["open_calls"], &status["failed_calls"]), (&json!(0), &json!(1)));
    let path = format!("{CALLS}{}/", call["id"]);
    for user in ["erp", "kadikoy"] {
        for action in ["retry", "end"] {
            let reply = shop.changes_nothing(shop.post_as(user, &format!("{path}{action}/"), &json!({}))).await;
            assert_eq!(reply.status, 403, "{user}");
        }
    }
    // What another call does meanwhile shows that this one is left alone.
    call_in(&shop, packed(&shop, &service.url).await, "failed").await;
    assert_eq!(shop.get(&path).await.ok()["attempts"], call["attempts"]);
    assert!(service.received().len() > attempts);
    service.is(says("C-1"));
    let retried = shop.post_as("ops", &format!("{path}retry/"), &json!({})).await.ok();
    assert_eq!((&retried["state"], &retried["attempts"]), (&json!("waiting"), &json!(0)));
    call_in(&shop, package, "done").await;
    assert_eq!(package.json().await["invoice_number"], "C-1");
    for action in ["retry", "end"] {
        let over = shop.changes_nothing(shop.post(&format!("{path}{action}/"), &json!({}))).await.json(406);
        assert_eq!(over["error"]["error_code"], "oms_upstream_2");
    }
    server.stop().await;
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_person_ends_a_call_and_its_secrets() {
    let service = Receiver::start().await;
    service.is(Mood::Answers(503));
    let (shop, server) = calling(on_this_machine(), EAGER).await;
    let package = packed(&shop, &service.url).await;
    let call = call_of(&shop, package, |call| call["last_error"].is_string()).await;
    assert_eq!(secrets(&shop).await, 1);
    let path = format!("{CALLS}{}/", call["id"]);
    let ended = shop.post_as("ops", &format!("{path}end/"), &json!({})).await.ok();
    assert_eq!((&ended["state"], &ended["ended_by"]), (&json!("ended"), &json!("ops")));
    assert_eq!(secrets(&shop).await, 0);
    let over = shop.changes_nothing(shop.post(&format!("{path}retry/"), &json!({}))).await.json(406);
    assert_eq!(over["error"]["error_code"], "oms_upstream_2");
    // One that is under way is ended too: its answer is not recorded.
    service.is(Mood::Slow(Duration::from_millis(300)));
    let answered = service.received().len() + 1;
    let other = shop.package().await;
    let mut input = invoice_call(&service.url);
    input["remote_invoice_call"]["generate_invoice_number"] = json!(false);
    other.run_with("COMPLETE_PACKING", &input).await.ok();
    let call = call_of(&shop, other, |call| call["attempts"] == 1).await;
    shop.post_as("ops", &format!("{CALLS}{}/end/", call["id"]), &json!({})).await.ok();
    shop.until("it is answered", async || (service.received().len() >= answered).then_some(())).await;
    // The server that stops records what is answered.
    server.stop().await;
    let ended = call_in(&shop, other, "ended").await;
    assert_eq!((&ended["attempts"], &ended["answered_status"]), (&json!(1), &Value::Null));
    assert_eq!(shop.get("/api/v1/oms/upstream/").await.ok()["failed_calls"], 0);
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn an_answer_that_could_not_be_recorded_is_asked_for_again_under_the_same_key() {
    let service = Receiver::start().await;
    service.is(says("E-1"));
    let pace = Pace { call_lease: Duration::from_millis(200), ..EAGER };
    let shop = Shop::allowing(on_this_machine()).await;
    // As if the server fell over between the answer and its record.
    shop.execute("alter table packages add constraint falls_over check (invoice_number is distinct from 'E-1')").await;
    let server = shop.second_calling_server(on_this_machine(), pace).await;
    let package = packed(&shop, &service.url).await;
    shop.until("it is asked again", async || (service.received().len() > 1).then_some(())).await;
    assert_eq!(call_in(&shop, package, "waiting").await["done_date"], Value::Null);
    shop.execute("alter table packages drop constraint falls_over").await;
    call_in(&shop, package, "done").await;
    assert_eq!((package.json().await["invoice_number"].clone(), secrets(&shop).await), (json!("E-1"), 0));
    let keys: std::collections::BTreeSet<String> =
        service.received().iter().map(|one| one.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    server.stop().await;
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn the_invoice_that_was_asked_for_last_is_the_packages() {
    let (broken, service) = (Receiver::start().await, Receiver::start().await);
    broken.is(Mood::Answers(503));
    service.is(says("LATER"));
    let (shop, server) = calling(on_this_machine(), EAGER).await;
    let package = packed(&shop, &broken.url).await;
    call_of(&shop, package, |call| call["last_error"].is_string()).await;
    // The remedy of a wrong address does not wait for it.
    package.run_with("UPDATE_INVOICE", &invoice_call(&service.url)).await.ok();
    call_in(&shop, package, "done").await;
    assert_eq!(package.json().await["invoice_number"], "LATER");
    broken.is(says("EARLIER"));
    shop.until("both are answered", async || {
        let done = shop.get(&format!("{CALLS}?package={}&state=done", package.id)).await.ok();
        (done["count"] == 2).then_some(())
    })
    .await;
    assert_eq!((package.json().await["invoice_number"].clone(), secrets(&shop).await), (json!("LATER"), 0));
    server.stop().await;
    shop.finish().await;
    broken.stop();
    service.stop();
}

#[tokio::test]
async fn a_status_that_was_given_up_does_not_come_after_a_later_one() {
    let upstream = Upstream::start(vec![order_of(1, &[("RED", 1)])]).await;
    let pace = Pace { give_up_after: Duration::from_millis(200), ..EAGER };
    let shop = Shop::following(&upstream.settings(), pace).await;
    until_taken(&shop, 1..2).await;
    upstream.control(&json!({ "refuse": ["/api/v1/order_items/101/"] })).await;
    let package = Package::new(&shop, shop.value("select min(id) from packages where $1", true).await);
    package.run("COMPLETE_PACKING").await.ok();
    let failed = shop
        .until("it is given up", async || {
            let list = shop.get(&format!("{CALLS}?state=failed&kind=status")).await.ok();
            (list["count"] == 1).then(|| list["results"][0].clone())
        })
        .await;
    let retry = format!("{CALLS}{}/retry/", failed["id"]);
    upstream.control(&json!({ "refuse": [] })).await;
    package.run("SHIP_THE_PACKAGE").await.ok();
    shop.until("the later one is told", async || {
        let list = shop.get(&format!("{CALLS}?state=done&kind=status")).await.ok();
        (list["count"] == 1).then_some(())
    })
    .await;
    let refused = shop.post(&retry, &json!({})).await.json(406);
    assert_eq!(refused["error"]["error_code"], "oms_upstream_2");
    let together = shop.post(&format!("{CALLS}retry/"), &json!({ "kind": "status" })).await.ok();
    assert_eq!(together, json!({ "retried": 0, "overtaken": 1 }));
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn calls_that_were_given_up_are_made_again_together() {
    let service = Receiver::start().await;
    service.is(Mood::Answers(503));
    let pace = Pace { give_up_after: Duration::from_millis(200), ..EAGER };
    let (shop, server) = calling(on_this_machine(), pace).await;
    let mut packages = Vec::new();
    for _ in 0..4 {
        packages.push(packed(&shop, &service.url).await);
    }
    for package in &packages {
        call_in(&shop, *package, "failed").await;
    }
    let ended = call_in(&shop, packages[3], "failed").await["id"].clone();
    shop.post(&format!("{CALLS}{ended}/end/"), &json!({})).await.ok();
    let path = format!("{CALLS}retry/");
    let all = json!({ "created_date__gte": "2020-01-01" });
    for user in ["erp", "kadikoy"] {
        assert_eq!(shop.changes_nothing(shop.post_as(user, &path, &all)).await.status, 403, "{user}");
    }
    shop.changes_nothing(shop.post(&path, &json!({}))).await.json(400);
    // A wrong word restricts nothing, and is not taken for one that does.
    shop.changes_nothing(shop.post(&path, &json!({ "state": "failed" }))).await.json(400);
    let wrong = shop.changes_nothing(shop.post(&path, &json!({ "kind": "odd", "order": "x" }))).await.json(400);
    assert!(wrong["error"]["kind"].is_array() && wrong["error"]["order"].is_array(), "{wrong}");
    for nothing in [json!({ "kind": "status" }), json!({ "created_date__lte": "2020-01-01" }), json!({ "order": 999 })]
    {
        let answer = shop.changes_nothing(shop.post_as("ops", &path, &nothing)).await.ok();
        assert_eq!(answer, json!({ "retried": 0, "overtaken": 0 }));
    }
    service.is(says("C-1"));
    let one = shop.post_as("ops", &path, &json!({ "kind": "invoice", "package": packages[0].id })).await.ok();
    assert_eq!(one, json!({ "retried": 1, "overtaken": 0 }));
    call_in(&shop, packages[0], "done").await;
    assert_eq!(shop.get(&format!("{CALLS}?state=failed")).await.ok()["count"], 2);
    assert_eq!(shop.post_as("ops", &path, &all).await.ok(), json!({ "retried": 2, "overtaken": 0 }));
    for package in &packages[1..3] {
        call_in(&shop, *package, "done").await;
    }
    call_in(&shop, packages[3], "ended").await;
    server.stop().await;
    shop.finish().await;
    service.stop();
}
