//! The words of random installations: commands, states, and the table of transfers, which is the same in all of them.

use std::sync::LazyLock;

use oms::{installation::read::Entity, kinds::Plans};

use crate::support::standard::{kind, kinds_of, standard};

/// The commands on packages of this version.
pub fn commands() -> &'static [&'static str] {
    static COMMANDS: LazyLock<Vec<&str>> = LazyLock::new(|| kinds_of("package").map(|kind| kind.identifier).collect());
    &COMMANDS
}

/// Whether a command answers nothing.
pub fn answers_nothing(command: &str) -> bool {
    matches!(
        command,
        "UPDATE_PACKAGE_SHIPMENT_STATUS" | "UPDATE_SHIPMENT_LABEL" | "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION"
    )
}

/// Whether a command always plans: the items it leaves waiting hold reservations then, whatever was before.
pub fn plans(command: &str) -> bool {
    kind(command).plans == Plans::Always
}

/// Transitions that make a shop worth its day: numbers of source and destination, and the command.
pub const USUAL: [(usize, usize, &str); 20] = [
    (0, 4, "COMPLETE_PACKING"),
    (4, 5, "SHIP_THE_PACKAGE_ADVANCED"),
    (0, 0, "DETECTED_OUT_OF_STOCK_ITEM"),
    (1, 0, "REPACK"),
    (0, 0, "ASSIGN_PACKAGE_ITEMS_MANUALLY"),
    (0, 0, "CANCEL_PACKAGE"),
    (4, 5, "UPDATE_PACKAGE_SHIPMENT_STATUS"),
    (0, 5, "PKG_STATE_TRANSITION"),
    (3, 0, "PKG_STATE_TRANSITION"),
    (0, 0, "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED"),
    (0, 1, "REFUSE_PACKAGE"),
    (0, 0, "PKG_DEALLOCATE_RESERVATIONS"),
    (0, 3, "PKG_DEALLOCATE_RESERVATIONS"),
    (0, 3, "BLOCK_THE_PACKAGE"),
    (0, 4, "PREPARE_PACKAGE"),
    (0, 0, "REPLACE_PRODUCT"),
    (4, 0, "UPDATE_INVOICE"),
    (4, 0, "UPDATE_SHIPMENT_INFO"),
    (3, 0, "UPDATE_SHIPMENT_INFO"),
    (4, 4, "UPDATE_SHIPMENT_LABEL"),
];

pub const WAITING: &str = "waiting";
pub const OUT_OF_STOCK: &str = "out-of-stock";
pub const CANCELLED: &str = "packaging-canceled";
pub const NOT_FOUND: &str = "oms-not-found";
/// Of items that left the shelf and are not back on it.
pub const NOT_RESTOCKED: &str = "not-restocked";
/// Of a package, and of its items that are still to come.
pub const WAITING_FOR_TRANSFER: &str = "waiting-for-transfer";

/// States every installation here has: code and planning name them.
pub const FIRST: [(&str, u32, bool); 6] = [
    (WAITING, 100, false),
    (OUT_OF_STOCK, 920, false),
    (CANCELLED, 900, true),
    (NOT_FOUND, 930, true),
    (NOT_RESTOCKED, 1200, true),
    (WAITING_FOR_TRANSFER, 120, false),
];

/// States an installation may have besides.
pub const OTHERS: [(&str, u32, bool); 14] = [
    ("packed", 500, false),
    ("shipped", 600, false),
    ("delivered", 700, true),
    ("attempted-delivery", 640, false),
    ("preparing", 200, false),
    ("ready-for-packaging", 400, false),
    ("needs-rescheduling", 910, false),
    ("blocked", 150, false),
    ("early", 7, false),
    ("almost-label", 449, false),
    ("label", 450, false),
    ("beyond", 1250, false),
    ("lost", 999, true),
    ("refunded", 1100, true),
];

/// A transition of transfers: its command, from, to.
#[derive(Debug, Clone, Copy)]
pub struct Leg(pub &'static str, pub &'static str, pub &'static str);

/// The transitions of transfers: those of the standard installation.
pub fn legs() -> &'static [Leg] {
    static LEGS: LazyLock<Vec<Leg>> = LazyLock::new(|| {
        let of_transfers = standard().transitions.iter().filter(|transition| transition.entity == Entity::Transfer);
        of_transfers.map(|transition| Leg(&transition.command, &transition.source, &transition.destination)).collect()
    });
    &LEGS
}

/// The states of transfers, and whether they are final: those of the standard installation.
pub fn transfer_states() -> impl Iterator<Item = (&'static str, bool)> {
    let of_transfers = standard().states.iter().filter(|state| state.entity == Entity::Transfer);
    of_transfers.map(|state| (state.slug.as_str(), state.is_final))
}

impl Leg {
    pub fn slug(self) -> String {
        format!("transfer__{}__{}__{}", self.0, self.1, self.2).to_lowercase()
    }
}
