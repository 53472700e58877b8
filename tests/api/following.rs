//! One request is found again by its id: in its answer, in the log, in the transition log, in what is delivered and called
//! because of it. And what else the log and the metrics tell operators.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    support::{Apart, Order, Package, Reply, Shop, TRANSFERS, Way, send, send_loosely},
    upstream::house::EAGER,
    webhooks::{
        HOOKS, hook,
        receiver::{Mood, Receiver},
        settings, subscribe,
    },
};

const LOGIN: &str = "/api/v1/auth/login/";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Allows deliveries to this machine.
const TO_THIS_MACHINE: (&str, &str) = ("OMS_WEBHOOK_ALLOW_PRIVATE", "127.0.0.0/8");

/// A shop that takes subscriptions of this machine, and delivers nothing by itself.
async fn shop() -> Shop {
    Shop::with_settings(|settings| settings.webhooks = crate::webhooks::settings()).await
}

async fn apart(shop: &Shop, settings: &[(&str, &str)]) -> Apart {
    Apart::start(&shop.database_url("oms"), settings).await
}

/// A command of a package, at a server.
fn command(shop: &Shop, url: &str, package: &Package<'_>, command: &str) -> RequestBuilder {
    let path = format!("{url}/api/v1/oms/packages/{}/command/", package.id);
    let slug = match command {
        "pack" => "package__complete_packing__waiting__packed",
        "ship" => "package__ship_the_package__packed__shipped",
        other => panic!("{other}"),
    };
    shop.request_as("admin", Method::POST, &path).json(&json!({ "slug": slug, "input_parameters": {} }))
}

/// The ids in the log of a package, the latest first.
async fn logged(package: &Package<'_>, shop: &Shop) -> Vec<Value> {
    let path = format!("/api/v1/oms/packages/{}/transition-logs/", package.id);
    let log = shop.get(&path).await.ok();
    log["results"].as_array().expect("rows").iter().map(|row| row["request_id"].clone()).collect()
}

#[tokio::test]
async fn a_request_is_followed_from_its_client_to_a_receiver() {
    let (shop, receiver) = (shop().await, Receiver::start().await);
    subscribe(&shop, &receiver.url, "package.status.packed").await;
    let server = apart(&shop, &[TO_THIS_MACHINE]).await;
    for given in [Some("till-7"), None] {
        let package = shop.package().await;
        let request = command(&shop, &server.url, &package, "pack").header("traceparent", PARENT);
        let request = given.into_iter().fold(request, |request, id| request.header("X-Request-Id", id));
        let answer = send(request).await;
        answer.ok();
        let id = answer.header("x-request-id").to_owned();
        match given {
            Some(given) => assert_eq!(id, given),
            None => assert!(Uuid::parse_str(&id).is_ok(), "{id}"),
        }

        let line = server.request(&id).await;
        let path = format!("/api/v1/oms/packages/{}/command/", package.id);
        for (field, value) in [
            ("level", json!("INFO")),
            ("user", json!("admin")),
            ("method", json!("POST")),
            ("route", json!("/api/v1/oms/packages/{id}/command/")),
            ("path", json!(path)),
            ("status", json!(200)),
            ("group", json!(1)),
            ("trace_id", json!(TRACE)),
        ] {
            assert_eq!(line[field], value, "{field}: {line}");
        }
        assert!(line["duration_ms"].as_f64().is_some_and(|time| time > 0.0 && time < 30_000.0), "{line}");
        assert!(line.get("code").is_none(), "{line}");

        assert_eq!(logged(&package, &shop).await[0], json!(id));

        let is_it = |one: &crate::webhooks::receiver::Received| one.object_id() == package.id;
        let came = receiver.until("it is delivered", |received| received.iter().any(is_it)).await;
        let came = came.into_iter().find(is_it).expect("it");
        assert_eq!(came.header("x-request-id"), id);
        // Whoever is told goes on below this request.
        let span = line["span_id"].as_str().expect("a span");
        assert_eq!(came.header("traceparent"), format!("00-{TRACE}-{span}-01"));
        assert!(!PARENT.contains(span));
    }
    server.end().await;
    receiver.stop();
    shop.finish().await;
}

#[tokio::test]
async fn a_retry_and_what_no_request_caused() {
    let (shop, receiver) = (Shop::delivering(settings()).await, Receiver::start().await);
    receiver.chooses(|one| Mood::Answers(if one.attempt() == 1 { 500 } else { 204 }));
    subscribe(&shop, &receiver.url, "package.status.packed").await;
    subscribe(&shop, &receiver.url, "stock_location.updated").await;
    let package = shop.package().await;
    send(command(&shop, shop.url(), &package, "pack").header("X-Request-Id", "again")).await.ok();
    let came = receiver.until_taken(1).await;
    assert_eq!((came[0].attempt(), came[0].header("x-request-id")), (2, "again"));
    assert_eq!(came[0].header("traceparent"), "", "no client began a trace");

    // What a trigger writes of a location belongs to the request that changed it.
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("GEBZE").await);
    let change = shop.request_as("admin", Method::PATCH, &path).json(&json!({ "max_quota": 7 }));
    send(change.header("X-Request-Id", "quota").header("traceparent", PARENT)).await.ok();
    shop.execute("set oms.actor = '{\"kind\": \"server\", \"name\": \"test\"}'; update stock_locations set max_quota = 8 where erp_code = 'GEBZE'")
        .await;
    let came = receiver.until_taken(3).await;
    let of = |sequence: usize| {
        came.iter().filter(|one| one.json()["event"]["type"] == "stock_location.updated").nth(sequence)
    };
    let (caused, by_hand) = (of(0).expect("told"), of(1).expect("told"));
    assert_eq!(caused.header("x-request-id"), "quota");
    assert!(caused.header("traceparent").contains(TRACE));
    assert_eq!((by_hand.header("x-request-id"), by_hand.header("traceparent")), ("", ""));
    receiver.stop();
    shop.finish().await;
}

#[tokio::test]
async fn hostile_ids_are_replaced() {
    let shop = Shop::open().await;
    let long = "x".repeat(10_000);
    for hostile in ["a\tb", "a b", "\"a\"", "\\u000a", "", &long] {
        let package = shop.package().await;
        let answer = send(command(&shop, shop.url(), &package, "pack").header("X-Request-Id", hostile)).await;
        answer.ok();
        let id = answer.header("x-request-id");
        assert!(Uuid::parse_str(id).is_ok(), "{hostile:?} became {id:?}");
        assert_eq!(logged(&package, &shop).await[0], json!(id));
    }
    let bytes = reqwest::header::HeaderValue::from_bytes(b"\xff\xfe").expect("a value");
    let answer = send(shop.request(Method::GET, "/healthz").header("X-Request-Id", bytes)).await;
    assert!(Uuid::parse_str(answer.header("x-request-id")).is_ok());
    shop.finish().await;
}

#[tokio::test]
async fn whatever_moves_something_notes_its_request() {
    let shop = Shop::open().await;
    shop.install(&[crate::support::STANDARD, crate::support::SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 5).await;
    let with = |request: RequestBuilder, id: &str| send(request.header("X-Request-Id", id.to_owned()));
    // An order.
    let order = crate::support::order_json("N1", &[("RED", 1)]);
    let taken = with(shop.request_as("erp", Method::POST, "/api/v1/oms/orders/").json(&order), "order").await.json(201);
    let package = Order { shop: &shop, json: taken }.only_package();
    assert_eq!(logged(&package, &shop).await, [json!("order")]);
    // A list.
    let list = json!([{ "package": package.id, "slug": "package__complete_packing__waiting__packed" }]);
    with(shop.request_as("admin", Method::POST, "/api/v1/oms/packages/commands/").json(&list), "list").await.ok();
    assert_eq!(logged(&package, &shop).await, [json!("list"), json!("order")]);
    let path = format!("/api/v1/oms/packages/{}/transition-logs/?request_id=order", package.id);
    assert_eq!(shop.get(&path).await.ok()["count"], 1);
    // A command on a transfer, and what its package does then.
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = package.only_transfer().await;
    let path = transfer.path();
    let slug = transfer.slug("TRANSFER_DISPATCH").await;
    let command = shop.request_as("admin", Method::POST, &format!("{path}command/")).json(&json!({ "slug": slug }));
    with(command, "transfer").await.ok();
    let log = shop.get(&format!("{path}transition-logs/")).await.ok();
    assert_eq!(log["results"][0]["request_id"], "transfer", "{log}");
    let events: Vec<(Option<String>,)> =
        shop.rows("select request_id from events where entity = 'transfer' order by id desc limit 1").await;
    assert_eq!(events[0].0.as_deref(), Some("transfer"));
    let feed = shop.get("/api/v1/oms/events/?types=transfer.status.in_transit").await.ok();
    assert_eq!(feed["results"][0]["request_id"], "transfer", "{feed}");
    // The end of a package ends its transfers: by the same request.
    let again = shop.fetched(&[("FAR", 1)]).await.only_package();
    let ended = again.only_transfer().await;
    let cancel = json!({ "slug": again.slug("CANCEL_PACKAGE").await });
    let path = format!("/api/v1/oms/packages/{}/command/", again.id);
    with(shop.request_as("admin", Method::POST, &path).json(&cancel), "cancel").await.ok();
    let log = shop.get(&format!("{}transition-logs/", ended.path())).await.ok();
    assert_eq!(log["results"][0]["request_id"], "cancel", "{log}");
    shop.finish().await;
}

#[tokio::test]
async fn calls_say_for_which_request_they_are_made() {
    let (shop, service) = (Shop::open().await, Receiver::start().await);
    service.is(Mood::Says(json!({ "invoice_number": "I-1", "invoice_url": "http://x.example/1" }).to_string()));
    let server = shop.second_calling_server(crate::support::on_this_machine(), EAGER).await;
    let package = shop.package().await;
    let call = json!({
        "slug": "package__complete_packing__waiting__packed",
        "input_parameters": { "remote_invoice_call": {
            "remote_url": service.url, "auth": { "request_type": "anonymous" }, "timeouts": {}, "generate_invoice_number": true, "generate_invoice_url": true
        } }
    });
    let path = format!("{}/api/v1/oms/packages/{}/command/", server.url, package.id);
    let request = shop.request_as("admin", Method::POST, &path).json(&call);
    send(request.header("X-Request-Id", "invoice").header("traceparent", PARENT)).await.ok();
    let came = service.until("it is called", |received| !received.is_empty()).await;
    assert_eq!(came[0].header("x-request-id"), "invoice");
    assert!(came[0].header("traceparent").starts_with(&format!("00-{TRACE}-")));
    let calls = shop.get("/api/v1/oms/upstream/calls/?request_id=invoice").await.ok();
    assert_eq!((&calls["count"], &calls["results"][0]["request_id"]), (&json!(1), &json!("invoice")));
    assert_eq!(shop.get("/api/v1/oms/upstream/calls/?request_id=another").await.ok()["count"], 0);
    server.stop().await;
    service.stop();
    shop.finish().await;
}

#[tokio::test]
async fn the_log_has_a_line_for_each_request_and_no_secret() {
    let shop = Shop::open().await;
    let server = apart(&shop, &[]).await;
    let url = |path: &str| format!("{}{path}", server.url);
    let named = |request: RequestBuilder, id: &'static str| request.header("X-Request-Id", id);
    let package = shop.package().await;
    // Refused: by a rule, without a token, and of nothing.
    send(named(command(&shop, &server.url, &package, "ship"), "rule")).await.json(406);
    send(named(shop.request(Method::GET, &url("/api/v1/oms/packages/")), "nobody")).await.detail(401);
    send(named(shop.request(Method::GET, &url("/what/is/this")), "nothing")).await.detail(404);
    send_loosely(named(shop.request(Method::from_bytes(b"BREW").expect("a word"), &url("/healthz")), "odd")).await;
    let line = server.request("rule").await;
    assert_eq!(
        (&line["status"], &line["code"], &line["user"]),
        (&json!(406), &json!("commands_100_1"), &json!("admin"))
    );
    assert!(line.get("group").is_none(), "nothing was written: {line}");
    let line = server.request("nobody").await;
    assert_eq!((&line["status"], line.get("user")), (&json!(401), None));
    assert_eq!(server.request("nothing").await["route"], "unmatched");
    assert_eq!(server.request("odd").await["method"], "BREW");
    // A signed address, and secrets where they do not belong.
    send(command(&shop, &server.url, &package, "pack")).await.ok();
    let address = package.json().await["shipping_label"].as_str().expect("an address").replace(shop.url(), &server.url);
    assert!(address.contains("signature="), "{address}");
    assert_eq!(send(named(shop.request(Method::GET, &address), "label")).await.status, 200);
    let secret = "/api/v1/oms/packages/?token=geheim&number=x";
    send(named(shop.request_as("admin", Method::GET, &url(secret)), "query")).await.wrong("token");
    let login = json!({ "username": "ayse", "password": "geheim" });
    send(named(shop.request(Method::POST, &url(LOGIN)).json(&login), "login")).await.json(400);
    let long = url(&format!("/{}", "x".repeat(5000)));
    send(named(shop.request(Method::GET, &long), "long")).await.detail(404);
    assert!(server.request("label").await["path"].as_str().is_some_and(|path| path.ends_with('/')));
    assert_eq!(server.request("query").await["path"], "/api/v1/oms/packages/");
    server.request("login").await;
    assert!(server.request("long").await["path"].as_str().is_some_and(|path| path.len() < 300));
    // Health checks are many and say nothing.
    send(named(shop.request(Method::GET, &url("/healthz")), "health")).await.ok();
    send(named(shop.request(Method::GET, &url("/api/v1/oms/")), "last")).await.detail(404);
    server.request("last").await;
    let log = server.end().await;
    assert!(!log.iter().any(|line| line["request_id"] == "health"));
    let text: String = log.iter().map(Value::to_string).collect();
    for secret in ["signature=", "geheim", Shop::token("admin"), "expires="] {
        assert!(!text.contains(secret), "{secret}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn lines_of_requests_can_be_had_for_errors_only_or_not_at_all() {
    let shop = Shop::open().await;
    for (which, expected) in [("errors", vec!["no"]), ("none", vec![])] {
        let server = apart(&shop, &[("OMS_LOG_REQUESTS", which)]).await;
        let get = |path: &str, id: &str| {
            let request = shop.request_as("admin", Method::GET, &format!("{}{path}", server.url));
            send(request.header("X-Request-Id", id.to_owned()))
        };
        get("/api/v1/oms/packages/", "yes").await.ok();
        get("/api/v1/oms/packages/0/", "no").await.detail(404);
        // A line that is written in any case, after those of before.
        let login = json!({ "username": "ayse", "password": "wrong" });
        send(shop.request(Method::POST, &format!("{}{LOGIN}", server.url)).json(&login)).await.json(400);
        server.line("a login failed", |_| true).await;
        let log = server.end().await;
        let ids: Vec<&str> = log
            .iter()
            .filter(|line| line["message"] == "request")
            .filter_map(|line| line["request_id"].as_str())
            .filter(|id| ["yes", "no"].contains(id))
            .collect();
        assert_eq!(ids, expected, "{which}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_line() {
    let shop = Shop::open().await;
    let server = apart(&shop, &[]).await;
    let path = format!("{}/api/v1/oms/events/?wait=20&after=now", server.url);
    let request = shop.request_as("admin", Method::GET, &path).header("X-Request-Id", "gone");
    let asking = tokio::spawn(async move { request.send().await.map(|_| ()) });
    // It waits with the server when the server counts it.
    shop.until("it waits", || async {
        let metrics = send(shop.request(Method::GET, &format!("{}/metrics", server.url))).await;
        metrics.text().lines().any(|line| line == "oms_feed_followers 1").then_some(())
    })
    .await;
    asking.abort();
    let line = server.request("gone").await;
    assert_eq!((line.get("status"), &line["route"]), (None, &json!("/api/v1/oms/events/")));
    assert_eq!(line["client_gone"], true);
    server.end().await;
    shop.finish().await;
}

#[tokio::test]
async fn the_first_line_says_what_runs_where_and_how() {
    let shop = Shop::open().await;
    let given = [("OMS_UPSTREAM_WEBHOOK_SECRET", "geheim"), ("OMS_SWEEP_MINUTES", "7"), ("OMS_REPLAN", "true")];
    let server = apart(&shop, &given).await;
    let log = server.end().await;
    let first = &log[0];
    assert_eq!((&first["message"], &first["version"]), (&json!("starting"), &json!(env!("CARGO_PKG_VERSION"))));
    let newest: i64 = shop.value("select max(version) from _sqlx_migrations where $1", true).await;
    assert_eq!(first["schema"], newest);
    assert!(first["commit"].is_string());
    let database = first["database"].as_str().expect("text");
    assert!(database.starts_with('/') || database.contains(':'), "{database}");
    let settings = first["settings"].as_str().expect("text");
    for told in ["OMS_SWEEP_MINUTES=7", "OMS_UPSTREAM_WEBHOOK_SECRET=********", "DATABASE_URL=********"] {
        assert!(settings.contains(told), "{told}: {settings}");
    }
    assert!(!settings.contains("OMS_REPLAN"), "as by default: {settings}");
    assert!(!log.iter().any(|line| line.to_string().contains("geheim")));
    shop.finish().await;
}

#[tokio::test]
async fn failed_logins_and_deliveries_leave_few_lines() {
    let (shop, receiver) = (shop().await, Receiver::start().await);
    receiver.is(Mood::Answers(503));
    let mut body = hook(&receiver.url, "package.created");
    body["retry_countdown_config"] = json!({ "choice": "fixed", "kwargs": { "seconds": 0 } });
    shop.post(HOOKS, &body).await.json(201);
    let server = apart(&shop, &[TO_THIS_MACHINE]).await;
    let login = |name: &str| {
        let body = json!({ "username": name, "password": "wrong" });
        send(shop.request(Method::POST, &format!("{}{LOGIN}", server.url)).json(&body))
    };
    for _ in 0..10 {
        login("ayse\nroot").await.json(400);
    }
    assert_eq!(login("ayse\nroot").await.status, 429);
    let line = server.line("a login failed", |line| line["throttled"] == true).await;
    let of = |field: &str| line[field].clone();
    assert_eq!((of("level"), of("user"), of("peer")), (json!("WARN"), json!("ayse\nroot"), json!("127.0.0.1")));

    let package = shop.package().await;
    receiver.until("it is tried again and again", |received| received.len() >= 4).await;
    server.line("a delivery failed; it is tried again", |_| true).await;
    let log = server.end().await;
    let failures: Vec<&Value> =
        log.iter().filter(|line| line["message"] == "a delivery failed; it is tried again").collect();
    assert_eq!(failures.len(), 1, "one a minute: {failures:#?}");
    assert_eq!((&failures[0]["status"], &failures[0]["attempt"]), (&json!(503), &json!(1)));
    assert!(failures[0]["request_id"].is_string(), "of the order: {}", failures[0]);
    assert_eq!(log.iter().filter(|line| line["message"] == "a login failed").count(), 11);
    assert!(package.id > 0);
    receiver.stop();
    shop.abandon().await;
}

// ── Metrics ────────────────────────────────────────────────────────────────────────────────────

/// A metric of the text format 0.0.4.
struct Exposed {
    kind: String,
    samples: Vec<(String, String)>,
}

/// Reads the text format 0.0.4 strictly: as `promtool check metrics` does, and what it does not look at.
fn exposition(text: &str) -> std::collections::BTreeMap<String, Exposed> {
    let mut metrics = std::collections::BTreeMap::new();
    let mut helped: Option<String> = None;
    let mut current: Option<String> = None;
    assert!(text.ends_with('\n') && !text.contains('\r') && !text.contains("# EOF") && !text.contains("# UNIT"));
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            let (name, words) = told.split_once(' ').expect("words");
            assert!(is_name(name) && !words.is_empty(), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').expect("a type");
            assert_eq!(helped.as_deref(), Some(name), "each has a help text, before its type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(!["_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix)), "{line}");
            let exposed = Exposed { kind: kind.to_owned(), samples: Vec::new() };
            assert!(metrics.insert(name.to_owned(), exposed).is_none(), "{name} comes twice");
            current = Some(name.to_owned());
        } else {
            assert!(!line.is_empty() && !line.starts_with('#'), "{line}");
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let name_of = current.clone().expect("a type before samples");
            let metric = metrics.get_mut(&name_of).expect("its metric");
            let suffixes: &[&str] = if metric.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| name == format!("{name_of}{suffix}")), "{line} below {name_of}");
            assert!(labels.ends_with('}') && value.parse::<f64>().is_ok(), "{line}");
            let series = series.to_owned();
            assert!(!metric.samples.iter().any(|(known, _)| *known == series), "twice: {line}");
            metric.samples.push((series, value.to_owned()));
        }
    }
    metrics
}

async fn metrics(shop: &Shop) -> Reply {
    send(shop.request(Method::GET, "/metrics")).await
}

#[tokio::test]
async fn metrics_are_in_the_format_that_is_asked_for() {
    let shop = shop().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    subscribe(&shop, "http://127.0.0.1:9/x", "package.status.packed").await;
    send_loosely(shop.request(Method::from_bytes(b"BREW").expect("a word"), "/healthz")).await;
    shop.get("/api/v1/oms/packages/0/").await.detail(404);
    let unknown = crate::support::order_json("N2", &[("RED", 1)]);
    shop.post_as("erp", "/api/v1/oms/orders/", &unknown).await.json(201);
    shop.post_as("erp", "/api/v1/oms/orders/", &unknown).await.json(200);
    shop.post_as("erp", "/api/v1/oms/orders/", &json!({ "number": "N3" })).await.json(400);

    let answer = metrics(&shop).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let found = exposition(answer.text());
    for (name, kind) in [
        ("oms_build_info", "gauge"),
        ("oms_http_requests_total", "counter"),
        ("oms_http_request_duration_seconds", "histogram"),
        ("oms_command_duration_seconds", "histogram"),
        ("oms_orders_total", "counter"),
        ("oms_open_packages", "gauge"),
        ("oms_oldest_package_age_seconds", "gauge"),
        ("oms_webhook_subscription_lag_seconds", "gauge"),
        ("oms_upstream_open_problems", "gauge"),
        ("oms_upstream_lag_seconds", "gauge"),
        ("oms_feed_lag_seconds", "gauge"),
        ("oms_feed_followers", "gauge"),
        ("oms_database_up", "gauge"),
        ("process_cpu_seconds_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_max_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        let metric = found.get(name).unwrap_or_else(|| panic!("{name} is missing:\n{}", answer.text()));
        assert_eq!(metric.kind, kind, "{name}");
        assert!(!metric.samples.is_empty(), "{name} has no sample");
    }
    let text = answer.text();
    for line in [
        r#"oms_http_request_duration_seconds_count{method="GET",route="/api/v1/oms/packages/{id}/"} 1"#,
        r#"oms_http_requests_total{method="other",route="/healthz",status="405"} 1"#,
        r#"oms_orders_total{way="api",outcome="new"} 2"#,
        r#"oms_orders_total{way="api",outcome="known"} 1"#,
        r#"oms_orders_total{way="api",outcome="refused"} 1"#,
        r#"oms_open_packages{state="packed"} 1"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(text.contains(r#"oms_oldest_package_age_seconds{state="packed",stock_location="KADIKOY"} "#));
    let start: f64 = found["process_start_time_seconds"].samples[0].1.parse().expect("a number");
    let now: f64 = shop.value("select extract(epoch from now())::float8 where $1", true).await;
    assert!(start > now - 3600.0 && start <= now + 1.0, "{start} and {now}");

    let asked = shop.request(Method::GET, "/metrics").header("Accept", "application/openmetrics-text;version=1.0.0");
    let answer = send(asked).await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(answer.text().ends_with("# EOF\n") && answer.text().contains("# TYPE oms_orders counter\n"));
    shop.finish().await;
}

#[tokio::test]
async fn many_scrapes_are_one_look_at_the_database() {
    let shop = Shop::open().await;
    metrics(&shop).await;
    // What happens within the next seconds is not seen by the next scrape, which proves that nobody looked.
    let before = shop.metric(r#"oms_open_packages{state="waiting"}"#).await;
    shop.package().await;
    let scrapes = crate::support::join((0..50).map(|_| metrics(&shop))).await;
    let line = format!(r#"oms_open_packages{{state="waiting"}} {before}"#);
    assert!(scrapes.iter().all(|scrape| scrape.text().lines().any(|known| known == line)));
    shop.finish().await;
}

#[tokio::test]
async fn a_database_that_is_away_does_not_break_the_scrape() {
    let shop = Shop::open().await;
    let proxy = shop.proxy().await;
    let server = shop.server_by(&shop.url_by(&[proxy.port()], "sslmode=disable")).await;
    let scrape = || send(shop.request(Method::GET, &format!("{}/metrics", server.url)));
    let is_up = |reply: &Reply, value: &str| {
        reply.status == 200 && reply.text().lines().any(|line| line == format!("oms_database_up {value}"))
    };
    assert!(is_up(&scrape().await, "1"));
    proxy.set(Way::Cut);
    shop.until("it is seen", || async { is_up(&scrape().await, "0").then_some(()) }).await;
    let away = scrape().await;
    exposition(away.text());
    assert!(away.text().contains("process_open_fds ") && !away.text().contains("oms_webhook_pending"));
    server.stop().await;
    shop.finish().await;
}
