//! Orders: their input and their views.

pub mod details;
pub mod input;
pub(crate) mod view;
