//! A durable Postgres of the test's own, and the real program: both can crash.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{self, ExitStatus, Stdio},
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use oms::{
    audit::Actor,
    auth::Role,
    db::{self, PgPool},
    embedded::{Cluster, ClusterSettings, Durability},
    installation::apply,
    stock::import::import,
};
use sqlx::postgres::PgConnectOptions;
use tokio::process::{Child, Command};

use crate::support::{SHOP, STANDARD, add_user, read_installation, watched_folder};

/// How long Postgres or the server may take to be back, or gone.
const PATIENCE: Duration = Duration::from_secs(40);
const STOCK: &str = "erp_code,sku,quantity\nKADIKOY,RED,1000000\nBESIKTAS,RED,1000000\n";

/// See the module. Dropping it, or the end of this process, ends both and removes the folder.
pub(super) struct House {
    /// A user's, who may do everything.
    pub(super) token: String,
    /// The server's present address.
    url: RwLock<String>,
    server: tokio::sync::Mutex<Option<Child>>,
    cluster: Option<Cluster>,
    settings: ClusterSettings,
    pub(super) folder: PathBuf,
    watcher: process::Child,
}

impl House {
    /// Postgres runs and the shop is installed; the server does not run yet.
    pub(super) async fn build() -> Self {
        let (folder, watcher) = watched_folder(&std::env::temp_dir());
        let settings = ClusterSettings {
            data_dir: folder.join("postgres"),
            durability: Durability::Full,
            // Nothing is written to the disk that nobody waits for: a crash loses as much as it can.
            extra: [("max_connections", "60"), ("wal_writer_delay", "10s")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        };
        let mut house = Self {
            token: String::new(),
            url: RwLock::default(),
            server: tokio::sync::Mutex::default(),
            cluster: None,
            settings,
            folder,
            watcher,
        };
        let cluster = house.cluster.insert(Cluster::start(&house.settings).await.expect("Postgres starts"));
        cluster.ensure_database("oms").await.expect("a database");
        let socket_dir = cluster.socket_dir().to_owned();
        house.turn_to(&socket_dir);
        let pool = house.pool().await;
        db::migrate(&pool).await.expect("migrate");
        apply::apply(&pool, &read_installation(&[STANDARD, SHOP])).await.expect("apply");
        import(&pool, Actor::Server("tests"), STOCK.as_bytes(), |line, why| panic!("{line}: {why}"))
            .await
            .expect("stock");
        house.token = add_user(&pool, "erp", Role::Integrator, &[]).await;
        pool.close().await;
        house
    }

    pub(super) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("Postgres was started")
    }

    /// Lets new connections go to the Postgres of a socket, as a proxy does.
    pub(super) fn turn_to(&self, socket_dir: &Path) {
        let (link, new) = (self.folder.join("current"), self.folder.join("current.new"));
        std::os::unix::fs::symlink(socket_dir, &new).expect("a link");
        std::fs::rename(&new, &link).expect("renamed");
    }

    fn database_url(&self) -> String {
        format!("postgres://oms@localhost/oms?host={}", self.folder.join("current").display())
    }

    /// A pool for checks.
    pub(super) async fn pool(&self) -> PgPool {
        let options: PgConnectOptions = self.database_url().parse().expect("an address");
        db::connect(options, 4).await.expect("connect")
    }

    /// `http://127.0.0.1:<port>`, of the latest server.
    pub(super) fn url(&self) -> String {
        self.url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts the server and waits until it is ready.
    pub(super) async fn start_server(&self) {
        let log = self.folder.join("server.log");
        let child = Command::new(env!("CARGO_BIN_EXE_oms"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", self.database_url())
            .env("RUST_LOG", "info")
            .env("OMS_WEBHOOK_ALLOW_PRIVATE", "127.0.0.0/8")
            .env("OMS_PUBLIC_URL", "http://oms.example")
            .env_remove("OMS_LOG_FORMAT")
            .env_remove("OMS_INSTALL")
            .env_remove("OMS_DATABASE_CONNECTIONS")
            .env_remove("OMS_REQUEST_TIMEOUT_SECONDS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("oms runs");
        let id = child.id().expect("it runs").to_string();
        std::fs::write(self.folder.join("server.pid"), id).expect("written");
        *self.server.lock().await = Some(child);
        let url = self.until("the server says its address", async || self.said_address()).await;
        url.clone_into(&mut self.url.write().unwrap_or_else(PoisonError::into_inner));
        self.ready().await;
    }

    /// From its log's line `… serving address=127.0.0.1:45678`.
    fn said_address(&self) -> Option<String> {
        let (_, rest) = self.log().split_once("serving address=").map(|(a, b)| (a.len(), b.to_owned()))?;
        let (address, _) = rest.split_once('\n')?;
        Some(format!("http://{}", address.trim()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// Waits for `/readyz`.
    pub(super) async fn ready(&self) {
        let url = format!("{}/readyz", self.url());
        self.until("the server is ready", async || {
            let answer = crate::support::client().build().expect("a client").get(&url).send().await;
            answer.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
    }

    pub(super) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL; returns when the process is gone.
    pub(super) async fn kill_server(&self) {
        let child = self.server.lock().await.take();
        child.expect("a server").kill().await.expect("killed");
        std::fs::remove_file(self.folder.join("server.pid")).expect("removed");
    }

    /// SIGTERM; its exit status and what it said.
    pub(super) async fn stop_server(&self) -> (ExitStatus, String) {
        let mut child = self.server.lock().await.take().expect("a server");
        let id = child.id().expect("it runs").to_string();
        let told = Command::new("sh").args(["-c", "kill -TERM $0", &id]).status().await;
        assert!(told.expect("sh").success());
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").expect("a status");
        std::fs::remove_file(self.folder.join("server.pid")).expect("removed");
        (status, self.log())
    }

    /// Postgres crashes and comes back.
    pub(super) async fn crash_postgres(&self) {
        self.cluster().restart_immediate().await.expect("Postgres comes back");
    }

    /// SIGKILL for the first process of Postgres; the others end by themselves.
    pub(super) async fn kill_postgres(&self) {
        let file = std::fs::read_to_string(self.settings.data_dir.join("data/postmaster.pid")).expect("it runs");
        kill(file.lines().next().expect("a number")).await;
    }

    /// The same, and Postgres is started again.
    pub(super) async fn kill_and_start_postgres(&self) {
        self.kill_postgres().await;
        let again = Cluster::start(&self.settings).await.expect("Postgres comes back");
        again.stop().await.expect("it stays, for us");
    }

    /// SIGKILL for the process of one connection: Postgres ends all others too and recovers, without a new start.
    pub(super) async fn kill_connection(&self) {
        let pool = self.pool().await;
        let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&pool).await.expect("a number");
        let mut bystander = pool.begin().await.expect("another connection");
        sqlx::query("select 1").execute(&mut *bystander).await.expect("it lives");
        kill(&pid.to_string()).await;
        // The crash is there when another connection is broken.
        sqlx::query("select pg_sleep(60)").execute(&mut *bystander).await.expect_err("a crash");
        drop(bystander);
        pool.close().await;
    }

    /// Lines of the server's log at `ERROR`.
    pub(super) fn errors(&self) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(" ERROR ")).map(str::to_owned).collect()
    }
}

async fn kill(pid: &str) {
    let killed = Command::new("sh").args(["-c", "kill -KILL $0", pid]).status().await;
    assert!(killed.expect("sh").success());
}

impl Drop for House {
    fn drop(&mut self) {
        // The server first, and without waiting for it.
        if let Some(child) = self.server.get_mut().as_mut() {
            child.start_kill().ok();
        }
        drop(self.cluster.take());
        drop(self.watcher.stdin.take());
        self.watcher.wait().ok();
    }
}
