//! The database is silent, away, full or another one: no command stops for good, and nothing is done twice.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    support::{Package, Reply, Server, Shop, Way, join, send},
    webhooks::{receiver::Receiver, subscribe},
};

/// A command succeeds so soon after a silence began.
const RECOVERS_WITHIN: Duration = Duration::from_secs(15);
/// A command succeeds so soon after the database came back.
const RETURNS_WITHIN: Duration = Duration::from_secs(5);
/// `/readyz` answers so soon, whatever happens.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// Packs a package by this server.
async fn pack(server: &Server, package: &Package<'_>, key: &str) -> Reply {
    let body = json!({ "slug": "package__complete_packing__waiting__packed" });
    package.run_keyed_at(&server.url, "erp", &format!("{key} {}", package.id), &body).await
}

/// Asks if a server is ready: the status and what it says.
async fn ready(shop: &Shop, server: &Server) -> (u16, String) {
    let asked = send(shop.request(Method::GET, &format!("{}/readyz", server.url)));
    let reply = tokio::time::timeout(READY_WITHIN, asked).await.expect("an answer in time");
    (reply.status, reply.text().to_owned())
}

async fn packages(shop: &Shop, count: usize) -> Vec<Package<'_>> {
    let mut packages = Vec::with_capacity(count);
    for _ in 0..count {
        packages.push(shop.package().await);
    }
    packages
}

/// Packs one package after the other, with one key each, until one is packed.
async fn until_packed(server: &Server, package: &Package<'_>, key: &str) -> Duration {
    let began = Instant::now();
    loop {
        let reply = pack(server, package, key).await;
        if reply.status == 200 {
            return began.elapsed();
        }
        assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{}", reply.text());
        assert!(began.elapsed() < Duration::from_secs(30), "no command succeeds: {}", reply.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn commands_go_on_after_all_connections_fell_silent() {
    // A server that may deliver to this machine, and leaves that to the other.
    let shop = Shop::taking_unsigned_links(crate::webhooks::settings()).await;
    let proxy = shop.proxy().await;
    let server = shop.server_by(&shop.url_by(&[proxy.port()], "")).await;
    let receiver = Receiver::start().await;
    subscribe(&shop, &receiver.url, "package.status.packed").await;
    let packages = packages(&shop, 10).await;
    // Many connections are used, and some of them are in the middle of a statement.
    for reply in join(packages[..4].iter().map(|package| pack(&server, package, "first"))).await {
        reply.ok();
    }
    let mut holding = shop.pool().begin().await.expect("a transaction");
    sqlx::query("select from packages where id = $1 for update")
        .bind(packages[4].id)
        .execute(&mut *holding)
        .await
        .expect("locked");
    let under_way = async {
        let began = Instant::now();
        let reply = pack(&server, &packages[4], "held").await;
        assert!([200, 503].contains(&reply.status), "{}", reply.text());
        assert!(began.elapsed() < RECOVERS_WITHIN, "{:?}", began.elapsed());
    };
    let falls_silent = async {
        shop.until("the command waits", async || {
            let blocked =
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = $1";
            (shop.value::<i64, _>(blocked, "Lock").await > 0).then_some(())
        })
        .await;
        proxy.silence();
        holding.rollback().await.expect("unlocked");
        assert_eq!(ready(&shop, &server).await.0, 200);
        let took = join(packages[5..].iter().map(|package| until_packed(&server, package, "after"))).await;
        assert!(took.iter().all(|took| *took < RECOVERS_WITHIN), "{took:?}");
    };
    tokio::join!(under_way, falls_silent);
    until_packed(&server, &packages[4], "held").await;
    for package in &packages {
        assert_eq!(package.log().await.len(), 2, "done once");
    }
    // What follows the installation goes on as well,
    shop.execute("update installation set version = version + 1").await;
    let package = shop.package().await;
    until_packed(&server, &package, "changed").await;
    // and what delivers. (Rows that were claimed before the silence are due again when their lease has ended.)
    receiver
        .until("the last package was told of", |received| received.iter().any(|one| one.object_id() == package.id))
        .await;
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_server_without_any_answer_of_the_database_says_so_in_time_and_goes_on_afterwards() {
    let shop = Shop::open().await;
    let proxy = shop.proxy().await;
    let server = shop.server_by(&shop.url_by(&[proxy.port()], "")).await;
    let packages = packages(&shop, 3).await;
    pack(&server, &packages[0], "before").await.ok();
    proxy.set(Way::Silent);
    let (readiness, replies) = tokio::join!(ready(&shop, &server), async {
        let began = Instant::now();
        let replies = join(packages[1..].iter().map(|package| pack(&server, package, "k"))).await;
        assert!(began.elapsed() < RECOVERS_WITHIN, "{:?}", began.elapsed());
        replies
    });
    assert_eq!(readiness.0, 503);
    for reply in replies {
        assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{}", reply.text());
    }
    proxy.set(Way::Through);
    for package in &packages[1..] {
        assert!(until_packed(&server, package, "k").await < RETURNS_WITHIN);
        assert_eq!(package.log().await.len(), 2, "done once");
    }
    assert_eq!(ready(&shop, &server).await.0, 200);
    server.stop().await;
    shop.finish().await;
}

/// Every operation of the document, with its example, by a user whom the server knows already.
async fn ask_everything(shop: &Shop, server: &Server) -> Vec<(String, Reply)> {
    let document = send(shop.request(Method::GET, "/openapi.json")).await.ok();
    let mut asked = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let Ok(verb) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            if operation.get("responses").is_none() || path.contains("event-stream") {
                continue;
            }
            let mut filled = path.clone();
            while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
                filled.replace_range(from..=to, "1");
            }
            let mut request = shop.request_as("admin", verb, &format!("{}{filled}", server.url));
            let contents = &operation["requestBody"]["content"]["application/json"];
            let example = contents.get("example").or_else(|| {
                contents["examples"].as_object().and_then(|examples| examples.values().next()?.get("value"))
            });
            if let Some(example) = example {
                request = request.json(example);
            }
            let name = format!("{method} {path}");
            asked.push(async move { (name, Reply::read(request.send().await.expect("an answer")).await) });
        }
    }
    join(asked).await
}

#[tokio::test]
async fn while_the_database_is_away_every_route_says_503_and_never_500() {
    let shop = Shop::open().await;
    let proxy = shop.proxy().await;
    let server = shop.server_by(&shop.url_by(&[proxy.port()], "")).await;
    let packages = packages(&shop, 3).await;
    for (number, way) in [Way::Cut, Way::Garbage].into_iter().enumerate() {
        // The server knows the user, so each route comes to its own statements.
        send(shop.request_as("admin", Method::GET, &format!("{}/api/v1/oms/stocklocations/", server.url))).await.ok();
        proxy.set(way);
        let mut away = 0;
        for (name, reply) in ask_everything(&shop, &server).await {
            assert_ne!(reply.status, 500, "{way:?} {name}: {}", reply.text());
            if reply.status == 503 {
                assert_eq!(reply.header("retry-after").parse(), Ok(1), "{way:?} {name}");
                away += 1;
            }
        }
        assert!(away > 40, "{way:?}: {away} operations came to the database");
        assert_eq!(ready(&shop, &server).await.0, 503, "{way:?}");
        proxy.set(Way::Through);
        assert!(until_packed(&server, &packages[number], "k").await < RETURNS_WITHIN, "{way:?}");
    }
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_server_that_gets_no_connection_says_that_there_are_too_many_clients() {
    let shop = Shop::open().await;
    let proxy = shop.proxy().await;
    let server = shop.server_by(&shop.url_by(&[proxy.port()], "")).await;
    let package = shop.package().await;
    assert_eq!(ready(&shop, &server).await.0, 200);
    let name: String = shop.value("select current_database()::text where $1", true).await;
    shop.execute_text(&format!("alter database {name} connection limit 0")).await;
    proxy.cut();
    let reply = pack(&server, &package, "k").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let (status, said) = ready(&shop, &server).await;
    assert_eq!((status, said.contains("too many clients")), (503, true), "{said}");
    let (code, printed, _) = shop.oms(&["health", server.url.trim_start_matches("http://")]).await;
    assert_eq!((code, printed.contains("too many clients")), (1, true), "{printed}");
    shop.execute_text(&format!("alter database {name} connection limit -1")).await;
    assert!(until_packed(&server, &package, "k").await < RETURNS_WITHIN);
    assert_eq!(ready(&shop, &server).await.0, 200);
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn of_several_servers_the_one_that_takes_writes_is_found() {
    let shop = Shop::open().await;
    let (first, second) = (shop.proxy().await, shop.proxy().await);
    first.set(Way::Cut);
    let url = shop.url_by(&[first.port(), second.port()], "target_session_attrs=read-write");
    let server = shop.server_by(&url).await;
    let packages = packages(&shop, 3).await;
    pack(&server, &packages[0], "second").await.ok();
    // A failover: the other one is the primary now.
    first.set(Way::Through);
    second.set(Way::Cut);
    assert!(until_packed(&server, &packages[1], "k").await < RETURNS_WITHIN);
    // It takes no writes for a while, as a standby that is promoted later.
    let name: String = shop.value("select current_database()::text where $1", true).await;
    shop.execute_text(&format!("alter database {name} set default_transaction_read_only = on")).await;
    first.cut();
    let reply = pack(&server, &packages[2], "k").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let (code, _, said) = shop.oms_at(&url, &["verify"]).await;
    let expected = format!("127.0.0.1:{}: it takes no writes", first.port());
    assert_eq!((code, said.contains(&expected)), (1, true), "{said}");
    shop.execute_text(&format!("alter database {name} reset default_transaction_read_only")).await;
    assert!(until_packed(&server, &packages[2], "k").await < RETURNS_WITHIN);
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_start_without_a_database_says_what_is_wrong_and_what_to_do() {
    let shop = Shop::open().await;
    let proxy = shop.proxy().await;
    let port = proxy.port();
    for (url, wrong, remedy) in [
        (String::new(), "it is empty", "write postgres://user:password@host:5432/database"),
        ("mysql://db/shop".to_owned(), "it begins with mysql://", "write postgres://"),
        ("shop".to_owned(), "it does not begin with postgres://", "write postgres://"),
        (format!("postgres://oms@127.0.0.1:{port}/nowhere"), "database \"nowhere\" does not exist", "create it"),
        (format!("postgres://nobody@127.0.0.1:{port}/postgres"), "\"nobody\"", "the user"),
    ] {
        let (code, _, said) = shop.oms_at(&url, &["verify"]).await;
        assert_eq!(code, 1, "{url}: {said}");
        assert!(said.contains(wrong) && said.contains(remedy), "{url}: {said}");
        assert!(!said.contains(" at line ") && said.lines().count() == 1, "{url}: {said}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_first_and_waits_for_no_half_request() {
    let shop = Shop::open().await;
    let proxy = shop.proxy().await;
    let server = shop.server_by(&shop.url_by(&[proxy.port()], "")).await;
    let package = shop.package().await;
    let (url, address) = (server.url.clone(), server.url.trim_start_matches("http://").to_owned());
    let mut half_sent = Vec::new();
    for half in [
        "GET /healthz HTTP/1.1\r\nhost: x\r\n",
        "POST /api/v1/auth/login/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    ] {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        stream.write_all(half.as_bytes()).await.expect("sent");
        half_sent.push(stream);
    }
    let began = Instant::now();
    let drained = async {
        shop.until("it is not ready", async || {
            let reply = send(shop.request(Method::GET, &format!("{url}/readyz"))).await;
            (reply.status == 503 && reply.text().contains("about to stop")).then_some(())
        })
        .await;
        // Requests are still taken.
        let body = json!({ "slug": "package__complete_packing__waiting__packed" });
        let request = shop.request_as("erp", Method::POST, &format!("{url}{}", package.command_path()));
        send(request.json(&body)).await.ok();
    };
    tokio::join!(server.stop(), drained);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for mut stream in half_sent {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
    }
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}
