//! The user that runs Postgres, and the binaries.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{is_link, read_file};
use super::{EmbeddedError, io_error, unavailable};

/// The user that runs Postgres when this process is root, because Postgres refuses root.
const ACCOUNT: &str = "postgres";
/// The oldest Postgres whose `initdb` knows all the options used here.
const OLDEST_MAJOR: u32 = 14;

/// The user that runs Postgres.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) uid: u32,
    /// The group to take on with the user, if that is not ourselves. Only root can.
    pub(super) switch_to: Option<u32>,
}

impl Account {
    /// Root runs an existing cluster as the user that owns it, and a new one as `postgres`; others run their own.
    pub(super) fn for_cluster(data: &Path) -> Result<Self, EmbeddedError> {
        let missing = || {
            EmbeddedError::Unavailable(format!(
                "Postgres does not run as root, and there is no user `{ACCOUNT}`: create one (`useradd --system \
                 {ACCOUNT}`), run oms as an ordinary user, or set DATABASE_URL"
            ))
        };
        let ours = id(&["-u"])?.ok_or_else(missing)?;
        if ours == 0 && is_link(data) {
            return Err(unavailable(data, "is a link, which root does not follow: mount the other place there"));
        }
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

    pub(super) fn put_on(&self, command: &mut Command) {
        if let Some(gid) = self.switch_to {
            command.uid(self.uid).gid(gid);
        }
    }

    /// Every group of the account's, wherever it logs in; our programs have only the first.
    pub(super) fn groups(&self) -> Result<Vec<u32>, EmbeddedError> {
        let output = Command::new("id").arg("-G").arg(self.uid.to_string()).output();
        let output = output.map_err(io_error("run", Path::new("id")))?;
        let named = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(named.split_whitespace().filter_map(|id| id.parse().ok()).chain(self.switch_to).collect())
    }

    /// True if the account may make and remove entries of a folder, as the system says.
    pub(super) fn can_write(&self, folder: &Path) -> Result<bool, EmbeddedError> {
        let mut command = Command::new("test");
        command.arg("-w").arg(folder).current_dir("/");
        self.put_on(&mut command);
        Ok(command.status().map_err(io_error("run", Path::new("test")))?.success())
    }

    /// Refuses a folder that this user cannot enter, and names the outermost one that is closed.
    pub(super) fn check_access(&self, folder: &Path) -> Result<(), EmbeddedError> {
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

/// True if this process is root, for which some defaults differ.
#[must_use]
pub fn is_root() -> bool {
    id(&["-u"]).is_ok_and(|number| number == Some(0))
}

/// A number that `id` prints; `None` if it knows no such user.
pub(super) fn id(arguments: &[&str]) -> Result<Option<u32>, EmbeddedError> {
    let output = Command::new("id").args(arguments).output().map_err(io_error("run", Path::new("id")))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

/// The folder of the binaries for a cluster: of its own major version if it exists, else of the newest.
pub(super) fn find_binaries(data: &Path, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let mut found: Vec<(u32, PathBuf)> = binary_folders()
        .into_iter()
        .filter_map(|folder| Some((major_version(&folder, account)?, folder)))
        .filter(|(major, _)| *major >= OLDEST_MAJOR)
        .collect();
    // Stable: of equals, the one that is earlier on PATH.
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let made_by: Option<u32> = read_file(&data.join("PG_VERSION")).and_then(|text| text.trim().parse().ok());
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
pub(super) fn binary_folders() -> Vec<PathBuf> {
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
pub(super) fn major_version(folder: &Path, account: &Account) -> Option<u32> {
    let mut command = Command::new(folder.join("postgres"));
    command.arg("--version").current_dir("/");
    account.put_on(&mut command);
    let text = String::from_utf8(command.output().ok()?.stdout).ok()?;
    // `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `postgres (PostgreSQL) 19beta1`
    let version = text.split_whitespace().nth(2)?;
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}
