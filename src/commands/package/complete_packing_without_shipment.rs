//! `COMPLETE_PACKING_WITHOUT_SHIPMENT`: everything is in the box, and nobody is to carry it: no shipment is made.

use super::{
    super::{Changes, Command, Context, input},
    require_items,
};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct CompletePackingWithoutShipment;

impl Command for CompletePackingWithoutShipment {
    fn identifier(&self) -> &'static str {
        "COMPLETE_PACKING_WITHOUT_SHIPMENT"
    }

    fn summary(&self) -> &'static str {
        "Pack without a shipment: all products are in the package; no shipment and no label are made."
    }

    fn common_parameters(&self) -> &'static [&'static str] {
        input::PACKING
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        require_items(context.package)?;
        Ok(Changes::to(context.package, context.transition.destination_id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    #[test]
    fn it_packs_without_a_shipment() {
        let scene = Scene::new();
        for (source, destination) in [("waiting", "packed"), ("preparing", "packed"), ("ready-for-packaging", "packed")]
        {
            let changes = scene.decide("COMPLETE_PACKING_WITHOUT_SHIPMENT", source, &json!({})).expect("moved");
            assert_eq!(changes.state_id, scene.state(destination));
            assert_eq!(changes.shipment, None);
        }
    }

    #[test]
    fn an_empty_package_cannot_be_packed() {
        let mut scene = Scene::new();
        scene.package.items.clear();
        let refusal = scene.decide("COMPLETE_PACKING_WITHOUT_SHIPMENT", "waiting", &json!({})).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_package_1");
    }
}
