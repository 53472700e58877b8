//! Nobody reads what is written, or the disk behind it is full: a server goes on, a subcommand says so, and nothing panics.

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    support::{SHOP, STANDARD, Shop, client, order_json},
    whose_data::beside,
};

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(40);

fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").expect("a full disk").into()
}

/// A pipe whose reader has gone away.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// The program on a shop's database.
fn oms(shop: &Shop) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oms"));
    // Settings of whoever runs the tests.
    for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("OMS_")) {
        command.env_remove(name);
    }
    command
        .env("DATABASE_URL", shop.database_url("oms"))
        .env("RUST_LOG", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A server of its own, with its log there.
fn serve(shop: &Shop, port: u16, filter: &str, log: Stdio) -> Child {
    let listen = format!("127.0.0.1:{port}");
    oms(shop).args(["serve", "--listen", &listen]).env("RUST_LOG", filter).stderr(log).spawn().expect("oms runs")
}

/// Waits until a server is ready; false if it ended instead.
async fn is_ready(child: &mut Child, url: &str) -> bool {
    let (client, deadline) = (client().build().expect("a client"), Instant::now() + PATIENCE);
    loop {
        if client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200) {
            return true;
        }
        if Instant::now() > deadline || child.try_wait().expect("a state").is_some() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends SIGTERM; the exit code.
async fn stop(mut child: Child) -> Option<i32> {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.expect("kill").success());
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").expect("a status").code()
}

/// Lines of the log that this server lost.
async fn lost(url: &str) -> u64 {
    let answer = client().build().expect("a client").get(format!("{url}/metrics")).send().await.expect("an answer");
    let text = answer.text().await.expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("oms_log_lines_lost_total "));
    line.expect("the metric").parse().expect("a number")
}

#[tokio::test]
async fn a_server_whose_log_nobody_reads_any_more_stops_when_it_is_told() {
    let shop = Shop::open().await;
    let mut child = serve(&shop, 0, "info,oms=debug", Stdio::piped());
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let url = loop {
        let line = log.next_line().await.expect("text").expect("it serves");
        if let Some((_, address)) = line.split_once("serving address=") {
            break format!("http://{}", address.trim());
        }
    };
    drop(log);
    assert!(is_ready(&mut child, &url).await);
    // What nobody reads: the line of a request.
    let answer = client().build().expect("a client").get(format!("{url}/nothing/")).send().await.expect("an answer");
    assert_eq!(answer.status(), 404);
    assert!(lost(&url).await > 0);
    assert_eq!(stop(child).await, Some(0));
    shop.finish().await;
}

#[tokio::test]
async fn a_full_disk_behind_the_log_costs_lines_and_nothing_else() {
    let shop = Shop::open().await;
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let mut child = serve(&shop, port, "info,oms=debug", full_disk());
    assert!(is_ready(&mut child, &url).await, "it comes up");
    let body = json!({ "slug": "package__complete_packing__waiting__packed" });
    for key in ["one", "two", "three"] {
        shop.package().await.run_keyed_at(&url, "erp", key, &body).await.ok();
    }
    assert!(lost(&url).await > 5);
    assert_eq!(stop(child).await, Some(0));
    shop.finish().await;
}

#[tokio::test]
async fn a_reader_of_the_log_that_stands_still_holds_up_no_request() {
    let shop = Shop::open().await;
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    // A pipe that is open and never read: after 64 KiB a write waits for ever.
    let mut child = serve(&shop, port, "info,oms=debug", Stdio::piped());
    assert!(is_ready(&mut child, &url).await);
    let (client, long) = (client().build().expect("a client"), "x".repeat(30_000));
    let deadline = Instant::now() + PATIENCE;
    while lost(&url).await == 0 {
        let answer = client.get(format!("{url}/{long}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 404);
        assert!(Instant::now() < deadline, "the log takes everything");
    }
    assert!(is_ready(&mut child, &url).await);
    assert_eq!(stop(child).await, Some(0));
    shop.finish().await;
}

/// The subcommands that are run, not the groups of them, by their words.
fn commands() -> Vec<String> {
    fn walk(command: &clap::Command, above: &str, found: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let name = format!("{above} {}", command.get_name()).trim().to_owned();
            if command.has_subcommands() {
                walk(command, &name, found);
            } else {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(&oms::cli::command(), "", &mut found);
    found
}

/// Arguments that let a subcommand work, the `n`th time; none: a server, which has tests of its own.
fn arguments(command: &str, folder: &Path, url: &str, n: usize) -> Option<Vec<String>> {
    let file = |name: &str| folder.join(name).display().to_string();
    let words: Vec<String> = match command {
        "serve" | "demo" | "simulate-upstream" => return None,
        "install" => vec!["--check".into(), file("standard.toml"), file("shop.toml")],
        "installation show" | "webhooks resume" => vec!["1".into()],
        "completions" => vec!["bash".into()],
        "man" => vec!["--out".into(), file("man")],
        "installation diff" => vec!["1".into(), "1".into()],
        "stock adjust" => ["KADIKOY", "RED", "1", "--reason", "found"].map(Into::into).into(),
        "stock import" => vec![file("stock.csv")],
        "orders import" => vec![file("orders.ndjson")],
        "simulate" => {
            ["--scenario", &file("shop.toml"), "--from", "2026-01-01", "--to", "2026-12-31"].map(Into::into).into()
        }
        "user add" | "user remove" => vec![format!("new{n}")],
        "user set" => ["erp", "--role", "integrator"].map(Into::into).into(),
        "user disable" | "user enable" | "user passwd" | "token issue" => vec!["erp".into()],
        "token revoke" => vec!["ops".into()],
        "webhooks replay" => ["1", "--since-last-delivered"].map(Into::into).into(),
        "repair" => vec!["counters".into()],
        "health" => vec![url.trim_start_matches("http://").into()],
        "installation export"
        | "installation list"
        | "installation transitions"
        | "migrate"
        | "user list"
        | "token list"
        | "audit"
        | "webhooks list"
        | "verify"
        | "doctor"
        | "adopt" => Vec::new(),
        new => panic!("say here how {new} is run"),
    };
    Some(command.split(' ').map(str::to_owned).chain(words).collect())
}

/// Runs a subcommand with its output there; its code, and what it said of errors.
async fn run(shop: &Shop, arguments: &[String], output: Stdio) -> (i32, String, String) {
    let mut child = oms(shop)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .expect("oms runs");
    // The password of those that want one. Others end without reading.
    let mut input = child.stdin.take().expect("piped");
    tokio::io::AsyncWriteExt::write_all(&mut input, b"gizli bir parola\n").await.ok();
    drop(input);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

const NO_ROOM: &str = "oms: cannot write to standard output: No space left on device (os error 28)";

#[tokio::test]
async fn every_subcommand_says_that_the_disk_is_full_and_ends_quietly_when_nobody_reads() {
    let shop = Shop::open().await;
    shop.execute(
        "insert into webhooks (user_id, event_type, target_url, retry_countdown_config)
         select min(id), 'package.status.packed', 'https://erp.example/', '{}' from users",
    )
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let order = order_json("1", &[("RED", 1)]).to_string();
    for (name, text) in [
        ("standard.toml", STANDARD),
        ("shop.toml", SHOP),
        ("stock.csv", "erp_code,sku,quantity\nGEBZE,PINK,3\n"),
        ("orders.ndjson", order.as_str()),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let mut printing = 0;
    for command in commands() {
        let help: Vec<String> = command.split(' ').map(str::to_owned).chain(["--help".to_owned()]).collect();
        let (code, _, said) = run(&shop, &help, full_disk()).await;
        assert_eq!((code, said.trim_end()), (1, NO_ROOM), "{command} --help");
        let (code, _, said) = run(&shop, &help, closed_pipe()).await;
        assert_eq!((code, said.as_str()), (0, ""), "{command} --help");
        let Some(words) = arguments(&command, folder.path(), shop.url(), 0) else { continue };
        let (usual, printed, remarks) = run(&shop, &words, Stdio::piped()).await;
        assert_eq!(usual, 0, "{command}: {remarks}");
        if printed.is_empty() {
            continue;
        }
        printing += 1;
        let words = arguments(&command, folder.path(), shop.url(), 1).expect("as before");
        let (code, _, said) = run(&shop, &words, full_disk()).await;
        assert_eq!((code, said.lines().last()), (1, Some(NO_ROOM)), "{command}: {said}");
        let words = arguments(&command, folder.path(), shop.url(), 2).expect("as before");
        let (code, _, said) = run(&shop, &words, closed_pipe()).await;
        if command == "token issue" {
            // Nobody has the key, so there is no token.
            assert_eq!((code, said.lines().count()), (1, 1), "{said}");
        } else {
            assert_eq!((code, said), (0, remarks), "{command}");
        }
    }
    assert!(printing > 15, "{printing}");
    shop.finish().await;
}

#[tokio::test]
async fn a_key_that_nobody_could_read_opens_nothing() {
    let shop = Shop::open().await;
    for output in [full_disk(), closed_pipe()] {
        let issue = ["token", "issue", "erp"].map(str::to_owned);
        let (code, _, said) = shop.changes_nothing(run(&shop, &issue, output)).await;
        assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    }
    // The same of the demo, which makes an administrator.
    let (name, url) = beside(&shop, "demo").await;
    let administer = async |what: &str| {
        let statement = sqlx::AssertSqlSafe(format!("{what} database {name}"));
        sqlx::raw_sql(statement).execute(shop.pool()).await.expect("an administrator may");
    };
    administer("create").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter database {name} owner to oms")))
        .execute(shop.pool())
        .await
        .expect("given");
    let folder = tempfile::tempdir().expect("a folder");
    let ended = oms(&shop)
        .args(["demo", "--listen", "127.0.0.1:0", "--upstream"])
        .env("DATABASE_URL", &url)
        .env("OMS_DATA_DIR", folder.path())
        .stdout(full_disk())
        .stderr(Stdio::piped())
        .spawn()
        .expect("oms runs");
    let ended = tokio::time::timeout(PATIENCE, ended.wait_with_output()).await.expect("it ends").expect("output");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert_eq!((ended.status.code(), said.lines().last()), (Some(1), Some(NO_ROOM)), "{said}");
    assert!(!folder.path().join("demo-token").exists());
    let pool = sqlx::PgPool::connect(&url).await.expect("connect");
    let tokens: i64 = sqlx::query_scalar("select count(*) from tokens").fetch_one(&pool).await.expect("counted");
    assert_eq!(tokens, 0);
    pool.close().await;
    administer("drop").await;
    shop.finish().await;
}
