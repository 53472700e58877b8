//! The list of checks. Each is a query of its own file, which selects a fault a row: what it is about, and what is wrong.
//! `{reserved}` stands for the states whose items hold reserved units, `{reported}` for those that report a status, with it.

/// A check of the data.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name, in reports.
    pub name: &'static str,
    /// The command that puts its faults right, where there is one.
    pub remedy: Option<&'static str>,
    /// True if it compares what commands write with what they write elsewhere, and no dates: what a test that sets a date
    /// does not break.
    pub is_core: bool,
    pub(super) sql: &'static str,
}

macro_rules! checks {
    ($($name:literal: $scope:ident $(, $remedy:literal)?;)*) => {
        &[$(Check {
            name: $name,
            remedy: checks!(@remedy $($remedy)?),
            is_core: checks!(@scope $scope),
            sql: include_str!(concat!("checks/", $name, ".sql")),
        }),*]
    };
    (@remedy) => { None };
    (@remedy $remedy:literal) => { Some($remedy) };
    (@scope core) => { true };
    (@scope full) => { false };
}

/// Every check, in the order in which they are made and told.
pub const CHECKS: &[Check] = checks! {
    "quota-recounts": core;
    "quota": core, "oms repair counters";
    "quota-ledger": core;
    "waiting": core, "oms repair counters";
    "quota-causes": full;
    "logs": core;
    "log-dates": full;
    "reservations": core;
    "reserved": core, "oms repair counters";
    "stock": core;
    "stock-paths": core;
    "order-lines": core;
    "replacements": full;
    "order-identities": core;
    "order-history": core;
    "package-numbers": core;
    "empty": core;
    "whose-items": core;
    "item-dates": full;
    "dangling": core;
    "transfers-awaited": core;
    "transfer-items": core;
    "shipments": full;
    "events": core;
    "package-told": core;
    "transfer-told": core;
    "locations-told": full;
    "words": full;
    "scenario-versions": full;
    "plans": full;
    "calls": full;
    "cancellations": full;
    "deliveries": full;
    "versions": full;
    "cursors": full;
    "moves": full;
    "ways-out": full;
    "problems": full;
    "stock-told": full;
    "statuses": full;
    "seals": full;
};
