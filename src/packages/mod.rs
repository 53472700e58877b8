//! Packages: facts, views, filters.

pub mod facts;
mod filters;
pub(crate) mod item_history;
pub mod loader;
pub mod snapshot;
pub mod view;

pub use filters::FILTERS;
