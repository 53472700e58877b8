//! Which program this is: its version, the commit it was built from, and the schema that it needs.

use crate::db;

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, if that is known: `OMS_COMMIT` when it was built, or what git said (`build.rs`).
pub const COMMIT: Option<&str> = option_env!("OMS_COMMIT_BUILT");

/// The number of the newest migration: a database has it when it is current.
#[must_use]
pub fn schema() -> i64 {
    db::MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// `0.1.0 (commit 0123456789ab, schema 28)`.
#[must_use]
pub fn long() -> String {
    format!("{VERSION} (commit {}, schema {})", COMMIT.unwrap_or("unknown"), schema())
}
