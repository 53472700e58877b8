//! What the benchmarks share.

pub(crate) mod machine;
mod postgres;
mod server;

pub(crate) use postgres::Postgres;
pub(crate) use server::Server;
