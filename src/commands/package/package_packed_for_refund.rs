//! `PACKAGE_PACKED_FOR_REFUND`: the customer gets the money instead of the goods; the package ends and holds nothing.

use super::super::{Changes, Command, Context, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct PackagePackedForRefund;

impl Command for PackagePackedForRefund {
    fn identifier(&self) -> &'static str {
        "PACKAGE_PACKED_FOR_REFUND"
    }

    fn summary(&self) -> &'static str {
        "Packed for refund: the customer is refunded instead; the package ends, and its reservations with it."
    }

    fn common_parameters(&self) -> &'static [&'static str] {
        input::SYNC
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        Ok(Changes::to(context.package, context.transition.destination_id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    #[test]
    fn it_ends_the_package() {
        let scene = Scene::new();
        for (source, destination) in [("waiting", "packed-for-refund"), ("out-of-stock", "packed-for-refund")] {
            let changes = scene.decide("PACKAGE_PACKED_FOR_REFUND", source, &json!({})).expect("moved");
            assert_eq!(changes.state_id, scene.state(destination));
        }
    }
}
