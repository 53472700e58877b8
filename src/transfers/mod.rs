//! Transfers as clients see them.

pub mod snapshot;
pub mod view;

pub use view::render_as_of;
