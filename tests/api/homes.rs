//! A copy of a database that is started elsewhere tells nobody anything, until it is adopted.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    support::{Apart, Shop, client},
    upstream::house::{Upstream, orders},
    webhooks::{receiver::Receiver, subscribe},
    whose_data::beside,
};

/// A server in a process of its own, which may call this machine.
async fn serve(database_url: &str, instance: &str, upstream: &Upstream) -> Apart {
    let settings = [
        ("OMS_INSTANCE", instance),
        ("OMS_WEBHOOK_ALLOW_PRIVATE", "127.0.0.0/8"),
        ("OMS_UPSTREAM_URL", upstream.url.as_str()),
        ("OMS_UPSTREAM_USERNAME", "oms"),
        ("OMS_UPSTREAM_PASSWORD", "secret"),
        ("OMS_UPSTREAM_POLL_SECONDS", "1"),
    ];
    Apart::start(database_url, &settings).await
}

/// What its `/readyz` says.
async fn readiness(server: &Apart) -> (u16, Value) {
    let answer =
        client().build().expect("a client").get(format!("{}/readyz", server.url)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Dumps a database and restores it as another one.
async fn copy(shop: &Shop, url: &str, name: &str) -> String {
    let (other, other_url) = beside(shop, name).await;
    let create = sqlx::AssertSqlSafe(format!("create database {other} owner oms"));
    sqlx::raw_sql(create).execute(shop.pool()).await.expect("made");
    let restore = r#"set -o pipefail; "$1/pg_dump" --no-owner "$2" | "$1/psql" -q -v ON_ERROR_STOP=1 "$3" >&2"#;
    let done = Command::new("bash")
        .args(["-c", restore, "bash"])
        .arg(Shop::bin_dir())
        .args([url, &other_url])
        .output()
        .await
        .expect("bash");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    other_url
}

async fn drop_copy(shop: &Shop, url: &str) {
    // postgres://oms@localhost:5432/NAME?host=…
    let name = url.split(['/', '?']).nth(3).expect("a name").to_owned();
    let statement = sqlx::AssertSqlSafe(format!("drop database {name} with (force)"));
    sqlx::raw_sql(statement).execute(shop.pool()).await.expect("dropped");
}

#[tokio::test]
async fn a_copy_that_is_started_elsewhere_tells_nobody_anything_until_it_is_adopted() {
    // Its own server delivers nothing.
    let shop = Shop::with_settings(|settings| settings.webhooks = crate::webhooks::settings()).await;
    let (receiver, upstream) = (Receiver::start().await, Upstream::start(Vec::new()).await);
    subscribe(&shop, &receiver.url, "package.status.packed").await;
    let url = shop.database_url("oms");
    // At home: two servers with one address, and no name.
    let homes = [serve(&url, "", &upstream).await, serve(&url, "", &upstream).await];
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    receiver.until_taken(1).await;
    for home in homes {
        assert_eq!(readiness(&home).await, (200, json!({ "status": "ready" })));
        home.stop().await;
    }
    // What waits is in the copy, too.
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    let copied = copy(&shop, &url, "copy").await;
    let asked = upstream.received().len();

    let trial = serve(&copied, "", &upstream).await;

    let (status, said) = readiness(&trial).await;
    assert!(status == 200 && said["status"].as_str().is_some_and(|told| told.contains("oms adopt")), "{said}");
    let address = trial.url.trim_start_matches("http://").to_owned();
    let (code, printed, _) = shop.oms(&["health", &address]).await;
    assert!(code == 0 && printed.contains("this database is a copy"), "{printed}");
    // A server at home delivers within milliseconds, and asks the upstream at once.
    upstream.bring(orders(1..2)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(upstream.received().len(), asked, "the upstream is not asked");

    let (code, printed, said) = shop.oms_at(&copied, &["adopt"]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(printed.starts_with("the database was at home at "), "{printed}");
    receiver.until_taken(2).await;
    shop.until("the upstream is asked", || async { (upstream.received().len() > asked).then_some(()) }).await;
    assert_eq!(readiness(&trial).await.1, json!({ "status": "ready" }));
    let (_, audited, _) = shop.oms_at(&copied, &["audit", "--kind", "home"]).await;
    let last = audited.lines().last().expect("a line");
    assert!(last.contains("command_line") && last.contains("changed home"), "{audited}");
    let (_, printed, _) = shop.oms_at(&copied, &["adopt"]).await;
    assert_eq!(printed, "the database is at home here; nothing was held\n");
    trial.stop().await;
    drop_copy(&shop, &copied).await;
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn with_a_name_a_database_may_move_and_no_server_of_another_name_takes_it_for_its_own() {
    let shop = Shop::open().await;
    let upstream = Upstream::start(Vec::new()).await;
    let url = shop.database_url("oms");
    serve(&url, "shop", &upstream).await.stop().await;
    let moved = copy(&shop, &url, "moved").await;
    for (url, instance, is_home) in [
        (&moved, "", false),
        (&moved, "trial", false),
        (&moved, "shop", true),
        (&url, "trial", false),
        (&url, "", true),
    ] {
        let server = serve(url, instance, &upstream).await;
        assert_eq!(readiness(&server).await.1["status"] == "ready", is_home, "{url} {instance}");
        server.stop().await;
    }
    drop_copy(&shop, &moved).await;
    shop.finish().await;
    upstream.stop();
}
