//! The tour: one line a module, in reading order.
//!
//! * [`cli`]: one file a subcommand; what an operator types.
//! * [`config`]: every setting, with its flag, variable, default and meaning.
//! * [`server`]: the layers, graceful serve. [`api`]: the routes, one file or folder a resource. [`app`]: what they share.
//! * [`error`]: the one error and its wire form.
//! * [`wire`], [`fields`]: dates, decimals, bodies.
//! * [`db`]: connect, migrate. [`embedded`]: a private Postgres from local binaries.
//! * [`role`], [`auth`]: users, tokens, rights.
//! * [`page`]: lists: count, next, previous, results; sort, filters. [`export`]: lists as CSV and XLSX files.
//! * [`installation`]: the installation file: read, check, apply, draw.
//! * [`kinds`]: what a kind of command is, as data. [`workflow`]: states and transitions in memory. [`catalog`]: how memory follows the database.
//! * [`commands`]: the heart: what a command is, the list of them, the dispatcher.
//! * [`planning`]: which location gets what, and why. [`scenarios`]: by which rules, and who changed them.
//! * [`reading`]: objects that files and requests share, read with every defect named.
//! * [`plans`]: why each package is where it is, for whoever asks.
//! * [`inventory`]: stock asked of a brand's own service before it is planned with.
//! * [`events`]: what happened, in order, to be followed.
//! * [`replanning`]: what has no place is planned again when something comes free.
//! * [`placing`]: orders become packages. [`payloads`]: the payload of an event, made when it is read.
//! * [`orders`], [`packages`], [`transfers`], [`locations`], [`stock`], [`cargo`]: records: queries, views.
//! * [`upstream`]: orders come from it, and it hears what becomes of them; [`simulator`] stands in for it. [`outbound`]: what
//!   bounds our own requests. [`signature`]: who wrote a webhook.
//! * [`simulation`]: what would have been, by other scenarios.
//! * [`webhooks`]: what happened, told to whoever subscribed, each thing in order and until it arrived.
//! * [`verify`]: the proof that the sums are right.
//! * [`metrics`], [`logging`], [`openapi`]: for who looks after it, and who writes to it.
//!
//! ARCHITECTURE.md follows one POST of a pack command through these files.

pub mod api;
pub mod app;
pub mod auth;
pub mod cargo;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod config;
pub mod db;
pub mod embedded;
pub mod error;
pub mod events;
pub mod export;
pub mod fields;
pub mod installation;
pub mod inventory;
pub mod kinds;
pub mod locations;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod orders;
pub mod outbound;
pub mod packages;
pub mod page;
pub mod payloads;
pub mod placing;
pub mod planning;
pub mod plans;
pub mod reading;
pub mod replanning;
pub mod role;
pub mod scenarios;
pub mod server;
pub mod signature;
pub mod simulation;
pub mod simulator;
mod spelling;
pub mod stock;
pub mod transfers;
pub mod upstream;
pub mod verify;
pub mod webhooks;
pub mod wire;
pub mod workflow;
