//! Operation: health, readiness, metrics, request ids; and printed labels.

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;

use crate::support::{NOT_FOUND, Shop, send};

#[tokio::test]
async fn alive_and_ready_need_no_token() {
    let shop = Shop::open().await;
    assert_eq!(send(shop.request(Method::GET, "/healthz")).await.ok(), json!({ "status": "ok" }));
    assert_eq!(send(shop.request(Method::GET, "/readyz")).await.ok(), json!({ "status": "ready" }));
    shop.finish().await;
}

#[tokio::test]
async fn a_server_of_these_tests_owns_its_database_and_is_no_superuser() {
    let shop = Shop::open().await;
    let roles: Vec<(String, bool)> = shop
        .rows(
            "select distinct r.rolname::text, r.rolsuper or r.rolcreaterole or r.rolcreatedb
               from pg_stat_activity a join pg_roles r on r.rolname = a.usename
              where a.datname = current_database() and a.application_name = 'oms'",
        )
        .await;
    assert_eq!(roles, [("oms".to_owned(), false)]);
    shop.finish().await;
}

/// What a server of this role logs until it serves.
async fn log_of_start(shop: &Shop, role: &str, setting: Option<(&str, &str)>) -> String {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", shop.database_url(role))
        // Another place of certificates, if one is set here.
        .env_remove("SSL_CERT_DIR")
        .envs(setting)
        .env("RUST_LOG", "info")
        .env_remove("OMS_LOG_FORMAT")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("oms runs");
    let mut lines = tokio::io::BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut log = String::new();
    while !log.contains("serving address=") {
        log += &lines.next_line().await.expect("text").unwrap_or_else(|| panic!("it ended: {log}"));
        log.push('\n');
    }
    child.kill().await.expect("ended");
    log
}

#[tokio::test]
async fn a_server_warns_of_a_role_that_is_a_superuser() {
    let shop = Shop::open().await;
    for (role, warns) in [("postgres", true), ("oms", false)] {
        let log = log_of_start(&shop, role, None).await;
        assert_eq!(log.contains("the role of DATABASE_URL is a superuser"), warns, "{role}: {log}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_machine_without_certificates_of_authorities_has_those_that_came_along() {
    let shop = Shop::open().await;
    let log = log_of_start(&shop, "oms", Some(("SSL_CERT_FILE", "/nonexistent"))).await;
    assert!(log.contains("this machine has no certificates of authorities"), "{log}");
    shop.finish().await;
}

#[tokio::test]
async fn a_server_warns_once_of_addresses_where_nothing_is_signed() {
    // Those whose body is an envelope of the upstream.
    let document = oms::server::document();
    let paths = document["paths"].as_object().expect("paths").iter();
    let pushed_to: std::collections::BTreeSet<&str> = paths
        .filter(|(_, item)| {
            let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
            !schema["properties"]["event"].is_null() && !schema["properties"]["payload"].is_null()
        })
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(pushed_to, oms::api::upstream::PUSHED_TO.into_iter().collect());
    let shop = Shop::open().await;
    for (secret, warns) in [(None, true), (Some("geheim"), false), (Some(""), true)] {
        let log = log_of_start(&shop, "oms", secret.map(|secret| ("OMS_UPSTREAM_WEBHOOK_SECRET", secret))).await;
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("set OMS_UPSTREAM_WEBHOOK_SECRET")).collect();
        assert_eq!(lines.len(), usize::from(warns), "{secret:?}: {log}");
        for (line, path) in lines.iter().flat_map(|line| pushed_to.iter().map(move |path| (line, path))) {
            assert!(line.contains(path), "{line}");
        }
        assert!(!log.contains("geheim"));
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_server_whose_schema_is_behind_is_alive_and_not_ready() {
    let shop = Shop::open().await;
    shop.execute("update _sqlx_migrations set version = -version").await;
    assert_eq!(send(shop.request(Method::GET, "/healthz")).await.status, 200);
    let reply = send(shop.request(Method::GET, "/readyz")).await;
    shop.execute("update _sqlx_migrations set version = -version").await;
    assert_eq!(reply.status, 503);
    shop.until("it is ready again", async || {
        (send(shop.request(Method::GET, "/readyz")).await.status == 200).then_some(())
    })
    .await;
    shop.finish().await;
}

#[tokio::test]
async fn a_server_without_an_installation_is_not_ready_until_there_is_one() {
    let shop = Shop::bare().await;
    let reply = send(shop.request(Method::GET, "/readyz")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    assert!(
        reply.text().contains("nothing is installed") && reply.text().contains("oms install FILE"),
        "{}",
        reply.text()
    );
    let (code, printed, _) = shop.oms(&["health", shop.url().trim_start_matches("http://")]).await;
    assert!(code == 1 && printed.contains("oms install FILE"), "{printed}");
    shop.install(&[crate::support::STANDARD, crate::support::SHOP]).await;
    shop.until("it is ready", async || (send(shop.request(Method::GET, "/readyz")).await.status == 200).then_some(()))
        .await;
    shop.finish().await;
}

#[tokio::test]
async fn few_file_descriptors_are_raised_or_said_once_and_cost_connections_alone() {
    let shop = Shop::open().await;
    for (limit, is_few) in [("ulimit -Sn 96", false), ("ulimit -n 128", true)] {
        let script = format!("{limit} && exec \"$0\" serve --listen 127.0.0.1:0");
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_oms")])
            .env("DATABASE_URL", shop.database_url("oms"))
            .env("RUST_LOG", "warn,oms::cli=info")
            .env_remove("OMS_LOG_FORMAT")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("sh");
        let mut lines = tokio::io::BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut log = Vec::new();
        let address = loop {
            let line = lines.next_line().await.expect("text").expect("it serves");
            if let Some((_, address)) = line.split_once("serving address=") {
                break address.to_owned();
            }
            log.push(line);
        };
        // More connections than there are descriptors for, all at once.
        let mut open = Vec::new();
        for _ in 0..200 {
            open.push(tokio::net::TcpStream::connect(&address).await.expect("connected"));
        }
        let ready = format!("http://{address}/readyz");
        drop(open);
        shop.until("it answers", async || {
            let answer = crate::support::client().build().expect("a client").get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
        let id = child.id().expect("it runs").to_string();
        assert!(tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.expect("kill").success());
        while let Some(line) = lines.next_line().await.expect("text") {
            log.push(line);
        }
        let said: Vec<&String> =
            log.iter().filter(|line| line.contains("descriptors") || line.contains("accept")).collect();
        assert_eq!(said.iter().filter(|line| line.contains("ulimit -n")).count(), usize::from(is_few), "{log:?}");
        assert!(said.len() <= 2, "{said:?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn metrics_count_requests_commands_connections_and_open_packages() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let other = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    other.run("SHIP_THE_PACKAGE").await.json(406);
    other.post(&json!({ "slug": "nonsense" })).await.json(406);
    other.dry_run("COMPLETE_PACKING", &json!({})).await.ok();
    shop.get("/nothing").await;

    let reply = send(shop.request(Method::GET, "/metrics")).await;

    assert_eq!(reply.status, 200);
    let lines: Vec<&str> = reply.text().lines().collect();
    for line in [
        r#"oms_http_requests_total{method="POST",route="/api/v1/oms/orders/",status="201"} 2"#,
        r#"oms_http_requests_total{method="POST",route="/api/v1/oms/packages/{id}/command/",status="200"} 2"#,
        r#"oms_http_requests_total{method="POST",route="/api/v1/oms/packages/{id}/command/",status="406"} 2"#,
        r#"oms_http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        // A dry run is no command that was run.
        r#"oms_command_duration_seconds_count{command="COMPLETE_PACKING",outcome="done"} 1"#,
        r#"oms_command_duration_seconds_count{command="SHIP_THE_PACKAGE",outcome="refused"} 1"#,
        r#"oms_command_duration_seconds_count{command="unknown",outcome="refused"} 1"#,
        r#"oms_open_packages{state="waiting"} 1"#,
        r#"oms_open_packages{state="packed"} 1"#,
        r#"oms_open_packages{state="blocked"} 0"#,
    ] {
        assert!(lines.contains(&line), "{line}\n{}", reply.text());
    }
    assert!(lines.iter().any(|line| line.starts_with(r#"oms_database_connections{state="idle"} "#)));
    assert!(!reply.text().contains("delivered"), "final states are not open");
    shop.finish().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_clients_own_is_kept() {
    let shop = Shop::open().await;
    for path in ["/healthz", "/api/v1/oms/packages/", "/nothing"] {
        assert!(!shop.get(path).await.header("x-request-id").is_empty());
        let request = shop.request_as("admin", Method::GET, path).header("X-Request-Id", "mine-1");
        assert_eq!(send(request).await.header("x-request-id"), "mine-1");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_label_of_a_packed_package_is_a_pdf_at_its_address() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    assert!(package.json().await["shipping_label"].is_null());
    package.run("COMPLETE_PACKING").await.ok();

    let json = package.json().await;
    let address = json["shipping_label"].as_str().expect("an address");
    assert!(address.starts_with(&format!("{}/api/v1/oms/shipping-labels/", shop.url())), "{address}");
    // A link for who was shown the package: it needs no token.
    let label = send(shop.request(Method::GET, address)).await;
    assert_eq!((label.status, label.header("content-type")), (200, "application/pdf"));
    assert!(label.body.starts_with(b"%PDF") && label.body.len() > 1000);
    let wrong = format!("{}/api/v1/oms/shipping-labels/6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50/", shop.url());
    assert!(send(shop.request(Method::GET, &wrong)).await.detail(403).contains("is not signed"));
    assert_eq!(json["shipment"]["cargo_company"]["slug"], "manual");
    assert!(json["shipment"]["tracking_number"].as_str().is_some_and(|number| number.starts_with("OMS")));
    shop.finish().await;
}

#[tokio::test]
async fn a_package_of_another_channel_has_no_shipment_and_no_label() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("CHANNEL_BASED_COMPLETE_PACKING").await.ok();
    let json = package.json().await;
    assert!(json["shipment"].is_null() && json["shipping_label"].is_null() && json["shipment_date"].is_null());
    shop.finish().await;
}

#[tokio::test]
async fn a_label_is_not_shown_for_a_shipment_it_was_not_made_for() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let address = package.json().await["shipping_label"].as_str().expect("an address").to_owned();
    let input = json!({ "tracking_number": "OTHER", "cargo_company": "yurtici" });
    package.run_with("SHIP_THE_PACKAGE_ADVANCED", &input).await.ok();
    assert!(package.json().await["shipping_label"].is_null());
    send(shop.request(Method::GET, &address)).await.refused(NOT_FOUND);
    shop.finish().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_finishes_what_is_under_way() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let server = shop.second_server().await;
    let url = format!("{}{}", server.url, package.command_path());
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    let mut transaction = shop.pool().begin().await.expect("begin");
    sqlx::query("select from packages where id = $1 for update")
        .bind(package.id)
        .execute(&mut *transaction)
        .await
        .expect("locked");
    let waiting = async {
        // The command waits for the row; only then is the server told to stop.
        shop.until("the command waits", async || {
            let blocked: i64 = shop
                .value(
                    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = $1",
                    "Lock",
                )
                .await;
            (blocked > 0).then_some(())
        })
        .await;
        // Told first, unlocked then.
        let ((), unlocked) = tokio::join!(server.stop(), transaction.rollback());
        unlocked.expect("unlocked");
    };
    let (answer, ()) = tokio::join!(shop.post(&url, &body), waiting);
    answer.ok();
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}

#[tokio::test]
async fn a_package_that_somebody_holds_keeps_no_other_waiting_and_its_commands_keep_their_order() {
    let shop = Shop::open().await;
    let (held, other) = (shop.package().await, shop.package().await);
    let command = |slug: &str| json!({ "slug": format!("package__{slug}") });
    let (pack, ship) = (command("complete_packing__waiting__packed"), command("ship_the_package__packed__shipped"));
    let mut holding = shop.pool().begin().await.expect("begin");
    sqlx::query("select from packages where id = $1 for update")
        .bind(held.id)
        .execute(&mut *holding)
        .await
        .expect("locked");
    let next = async {
        shop.until("the command waits", async || {
            let blocked =
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = $1";
            (shop.value::<i64, _>(blocked, "Lock").await > 0).then_some(())
        })
        .await;
        let others = async {
            other.post_as("erp", &pack).await.ok();
            other.post_as("erp", &ship).await.ok();
            assert_eq!(held.state().await, "waiting");
            holding.rollback().await.expect("unlocked");
        };
        let (shipped, ()) = tokio::join!(held.post_as("erp", &ship), others);
        shipped.ok();
    };
    let (packed, ()) = tokio::join!(held.post_as("erp", &pack), next);
    packed.ok();
    assert_eq!((held.state().await, other.state().await), ("shipped".to_owned(), "shipped".to_owned()));
    shop.finish().await;
}

#[tokio::test]
async fn while_the_database_is_away_requests_get_503_and_afterwards_all_is_well() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    // A command that is under way loses its connection.
    let mut transaction = shop.pool().begin().await.expect("a transaction");
    sqlx::query("select from packages for update").execute(&mut *transaction).await.expect("locked");
    let going_away = async {
        shop.until("the command waits", async || {
            let blocked =
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = $1";
            let blocked: i64 = shop.value(blocked, "Lock").await;
            (blocked > 0).then_some(())
        })
        .await;
        shop.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and application_name = 'oms'",
        )
        .await;
    };
    let (reply, ()) = tokio::join!(package.run_keyed("admin", "k", &body), going_away);
    let answer = reply.json(503);
    assert_eq!(answer["error"]["request_id"], reply.header("x-request-id"));
    assert_eq!(reply.header("retry-after"), "1");
    transaction.rollback().await.expect("unlocked");

    for lost in 0.. {
        assert!(lost <= 16, "each connection is lost once");
        let reply = package.run_keyed("admin", "k", &body).await;
        if reply.status == 200 {
            break;
        }
        reply.json(503);
    }
    assert_eq!(package.log().await.len(), 2);
    shop.until("the list is served", async || (shop.get("/api/v1/oms/packages/").await.status == 200).then_some(()))
        .await;
    shop.finish().await;
}

/// Ends the connection that the server used last, but for the one that listens: it would notice at once.
async fn end_last_used_connection(shop: &Shop) {
    let ended: Vec<(i32, bool)> = shop
        .rows(
            "select pid, pg_terminate_backend(pid)
               from (select pid from pg_stat_activity
                      where datname = current_database() and application_name = 'oms' and query not ilike 'listen%'
                      order by state_change desc limit 1) last",
        )
        .await;
    let &[(ended, true)] = &ended[..] else { panic!("the server has none") };
    shop.until("it has ended", async || {
        let left: i64 = shop.value("select count(*) from pg_stat_activity where pid = $1", ended).await;
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_ends_while_it_lies_idle_fails_no_request() {
    let shop = Shop::open().await;
    let location = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    for _ in 0..2 {
        let (first, second) = (shop.package().await, shop.package().await);
        first.run("COMPLETE_PACKING").await.ok();
        end_last_used_connection(&shop).await;
        second.run("COMPLETE_PACKING").await.ok();
        shop.package().await;
        end_last_used_connection(&shop).await;
        shop.package().await;
        shop.count("KADIKOY", "BLUE", 7).await;
        end_last_used_connection(&shop).await;
        shop.count("KADIKOY", "BLUE", 8).await;
        shop.patch(&location, &json!({ "max_quota": 500 })).await.ok();
        end_last_used_connection(&shop).await;
        shop.patch(&location, &json!({ "max_quota": 501 })).await.ok();
        end_last_used_connection(&shop).await;
        shop.get("/api/v1/oms/packages/").await.ok();
    }
    shop.finish().await;
}
