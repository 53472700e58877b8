//! Orders: how they come in and become packages.

mod dry_run;
pub mod import;
pub mod input;
pub mod place;
mod routes;
mod view;

pub use routes::{FILTERS, routes};
