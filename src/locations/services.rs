//! What a location is for.

use serde::Serialize;
use utoipa::ToSchema;

/// The keys by which a location says what it is for. Clients read them; planning asks its scenarios instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StockLocationServices)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the wire")]
pub struct Services {
    /// Whether orders are packed here.
    pub is_fulfillment_center: bool,
    /// Whether customers collect their orders here.
    pub is_pickup_location: bool,
    /// Whether orders are delivered from here.
    pub is_delivery_location: bool,
    /// Whether customers bring goods back here.
    pub is_return_available: bool,
    /// Whether it delivers at once.
    pub is_fast_delivery_available: bool,
}

impl Default for Services {
    /// A location that says nothing packs orders.
    fn default() -> Self {
        Self {
            is_fulfillment_center: true,
            is_pickup_location: false,
            is_delivery_location: false,
            is_return_available: false,
            is_fast_delivery_available: false,
        }
    }
}
