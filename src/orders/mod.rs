//! Orders: their input and their views.

pub mod compare;
pub mod details;
pub mod file;
pub mod history;
pub mod identity;
pub mod input;
pub mod list;
pub mod packing;
pub mod recipient;
pub mod statuses;
pub(crate) mod view;
