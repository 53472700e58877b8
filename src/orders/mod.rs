//! Orders: their input and their views.

pub mod input;
pub(crate) mod view;
