//! The tour: one line a module, in reading order.
//!
//! * [`cli`]: one file per subcommand, for operators.
//! * [`config`]: every setting, with its flag, variable, default and meaning.
//! * [`server`]: the layers, graceful serve. [`api`]: the routes, one file or folder per resource. [`app`]: their shared
//!   state.
//! * [`error`]: the one error and its form in the API.
//! * [`wire`]: dates, decimals, bodies.
//! * [`db`]: connect, migrate. [`embedded`]: a private Postgres from local binaries.
//! * [`role`], [`auth`]: users, tokens, rights.
//! * [`page`]: lists: count, next, previous, results; sort, filters. [`export`]: lists as CSV and XLSX files.
//! * [`installation`]: the installation file: read, check, apply, draw.
//! * [`kinds`]: kinds of commands as data. [`workflow`]: states and transitions in memory. [`catalog`]: the copy in
//!   memory, which follows the database.
//! * [`commands`]: the core: the commands, their list, the dispatcher.
//! * [`planning`]: which location gets which items, and why. [`scenarios`]: the rules, and their versions.
//! * [`reading`]: reads objects of files and requests, and names every defect.
//! * [`plans`]: why each package is where it is.
//! * [`inventory`]: stock from a service of the brand, requested before planning.
//! * [`events`]: what happened, in order, for readers that follow.
//! * [`replanning`]: packages without a place are planned again when something comes free.
//! * [`placing`]: orders become packages. [`payloads`]: the payloads of events, rendered when they are read.
//! * [`orders`], [`packages`], [`transfers`], [`locations`], [`stock`], [`cargo`]: records: queries, views.
//! * [`upstream`]: the source of orders, which gets their statuses; [`simulator`] is a stand-in. [`outbound`]: the
//!   limits of our own requests. [`signature`]: signatures of webhooks.
//! * [`simulation`]: past orders planned by other scenarios.
//! * [`webhooks`]: events delivered to subscribers, in order, until they arrive.
//! * [`verify`]: checks the invariants.
//! * [`metrics`], [`logging`], [`openapi`]: for operators and for developers of clients.
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
