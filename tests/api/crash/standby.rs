//! A streaming standby of the house's Postgres, which can be cut off and promoted.

use std::{
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::process::Command;

use super::house::House;

/// See the module. It ends with the house's folder.
pub(super) struct Standby<'h> {
    house: &'h House,
    folder: PathBuf,
}

impl<'h> Standby<'h> {
    /// A copy of the primary that follows it.
    pub(super) async fn start(house: &'h House) -> Self {
        let standby = Self { house, folder: house.folder.join("standby") };
        std::fs::create_dir(&standby.folder).expect("a folder");
        let owner = standby.owner();
        chown(&standby.folder, Some(owner.0), Some(owner.1)).expect("given");
        let primary = path(house.cluster().socket_dir());
        let copy = ["-h", primary, "-U", "postgres", "--checkpoint=fast", "--write-recovery-conf", "--no-sync", "-D"];
        standby.run("pg_basebackup", &[&copy[..], &[&standby.data()]].concat()).await;
        let options = format!("-c listen_addresses= -c unix_socket_directories={}", path(&standby.folder));
        let log = standby.folder.join("log");
        standby.run("pg_ctl", &["start", "-w", "-D", &standby.data(), "-l", path(&log), "-o", &options]).await;
        let file = std::fs::read_to_string(standby.folder.join("data/postmaster.pid")).expect("it runs");
        let pid = file.lines().next().expect("a number");
        std::fs::write(house.folder.join("standby.pid"), pid).expect("written");
        standby
    }

    fn data(&self) -> String {
        path(&self.folder.join("data")).to_owned()
    }

    /// User and group that run Postgres.
    fn owner(&self) -> (u32, u32) {
        let data = std::fs::metadata(self.house.folder.join("postgres/data")).expect("the primary");
        (data.uid(), data.gid())
    }

    async fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.house.cluster().bin_dir().join(program));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        if oms::embedded::is_root() {
            let (uid, gid) = self.owner();
            command.uid(uid).gid(gid);
        }
        let log = std::fs::File::create(self.house.folder.join("command.log")).expect("a log");
        let status = command.stderr(log).status().await.expect("it runs");
        let said = std::fs::read_to_string(self.house.folder.join("command.log")).unwrap_or_default();
        assert!(status.success(), "{program} {arguments:?}: {said}");
    }

    async fn connect(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.folder).username("postgres").database("oms");
        PgConnection::connect_with(&options).await.expect("the standby answers")
    }

    /// Waits until it has everything that was committed.
    pub(super) async fn catch_up(&self) {
        let pool = self.house.pool().await;
        let lsn: String =
            sqlx::query_scalar("select pg_current_wal_lsn()::text").fetch_one(&pool).await.expect("the end");
        pool.close().await;
        self.until(&format!("select pg_last_wal_replay_lsn() >= '{lsn}'")).await;
    }

    /// It receives nothing more, as if the network were gone.
    pub(super) async fn cut_off(&self) {
        let mut connection = self.connect().await;
        for statement in ["alter system set primary_conninfo = ''", "select pg_reload_conf()"] {
            sqlx::query(statement).execute(&mut connection).await.expect(statement);
        }
        self.until("select not exists (select from pg_stat_wal_receiver)").await;
    }

    async fn until(&self, condition: &str) {
        let connection = tokio::sync::Mutex::new(self.connect().await);
        self.house
            .until(condition, async || {
                let mut connection = connection.lock().await;
                let statement = sqlx::AssertSqlSafe(condition.to_owned());
                let is_so: bool = sqlx::query_scalar(statement).fetch_one(&mut *connection).await.expect("an answer");
                is_so.then_some(())
            })
            .await;
    }

    /// It becomes the primary, and the server's connections go to it.
    pub(super) async fn promote(&self) {
        self.run("pg_ctl", &["promote", "-w", "-D", &self.data()]).await;
        self.house.turn_to(&self.folder);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}
