//! `SHIP_THE_PACKAGE_BASIC`: it has left; only recorded, the carrier is told nothing.

use super::super::{Changes, Command, Context, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct ShipThePackageBasic;

impl Command for ShipThePackageBasic {
    fn identifier(&self) -> &'static str {
        "SHIP_THE_PACKAGE_BASIC"
    }

    fn summary(&self) -> &'static str {
        "Basic ship: records that the package has left its location; the carrier is told nothing."
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
    fn it_records_that_the_package_has_left() {
        let scene = Scene::new();
        let changes = scene.decide("SHIP_THE_PACKAGE_BASIC", "packed", &json!({})).expect("moved");
        assert_eq!(changes.state_id, scene.state("shipped"));
        assert_eq!(changes.shipment, None);
    }
}
