//! The files of a cluster's folder, safe from the account that runs Postgres.
//!
//! Root lends nothing to that account: whoever has it, or may run programs as the server of the database, must not
//! reach root's files. So as root the folder, and every folder above it, is one in which the account can make, rename
//! and replace nothing. What root opens there is a plain file with one name, and no link. Inside `data/`, which is the
//! account's own, root only reads; it is written by programs that run as the account.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

use super::account::Account;
use super::{EmbeddedError, io_error, unavailable};

/// No link is followed, and nothing is waited for: a pipe in the place of a file would never answer.
const PLAIN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);
/// The longest file of Postgres's that is read whole.
const LONGEST: u64 = 64 * 1024;
/// Modes of a folder in which others than its owner make, rename and remove entries.
const CHANGEABLE_BY_ALL: u32 = 0o002;
const CHANGEABLE_BY_GROUP: u32 = 0o020;
/// In such a folder everybody may make files, and rename and remove only their own.
const STICKY: u32 = 0o1000;

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// The names of a path, the first last.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut names: Vec<OsString> = names.map(|part| part.as_os_str().to_owned()).collect();
    names.reverse();
    names
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or_default()
}

/// Creates the data folder if it does not exist, and finds the user for it. As root, the folder is root's own afterwards.
pub(super) fn open_folder(folder: &Path) -> Result<(PathBuf, Account), EmbeddedError> {
    let folder = std::path::absolute(folder).map_err(io_error("open the folder", folder))?;
    let account = Account::for_cluster(&folder.join("data"))?;
    // Before anything is made: a link on the way could lead anywhere.
    account.check_way(&folder)?;
    let made = DirBuilder::new().recursive(true).mode(0o755).create(&folder);
    made.map_err(io_error("make the folder", &folder))?;
    let folder = folder.canonicalize().map_err(io_error("open the folder", &folder))?;
    let awkward = |character: char| "\"'$`\\".contains(character) || character.is_control();
    if folder.to_str().is_none_or(|path| path.contains(awkward)) {
        return Err(unavailable(&folder, "has a quote, $, ` or \\ in its path, which pg_ctl cannot take: rename it"));
    }
    if account.switch_to.is_some() {
        account.check_way(&folder)?;
        own_folder(&folder, &account)?;
        // Now that nobody can exchange it any more.
        if Account::for_cluster(&folder.join("data"))?.uid != account.uid {
            return Err(unavailable(&folder, "was changed meanwhile: look into it, and start again"));
        }
    }
    account.check_access(&folder)?;
    Ok((folder, account))
}

/// Takes the folder back that versions before gave to the account, and refuses one that others may change.
fn own_folder(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags(OFlags::NOFOLLOW.union(OFlags::DIRECTORY)));
    let handle = options.open(folder).map_err(io_error("open the folder", folder))?;
    let metadata = handle.metadata().map_err(io_error("look at", folder))?;
    if metadata.uid() == account.uid {
        // The mode too: it also bounds what an access list may allow.
        fchown(&handle, Some(0), Some(0)).map_err(io_error("change the owner of", folder))?;
        handle.set_permissions(fs::Permissions::from_mode(0o755)).map_err(io_error("change the mode of", folder))?;
        tracing::info!(folder = %folder.display(), "the folder of the private Postgres belongs to root now");
    }
    let metadata = handle.metadata().map_err(io_error("look at", folder))?;
    let named = fs::symlink_metadata(folder).map_err(io_error("look at", folder))?;
    if (named.dev(), named.ino()) != (metadata.dev(), metadata.ino()) {
        return Err(unavailable(folder, "was changed meanwhile: look into it, and start again"));
    }
    if metadata.uid() != 0 || metadata.mode() & (CHANGEABLE_BY_ALL | CHANGEABLE_BY_GROUP) != 0 {
        let problem = "can be changed by others, who could lead root astray: give it to root and close it \
                       (chown root, chmod go-w)";
        return Err(unavailable(folder, problem));
    }
    Ok(())
}

impl Account {
    /// Refuses a way to a folder on which the account could exchange a part for a link to elsewhere. Only root has to
    /// ask. The way is gone link by link, as the system goes it, as far as it exists.
    fn check_way(&self, folder: &Path) -> Result<(), EmbeddedError> {
        if self.switch_to.is_none() {
            return Ok(());
        }
        let mut place = PathBuf::from("/");
        let mut names = names(folder);
        let mut links = 0;
        while let Some(name) = names.pop() {
            if name == ".." {
                place.pop();
                continue;
            }
            self.check_part(&place, &fs::symlink_metadata(&place).map_err(io_error("look at", &place))?)?;
            let next = place.join(name);
            let Ok(metadata) = fs::symlink_metadata(&next) else { return Ok(()) };
            if !metadata.is_symlink() {
                place = next;
                continue;
            }
            if metadata.uid() == self.uid {
                return Err(self.astray(&next));
            }
            let target = fs::read_link(&next).map_err(io_error("look at", &next))?;
            names.extend(self::names(&target));
            if target.is_absolute() {
                place = PathBuf::from("/");
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(unavailable(folder, "is behind too many links: name the folder itself"));
            }
        }
        Ok(())
    }

    /// Refuses a folder in which the account could rename what leads on.
    fn check_part(&self, part: &Path, metadata: &Metadata) -> Result<(), EmbeddedError> {
        if metadata.uid() == self.uid || self.may_change(part, metadata)? {
            return Err(self.astray(part));
        }
        Ok(())
    }

    fn astray(&self, part: &Path) -> EmbeddedError {
        let problem = format!(
            "can be changed by the user that runs Postgres (number {uid}), who could lead root astray: run this as that \
             user, as the service does (sudo -u '#{uid}' oms …), give it to root and close it (chown root, chmod go-w)",
            uid = self.uid
        );
        unavailable(part, &problem)
    }

    /// True if the account may rename what is in a folder that belongs to another.
    fn may_change(&self, folder: &Path, metadata: &Metadata) -> Result<bool, EmbeddedError> {
        let mode = metadata.mode();
        if mode & STICKY != 0 {
            return Ok(false);
        }
        let by_mode = mode & CHANGEABLE_BY_ALL != 0
            || mode & CHANGEABLE_BY_GROUP != 0 && self.groups()?.contains(&metadata.gid());
        // An access list shows as a mode of the group.
        Ok(by_mode || mode & CHANGEABLE_BY_GROUP != 0 && self.can_write(folder)?)
    }

    /// The account's own file, opened for appending; it is created if it does not exist.
    ///
    /// # Errors
    /// [`EmbeddedError::Unavailable`] if it is a link, or no file, or one that has other names or another owner.
    pub(super) fn open_file(&self, path: &Path) -> Result<File, EmbeddedError> {
        let mut options = OpenOptions::new();
        options.append(true).mode(0o600).custom_flags(flags(PLAIN));
        let file = match options.create_new(true).open(path) {
            // A link that leads nowhere is one too.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                options.create_new(false).open(path).map_err(|error| not_plain(path, error))?
            }
            result => result.map_err(io_error("open", path))?,
        };
        let metadata = file.metadata().map_err(io_error("look at", path))?;
        let is_ours = self.switch_to.is_none() || metadata.nlink() == 1 && [0, self.uid].contains(&metadata.uid());
        if !metadata.is_file() || !is_ours {
            return Err(unavailable(path, NOT_PLAIN));
        }
        self.give(&file, &metadata, path)?;
        Ok(file)
    }

    /// A folder of the account's own, which is made if it does not exist. Only the account may come in.
    ///
    /// # Errors
    /// [`EmbeddedError::Unavailable`] if there is something else.
    pub(super) fn make_private_folder(&self, path: &Path) -> Result<(), EmbeddedError> {
        let made = DirBuilder::new().mode(0o700).create(path);
        unless(ErrorKind::AlreadyExists, made).map_err(io_error("make the folder", path))?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags(OFlags::NOFOLLOW.union(OFlags::DIRECTORY)));
        let handle = options.open(path).map_err(|error| not_private(path, error))?;
        let metadata = handle.metadata().map_err(io_error("look at", path))?;
        // One of root's is what we made, now or before a crash: there is nothing in it yet.
        if metadata.uid() == 0 && self.switch_to.is_some() && !is_empty(path)? {
            return Err(unavailable(path, NOT_PRIVATE));
        }
        self.give(&handle, &metadata, path)?;
        let metadata = handle.metadata().map_err(io_error("look at", path))?;
        if metadata.uid() != self.uid || metadata.mode() & 0o077 != 0 {
            return Err(unavailable(path, NOT_PRIVATE));
        }
        Ok(())
    }

    /// Gives what we made as root to the account.
    fn give(&self, handle: &File, metadata: &Metadata, path: &Path) -> Result<(), EmbeddedError> {
        match self.switch_to {
            Some(_) if metadata.uid() == 0 => {
                fchown(handle, Some(self.uid), self.switch_to).map_err(io_error("change the owner of", path))
            }
            _ => Ok(()),
        }
    }

    /// True if a path is a socket that the account listens on.
    pub(super) fn is_own_socket(&self, path: &Path) -> bool {
        let metadata = fs::symlink_metadata(path);
        metadata.is_ok_and(|metadata| metadata.file_type().is_socket() && metadata.uid() == self.uid)
    }
}

const NOT_PLAIN: &str = "is a link, or no file of this Postgres alone, and is not used: remove it";
const NOT_PRIVATE: &str = "is not private to the user of Postgres: remove it";

fn not_plain(path: &Path, error: io::Error) -> EmbeddedError {
    if is_link(path) { unavailable(path, NOT_PLAIN) } else { io_error("open", path)(error) }
}

fn not_private(path: &Path, error: io::Error) -> EmbeddedError {
    if path.is_dir() && !is_link(path) {
        io_error("open the folder", path)(error)
    } else {
        unavailable(path, NOT_PRIVATE)
    }
}

/// True if a path is a symbolic link, wherever it leads.
pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn is_empty(folder: &Path) -> Result<bool, EmbeddedError> {
    Ok(fs::read_dir(folder).map_err(io_error("open the folder", folder))?.next().is_none())
}

/// A file for reading, if it is a plain one.
fn open_plain(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(flags(PLAIN)).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// The text of a small file of Postgres's; none if there is none. No link is followed.
pub(super) fn read_file(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    open_plain(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of a log, from the byte `start` on, as one line; `None` if there are none.
pub(super) fn log_tail(path: &Path, start: u64) -> Option<String> {
    const BYTES: u64 = 4096;
    const LINES: usize = 6;
    let mut file = open_plain(path).ok()?;
    file.seek(SeekFrom::Start(start.max(length(path).saturating_sub(BYTES)))).ok()?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines[lines.len().saturating_sub(LINES)..].join(" | "))
}

/// The bytes of a file; 0 if there is none.
pub(super) fn length(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |metadata| metadata.len())
}

/// Treats one kind of error as success.
pub(super) fn unless(kind: ErrorKind, result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == kind { Ok(()) } else { Err(error) })
}
