//! `READY_FOR_PICKUP`: it is packed, and the customer may come for it.

use super::super::{Changes, Command, Context, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct ReadyForPickup;

impl Command for ReadyForPickup {
    fn identifier(&self) -> &'static str {
        "READY_FOR_PICKUP"
    }

    fn summary(&self) -> &'static str {
        "Ready for pickup: the customer may collect the package."
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
    fn it_waits_for_the_customer() {
        let scene = Scene::new();
        let changes = scene.decide("READY_FOR_PICKUP", "packed", &json!({})).expect("moved");
        assert_eq!(changes.state_id, scene.state("ready-for-pickup"));
    }
}
