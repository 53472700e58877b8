//! `CHANNEL_BASED_COMPLETE_PACKING`, "Pack order from different channels": packed, without a shipping document; the
//! channel brings its own.

use super::{
    super::{Changes, Command, Context, input},
    require_items,
};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct ChannelBasedCompletePacking;

impl Command for ChannelBasedCompletePacking {
    fn identifier(&self) -> &'static str {
        "CHANNEL_BASED_COMPLETE_PACKING"
    }

    fn summary(&self) -> &'static str {
        "Pack order from different channels: as Pack, but no shipment and no label are made."
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
    use super::super::testing::Scene;

    #[test]
    fn it_packs_without_a_shipment() {
        let scene = Scene::new();
        let changes =
            scene.decide("CHANNEL_BASED_COMPLETE_PACKING", "waiting", &serde_json::json!({})).expect("packed");
        assert_eq!(changes.state_id, scene.state("packed"));
        assert_eq!(changes.shipment, None);
    }

    #[test]
    fn an_empty_package_cannot_be_packed() {
        let mut scene = Scene::new();
        scene.package.items.clear();
        let refusal =
            scene.decide("CHANNEL_BASED_COMPLETE_PACKING", "waiting", &serde_json::json!({})).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_package_1");
    }
}
