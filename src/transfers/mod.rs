//! Transfers: facts and views.

pub mod list;
pub mod snapshot;
pub mod view;

pub use view::render_as_of;
