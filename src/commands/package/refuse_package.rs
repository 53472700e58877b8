//! `REFUSE_PACKAGE`: the location refuses to pack it, for a reason of the installation's list. Its reservations end,
//! the location is excluded for its items, and it waits for a new plan.

use crate::{
    commands::{changes::Changes, command::Context, package::subject::PackageCommand},
    error::Refusal,
    kinds::{Kind, Lookup, Parameter, Recorded, common::SYNC},
};

const REASON: &str = "denial_reason";

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "REFUSE_PACKAGE",
        summary: "Refuses the package: its location will not pack it. Its reservations end, and it is planned again \
                  elsewhere.",
        parameters: &[Parameter {
            name: REASON,
            schema: r#"{"type":"integer"}"#,
            summary: "Id of an active denial reason.",
            recorded: Some(Recorded::Integer),
            ..Parameter::REQUIRED
        }],
        common: SYNC,
        example: r#"{"denial_reason":1}"#,
        looks_up: &[Lookup::DenialReasons],
        event: Some("package.refused"),
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let reason = context.input.integer(REASON)?;
    let known = &context.background.denial_reasons;
    if !known.iter().any(|(id, _)| *id == reason) {
        let known: Vec<String> = known.iter().map(|(id, title)| format!("{id} ({title})")).collect();
        let message = format!("Invalid pk \"{reason}\" - object does not exist. Choose one of: {}.", known.join(", "));
        return Err(Refusal::field(REASON, message));
    }
    let package = context.facts;
    let mut changes = Changes::to(package, context.transition.destination_id);
    changes.exclusions = package.items.iter().map(|item| (item.order_item_id, package.stock_location_id)).collect();
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};

    #[test]
    fn the_location_is_left_out_and_the_reason_kept() {
        let mut scene = Scene::new();
        scene.background.denial_reasons = vec![(4, "Too busy today".to_owned())];
        for state in ["waiting", "waiting-remote-action", "preparing"] {
            let changes = scene.decide("REFUSE_PACKAGE", state, &json!({ REASON: 4 })).expect("refused");
            assert_eq!(changes.state_id, scene.state("needs-rescheduling"));
            assert_eq!(changes.exclusions, [(101, 1), (102, 1)]);
            assert_eq!(changes.record.parameters.get(REASON), Some(&json!(4)));
        }
    }

    #[test]
    fn the_reason_must_be_one_of_the_list() {
        let mut scene = Scene::new();
        scene.background.denial_reasons = vec![(4, "Too busy today".to_owned())];
        for (input, message) in [
            (json!({}), "This field is required."),
            (json!({ REASON: "busy" }), "A valid integer is required."),
            (json!({ REASON: 9 }), "Invalid pk \"9\" - object does not exist. Choose one of: 4 (Too busy today)."),
        ] {
            let refusal = scene.decide("REFUSE_PACKAGE", "waiting", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ REASON: [message] }));
        }
    }
}
