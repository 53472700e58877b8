//! Orders: their input and their views.

pub mod details;
pub mod file;
pub mod identity;
pub mod input;
pub mod list;
pub(crate) mod view;
