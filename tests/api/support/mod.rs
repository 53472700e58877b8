//! What the tests are written with: a [`Shop`] to send orders to, packages to run commands on, replies to compare.

mod apart;
mod cluster;
pub mod contract;
mod dump;
mod join;
mod moved;
mod order;
mod package;
mod proxy;
mod reply;
mod schema;
mod shop;
pub mod standard;
mod transfer;

pub use apart::Apart;
pub use cluster::{Database, SHOP, STANDARD, TRANSFERS, add_user, read_installation, watched_folder};
pub use dump::Dump;
pub use join::join;
pub use order::{Order, order_json};
pub use package::Package;
pub use proxy::{Proxy, Way};
pub use reply::Reply;
pub use shop::{STREAMS_PER_USER, Server, Shop, client, on_this_machine, quiet_settings, send, send_loosely};
pub use transfer::Transfer;

/// The body of a refusal to run a command in this state, to the byte.
pub const NOT_ALLOWED: &str = r#"{"error":{"non_field_errors":"Command definition is not allowed! Check source & destination states of command to be created","error_code":"commands_100_1"},"status_code":406}"#;
/// The body of a refusal because transition and slug differ, to the byte.
pub const MISMATCH: &str =
    r#"{"error":{"non_field_errors":"Command id and slug mismatch","error_code":"commands_100_5"},"status_code":406}"#;
/// The body of a refusal because neither is given, to the byte.
pub const REQUIRED: &str = r#"{"error":{"non_field_errors":"transition or slug required"},"status_code":400}"#;
/// The body of a 404, to the byte.
pub const NOT_FOUND: &str = r#"{"error":{"detail":"Not found."},"status_code":404}"#;
/// The body of a 403, to the byte.
pub const FORBIDDEN: &str =
    r#"{"error":{"detail":"You do not have permission to perform this action."},"status_code":403}"#;
