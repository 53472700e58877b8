//! Orders: how they come in and become packages.

pub(crate) mod dry_run;
pub mod import;
pub mod input;
pub mod place;
pub(crate) mod view;
