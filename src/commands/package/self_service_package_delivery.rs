//! `SELF_SERVICE_PACKAGE_DELIVERY`: the customer has collected it.

use super::super::{Changes, Command, Context, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct SelfServicePackageDelivery;

impl Command for SelfServicePackageDelivery {
    fn identifier(&self) -> &'static str {
        "SELF_SERVICE_PACKAGE_DELIVERY"
    }

    fn summary(&self) -> &'static str {
        "Self-service delivery: the customer has collected the package."
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
    fn it_is_delivered() {
        let scene = Scene::new();
        let changes = scene.decide("SELF_SERVICE_PACKAGE_DELIVERY", "ready-for-pickup", &json!({})).expect("moved");
        assert_eq!(changes.state_id, scene.state("delivered"));
    }
}
