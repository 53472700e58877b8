//! `SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION`: it has left by means that no integration knows. Answers 204.

use super::super::{Answer, Changes, Command, Context};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct ShipThePackageWithoutShipmentIntegration;

impl Command for ShipThePackageWithoutShipmentIntegration {
    fn identifier(&self) -> &'static str {
        "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION"
    }

    fn summary(&self) -> &'static str {
        "Ship without an integration: the package has left its location by other means. Answers 204."
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        let moved = Changes::to(context.package, context.transition.destination_id);
        Ok(Changes { answer: Answer::Nothing, ..moved })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};

    #[test]
    fn it_ships_and_says_nothing() {
        let scene = Scene::new();
        let changes =
            scene.decide("SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION", "packed", &json!({})).expect("moved");
        assert_eq!(changes.state_id, scene.state("shipped"));
        assert_eq!(changes.answer, Answer::Nothing);
    }
}
