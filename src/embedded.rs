//! A private Postgres, run from the binaries of this machine.
//!
//! Without `DATABASE_URL` the server keeps its own cluster: started if it does not run, joined if it does, stopped by
//! the last process that used it. One folder holds everything:
//!
//! ```text
//! data/            the cluster, as initdb made it (data.new/ while it is being made)
//! socket/          the Unix socket; a short folder under /tmp where this path would be too long for one
//! postgres.log     what Postgres says; over 10 MB it becomes postgres.log.old at the next start
//! command.log      what the last initdb or pg_ctl said
//! starter.lock     held by whoever starts or stops Postgres: they take turns
//! users.lock       held, shared, by every process that uses it: who finds itself alone stops it
//! ```
//!
//! The kernel drops the locks of a process that dies. Whether a running Postgres is ours to stop is written on its
//! command line (`cluster_name=oms`), which Postgres keeps in `data/postmaster.opts`, so no crash separates the two.
//!
//! There is no password: Postgres listens on no network, and its socket is open to the user that runs it (and to root)
//! alone. Whoever can connect could as well read the files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::os::unix::{net::UnixStream, process::CommandExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The superuser of the cluster, whoever runs it.
const SUPERUSER: &str = "postgres";
/// Who runs Postgres when we are root, which Postgres refuses to be.
const ACCOUNT: &str = "postgres";
/// Names the socket's file and nothing else: no two clusters share a folder.
const PORT: u16 = 5432;
/// On the command line of every Postgres we start; `ps` shows it, [`Home::is_ours`] looks for it.
const MARK: &str = "cluster_name=oms";
/// The oldest Postgres whose `initdb` knows all the options used here.
const OLDEST_MAJOR: u32 = 14;
/// The room for a socket's path with its closing zero: 108 bytes on Linux, 104 on macOS.
const SOCKET_PATH_BYTES: usize = 104;
const LOG_BYTES: u64 = 10 * 1024 * 1024;
/// How long `pg_ctl` waits for Postgres to be up, or down.
const PG_CTL_SECONDS: &str = "60";
/// How often to try, if a predecessor is in the way that is about to end: for a minute or so.
const LAUNCHES: usize = 150;
const BETWEEN_LAUNCHES: Duration = Duration::from_millis(250);
/// How long one `initdb` or `pg_ctl` may run.
const COMMAND_LIMIT: Duration = Duration::from_mins(5);
/// How long to wait for others who start or stop this cluster.
const TURN_LIMIT: Duration = Duration::from_mins(7);
const POLL: Duration = Duration::from_millis(20);

/// Why there is no private Postgres. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The machine, its user or the data folder does not allow it: says why, and what to do.
    #[error("{0}")]
    Unavailable(String),
    /// `initdb` or `pg_ctl` failed. A Postgres that is still recovering goes on, and the next start joins it.
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
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// Postgres runs, and refused.
    #[error("the private Postgres cannot make the database `{name}`")]
    Database {
        /// The database.
        name: String,
        /// Its answer.
        source: sqlx::Error,
    },
    /// The caller or the runtime went away in the middle.
    #[error("starting or stopping Postgres was interrupted: start again")]
    Interrupted,
}

/// What a cluster promises when the machine loses power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// What was committed is on the disk.
    Full,
    /// Nothing, because no write is waited for: only for the clusters of tests, which are thrown away.
    None,
}

/// Where a cluster lives and how it is started. One that runs already keeps the settings it was started with.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The folder for the cluster and what belongs to it; made if it is not there.
    pub data_dir: PathBuf,
    /// Whether commits survive a loss of power.
    pub durability: Durability,
    /// Settings as in `postgresql.conf`, name and value, for the command line: `("max_connections", "100")`.
    pub extra: Vec<(String, String)>,
}

/// What became of Postgres when one of its users left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nobody else used it, and it is down.
    Down,
    /// It runs, because somebody else uses it.
    StillUsed,
    /// It runs, because it was started by hand and not by us.
    StartedByHand,
}

/// A private cluster that runs, and our stake in it: while this lives, no oms stops it.
///
/// [`stop`](Self::stop) gives the stake up. So does dropping it, but that blocks the thread meanwhile (a shutdown takes
/// about a tenth of a second) and can only log what went wrong.
#[derive(Debug)]
pub struct Cluster {
    home: Arc<Home>,
    address: Address,
    /// Locked, shared, until we leave.
    users: Option<File>,
}

impl Cluster {
    /// Makes the cluster if there is none, starts it if it does not run, joins it if it does.
    ///
    /// Processes that call this at once take turns. If the future is dropped, an `initdb` on the way is killed, and a
    /// Postgres on the way is stopped as soon as it is up, unless somebody else uses it by then.
    ///
    /// # Errors
    /// Any but [`EmbeddedError::Database`]; after 60 seconds if Postgres does not come up.
    pub async fn start(settings: &ClusterSettings) -> Result<Self, EmbeddedError> {
        let settings = settings.clone();
        blocking(move |cancelled| {
            let (folder, account) = open_folder(&settings.data_dir)?;
            let turn = take_turn(&folder, &account, cancelled)?;
            let bin_dir = find_binaries(&folder.join("data"), &account)?;
            let home = Home { folder, bin_dir, account, settings };
            home.create_if_new(&turn, cancelled)?;
            let address = home.bring_up(&turn, cancelled)?;
            let users = open_file(&home.folder.join("users.lock"), &home.account)?;
            // At most it waits for somebody who just left to close it: nobody else may hold it alone, it is our turn.
            users.lock_shared().map_err(io_error("lock", &home.folder))?;
            Ok(Self { home: Arc::new(home), address, users: Some(users) })
        })
        .await
    }

    /// How to connect to `database` as the superuser.
    #[must_use]
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.address.socket_dir)
            .port(self.address.port)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The same as a URL, for `psql`, `pgbench` and `DATABASE_URL`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Address { socket_dir, port } = &self.address;
        let host = percent_encoded(socket_dir.as_os_str().as_encoded_bytes());
        let database = percent_encoded(database.as_bytes());
        format!("postgres://{SUPERUSER}@localhost:{port}/{database}?host={host}")
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

    /// Creates the database `name` if it is not there.
    ///
    /// # Errors
    /// [`EmbeddedError::Database`] if Postgres does not answer or refuses.
    pub async fn ensure_database(&self, name: &str) -> Result<(), EmbeddedError> {
        let error = |source| EmbeddedError::Database { name: name.to_owned(), source };
        let mut connection = self.connect_options("postgres").connect().await.map_err(error)?;
        create_database(&mut connection, name).await.map_err(error)?;
        connection.close().await.map_err(error)
    }

    /// Gives up our stake. The last to leave shuts Postgres down (`-m fast`: sessions end, data is written), and when
    /// this returns it is gone.
    ///
    /// # Errors
    /// [`EmbeddedError::Failed`] if it is not down after 60 seconds, [`EmbeddedError::Unavailable`] if another oms does
    /// not get done with this cluster, [`EmbeddedError::Io`].
    pub async fn stop(mut self) -> Result<Stopped, EmbeddedError> {
        let (home, users) = (Arc::clone(&self.home), self.users.take());
        blocking(move |_| users.map_or(Ok(Stopped::StillUsed), |users| home.leave(&users))).await
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
            home.run("pg_ctl restart", command, &turn, None)
        })
        .await
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

/// Where a running cluster listens.
#[derive(Debug)]
struct Address {
    socket_dir: PathBuf,
    port: u16,
}

impl Address {
    fn socket(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{}", self.port))
    }
}

/// A cluster's folder, and what it takes to run it.
#[derive(Debug)]
struct Home {
    /// Absolute, without symbolic links.
    folder: PathBuf,
    bin_dir: PathBuf,
    account: Account,
    settings: ClusterSettings,
}

impl Home {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs `initdb` if there is no cluster, beside its place: after a crash on the way there is only `data.new`, which
    /// the next one removes.
    fn create_if_new(&self, turn: &File, cancelled: &AtomicBool) -> Result<(), EmbeddedError> {
        let (data, new) = (self.data(), self.folder.join("data.new"));
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        if fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(unavailable(&data, "is no Postgres cluster: move it away"));
        }
        tracing::info!(folder = %self.folder.display(), "making a private Postgres cluster");
        let initdb = |locale| {
            unless(ErrorKind::NotFound, fs::remove_dir_all(&new)).map_err(io_error("remove", &new))?;
            make_private_folder(&new, &self.account)?;
            self.run("initdb", self.initdb(&new, locale), turn, Some(cancelled))
        };
        match initdb("C.UTF-8") {
            // This system does not know the locale.
            Err(EmbeddedError::Failed { said, .. }) if said.contains("locale name") => initdb("C")?,
            result => result?,
        }
        // The command line says the same; here it also holds for whoever starts it by hand.
        let private = "\n# oms: reached over the socket only, by the user that runs Postgres only.\n\
                       listen_addresses = ''\nunix_socket_permissions = 0700\n";
        let conf = new.join("postgresql.conf");
        let append = |mut file: File| file.write_all(private.as_bytes()).and_then(|()| file.sync_all());
        OpenOptions::new().append(true).open(&conf).and_then(append).map_err(io_error("write", &conf))?;
        fs::rename(&new, data).map_err(io_error("rename", &new))?;
        let sync = |folder: File| folder.sync_all();
        File::open(&self.folder).and_then(sync).map_err(io_error("write", &self.folder))
    }

    fn initdb(&self, new: &Path, locale: &str) -> Command {
        let mut command = self.command("initdb");
        command.args(["--username", SUPERUSER, "--auth-local=trust", "--auth-host=reject"]);
        command.args(["--encoding=UTF8", "--locale", locale, "--data-checksums", "--no-instructions"]);
        if self.settings.durability == Durability::None {
            command.arg("--no-sync");
        }
        command.arg("--pgdata").arg(new);
        command
    }

    /// Starts Postgres unless it runs, and waits until it answers.
    fn bring_up(&self, turn: &File, cancelled: &AtomicBool) -> Result<Address, EmbeddedError> {
        for _ in 0..LAUNCHES {
            if let Some(address) = self.address() {
                return Ok(address);
            }
            if cancelled.load(Ordering::Relaxed) {
                return Err(EmbeddedError::Interrupted);
            }
            match self.launch(turn) {
                // It is on its way up or down, or the orphans of a killed one still use its memory.
                Err(EmbeddedError::Failed { said, .. })
                    if said.contains("lock file") || said.contains("shared memory block") =>
                {
                    sleep(BETWEEN_LAUNCHES);
                }
                result => result?,
            }
        }
        Err(self.failed("pg_ctl start", 0))
    }

    /// One `pg_ctl start`, which waits until Postgres is ready or has failed.
    fn launch(&self, turn: &File) -> Result<(), EmbeddedError> {
        let address = self.new_address();
        let folder = &address.socket_dir;
        make_private_folder(folder, &self.account)?;
        let metadata = fs::symlink_metadata(folder).map_err(io_error("look at", folder))?;
        if !metadata.is_dir() || metadata.uid() != self.account.uid || metadata.mode() & 0o077 != 0 {
            return Err(unavailable(folder, "is not private to the user of Postgres: remove it"));
        }
        self.forget_stranger(&address)?;
        let mut command = self.pg_ctl("start");
        command.arg("-l").arg(self.open_log()?).arg("-o").arg(self.postgres_options(folder));
        tracing::info!(folder = %self.folder.display(), "starting the private Postgres");
        self.run("pg_ctl start", command, turn, None)
    }

    /// The options of `postgres`, quoted for the shell that `pg_ctl` hands them to.
    fn postgres_options(&self, socket_dir: &Path) -> String {
        let durable = if self.settings.durability == Durability::Full { "on" } else { "off" };
        let durable = ["fsync", "synchronous_commit", "full_page_writes"].map(|name| format!("{name}={durable}"));
        let extra = self.settings.extra.iter().map(|(name, value)| format!("{name}={value}"));
        let fixed = [
            MARK.to_owned(),
            "listen_addresses=".to_owned(),
            "unix_socket_permissions=0700".to_owned(),
            format!("unix_socket_directories={}", socket_dir.display()),
        ];
        let all = fixed.into_iter().chain(durable).chain(extra);
        let quoted: Vec<_> = all.map(|option| format!("-c '{}'", option.replace('\'', r"'\''"))).collect();
        format!("-p {PORT} {}", quoted.join(" "))
    }

    /// Where to listen: beside the data, or under /tmp where that path is too long, or has a comma, at which Postgres
    /// would split it. The name there need not outlive this build of oms: whoever joins a cluster that runs reads it
    /// from `postmaster.pid`.
    fn new_address(&self) -> Address {
        let beside = Address { socket_dir: self.folder.join("socket"), port: PORT };
        let path = beside.socket().into_os_string().into_encoded_bytes();
        if path.len() < SOCKET_PATH_BYTES && !path.contains(&b',') {
            return beside;
        }
        let mut hasher = DefaultHasher::new();
        self.folder.hash(&mut hasher);
        Address { socket_dir: format!("/tmp/oms-{:016x}", hasher.finish()).into(), port: PORT }
    }

    /// Where Postgres listens, if it answers there. Whether its process can be seen does not count: on a shared volume
    /// it may be in another container.
    fn address(&self) -> Option<Address> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        // Process, folder, start, port, folder of the socket, address, memory, status.
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let [_, _, _, port, socket_dir, _, _, "ready"] = lines[..] else { return None };
        let address = Address { socket_dir: socket_dir.into(), port: port.parse().ok()? };
        UnixStream::connect(address.socket()).is_ok().then_some(address)
    }

    /// Postgres does not start while its lock files name a process that lives, even when a stranger got that number
    /// after a restart of the machine. It ignores the number of its starter, so that is put there. The rest of
    /// `postmaster.pid` stays: by it Postgres finds orphans that still use the data.
    fn forget_stranger(&self, address: &Address) -> Result<(), EmbeddedError> {
        let file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let Some((pid, rest)) = text.split_once('\n') else { return Ok(()) };
        let stranger = if Path::new("/proc/self").exists() {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder != self.data())
        } else {
            let name = Command::new("ps").args(["-o", "comm=", "-p", pid]).output();
            name.is_ok_and(|name| name.status.success() && !String::from_utf8_lossy(&name.stdout).contains("postgres"))
        };
        if !stranger {
            return Ok(());
        }
        tracing::warn!(pid, "postmaster.pid names a process that is not this Postgres");
        let new = self.data().join("postmaster.pid.new");
        fs::write(&new, format!("{}\n{rest}", std::process::id())).map_err(io_error("write", &new))?;
        self.account.give(&new)?;
        fs::rename(&new, &file).map_err(io_error("rename", &new))?;
        let lock = address.socket().with_added_extension("lock");
        unless(ErrorKind::NotFound, fs::remove_file(&lock)).map_err(io_error("remove", &lock))
    }

    /// Gives up a stake, and stops Postgres if that was the last one and Postgres is ours.
    fn leave(&self, users: &File) -> Result<Stopped, EmbeddedError> {
        let turn = take_turn(&self.folder, &self.account, &AtomicBool::new(false))?;
        users.unlock().map_err(io_error("unlock", &self.folder))?;
        match users.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Stopped::StillUsed),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &self.folder)(error)),
        }
        let running = || match self.run("pg_ctl status", self.pg_ctl("status"), &turn, None) {
            Err(EmbeddedError::Failed { .. }) => Ok(false),
            result => result.map(|()| true),
        };
        if !running()? {
            return Ok(Stopped::Down);
        }
        if !self.is_ours() {
            return Ok(Stopped::StartedByHand);
        }
        let mut command = self.pg_ctl("stop");
        command.args(["-m", "fast"]);
        let stopped = self.run("pg_ctl stop", command, &turn, None);
        // It may have gone down by itself, before `pg_ctl` could ask.
        if running()? {
            stopped?;
        }
        // A start makes it again; under /tmp it would be litter.
        fs::remove_dir(self.new_address().socket_dir).ok();
        Ok(Stopped::Down)
    }

    fn is_ours(&self) -> bool {
        fs::read_to_string(self.data().join("postmaster.opts")).is_ok_and(|options| options.contains(MARK))
    }

    /// The log, ready for Postgres to append to. One that has grown too long is put aside.
    fn open_log(&self) -> Result<PathBuf, EmbeddedError> {
        let log = self.folder.join("postgres.log");
        if length(&log) > LOG_BYTES {
            fs::rename(&log, log.with_added_extension("old")).map_err(io_error("rename", &log))?;
        }
        open_file(&log, &self.account)?;
        Ok(log)
    }

    fn pg_ctl(&self, verb: &str) -> Command {
        let mut command = self.command("pg_ctl");
        command.args([verb, "-w", "-t", PG_CTL_SECONDS, "-D"]).arg(self.data());
        command
    }

    /// A program of Postgres, to be run by its user. In a process group of its own it does not get a terminal's Ctrl-C
    /// (and Postgres gets a session of its own from `pg_ctl`). Our environment may hold secrets, or a `PGDATA`.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(program));
        let kept = ["PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE"];
        let kept = kept.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
        command.env_clear().envs(kept).env("LC_ALL", "C").process_group(0).current_dir(&self.folder);
        self.account.put_on(&mut command);
        command
    }

    /// Runs a program to its end, or kills it when it is `cancelled` or takes too long.
    fn run(
        &self,
        name: &'static str,
        mut command: Command,
        turn: &File,
        cancelled: Option<&AtomicBool>,
    ) -> Result<(), EmbeddedError> {
        // A file, because Postgres would keep a pipe open.
        let (path, log) = (self.folder.join("command.log"), self.folder.join("postgres.log"));
        let output = open_file(&path, &self.account)?;
        output.set_len(0).map_err(io_error("write", &path))?;
        let errors = output.try_clone().map_err(io_error("write", &path))?;
        // Its standard input is our lock: should we be killed, nobody has the next turn before it has ended.
        let turn = turn.try_clone().map_err(io_error("lock", &self.folder))?;
        let logged = length(&log);
        let program = PathBuf::from(command.get_program());
        let mut child = command.stdin(turn).stdout(output).stderr(errors).spawn().map_err(io_error("run", &program))?;
        let deadline = Instant::now() + COMMAND_LIMIT;
        loop {
            if let Some(status) = child.try_wait().map_err(io_error("wait for", &program))? {
                return if status.success() { Ok(()) } else { Err(self.failed(name, logged)) };
            }
            if cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
                kill_group(&mut child).map_err(io_error("end", &program))?;
                return Err(EmbeddedError::Interrupted);
            }
            if Instant::now() > deadline {
                kill_group(&mut child).map_err(io_error("end", &program))?;
                return Err(self.failed(name, logged));
            }
            sleep(POLL);
        }
    }

    /// An error with the last lines of Postgres's log, if it grew beyond `logged` bytes, or of what the command said.
    fn failed(&self, command: &'static str, logged: u64) -> EmbeddedError {
        let mut log = self.folder.join("postgres.log");
        let said = log_tail(&log, logged).unwrap_or_else(|| {
            log = self.folder.join("command.log");
            log_tail(&log, 0).unwrap_or_else(|| "it said nothing".to_owned())
        });
        EmbeddedError::Failed { command, said, log }
    }
}

/// Makes the data folder if it is not there, and finds who is to run Postgres in it.
fn open_folder(folder: &Path) -> Result<(PathBuf, Account), EmbeddedError> {
    fs::create_dir_all(folder).map_err(io_error("make the folder", folder))?;
    let folder = folder.canonicalize().map_err(io_error("open the folder", folder))?;
    let awkward = |character: char| "\"'$`\\".contains(character) || character.is_control();
    if folder.to_str().is_none_or(|path| path.contains(awkward)) {
        return Err(unavailable(&folder, "has a quote, $, ` or \\ in its path, which pg_ctl cannot take: rename it"));
    }
    let account = Account::for_cluster(&folder.join("data"))?;
    let empty = fs::read_dir(&folder).map_err(io_error("open the folder", &folder))?.next().is_none();
    let shared = fs::metadata(&folder).map_err(io_error("look at", &folder))?.mode() & 0o022 != 0;
    // Ours to arrange only if nobody else uses it.
    if empty && !shared {
        account.give(&folder)?;
    }
    account.check_access(&folder)?;
    Ok((folder, account))
}

/// Waits for the lock of those who start or stop the cluster. Dropping the file ends the turn.
fn take_turn(folder: &Path, account: &Account, cancelled: &AtomicBool) -> Result<File, EmbeddedError> {
    let turn = open_file(&folder.join("starter.lock"), account)?;
    let deadline = Instant::now() + TURN_LIMIT;
    loop {
        match turn.try_lock() {
            Ok(()) => return Ok(turn),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", folder)(error)),
            _ if cancelled.load(Ordering::Relaxed) => return Err(EmbeddedError::Interrupted),
            _ if Instant::now() > deadline => {
                return Err(unavailable(folder, "is in the hands of another oms that does not get done: end that one"));
            }
            Err(TryLockError::WouldBlock) => sleep(POLL),
        }
    }
}

async fn create_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let there = "select exists (select from pg_database where datname = $1)";
    if sqlx::query_scalar(there).bind(name).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let statement = format!("create database \"{}\"", name.replace('"', "\"\""));
    match sqlx::query(AssertSqlSafe(statement)).execute(connection).await {
        // Somebody was faster: duplicate_database, or unique_violation in the catalogue.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P04" | "23505")) => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Does work that waits for processes and locks, on a thread where that harms nobody. If the future is dropped, the
/// work goes on and is told by the flag.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, EmbeddedError> + Send + 'static,
) -> Result<T, EmbeddedError> {
    struct SetOnDrop(Arc<AtomicBool>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let cancelled = Arc::new(AtomicBool::new(false));
    let _guard = SetOnDrop(Arc::clone(&cancelled));
    tokio::task::spawn_blocking(move || work(&cancelled)).await.map_err(|_| EmbeddedError::Interrupted)?
}

/// Kills a child with its own children, which share its process group.
fn kill_group(child: &mut Child) -> io::Result<()> {
    let group = format!("-{}", child.id());
    Command::new("sh").args(["-c", r#"kill -s KILL -- "$1""#, "sh", &group]).status()?;
    child.wait().map(|_| ())
}

/// Opens a file of the account's to append to, and makes it if it is not there.
fn open_file(path: &Path, account: &Account) -> Result<File, EmbeddedError> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path).map_err(io_error("open", path))?;
    account.give(path)?;
    Ok(file)
}

fn make_private_folder(path: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let made = DirBuilder::new().mode(0o700).create(path);
    unless(ErrorKind::AlreadyExists, made).map_err(io_error("make the folder", path))?;
    account.give(path)
}

/// The last lines of a log, from the byte `start` on, as one line; `None` if there are none.
fn log_tail(path: &Path, start: u64) -> Option<String> {
    const BYTES: u64 = 4096;
    const LINES: usize = 6;
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(start.max(length(path).saturating_sub(BYTES)))).ok()?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines[lines.len().saturating_sub(LINES)..].join(" | "))
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn percent_encoded(bytes: &[u8]) -> String {
    let encode = |&byte: &u8| match byte {
        b'-' | b'.' | b'_' | b'~' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

/// Takes one kind of failure for success.
fn unless(kind: ErrorKind, result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == kind { Ok(()) } else { Err(error) })
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EmbeddedError {
    move |source| EmbeddedError::Io { action, path: path.to_owned(), source }
}

/// The data folder, or something in it, is the obstacle.
fn unavailable(path: &Path, problem: &str) -> EmbeddedError {
    let path = path.display();
    EmbeddedError::Unavailable(format!("{path} {problem}, or choose another folder (OMS_DATA_DIR=/var/lib/oms)"))
}

/// The user that runs Postgres.
#[derive(Debug)]
struct Account {
    uid: u32,
    /// The group to take on with the user, if that is not ourselves. Only root can.
    switch_to: Option<u32>,
}

impl Account {
    /// Root runs an existing cluster as the user that owns it, and a new one as `postgres`; others run their own.
    fn for_cluster(data: &Path) -> Result<Self, EmbeddedError> {
        let missing = || {
            EmbeddedError::Unavailable(format!(
                "Postgres does not run as root, and there is no user `{ACCOUNT}`: create one (`useradd --system \
                 {ACCOUNT}`), run oms as an ordinary user, or set DATABASE_URL"
            ))
        };
        let ours = id(&["-u"])?.ok_or_else(missing)?;
        let owner = match fs::metadata(data) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            result => Some(result.map_err(io_error("look at", data))?),
        };
        let (uid, switch_to) = match &owner {
            _ if ours != 0 => (ours, None),
            Some(owner) if owner.uid() != 0 => (owner.uid(), Some(owner.gid())),
            _ => (id(&["-u", ACCOUNT])?.ok_or_else(missing)?, id(&["-g", ACCOUNT])?),
        };
        match owner.map(|owner| owner.uid()).filter(|owner| *owner != uid) {
            None => Ok(Self { uid, switch_to }),
            Some(owner) => {
                let problem =
                    format!("belongs to user number {owner}, and Postgres would run as {uid}: change the owner");
                Err(unavailable(data, &problem))
            }
        }
    }

    fn put_on(&self, command: &mut Command) {
        if let Some(gid) = self.switch_to {
            command.uid(self.uid).gid(gid);
        }
    }

    /// Hands over what we made as root; what belongs to others stays theirs.
    fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        let owner = fs::symlink_metadata(path).map_err(io_error("look at", path))?.uid();
        match self.switch_to {
            Some(_) if owner == 0 => {
                lchown(path, Some(self.uid), self.switch_to).map_err(io_error("change the owner of", path))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a folder that this user cannot enter, and names the outermost one that is closed.
    fn check_access(&self, folder: &Path) -> Result<(), EmbeddedError> {
        let mut way: Vec<&Path> = folder.ancestors().collect();
        way.reverse();
        let script = r#"for folder; do test -x "$folder" || { printf %s "$folder"; exit 1; }; done"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(way).current_dir("/");
        self.put_on(&mut command);
        let output = command.output().map_err(io_error("run", Path::new("sh")))?;
        if output.status.success() {
            return Ok(());
        }
        let closed = String::from_utf8_lossy(&output.stdout).into_owned();
        let problem = format!("is closed to the user that runs Postgres (number {}): open it", self.uid);
        Err(unavailable(Path::new(&closed), &problem))
    }
}

/// Whether this process is root, for which some defaults differ.
#[must_use]
pub fn is_root() -> bool {
    id(&["-u"]).is_ok_and(|number| number == Some(0))
}

/// A number that `id` prints; `None` if it knows no such user.
fn id(arguments: &[&str]) -> Result<Option<u32>, EmbeddedError> {
    let output = Command::new("id").args(arguments).output().map_err(io_error("run", Path::new("id")))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

/// The folder of the binaries for a cluster: of its own major version if it exists, else of the newest.
fn find_binaries(data: &Path, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let mut found: Vec<(u32, PathBuf)> = binary_folders()
        .into_iter()
        .filter_map(|folder| Some((major_version(&folder, account)?, folder)))
        .filter(|(major, _)| *major >= OLDEST_MAJOR)
        .collect();
    // Stable: of equals, the one that is earlier on PATH.
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let made_by: Option<u32> =
        fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    match (made_by, found.into_iter().find(|(major, _)| made_by.is_none_or(|made_by| made_by == *major))) {
        (_, Some((_, folder))) => Ok(folder),
        (Some(major), None) => {
            let problem = format!("was made by Postgres {major}, which this machine lacks: install postgresql-{major}");
            Err(unavailable(data, &problem))
        }
        (None, None) => Err(EmbeddedError::Unavailable(format!(
            "no Postgres {OLDEST_MAJOR} or newer on this machine: install it (`apt install postgresql` or `brew \
             install postgresql`), or set DATABASE_URL to one that runs elsewhere"
        ))),
    }
}

/// Folders that hold all three programs, those on PATH first. What is on PATH may be a link to the real one.
fn binary_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = Vec::new();
    for folder in std::env::split_paths(&path) {
        if let Ok(initdb) = folder.join("initdb").canonicalize() {
            folders.extend(initdb.parent().map(Path::to_owned));
            folders.push(folder);
        }
    }
    // Debian, Red Hat, Homebrew on either processor: none of them puts `initdb` on PATH.
    let homebrew = [("/opt/homebrew/opt", "postgresql"), ("/usr/local/opt", "postgresql")];
    for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")].into_iter().chain(homebrew) {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        folders.extend(named.map(|entry| entry.path().join("bin")));
    }
    folders.retain(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file()));
    folders
}

/// The major version of the `postgres` in a folder, if the account can run it.
fn major_version(folder: &Path, account: &Account) -> Option<u32> {
    let mut command = Command::new(folder.join("postgres"));
    command.arg("--version").current_dir("/");
    account.put_on(&mut command);
    let text = String::from_utf8(command.output().ok()?.stdout).ok()?;
    // `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `postgres (PostgreSQL) 19beta1`
    let version = text.split_whitespace().nth(2)?;
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// A folder for one test, which `postgres` may enter when the tests run as root.
    fn temporary_folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn settings(data_dir: impl Into<PathBuf>) -> ClusterSettings {
        ClusterSettings {
            data_dir: data_dir.into(),
            durability: Durability::None,
            extra: vec![("max_connections".to_owned(), "7".to_owned())],
        }
    }

    async fn value(cluster: &Cluster, database: &str, query: &'static str) -> String {
        let mut connection = cluster.connect_options(database).connect().await.unwrap();
        let value = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        value
    }

    fn postmaster(cluster: &Cluster) -> String {
        let text = fs::read_to_string(cluster.home.data().join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    fn kill(pid: &str) {
        assert!(Command::new("sh").args(["-c", "kill -KILL $0", pid]).status().unwrap().success());
    }

    #[tokio::test]
    async fn what_was_stored_is_there_after_a_stop_and_a_start() {
        let folder = temporary_folder();
        let settings = settings(folder.path().join("new/with space"));

        let cluster = Cluster::start(&settings).await.unwrap();
        cluster.ensure_database("shop \"1\"").await.unwrap();
        cluster.ensure_database("shop \"1\"").await.unwrap();
        let mut connection = cluster.connect_options("shop \"1\"").connect().await.unwrap();
        sqlx::query("create table t as select 'kept' as v").execute(&mut connection).await.unwrap();
        assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);

        let cluster = Cluster::start(&settings).await.unwrap();
        assert_eq!(value(&cluster, "shop \"1\"", "select v from t").await, "kept");
        assert_eq!(value(&cluster, "postgres", "show max_connections").await, "7");
        assert_eq!(value(&cluster, "postgres", "show data_checksums").await, "on");
        let mut by_url = PgConnection::connect(&cluster.url("shop \"1\"")).await.unwrap();
        let kept: String = sqlx::query_scalar("select v from t").fetch_one(&mut by_url).await.unwrap();
        assert_eq!(kept, "kept");
        assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
    }

    #[tokio::test]
    async fn the_last_one_out_stops_it() {
        let folder = temporary_folder();
        let settings = settings(folder.path());

        let (first, second) = tokio::join!(Cluster::start(&settings), Cluster::start(&settings));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(postmaster(&first), postmaster(&second));

        assert_eq!(first.stop().await.unwrap(), Stopped::StillUsed);
        assert_eq!(value(&second, "postgres", "select 'up'").await, "up");
        assert_eq!(second.stop().await.unwrap(), Stopped::Down);
        assert!(!folder.path().join("data/postmaster.pid").exists());
    }

    #[tokio::test]
    async fn what_somebody_started_by_hand_is_left_running() {
        let folder = temporary_folder();
        let settings = settings(folder.path());
        let cluster = Cluster::start(&settings).await.unwrap();
        let home = Arc::clone(&cluster.home);
        assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);

        make_private_folder(&home.new_address().socket_dir, &home.account).unwrap();
        let by_hand = |verb: &str| {
            let options = format!("-k '{}'", home.new_address().socket_dir.display());
            let log = home.folder.join("by-hand.log");
            let mut command = home.pg_ctl(verb);
            command.arg("-o").arg(options).arg("-l").arg(home.open_log().unwrap());
            command.stdout(File::create(log).unwrap()).status().unwrap().success()
        };
        assert!(by_hand("start"));
        let cluster = Cluster::start(&settings).await.unwrap();
        assert_eq!(value(&cluster, "postgres", "show max_connections").await, "100");
        assert_eq!(cluster.stop().await.unwrap(), Stopped::StartedByHand);
        assert!(by_hand("stop"));
    }

    #[tokio::test]
    async fn a_killed_postgres_starts_again() {
        let folder = temporary_folder();
        let settings = settings(folder.path());
        let killed = Cluster::start(&settings).await.unwrap();
        kill(&postmaster(&killed));

        let cluster = Cluster::start(&settings).await.unwrap();
        assert_eq!(value(&cluster, "postgres", "select 'up'").await, "up");

        // Its number goes to a stranger who belongs to the same user.
        let mut sleeper = Command::new("sleep");
        cluster.home.account.put_on(&mut sleeper);
        let mut sleeper = sleeper.arg("60").spawn().unwrap();
        let pid = postmaster(&cluster);
        kill(&pid);
        let file = folder.path().join("data/postmaster.pid");
        for file in [file, cluster.socket_dir().join(".s.PGSQL.5432.lock")] {
            let text = fs::read_to_string(&file).unwrap().replace(&pid, &sleeper.id().to_string());
            fs::write(&file, text).unwrap();
        }
        let third = Cluster::start(&settings).await.unwrap();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(value(&third, "postgres", "select 'up'").await, "up");

        third.restart_immediate().await.unwrap();
        assert_eq!(value(&third, "postgres", "select 'up'").await, "up");
        assert_eq!(killed.stop().await.unwrap(), Stopped::StillUsed);
        assert_eq!(third.stop().await.unwrap(), Stopped::StillUsed);
        drop(cluster);
        assert!(!folder.path().join("data/postmaster.pid").exists());
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_gets_a_short_one() {
        let folder = temporary_folder();
        let settings = settings(folder.path().join("long, ".repeat(30) + "and with commas"));
        let cluster = Cluster::start(&settings).await.unwrap();
        let socket_dir = cluster.socket_dir().to_owned();
        assert!(socket_dir.starts_with("/tmp"));
        assert_eq!(value(&cluster, "postgres", "select 'up'").await, "up");
        assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
        assert!(!socket_dir.exists());
    }

    #[tokio::test]
    async fn a_start_that_is_given_up_leaves_nothing_running() {
        let folder = temporary_folder();
        let settings = settings(folder.path());
        for milliseconds in [200, 1500] {
            let patience = Duration::from_millis(milliseconds);
            let given_up = tokio::time::timeout(patience, Cluster::start(&settings)).await;
            drop(given_up);
            let (home, account) = open_folder(folder.path()).unwrap();
            let _turn = take_turn(&home, &account, &AtomicBool::new(false)).unwrap();
            sleep(Duration::from_millis(500));
            let ps = Command::new("ps").args(["-eo", "args="]).output().unwrap();
            let ps = String::from_utf8_lossy(&ps.stdout).into_owned();
            assert!(!ps.contains(home.to_str().unwrap()), "{ps}");
        }
    }

    #[test]
    fn a_major_version_that_is_not_here_is_named() {
        let folder = temporary_folder();
        fs::write(folder.path().join("PG_VERSION"), "9\n").unwrap();
        let account = Account::for_cluster(Path::new("/nowhere")).unwrap();
        let error = find_binaries(folder.path(), &account).unwrap_err().to_string();
        assert!(error.contains("was made by Postgres 9") && error.contains("install postgresql-9"), "{error}");
    }

    #[test]
    fn a_closed_folder_is_named_with_the_remedy() {
        let folder = temporary_folder();
        let closed = folder.path().join("closed");
        fs::create_dir_all(closed.join("inner/data.old")).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        // An ordinary user runs Postgres as themselves, and may enter.
        if id(&["-u"]).unwrap() == Some(0) {
            let error = open_folder(&closed.join("inner")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{} is closed", closed.display())), "{error}");
            assert!(error.contains("OMS_DATA_DIR="), "{error}");
        }
    }
}
