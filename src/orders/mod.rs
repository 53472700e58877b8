//! Orders: how they come in and become packages.

pub mod import;
pub mod input;
pub mod place;
mod routes;
mod view;

pub use routes::{FILTERS, routes};
