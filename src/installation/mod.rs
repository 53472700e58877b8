//! The installation file: what a shop's workflow, places and rules are, as data.
//!
//! [`read`] takes the TOML apart, [`check`] finds dead ends and leaks before they are installed, [`mod@apply`] writes it
//! to the database, [`draw`] shows the graph.

pub mod apply;
pub mod check;
pub mod draw;
pub mod read;
