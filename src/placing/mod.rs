//! Placing orders: each becomes packages, at once or as an import, or only as a dry run.

pub(crate) mod dry_run;
pub mod import;
pub mod place;
