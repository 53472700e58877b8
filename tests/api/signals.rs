//! The signal to stop reaches the private Postgres, too, as systemd sends it unless a unit says otherwise.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::support::{SHOP, STANDARD, client, join, order_json, watched_folder};

/// Requests at a time, and packages of each.
const HANDS: usize = 6;
const EACH: usize = 40;

/// The program on a private Postgres in this folder.
fn oms(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oms"));
    command
        .args(arguments)
        .env("OMS_DATA_DIR", folder)
        .env("RUST_LOG", "info")
        .env_remove("DATABASE_URL")
        .env_remove("OMS_LOG_FORMAT")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a tool; what it printed.
async fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = oms(folder, arguments).output().await.expect("oms runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// All processes of a Postgres: the first one and its children.
fn processes(folder: &Path) -> Vec<String> {
    let first = std::fs::read_to_string(folder.join("postgres/data/postmaster.pid")).expect("it runs");
    let first = first.lines().next().expect("a number").trim().to_owned();
    let children = std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let pid = entry.ok()?.file_name().into_string().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name in brackets: the state, and the parent.
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?.to_owned();
        (parent == first).then_some(pid)
    });
    let mut all: Vec<String> = children.collect();
    all.push(first);
    all
}

#[tokio::test]
async fn requests_are_answered_when_the_signal_to_stop_reaches_postgres_as_well() {
    let (folder, mut watcher) = watched_folder(&std::env::temp_dir());
    for (name, text) in
        [("standard.toml", STANDARD), ("shop.toml", SHOP), ("stock.csv", "erp_code,sku,quantity\nKADIKOY,RED,9999\n")]
    {
        std::fs::write(folder.join(name), text).expect("written");
    }
    let orders: Vec<String> =
        (1..=HANDS * EACH).map(|number| order_json(&number.to_string(), &[("RED", 1)]).to_string()).collect();
    std::fs::write(folder.join("orders.ndjson"), orders.join("\n")).expect("written");
    let file = |name: &str| folder.join(name).display().to_string();
    let data = folder.clone();
    let installed = format!("{}:{}", file("standard.toml"), file("shop.toml"));
    let mut server = oms(&data, &["serve", "--listen", "127.0.0.1:0"])
        .env("OMS_INSTALL", installed)
        .env("OMS_DRAIN_SECONDS", "15")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("oms runs");
    let mut log = BufReader::new(server.stderr.take().expect("piped")).lines();
    let url = loop {
        let line = log.next_line().await.expect("text").expect("it serves");
        if let Some((_, address)) = line.split_once("serving address=") {
            break format!("http://{}", address.trim());
        }
    };
    let reading = tokio::spawn(async move {
        let mut lines = Vec::new();
        while let Ok(Some(line)) = log.next_line().await {
            lines.push(line);
        }
        lines
    });
    run(&data, &["stock", "import", &file("stock.csv")]).await;
    run(&data, &["orders", "import", &file("orders.ndjson")]).await;
    run(&data, &["user", "add", "erp", "--role", "integrator"]).await;
    let token = format!("Token {}", run(&data, &["token", "issue", "erp"]).await.trim());
    let (client, packed) = (client().build().expect("a client"), AtomicUsize::new(0));
    let hand = async |n: usize| {
        let mut statuses = Vec::new();
        for id in (1..=EACH).map(|k| n * EACH + k) {
            let path = format!("{url}/api/v1/oms/packages/{id}/");
            let body = json!({ "slug": "package__complete_packing__waiting__packed" }).to_string();
            let pack = client.post(format!("{path}command/")).header("Content-Type", "application/json").body(body);
            for request in [client.get(format!("{url}/api/v1/oms/packages/?limit=2")), pack, client.get(&path)] {
                let answer = request.header("Authorization", &token).send().await.expect("an answer");
                statuses.push(answer.status().as_u16());
                answer.bytes().await.expect("all of it");
            }
            packed.fetch_add(1, Ordering::Relaxed);
        }
        statuses
    };
    let signal = async {
        while packed.load(Ordering::Relaxed) < HANDS * EACH / 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut all = processes(&data);
        all.push(server.id().expect("it runs").to_string());
        assert!(all.len() > 8, "{all:?}");
        // All at once. One may have ended by then, with its parent.
        Command::new("kill").arg("-TERM").args(&all).stderr(Stdio::null()).status().await.expect("kill");
        packed.load(Ordering::Relaxed)
    };
    let (answered, packed_before) = tokio::join!(join((0..HANDS).map(hand)), signal);
    assert!(packed_before < HANDS * EACH, "the signal came in the middle");
    let failed: Vec<u16> = answered.into_iter().flatten().filter(|status| *status != 200).collect();
    let status = server.wait().await.expect("a status");
    let lines = reading.await.expect("the log");
    assert_eq!((failed, status.code()), (Vec::new(), Some(0)), "{}", lines.join("\n"));
    assert!(lines.iter().any(|line| line.contains("is back")), "{}", lines.join("\n"));
    assert!(!data.join("postgres/data/postmaster.pid").exists(), "the server has stopped it in the end");
    drop(watcher.stdin.take());
    watcher.wait().ok();
}
