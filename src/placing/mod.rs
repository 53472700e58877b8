//! Placing orders: an order becomes packages. One by one, in an import, or in a dry run. `recipient`: who it is for, changed
//! afterwards; `take_up`: lines that are approved afterwards.

pub(crate) mod dry_run;
pub mod import;
pub mod place;
pub(crate) mod recipient;
pub(crate) mod take_up;
