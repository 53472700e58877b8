//! Transfers: facts and views.

pub mod snapshot;
pub mod view;

pub use view::render_as_of;
