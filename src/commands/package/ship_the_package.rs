//! `SHIP_THE_PACKAGE`, "Ship": it has left the store or warehouse.

use serde_json::Value;

use super::super::{Changes, Command, Context, Parameter, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct ShipThePackage;

impl Command for ShipThePackage {
    fn identifier(&self) -> &'static str {
        "SHIP_THE_PACKAGE"
    }

    fn summary(&self) -> &'static str {
        "Ship: the package has left its location."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "package_items",
            schema: r#"{"type":"array","items":{"type":"integer"}}"#,
            required: false,
            summary: "Accepted and ignored: the original's documentation shows it.",
        }]
    }

    fn common_parameters(&self) -> &'static [&'static str] {
        input::SYNC
    }

    fn example(&self) -> Value {
        serde_json::json!({ "package_items": [1, 2, 3] })
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        Ok(Changes::to(context.package, context.transition.destination_id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;

    #[test]
    fn it_ships_whatever_package_items_says() {
        let scene = Scene::new();
        for input in [serde_json::json!({}), serde_json::json!({ "package_items": [999] })] {
            let changes = scene.decide("SHIP_THE_PACKAGE", "packed", &input).expect("shipped");
            assert_eq!(changes.state_id, scene.state("shipped"));
        }
    }
}
