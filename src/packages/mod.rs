//! Packages: facts, views, filters.

pub mod facts;
pub(crate) mod item_history;
pub mod items;
pub mod list;
pub mod loader;
pub mod snapshot;
pub mod view;
