//! `CANCEL_PACKAGE`: the package ends; its reservations and its place in the quota become free.

use serde_json::Value;

use super::super::{Changes, Command, Context, Parameter, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct CancelPackage;

/// Longest reason taken, in characters.
const LONGEST_REASON: usize = 1000;

impl Command for CancelPackage {
    fn identifier(&self) -> &'static str {
        "CANCEL_PACKAGE"
    }

    fn summary(&self) -> &'static str {
        "Cancels the package and frees what it holds."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "cancellation_reason",
            schema: r#"{"type":["integer","string","null"],"maxLength":1000}"#,
            required: false,
            summary: "Why, in words or by a number of the caller's own; kept with the log.",
        }]
    }

    fn common_parameters(&self) -> &'static [&'static str] {
        input::SYNC
    }

    fn example(&self) -> Value {
        serde_json::json!({ "cancellation_reason": "customer changed their mind" })
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        let mut changes = Changes::to(context.package, context.transition.destination_id);
        changes.record.cancellation_reason = context.input.optional_string("cancellation_reason", LONGEST_REASON)?;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    #[test]
    fn it_cancels_with_or_without_a_reason() {
        let scene = Scene::new();
        let too_long = json!({ "cancellation_reason": "x".repeat(1001) });
        assert_eq!(scene.decide("CANCEL_PACKAGE", "waiting", &too_long).expect_err("refused").status, 400);
        for input in [json!({}), json!({ "cancellation_reason": 3 }), json!({ "cancellation_reason": "late" })] {
            let changes = scene.decide("CANCEL_PACKAGE", "waiting", &input).expect("cancelled");
            assert_eq!(changes.state_id, scene.state("packaging-canceled"));
            let reason = input.get("cancellation_reason").map(|reason| reason.to_string().replace('"', ""));
            assert_eq!(changes.record.cancellation_reason, reason);
        }
        let refusal =
            scene.decide("CANCEL_PACKAGE", "waiting", &json!({ "cancellation_reason": [] })).expect_err("refused");
        assert_eq!(refusal.error.to_string(), r#"{"cancellation_reason":["Not a valid string."]}"#);
    }
}
