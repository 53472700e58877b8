//! The words of random installations: commands, states, and the table of transfers, which is the same in all of them.

/// The commands of this version.
pub const COMMANDS: [&str; 26] = [
    "COMPLETE_PACKING",
    "CHANNEL_BASED_COMPLETE_PACKING",
    "SHIP_THE_PACKAGE",
    "SHIP_THE_PACKAGE_ADVANCED",
    "DETECTED_OUT_OF_STOCK_ITEM",
    "REPACK",
    "UPDATE_PACKAGE_SHIPMENT_STATUS",
    "PKG_STATE_TRANSITION",
    "ASSIGN_PACKAGE_ITEMS_MANUALLY",
    "CANCEL_PACKAGE",
    "COMPLETE_PACKING_WITHOUT_SHIPMENT",
    "SHIP_THE_PACKAGE_BASIC",
    "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION",
    "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED",
    "REFUSE_PACKAGE",
    "PACKAGE_PACKED_FOR_REFUND",
    "PKG_DEALLOCATE_RESERVATIONS",
    "BLOCK_THE_PACKAGE",
    "UNBLOCK_THE_PACKAGE",
    "PREPARE_PACKAGE",
    "REPLACE_PRODUCT",
    "UPDATE_INVOICE",
    "UPDATE_SHIPMENT_INFO",
    "UPDATE_SHIPMENT_LABEL",
    "READY_FOR_PICKUP",
    "SELF_SERVICE_PACKAGE_DELIVERY",
];

/// Whether a command answers nothing.
pub fn answers_nothing(command: &str) -> bool {
    matches!(
        command,
        "UPDATE_PACKAGE_SHIPMENT_STATUS" | "UPDATE_SHIPMENT_LABEL" | "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION"
    )
}

/// Whether a command plans: the items it leaves waiting hold reservations then, whatever was before.
pub fn plans(command: &str) -> bool {
    matches!(
        command,
        "DETECTED_OUT_OF_STOCK_ITEM"
            | "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED"
            | "REPACK"
            | "ASSIGN_PACKAGE_ITEMS_MANUALLY"
            | "PREPARE_PACKAGE"
            | "REPLACE_PRODUCT"
    )
}

/// Transitions that make a shop worth its day: numbers of source, destination and command.
#[rustfmt::skip]
pub const USUAL: [(usize, usize, usize); 20] = [
    (0, 4, 0), (4, 5, 3), (0, 0, 4), (1, 0, 5), (0, 0, 8), (0, 0, 9), (4, 5, 6), (0, 5, 7), (3, 0, 7),
    (0, 0, 13), (0, 1, 14), (0, 0, 16), (0, 3, 16), (0, 3, 17), (0, 4, 19), (0, 0, 20), (4, 0, 21), (4, 0, 22),
    (3, 0, 22), (4, 4, 23),
];

pub const WAITING: &str = "waiting";
pub const OUT_OF_STOCK: &str = "out-of-stock";
pub const CANCELLED: &str = "packaging-canceled";
pub const NOT_FOUND: &str = "oms-not-found";
/// Of a package, and of its items that are still to come.
pub const WAITING_FOR_TRANSFER: &str = "waiting-for-transfer";

/// States every installation here has: code and planning name them.
pub const FIRST: [(&str, u32, bool); 5] = [
    (WAITING, 100, false),
    (OUT_OF_STOCK, 920, false),
    (CANCELLED, 900, true),
    (NOT_FOUND, 930, true),
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
    ("beyond", 1200, false),
    ("lost", 999, true),
    ("refunded", 1100, true),
];

/// States of transfers, and whether they are final.
pub const TRANSFER_STATES: [(&str, bool); 5] = [
    ("waiting", false),
    ("ready_to_shipment", false),
    ("in_transit", false),
    ("transferred", true),
    ("cancelled", true),
];

/// A transition of transfers: its command, from, to.
#[derive(Debug, Clone, Copy)]
pub struct Leg(pub &'static str, pub &'static str, pub &'static str);

pub const LEGS: [Leg; 5] = [
    Leg("TRANSFER_ORDER_ADVANCED", "waiting", "ready_to_shipment"),
    Leg("TRANSFER_DISPATCH", "waiting", "in_transit"),
    Leg("TRANSFER_DISPATCH", "ready_to_shipment", "in_transit"),
    Leg("TRANSFER_DELIVERED", "in_transit", "transferred"),
    Leg("TRANSFER_ITEM_NOT_FOUND", "waiting", "cancelled"),
];

impl Leg {
    pub fn slug(self) -> String {
        format!("transfer__{}__{}__{}", self.0, self.1, self.2).to_lowercase()
    }
}
