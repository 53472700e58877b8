//! The program as a server of its own, and what it logs.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
    sync::Notify,
    task::JoinHandle,
};

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `oms serve` that logs JSON.
pub struct Apart {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    lines: Arc<Lines>,
    child: Child,
    reading: JoinHandle<()>,
}

#[derive(Default)]
struct Lines {
    all: Mutex<Vec<Value>>,
    came: Notify,
}

impl Apart {
    /// Starts it with these settings, on this database.
    pub async fn start(database_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"))
            .args(["serve", "--listen", "127.0.0.1:0", "--database-connections", "6"])
            .env("DATABASE_URL", database_url)
            .env("OMS_LOG_FORMAT", "json")
            .env("RUST_LOG", "info,sqlx=warn")
            .env("OMS_DRAIN_SECONDS", "0")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("oms runs");
        let mut read = BufReader::new(child.stderr.take().expect("piped")).lines();
        let lines = Arc::new(Lines::default());
        let reading = tokio::spawn({
            let lines = Arc::clone(&lines);
            async move {
                while let Some(line) = read.next_line().await.expect("text") {
                    let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                    lines.all.lock().expect("no panic").push(line);
                    lines.came.notify_waiters();
                }
            }
        });
        let mut apart = Self { url: String::new(), lines, child, reading };
        let serving = apart.line("serving", |line| !line["address"].is_null()).await;
        apart.url = format!("http://{}", serving["address"].as_str().expect("an address"));
        apart
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<Value> {
        self.lines.all.lock().expect("no panic").clone()
    }

    /// Waits for a line with this message and more.
    pub async fn line(&self, message: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let came = self.lines.came.notified();
                let found = self.log().into_iter().find(|line| line["message"] == message && fits(line));
                if let Some(line) = found {
                    return line;
                }
                came.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("no such line of {message}: {:#?}", self.log()))
    }

    /// The line of a request.
    pub async fn request(&self, id: &str) -> Value {
        self.line("request", |line| line["request_id"] == id).await
    }

    /// Stops it as systemd does: it ends in order.
    pub async fn stop(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let told = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.expect("kill");
        assert!(told.success());
        assert!(self.child.wait().await.expect("a status").success());
        self.reading.await.expect("no panic");
    }

    /// Ends it; everything it logged.
    pub async fn end(mut self) -> Vec<Value> {
        self.child.kill().await.expect("ended");
        self.reading.await.expect("no panic");
        let lines = self.lines.all.lock().expect("no panic");
        lines.clone()
    }
}
