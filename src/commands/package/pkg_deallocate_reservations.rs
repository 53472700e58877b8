//! `PKG_DEALLOCATE_RESERVATIONS`: the package goes on waiting, and its items give their reservations up. Whoever packs it
//! takes the goods as they are; until then others may be promised them.

use super::super::{Changes, Command, Context, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct PkgDeallocateReservations;

impl Command for PkgDeallocateReservations {
    fn identifier(&self) -> &'static str {
        "PKG_DEALLOCATE_RESERVATIONS"
    }

    fn summary(&self) -> &'static str {
        "Gives the reservations of the package's items up and goes on; packing it takes what is there."
    }

    fn common_parameters(&self) -> &'static [&'static str] {
        input::SYNC
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        let mut changes = Changes::to(context.package, context.transition.destination_id);
        changes.releases_reservations = true;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    #[test]
    fn it_goes_on_without_reservations() {
        let scene = Scene::new();
        let changes = scene.decide("PKG_DEALLOCATE_RESERVATIONS", "waiting", &json!({})).expect("moved");
        assert_eq!(changes.state_id, scene.state("preparing"));
        assert!(changes.releases_reservations);
    }
}
