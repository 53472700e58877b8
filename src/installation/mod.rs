//! The installation file: the workflow, places and rules of a shop, as data.
//!
//! [`read`] parses the TOML, [`check`] finds dead ends and leaks before it is installed, [`mod@apply`] writes it to the
//! database, [`draw`] draws the graph.

pub mod apply;
pub mod check;
pub mod draw;
pub mod export;
pub mod hazards;
pub mod history;
pub mod installed;
pub mod items;
pub mod moving;
pub mod plan;
pub mod print;
pub mod read;
pub mod touched;
