//! The upstream (Omnitron, or what speaks like it): orders in, and a stand-in for trying and testing.

pub mod signature;
pub mod simulator;
