//! The tour, floor by floor. A module imports from its own floor and from lower ones only (`floors.rs` is the test).
//!
//! Entry:
//! * [`cli`]: one file per subcommand, for operators. [`config`]: every setting, with its flag, variable, default and
//!   meaning.
//! * [`server`]: the layers, graceful serve, the `OpenAPI` document. [`simulator`]: a stand-in for the upstream.
//! * [`api`]: the routes, one file or folder per resource. [`app`]: the engines, started together, for the routes.
//!
//! Engines:
//! * [`commands`]: the core: the commands, their list, the dispatcher.
//! * [`installation`]: the installation file: read, check, draw; compare with what is installed, and apply.
//! * [`planning`]: which location gets which items, and why. [`plans`]: why each package is where it is.
//! * [`placing`]: orders become packages. [`inventory`]: stock from a service of the brand, requested before planning.
//! * [`replanning`]: packages without a place are planned again when something comes free.
//! * [`upstream`]: the source of orders, which gets their statuses.
//! * [`webhooks`]: events delivered to subscribers, in order, until they arrive.
//! * [`simulation`]: past orders planned by other scenarios. [`verify`]: proves what is stored, and repairs what follows.
//!
//! Records:
//! * [`orders`], [`packages`], [`transfers`], [`locations`], [`stock`], [`cargo`], [`reasons`], [`scenarios`]: what is
//!   stored: reading, queries, lists, views. [`history`]: the logs of packages and transfers. [`stock::ledger`]: the one
//!   door to changes of a quantity.
//! * [`invoicing`]: where invoices are asked for: services of the installation, and addresses that settings allow.
//! * [`catalog`]: the copy in memory, which follows the database. [`payloads`]: the payloads of events, rendered when they
//!   are read.
//!
//! Ground:
//! * [`kinds`]: kinds of commands as data. [`workflow`]: states and transitions in memory.
//! * [`events`]: what happened, in order, for readers that follow.
//! * [`page`]: lists: count, next, previous, results; sort, filters. [`days`]: which moments a date is. [`export`]: lists as CSV and XLSX files.
//! * [`reading`]: objects of files and requests, read with every defect named. [`record`]: what both write is one form
//!   and one statement. [`wire`]: dates, decimals, bodies.
//!   [`openapi`]: schemas that are written by hand.
//! * [`cause`]: the request that something is done for: its id and trace, for the log, what is stored and what is sent.
//! * [`error`]: the one error and its form in the API. [`role`], [`scope`], [`auth`]: users, tokens, rights, and the
//!   locations that a user sees. [`audit`]: who changed what. [`secret`]: what is never shown.
//! * [`tasks`]: work in the background, none of which dies in silence. [`db`]: connect, migrate. [`embedded`]: a private
//!   Postgres from local binaries. [`home`]: whether a database is at home, or a copy.
//! * [`outbound`]: the one door of our own requests: which addresses, how many at once. [`signature`]: signatures of
//!   webhooks. [`links`]: signed addresses of labels and invoices. [`metrics`], [`logging`], [`seldom`]: for operators.
//!   [`version`]: which program this is.
//!
//! ARCHITECTURE.md follows one POST of a pack command through these files.

pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod cargo;
pub mod catalog;
pub mod cause;
pub mod cli;
pub mod commands;
pub mod config;
pub mod days;
pub mod db;
pub mod embedded;
pub mod error;
pub mod events;
pub mod export;
#[cfg(test)]
mod floors;
pub mod history;
pub mod home;
pub mod installation;
pub mod inventory;
pub mod invoicing;
pub mod kinds;
pub mod links;
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
pub mod reasons;
pub mod record;
pub mod replanning;
pub mod role;
pub mod scenarios;
pub mod scope;
pub mod secret;
pub mod seldom;
pub mod server;
pub mod signature;
pub mod simulation;
pub mod simulator;
mod spelling;
pub mod stock;
pub mod tasks;
pub mod transfers;
pub mod upstream;
pub mod verify;
pub mod version;
pub mod webhooks;
pub mod wire;
pub mod workflow;
