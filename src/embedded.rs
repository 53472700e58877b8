//! A private Postgres, run from the binaries of this machine.
//!
//! Without `DATABASE_URL` the server uses its own cluster. It is started if it does not run, joined if it does, and
//! stopped by the last process that uses it. One folder holds everything:
//!
//! ```text
//! data/            the cluster, as initdb made it (data.new/ while it is being made)
//! socket/          the folder of the Unix socket; a short one under /tmp where this path would be too long for one
//! postgres.log     what Postgres says; over 10 MB it becomes postgres.log.old at the next start
//! command.log      what the last initdb or pg_ctl said
//! starter.lock     held by whoever starts or stops Postgres: they take turns
//! users.lock       held, shared, by every process that uses it: who finds itself alone stops it
//! ```
//!
//! The kernel drops the locks of a process that dies. The command line of a running Postgres says if it is ours to stop
//! (`cluster_name=oms`); Postgres keeps it in `data/postmaster.opts`, so a crash cannot separate the two.
//!
//! There is no password: Postgres listens on no network, and its socket is open only to the user that runs it (and to
//! root). They could read the files as well.
//!
//! Root lends nothing to Postgres. Started as root, the folder is root's own, and only `data/`, the socket's folder and
//! the files above belong to the user that runs Postgres (`files`). Servers and tools connect as a role that owns their
//! database and is no superuser (`roles`).

mod account;
mod files;
mod home;
mod roles;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio_util::sync::CancellationToken;

pub use account::is_root;

use account::find_binaries;
use files::open_folder;
use home::{Address, Home, blocking, percent_encoded, take_turn};
use roles::{OWNER, SUPERUSER};

/// How often it is looked whether Postgres is up.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest pause after an attempt to start it again that failed. It doubles each time.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why there is no private Postgres. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The machine, its user or the data folder does not allow it. The text has the reason and the remedy.
    #[error("{0}")]
    Unavailable(String),
    /// `initdb` or `pg_ctl` failed. A Postgres that is still recovering continues, and the next start joins it.
    #[error("{command} failed: {said} (more in {})", log.display())]
    Failed {
        /// The command.
        command: &'static str,
        /// The last lines of the log, joined.
        said: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// Postgres runs, and refused.
    #[error("the private Postgres cannot make the database `{name}`")]
    Database {
        /// The database.
        name: String,
        /// The error.
        source: sqlx::Error,
    },
    /// The caller or the runtime ended before it was finished.
    #[error("starting or stopping Postgres was interrupted: start again")]
    Interrupted,
}

/// What remains after a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is on the disk.
    Full,
    /// Nothing is guaranteed, because no write is waited for: only for clusters of tests.
    None,
}

/// The place and the settings of a cluster. A running one keeps the settings of its start.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The folder of the cluster; it is created if it does not exist.
    pub data_dir: PathBuf,
    /// What remains after a loss of power.
    pub durability: Durability,
    /// Settings as in `postgresql.conf`, name and value, for the command line: `("max_connections", "100")`.
    pub extra: Vec<(String, String)>,
}

impl ClusterSettings {
    /// Settings for a server: durable, with enough memory. Postgres' own defaults (128 MB of buffers, a checkpoint
    /// after 1 GB of log) are for very small machines.
    #[must_use]
    pub fn for_server(data_dir: PathBuf) -> Self {
        let extra = [("shared_buffers", "512MB"), ("max_wal_size", "4GB")];
        let extra = extra.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { data_dir, durability: Durability::Full, extra }
    }
}

/// The state of Postgres after one of its users left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It is down: no other process used it.
    Down,
    /// It runs: another process uses it.
    StillUsed,
    /// It runs: it was started by hand.
    StartedByHand,
}

/// A running private cluster and our share in it: while this value lives, no oms process stops Postgres.
///
/// [`stop`](Self::stop) ends the share. Dropping it does the same, but blocks the thread (a shutdown takes about a
/// tenth of a second) and can only log errors.
#[derive(Debug)]
pub struct Cluster {
    home: Arc<Home>,
    address: Address,
    /// Locked, shared, until we leave.
    users: Option<File>,
}

impl Cluster {
    /// Creates the cluster if it does not exist, starts it if it does not run, joins it if it does.
    ///
    /// Processes that call this at the same time take turns. If the future is dropped, a running `initdb` is killed,
    /// and a starting Postgres is stopped as soon as it is up, unless another process uses it by then.
    ///
    /// # Errors
    /// Any except [`EmbeddedError::Database`]; also after 60 seconds if Postgres does not come up.
    pub async fn start(settings: &ClusterSettings) -> Result<Self, EmbeddedError> {
        let settings = settings.clone();
        blocking(move |cancelled| {
            let (folder, account) = open_folder(&settings.data_dir)?;
            let turn = take_turn(&folder, &account, cancelled)?;
            let bin_dir = find_binaries(&folder.join("data"), &account)?;
            let home = Home { folder, bin_dir, account, settings };
            home.create_if_new(&turn, cancelled)?;
            let address = home.bring_up(&turn, cancelled)?;
            let users = home.account.open_file(&home.folder.join("users.lock"))?;
            // It may wait until a process that just left closes the file. No other can hold it alone: it is our turn.
            users.lock_shared().map_err(io_error("lock", &home.folder))?;
            Ok(Self { home: Arc::new(home), address, users: Some(users) })
        })
        .await
    }

    /// How to connect to `database` as its owner, who is no superuser.
    #[must_use]
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        self.superuser_options(database).username(OWNER)
    }

    /// How to connect to `database` as the superuser: for what is done to the cluster itself.
    #[must_use]
    pub fn superuser_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.address.socket_dir)
            .port(self.address.port)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// [`connect_options`](Self::connect_options) as a URL, for `psql`, `pgbench` and `DATABASE_URL`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Address { socket_dir, port } = &self.address;
        let host = percent_encoded(socket_dir.as_os_str().as_encoded_bytes());
        let database = percent_encoded(database.as_bytes());
        format!("postgres://{OWNER}@localhost:{port}/{database}?host={host}")
    }

    /// The folder of the Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.address.socket_dir
    }

    /// The folder of the binaries that serve this cluster; `psql` and `pgbench` are usually there too.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.home.bin_dir
    }

    /// Creates the database `name` if it does not exist. Its owner is the role of [`connect_options`]; one that a version
    /// before made, as the superuser, is given to that role with all that is in it.
    ///
    /// [`connect_options`]: Self::connect_options
    ///
    /// # Errors
    /// [`EmbeddedError::Database`] if Postgres does not answer or refuses.
    pub async fn ensure_database(&self, name: &str) -> Result<(), EmbeddedError> {
        let error = |source| EmbeddedError::Database { name: name.to_owned(), source };
        let mut superuser = self.superuser_options("postgres").connect().await.map_err(error)?;
        roles::create_database(&mut superuser, name).await.map_err(error)?;
        superuser.close().await.map_err(error)?;
        let superuser = self.superuser_options(name).connect().await.map_err(error)?;
        roles::give_database(superuser).await.map_err(error)
    }

    /// Ends our share. The last process shuts Postgres down (`-m fast`: sessions end, data is written) before this
    /// returns.
    ///
    /// # Errors
    /// [`EmbeddedError::Failed`] if it is not down after 60 seconds, [`EmbeddedError::Unavailable`] if another oms
    /// process holds the cluster too long, [`EmbeddedError::Io`].
    pub async fn stop(mut self) -> Result<Stopped, EmbeddedError> {
        let (home, users) = (Arc::clone(&self.home), self.users.take());
        blocking(move |_| users.map_or(Ok(Stopped::StillUsed), |users| home.leave(&users))).await
    }

    /// What brings Postgres back when it goes down although this share does not end.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        Keeper(Arc::clone(&self.home))
    }

    /// Crashes Postgres (`pg_ctl restart -m immediate`) and starts it again at the same address: for tests of crashes.
    ///
    /// # Errors
    /// [`EmbeddedError::Failed`] if it is not back after 60 seconds, else as for [`stop`](Self::stop).
    pub async fn restart_immediate(&self) -> Result<(), EmbeddedError> {
        let home = Arc::clone(&self.home);
        blocking(move |cancelled| {
            let turn = take_turn(&home.folder, &home.account, cancelled)?;
            let mut command = home.pg_ctl("restart");
            command.args(["-m", "immediate", "-l"]).arg(home.open_log()?);
            home.run_program("pg_ctl restart", command, &turn, None)
        })
        .await
    }
}

/// Brings a private Postgres back that went down: systemd sends its signal to every process of a service unless it is told
/// otherwise (`KillMode=mixed`), and what a server still has under way needs Postgres for a moment more. A Postgres that
/// the system killed for want of memory comes back as well.
#[derive(Debug)]
pub struct Keeper(Arc<Home>);

impl Keeper {
    /// Looks after it until `closing`.
    pub async fn keep(self: Arc<Self>, closing: CancellationToken) {
        let mut pause = LOOK_EVERY;
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            if self.0.says_ready() {
                pause = LOOK_EVERY;
                continue;
            }
            let home = Arc::clone(&self.0);
            let back = blocking(move |cancelled| {
                let turn = take_turn(&home.folder, &home.account, cancelled)?;
                home.end_stopping(&turn)?;
                home.bring_up(&turn, cancelled).map(drop)
            });
            tokio::select! {
                () = closing.cancelled() => return,
                back = back => match back {
                    Ok(()) => tracing::warn!("the private Postgres had gone down, and is back"),
                    Err(error) => {
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(error, "the private Postgres has gone down and cannot be started");
                    }
                }
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let left = self.users.take().map(|users| self.home.leave(&users));
        if let Some(Err(error)) = left {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the private Postgres was not stopped");
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EmbeddedError {
    move |source| EmbeddedError::Io { action, path: path.to_owned(), source }
}

/// The data folder, or something in it, prevents it.
fn unavailable(path: &Path, problem: &str) -> EmbeddedError {
    let path = path.display();
    EmbeddedError::Unavailable(format!("{path} {problem}, or choose another folder (OMS_DATA_DIR=/var/lib/oms)"))
}

#[cfg(test)]
mod tests;
