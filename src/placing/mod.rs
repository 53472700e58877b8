//! Placing orders: an order becomes packages. Together with others (`queue`), in an import, or in a dry run. `store`: orders and
//! lines as rows; `recipient`: who it is for, changed afterwards; `take_up`: lines that are approved afterwards.

pub(crate) mod dry_run;
pub mod import;
pub mod place;
pub mod queue;
pub(crate) mod recipient;
mod store;
pub(crate) mod take_up;
