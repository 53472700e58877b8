//! `PKG_STATE_TRANSITION`: the plain move, for steps that only a shop's own workflow knows.

use super::super::{Changes, Command, Context, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct PkgStateTransition;

impl Command for PkgStateTransition {
    fn identifier(&self) -> &'static str {
        "PKG_STATE_TRANSITION"
    }

    fn summary(&self) -> &'static str {
        "Moves the package and its items to the transition's destination, and does nothing else."
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
    use super::super::testing::Scene;

    #[test]
    fn it_moves_and_nothing_else() {
        let scene = Scene::new();
        let changes = scene.decide("PKG_STATE_TRANSITION", "waiting", &serde_json::json!({})).expect("moved");
        assert_eq!(changes.state_id, scene.transition("PKG_STATE_TRANSITION", "waiting").destination_id);
        assert!(changes.shipment.is_none() && changes.successors.is_empty() && changes.item_states.is_empty());
    }
}
