//! The folder of a private Postgres: creates, starts and stops the cluster. Blocking.
#![expect(clippy::disallowed_methods, reason = "this runs on threads for blocking work, never on the server's own")]

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::account::Account;
use super::files::{length, log_tail, read_file, unless};
use super::roles::SUPERUSER;
use super::{ClusterSettings, Durability, EmbeddedError, Stopped, io_error, unavailable};

/// Only part of the socket's file name: no two clusters share a folder.
const PORT: u16 = 5432;
/// In the command line of every Postgres that we start: `ps` shows it, and [`Home::is_ours`] looks for it.
const MARK: &str = "cluster_name=oms";
/// The bytes of a socket's path with its closing zero: 108 on Linux, 104 on macOS.
const SOCKET_PATH_BYTES: usize = 104;
const LOG_BYTES: u64 = 10 * 1024 * 1024;
/// How long `pg_ctl` waits for Postgres to be up, or down.
const PG_CTL_SECONDS: &str = "60";
/// How often to try while a Postgres that is about to end is in the way: for about a minute.
const LAUNCHES: usize = 150;
const BETWEEN_LAUNCHES: Duration = Duration::from_millis(250);
/// How long one `initdb` or `pg_ctl` may run.
const COMMAND_LIMIT: Duration = Duration::from_mins(5);
/// How long to wait for another process that starts or stops this cluster.
const TURN_LIMIT: Duration = Duration::from_mins(7);
const POLL: Duration = Duration::from_millis(20);

/// Empties a folder.
const EMPTY: &str = r#"find "$1" -mindepth 1 -delete"#;
/// Appends a text to a file.
const APPEND: &str = r#"printf %s "$2" >> "$1""#;
/// Writes another process into `postmaster.pid`, and removes the lock of the socket.
const FORGET_STRANGER: &str = r#"umask 077
{ echo "$2" && tail -n +2 "$1"; } > "$1.new" && mv -f "$1.new" "$1" && rm -f "$3""#;

/// Where a running cluster listens.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
}

impl Address {
    pub(super) fn socket(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{}", self.port))
    }
}

/// A cluster's folder, and everything needed to run it.
#[derive(Debug)]
pub(super) struct Home {
    /// Absolute, without symbolic links.
    pub(super) folder: PathBuf,
    pub(super) bin_dir: PathBuf,
    pub(super) account: Account,
    pub(super) settings: ClusterSettings,
}

impl Home {
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs `initdb` if there is no cluster, in `data.new`: a crash leaves only that folder, which the next start
    /// removes.
    pub(super) fn create_if_new(&self, turn: &File, cancelled: &AtomicBool) -> Result<(), EmbeddedError> {
        let (data, new) = (self.data(), self.folder.join("data.new"));
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        if fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(unavailable(&data, "is no Postgres cluster: move it away"));
        }
        tracing::info!(folder = %self.folder.display(), "making a private Postgres cluster");
        let initdb = |locale| {
            self.account.make_private_folder(&new)?;
            self.as_account(EMPTY, &new, &[])?;
            self.run_program("initdb", self.initdb(&new, locale), turn, Some(cancelled))
        };
        match initdb("C.UTF-8") {
            // This system does not know the locale.
            Err(EmbeddedError::Failed { said, .. }) if said.contains("locale name") => initdb("C")?,
            result => result?,
        }
        // The command line says the same; the file is for a start by hand.
        let private = "\n# oms: reached over the socket only, by the user that runs Postgres only.\n\
                       listen_addresses = ''\nunix_socket_permissions = 0700\n";
        self.as_account(APPEND, &new.join("postgresql.conf"), &[private])?;
        if self.settings.durability == Durability::Full {
            let mut sync = self.command("initdb");
            sync.arg("--sync-only").arg("--pgdata").arg(&new);
            self.run_program("initdb", sync, turn, Some(cancelled))?;
        }
        fs::rename(&new, data).map_err(io_error("rename", &new))?;
        let sync = |folder: File| folder.sync_all();
        File::open(&self.folder).and_then(sync).map_err(io_error("write", &self.folder))
    }

    pub(super) fn initdb(&self, new: &Path, locale: &str) -> Command {
        let mut command = self.command("initdb");
        command.args(["--username", SUPERUSER, "--auth-local=trust", "--auth-host=reject"]);
        // C.UTF-8 sorts like C, but Postgres has a fast path only for C.
        command.args([
            "--encoding=UTF8",
            "--locale",
            locale,
            "--lc-collate=C",
            "--data-checksums",
            "--no-instructions",
        ]);
        if self.settings.durability == Durability::None {
            command.arg("--no-sync");
        }
        command.arg("--pgdata").arg(new);
        command
    }

    /// Starts Postgres unless it runs, and waits until it answers.
    pub(super) fn bring_up(&self, turn: &File, cancelled: &AtomicBool) -> Result<Address, EmbeddedError> {
        for _ in 0..LAUNCHES {
            if let Some(address) = self.address() {
                return Ok(address);
            }
            if cancelled.load(Ordering::Relaxed) {
                return Err(EmbeddedError::Interrupted);
            }
            match self.launch(turn) {
                // It is starting or stopping, or orphans of a killed one still use its memory.
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
    pub(super) fn launch(&self, turn: &File) -> Result<(), EmbeddedError> {
        let address = self.new_address();
        let folder = &address.socket_dir;
        self.account.make_private_folder(folder)?;
        self.forget_stranger(&address)?;
        let mut command = self.pg_ctl("start");
        command.arg("-l").arg(self.open_log()?).arg("-o").arg(self.postgres_options(folder));
        tracing::info!(folder = %self.folder.display(), "starting the private Postgres");
        self.run_program("pg_ctl start", command, turn, None)
    }

    /// The options of `postgres`, quoted for the shell that `pg_ctl` starts.
    pub(super) fn postgres_options(&self, socket_dir: &Path) -> String {
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

    /// The folder of the socket: beside the data, or under /tmp if that path is too long or has a comma, at which
    /// Postgres would split it. The name may change with versions of oms: a process that joins a running cluster reads
    /// it from `postmaster.pid`.
    pub(super) fn new_address(&self) -> Address {
        let beside = Address { socket_dir: self.folder.join("socket"), port: PORT };
        let path = beside.socket().into_os_string().into_encoded_bytes();
        if path.len() < SOCKET_PATH_BYTES && !path.contains(&b',') {
            return beside;
        }
        let mut hasher = DefaultHasher::new();
        self.folder.hash(&mut hasher);
        Address { socket_dir: format!("/tmp/oms-{:016x}", hasher.finish()).into(), port: PORT }
    }

    /// What Postgres says of itself: its process, and its status.
    fn state(&self) -> Option<(String, String)> {
        let text = read_file(&self.data().join("postmaster.pid"))?;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let [pid, _, _, _, _, _, _, status] = lines[..] else { return None };
        Some((pid.to_owned(), status.to_owned()))
    }

    /// Ends a Postgres that was told to stop and waits for its last sessions, which are ours, and will not end.
    pub(super) fn end_stopping(&self, turn: &File) -> Result<(), EmbeddedError> {
        if self.state().is_none_or(|(_, status)| status != "stopping") {
            return Ok(());
        }
        let mut command = self.pg_ctl("stop");
        command.args(["-m", "fast"]);
        match self.run_program("pg_ctl stop", command, turn, None) {
            // It had ended by then.
            Err(EmbeddedError::Failed { .. }) => Ok(()),
            result => result,
        }
    }

    /// True if Postgres says of itself that it is up, and its process is there: a cheap look. One that was killed leaves its
    /// file behind, and one in another container has a process that is not seen here; its users notice that.
    pub(super) fn says_ready(&self) -> bool {
        let Some((pid, _)) = self.state().filter(|(_, status)| status == "ready") else { return false };
        let (processes, process) = (Path::new("/proc/self"), Path::new("/proc").join(pid));
        !processes.exists() || process.exists() || self.address().is_some()
    }

    /// Where Postgres listens, if it answers there. Its process need not be visible: on a shared volume it may be in
    /// another container.
    pub(super) fn address(&self) -> Option<Address> {
        let text = read_file(&self.data().join("postmaster.pid"))?;
        // Process, folder, start, port, folder of the socket, address, memory, status.
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let [_, _, _, port, socket_dir, _, _, "ready"] = lines[..] else { return None };
        let address = Address { socket_dir: socket_dir.into(), port: port.parse().ok()? };
        let is_up = self.account.is_own_socket(&address.socket()) && UnixStream::connect(address.socket()).is_ok();
        is_up.then_some(address)
    }

    /// Postgres does not start while its lock files name a living process, even if another program got that number
    /// after a restart of the machine. It ignores the number of its starter, so that number is written there. The rest
    /// of `postmaster.pid` stays: Postgres uses it to find orphans that still use the data.
    pub(super) fn forget_stranger(&self, address: &Address) -> Result<(), EmbeddedError> {
        let file = self.data().join("postmaster.pid");
        let text = read_file(&file).unwrap_or_default();
        let pid: Option<u32> = text.lines().next().and_then(|line| line.trim().parse().ok());
        let Some(pid) = pid.map(|pid| pid.to_string()) else { return Ok(()) };
        let stranger = if Path::new("/proc/self").exists() {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder != self.data())
        } else {
            let name = Command::new("ps").args(["-o", "comm=", "-p", &pid]).output();
            name.is_ok_and(|name| name.status.success() && !String::from_utf8_lossy(&name.stdout).contains("postgres"))
        };
        if !stranger {
            return Ok(());
        }
        tracing::warn!(pid, "postmaster.pid names a process that is not this Postgres");
        let lock = address.socket().with_added_extension("lock");
        let lock = lock.to_string_lossy();
        self.as_account(FORGET_STRANGER, &file, &[&std::process::id().to_string(), &lock])
    }

    /// Ends a share, and stops Postgres if it was the last one and Postgres is ours.
    pub(super) fn leave(&self, users: &File) -> Result<Stopped, EmbeddedError> {
        let turn = take_turn(&self.folder, &self.account, &AtomicBool::new(false))?;
        users.unlock().map_err(io_error("unlock", &self.folder))?;
        match users.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Stopped::StillUsed),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &self.folder)(error)),
        }
        let running = || match self.run_program("pg_ctl status", self.pg_ctl("status"), &turn, None) {
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
        let stopped = self.run_program("pg_ctl stop", command, &turn, None);
        // It may have stopped by itself before `pg_ctl` asked.
        if running()? {
            stopped?;
        }
        // Under /tmp it would stay for ever.
        let socket_dir = self.new_address().socket_dir;
        if !socket_dir.starts_with(&self.folder) {
            fs::remove_dir(socket_dir).ok();
        }
        Ok(Stopped::Down)
    }

    pub(super) fn is_ours(&self) -> bool {
        read_file(&self.data().join("postmaster.opts")).is_some_and(|options| options.contains(MARK))
    }

    /// The log, ready for Postgres to append to. One that is too long is renamed.
    pub(super) fn open_log(&self) -> Result<PathBuf, EmbeddedError> {
        let log = self.folder.join("postgres.log");
        if length(&log) > LOG_BYTES {
            // In a folder of root's, an oms that runs as the account itself cannot.
            let renamed = fs::rename(&log, log.with_added_extension("old"));
            unless(ErrorKind::PermissionDenied, renamed).map_err(io_error("rename", &log))?;
        }
        self.account.open_file(&log)?;
        Ok(log)
    }

    pub(super) fn pg_ctl(&self, verb: &str) -> Command {
        let mut command = self.command("pg_ctl");
        command.args([verb, "-w", "-t", PG_CTL_SECONDS, "-D"]).arg(self.data());
        command
    }

    /// A program of Postgres, run by its user. Its own process group keeps a terminal's Ctrl-C away (`pg_ctl` gives
    /// Postgres a session of its own). The environment is cleared, because ours may hold secrets, or a `PGDATA`.
    pub(super) fn command(&self, program: &str) -> Command {
        self.clean_command(&self.bin_dir.join(program))
    }

    fn clean_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let kept = ["PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE"];
        let kept = kept.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
        command.env_clear().envs(kept).env("LC_ALL", "C").process_group(0).current_dir(&self.folder);
        self.account.put_on(&mut command);
        command
    }

    /// Does a piece of file work in the account's own folder as the account: a script of `sh`, with the path and what
    /// else it needs as its parameters.
    fn as_account(&self, script: &str, path: &Path, parameters: &[&str]) -> Result<(), EmbeddedError> {
        let mut command = self.clean_command(Path::new("sh"));
        command.args(["-c", script, "sh"]).arg(path).args(parameters);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let status = status.map_err(io_error("run", Path::new("sh")))?;
        if status.success() {
            return Ok(());
        }
        Err(io_error("write", path)(io::Error::other(format!("the user that runs Postgres could not: {status}"))))
    }

    /// Runs a program to its end, or kills it when it is `cancelled` or takes too long.
    pub(super) fn run_program(
        &self,
        name: &'static str,
        mut command: Command,
        turn: &File,
        cancelled: Option<&AtomicBool>,
    ) -> Result<(), EmbeddedError> {
        // A file, because Postgres would keep a pipe open.
        let (path, log) = (self.folder.join("command.log"), self.folder.join("postgres.log"));
        let output = self.account.open_file(&path)?;
        output.set_len(0).map_err(io_error("write", &path))?;
        let errors = output.try_clone().map_err(io_error("write", &path))?;
        // Its standard input is our lock: if we are killed, the lock is held until it ends.
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

    /// An error with the last lines of Postgres's log, if it is longer than `logged` bytes, or with the command's
    /// output.
    pub(super) fn failed(&self, command: &'static str, logged: u64) -> EmbeddedError {
        let mut log = self.folder.join("postgres.log");
        let said = log_tail(&log, logged).unwrap_or_else(|| {
            log = self.folder.join("command.log");
            log_tail(&log, 0).unwrap_or_else(|| "it said nothing".to_owned())
        });
        EmbeddedError::Failed { command, said, log }
    }
}

/// Waits for the lock for starting and stopping the cluster. Dropping the file frees it.
pub(super) fn take_turn(folder: &Path, account: &Account, cancelled: &AtomicBool) -> Result<File, EmbeddedError> {
    let turn = account.open_file(&folder.join("starter.lock"))?;
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

/// Runs blocking work on a thread for such work. If the future is dropped, the work continues and sees the flag.
pub(super) async fn blocking<T: Send + 'static>(
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
pub(super) fn kill_group(child: &mut Child) -> io::Result<()> {
    let group = format!("-{}", child.id());
    Command::new("sh").args(["-c", r#"kill -s KILL -- "$1""#, "sh", &group]).status()?;
    child.wait().map(|_| ())
}

pub(super) fn percent_encoded(bytes: &[u8]) -> String {
    let encode = |&byte: &u8| match byte {
        b'-' | b'.' | b'_' | b'~' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}
