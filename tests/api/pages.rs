//! What browsers and proxies meet: headers of pages and documents, links that are signed and expire, claims of proxies,
//! metrics at an address of their own.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, Mac as _};
use oms::{
    app::{self, App},
    auth::Role,
    server,
};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{NOT_FOUND, Package, Reply, Shop, quiet_settings, send};

/// The path of an address from the server, with its query.
fn path(address: &Value) -> String {
    let address = address.as_str().expect("an address");
    address[address.find("/api/").expect("a path")..].to_owned()
}

async fn invoiced(package: &Package<'_>, kind: &str, bytes: &[u8]) -> String {
    let input = json!({ "document_type": kind, "document_content": STANDARD.encode(bytes) });
    package.run_with("UPDATE_INVOICE", &input).await.ok();
    path(&package.json().await["invoice_document"])
}

/// The directives of a policy by their names.
fn directive<'a>(policy: &'a str, name: &str) -> Option<&'a str> {
    policy.split(';').map(str::trim).find_map(|part| {
        let (word, rest) = part.split_once(' ').unwrap_or((part, ""));
        (word == name).then_some(rest)
    })
}

#[track_caller]
fn is_guarded(what: &str, reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(reply.header("referrer-policy"), "no-referrer", "{what}");
    let policy = reply.header("content-security-policy");
    assert_eq!(directive(policy, "default-src"), Some("'none'"), "{what}: {policy}");
    assert_eq!(directive(policy, "frame-ancestors"), Some("'none'"), "{what}: {policy}");
    assert_eq!(directive(policy, "base-uri"), Some("'none'"), "{what}: {policy}");
    let scripts = directive(policy, "script-src").unwrap_or("'none'");
    assert!(!scripts.contains("unsafe") && !scripts.contains('*') && !scripts.contains("http"), "{what}: {policy}");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_run_nothing_and_to_guess_nothing() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let label = path(&package.json().await["shipping_label"]);
    let invoice = invoiced(&package, "pdf", b"%PDF-1.7").await;
    for address in [
        "/",
        "/docs/",
        "/docs/swagger-ui-bundle.js",
        "/openapi.json",
        "/healthz",
        "/metrics",
        "/api/v1/oms/packages/",
        "/api/v1/oms/packages/?format=csv",
        "/whisperer/hooks/",
        "/nothing",
        &label,
        &invoice,
    ] {
        is_guarded(address, &shop.get(address).await);
    }
    is_guarded("refused", &send(shop.request(Method::GET, "/api/v1/oms/packages/")).await);
    // The page's one style is allowed by its hash, and what `/docs/` loads is its own.
    let page = send(shop.request(Method::GET, "/")).await;
    let (_, rest) = page.text().split_once("<style>").expect("a style");
    let hash = STANDARD.encode(Sha256::digest(rest.split_once("</style>").expect("its end").0));
    let policy = page.header("content-security-policy");
    assert_eq!(directive(policy, "style-src"), Some(format!("'sha256-{hash}'").as_str()), "{policy}");
    let policy = shop.get("/docs/").await.header("content-security-policy").to_owned();
    assert_eq!((directive(&policy, "script-src"), directive(&policy, "connect-src")), (Some("'self'"), Some("'self'")));
    shop.finish().await;
}

#[tokio::test]
async fn an_invoice_is_what_its_bytes_are() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    for (kind, bytes, media_type, disposition) in [
        ("pdf", &b"%PDF-1.7"[..], "application/pdf", "inline; filename=\"invoice.pdf\""),
        ("png", b"\x89PNG\r\n\x1a\n", "image/png", "inline; filename=\"invoice.png\""),
        ("jpeg", b"\xff\xd8\xff\xe0", "image/jpeg", "inline; filename=\"invoice.jpeg\""),
        // Browsers take a PDF with blanks before it for something else.
        ("pdf", b" \n%PDF-1.7", "application/octet-stream", "attachment; filename=\"invoice.pdf\""),
        (
            "xml",
            b"<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>",
            "application/octet-stream",
            "attachment; filename=\"invoice.xml\"",
        ),
    ] {
        let address = invoiced(&package, kind, bytes).await;
        let document = send(shop.request(Method::GET, &address)).await;
        assert_eq!((document.status, document.body.as_slice()), (200, bytes));
        assert_eq!(
            (document.header("content-type"), document.header("content-disposition")),
            (media_type, disposition)
        );
        is_guarded(kind, &document);
        let policy = document.header("content-security-policy");
        assert_eq!(directive(policy, "sandbox").is_some(), media_type != "application/pdf", "{policy}");
    }
    // What is in the database may be older than the checks of uploads.
    let address = invoiced(&package, "png", b"\x89PNG\r\n\x1a\n").await;
    shop.execute("update package_invoices set document = '<html><script>alert(1)</script>'").await;
    let document = send(shop.request(Method::GET, &address)).await;
    assert_eq!(document.header("content-type"), "application/octet-stream");
    assert!(document.header("content-disposition").starts_with("attachment"));
    shop.finish().await;
}

/// An address that is signed as the server signs it.
async fn signed(shop: &Shop, document: &str, key: &str, expires: u64) -> String {
    let (secret,): (Vec<u8>,) = sqlx::query_as("select key from link_key").fetch_one(shop.pool()).await.expect("a key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("a key");
    mac.update(format!("{document}/{key}?{expires}").as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("/api/v1/oms/{document}/{key}/?expires={expires}&signature={signature}")
}

#[tokio::test]
async fn links_are_signed_for_their_document_and_expire() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let invoice = invoiced(&package, "pdf", b"%PDF-1.7").await;
    let label = path(&package.json().await["shipping_label"]);
    let get = async |address: &str| send(shop.request(Method::GET, address)).await;
    for (document, address) in [("shipping-labels", &label), ("invoices", &invoice)] {
        assert_eq!(get(address).await.status, 200, "{address}");
        let (bare, query) = address.split_once('?').expect("a query");
        let key = bare.trim_end_matches('/').rsplit('/').next().expect("a key");
        let expires = query.split(['=', '&']).nth(1).expect("a time").parse::<u64>().expect("a number");
        let in_a_week: i64 = shop.value("select extract(epoch from now())::bigint + $1", 7 * 24 * 3600_i64).await;
        assert!((0..=3600).contains(&(i64::try_from(expires).expect("a time") - in_a_week)), "{expires} {in_a_week}");
        assert_eq!(*address, signed(&shop, document, key, expires).await);

        for wrong in [
            bare.to_owned(),
            format!("{bare}?expires={expires}"),
            format!("{bare}?expires={}&{}", expires + 3600, query.split_once('&').expect("two").1),
            address[..address.len() - 2].to_owned(),
            signed(&shop, "other", key, expires).await.replace("other", document),
        ] {
            assert!(get(&wrong).await.detail(403).contains("not signed"), "{wrong}");
            // A token makes it no better.
            assert_eq!(shop.get(&wrong).await.status, 403, "{wrong}");
        }
        let expired = signed(&shop, document, key, expires - 8 * 24 * 3600).await;
        assert!(get(&expired).await.detail(410).contains("has expired"));
        let unknown = signed(&shop, document, "6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50", expires).await;
        get(&unknown).await.refused(NOT_FOUND);
    }
    // Every server of the database takes it.
    let second = shop.second_server().await;
    assert_eq!(get(&format!("{}{label}", second.url)).await.status, 200);
    second.stop().await;
    // In every place where a package is shown, and in an event, which is signed when it is read.
    let events = shop.get("/api/v1/oms/events/?types=package.status.packed&wait=20").await.ok();
    let told = events["results"].as_array().expect("events").iter().map(|event| &event["payload"]["shipping_label"]);
    let list = shop.get("/api/v1/oms/packages/").await.ok();
    let order = shop.get("/api/v1/oms/orders/").await.ok();
    let explained = shop.get(&format!("{}?explain=commands", package.path())).await.ok();
    let shown = told.chain([
        &list["results"][0]["shipping_label"],
        &order["results"][0]["packages"][0]["shipping_label"],
        &explained["shipping_label"],
    ]);
    let mut count = 0;
    for address in shown.filter(|address| !address.is_null()) {
        assert_eq!(get(&path(address)).await.status, 200, "{address}");
        count += 1;
    }
    assert!(count >= 4, "{count} of {events}");
    shop.finish().await;
}

#[tokio::test]
async fn links_can_be_made_to_need_a_token_of_who_may_see_the_package() {
    let shop = Shop::with_settings(|settings| settings.links.need_token = true).await;
    let gebze = crate::support::add_user(shop.pool(), "gebze", Role::Store, &["GEBZE".to_owned()]).await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let invoice = invoiced(&package, "pdf", b"%PDF-1.7").await;
    let label = path(&package.json().await["shipping_label"]);
    for address in [label, invoice] {
        send(shop.request(Method::GET, &address)).await.json(401);
        for user in ["admin", "kadikoy"] {
            assert_eq!(shop.get_as(user, &address).await.status, 200, "{user}");
        }
        let elsewhere = shop.request(Method::GET, &address).header("Authorization", format!("Token {gebze}"));
        send(elsewhere).await.refused(NOT_FOUND);
        let (unsigned, _) = address.split_once('?').expect("a query");
        assert_eq!(shop.get(unsigned).await.status, 403);
    }
    shop.finish().await;
}

#[tokio::test]
async fn links_of_versions_before_are_taken_where_the_settings_say_so() {
    let shop = Shop::with_settings(|settings| settings.links.take_unsigned = true).await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let label = path(&package.json().await["shipping_label"]);
    let (unsigned, _) = label.split_once('?').expect("a query");
    assert_eq!(send(shop.request(Method::GET, unsigned)).await.status, 200);
    assert_eq!(send(shop.request(Method::GET, &format!("{unsigned}?expires=1&signature=AAAA"))).await.status, 403);
    shop.finish().await;
}

/// The addresses in answers to a request with these claims.
async fn told(shop: &Shop, claims: &[(&str, &str)]) -> Vec<String> {
    let ask = async |path: &str| {
        let mut request = shop.request_as("admin", Method::GET, path).header("Host", "inside.example");
        for (name, value) in claims {
            request = request.header(*name, *value);
        }
        send(request).await.ok()
    };
    let list = ask("/api/v1/oms/packages/?limit=1").await;
    let one =
        ask(list["results"][0]["id"].as_i64().map(|id| format!("/api/v1/oms/packages/{id}/")).expect("an id").as_str())
            .await;
    let order = ask("/api/v1/oms/orders/").await;
    let events = ask("/api/v1/oms/events/?limit=1").await;
    [
        &list["next"],
        &list["results"][0]["shipping_label"],
        &one["shipping_label"],
        &order["results"][1]["packages"][0]["shipping_label"],
        &events["next"],
    ]
    .iter()
    .map(|address| address.as_str().unwrap_or_else(|| panic!("no address in {list} {order}")).to_owned())
    .collect()
}

const CLAIMS: [(&str, &str); 4] = [
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("Forwarded", "proto=https;host=evil.example"),
];

#[tokio::test]
async fn only_trusted_proxies_say_how_this_server_is_called() {
    for (change, begin) in [
        ((|_| {}) as fn(&mut app::Settings), "http://inside.example/"),
        (|settings| settings.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a range")], "http://inside.example/"),
        (|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a range")], "https://evil.example/"),
    ] {
        let shop = Shop::with_settings(change).await;
        for _ in 0..2 {
            shop.package().await.run("COMPLETE_PACKING").await.ok();
        }
        for address in told(&shop, &CLAIMS).await {
            assert!(address.starts_with(begin), "{address}");
        }
        shop.finish().await;
    }
}

#[tokio::test]
async fn behind_two_trusted_proxies_addresses_are_those_that_the_client_called() {
    let trust: fn(&mut app::Settings) = |settings| {
        settings.trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"].map(|range| range.parse().expect("a range")).into();
    };
    let shop = Shop::with_settings(trust).await;
    for _ in 0..2 {
        shop.package().await.run("COMPLETE_PACKING").await.ok();
    }
    for (told_of, begin) in [
        // The outer proxy ends TLS and calls the inner one by its own name.
        (["198.51.100.7, 10.0.0.2", "oms.example, inner:8080", "https, http"], "https://oms.example/"),
        (
            ["1.1.1.1, 198.51.100.7, 10.0.0.2", "evil.example, oms.example, inner", "ftp, https, http"],
            "https://oms.example/",
        ),
        // 192.0.2.4 is not trusted: it is the client, and what it says counts for nothing.
        (["198.51.100.7, 192.0.2.4", "evil.example, oms.example", "http, https"], "https://oms.example/"),
    ] {
        let [clients, hosts, schemes] = told_of;
        let claims = [("X-Forwarded-For", clients), ("X-Forwarded-Host", hosts), ("X-Forwarded-Proto", schemes)];
        for address in told(&shop, &claims).await {
            assert!(address.starts_with(begin), "{told_of:?}: {address}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn metrics_may_have_an_address_of_their_own() {
    let shop = Shop::open().await;
    let stop = CancellationToken::new();
    let pool = shop.server_pool().await;
    let app = App::start(pool, quiet_settings(), &stop).await.expect("the server starts");
    let listen = async || TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (api, metrics) = (listen().await, listen().await);
    let [api_url, metrics_url] =
        [&api, &metrics].map(|listener| format!("http://{}", listener.local_addr().expect("an address")));
    let settings = server::Settings {
        request_timeout: std::time::Duration::from_secs(30),
        limits: server::Limits::default(),
        log_requests: server::LogRequests::All,
        metrics_apart: true,
        drain: std::time::Duration::ZERO,
        origins: server::Origins::None,
    };
    let serving = [
        tokio::spawn(server::serve_metrics(std::sync::Arc::new(metrics), app.clone(), settings.clone(), stop.clone())),
        tokio::spawn(server::serve(api, app, settings, stop.clone())),
    ];
    let get =
        async |url: &str, path: &str| Reply::read(reqwest::get(format!("{url}{path}")).await.expect("an answer")).await;
    assert_eq!(get(&api_url, "/healthz").await.status, 200);
    get(&api_url, "/metrics").await.refused(NOT_FOUND);
    assert!(!get(&api_url, "/openapi.json").await.text().contains("\"/metrics\""));
    let told = get(&metrics_url, "/metrics").await;
    assert!(told.status == 200 && told.text().contains("oms_http_requests_total"), "{}", told.text());
    is_guarded("metrics", &told);
    for other in ["/", "/healthz", "/docs/", "/api/v1/oms/packages/", "/openapi.json"] {
        get(&metrics_url, other).await.refused(NOT_FOUND);
    }
    stop.cancel();
    for task in serving {
        task.await.expect("no panic");
    }
    shop.finish().await;
}
