//! `BLOCK_THE_PACKAGE`: nobody is to go on with it for now. It keeps what it holds, and the log keeps where it was.

use super::super::{Changes, Command, Context};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct BlockThePackage;

impl Command for BlockThePackage {
    fn identifier(&self) -> &'static str {
        "BLOCK_THE_PACKAGE"
    }

    fn summary(&self) -> &'static str {
        "Blocks the package: nobody goes on with it until it is unblocked. It keeps its reservations and its place."
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
    fn it_blocks_and_keeps_what_it_holds() {
        let scene = Scene::new();
        for (source, destination) in [
            ("waiting", "blocked"),
            ("waiting-remote-action", "blocked"),
            ("preparing", "blocked"),
            ("ready-for-packaging", "blocked"),
        ] {
            let changes = scene.decide("BLOCK_THE_PACKAGE", source, &json!({})).expect("moved");
            assert_eq!(changes.state_id, scene.state(destination));
            assert!(!changes.releases_reservations && changes.successors.is_empty());
        }
    }
}
