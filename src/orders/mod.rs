//! Orders: how they come in and become packages.

pub mod input;
pub(crate) mod view;
