//! The upstream: its orders come in, whatever it does, and none twice.

mod broken;
mod calls;
mod cancellations;
pub mod house;
mod orders;
mod overtaken;
mod pushed;
mod reports;
mod stores;
