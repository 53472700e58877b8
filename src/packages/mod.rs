//! Packages as clients see them.

mod filters;
pub(crate) mod item_history;
pub mod loader;
pub mod view;

pub use filters::FILTERS;
