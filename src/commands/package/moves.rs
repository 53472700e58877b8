//! Commands that lead to the transition's destination and change little else: a row each.

use super::checks::require_items;
use crate::{
    commands::{
        changes::{Answer, Changes},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{
        Kind, Parameter,
        common::{PACKING, SYNC},
        names,
    },
};

/// Every one of them.
pub static MOVES: &[PackageCommand] = &[
    PackageCommand {
        kind: Kind {
            identifier: names::PKG_STATE_TRANSITION,
            summary: "Moves the package and its items to the transition's destination, and does nothing else.",
            common: SYNC,
            ..Kind::BASE
        },
        decide: go,
    },
    PackageCommand {
        kind: Kind {
            identifier: "CHANNEL_BASED_COMPLETE_PACKING",
            summary: "Pack order from different channels: as Pack, but no shipment and no label are made.",
            common: PACKING,
            ..Kind::BASE
        },
        decide: pack,
    },
    PackageCommand {
        kind: Kind {
            identifier: "COMPLETE_PACKING_WITHOUT_SHIPMENT",
            summary: "Pack without a shipment: all products are in the package; no shipment and no label are made.",
            common: PACKING,
            ..Kind::BASE
        },
        decide: pack,
    },
    PackageCommand {
        kind: Kind {
            identifier: "SHIP_THE_PACKAGE",
            summary: "Ship: the package has left its location.",
            parameters: &[Parameter {
                name: "package_items",
                schema: r#"{"type":"array","items":{"type":"integer"}}"#,
                summary: "Accepted and ignored: the original's documentation shows it.",
                ..Parameter::OPTIONAL
            }],
            common: SYNC,
            example: r#"{"package_items":[1,2,3]}"#,
            ..Kind::BASE
        },
        decide: go,
    },
    PackageCommand {
        kind: Kind {
            identifier: "SHIP_THE_PACKAGE_BASIC",
            summary: "Basic ship: records that the package has left its location; the carrier is told nothing.",
            common: SYNC,
            ..Kind::BASE
        },
        decide: go,
    },
    PackageCommand {
        kind: Kind {
            identifier: "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION",
            summary: "Ship without an integration: the package has left its location by other means. Answers 204.",
            ..Kind::BASE
        },
        decide: go_without_answer,
    },
    PackageCommand {
        kind: Kind {
            identifier: "READY_FOR_PICKUP",
            summary: "Ready for pickup: the customer may collect the package.",
            common: SYNC,
            ..Kind::BASE
        },
        decide: go,
    },
    PackageCommand {
        kind: Kind {
            identifier: "SELF_SERVICE_PACKAGE_DELIVERY",
            summary: "Self-service delivery: the customer has collected the package.",
            common: SYNC,
            ..Kind::BASE
        },
        decide: go,
    },
    PackageCommand {
        kind: Kind {
            identifier: "BLOCK_THE_PACKAGE",
            summary: "Blocks the package: nobody goes on with it until it is unblocked. It keeps its reservations and \
                      its place.",
            undone_by: Some(names::UNBLOCK_THE_PACKAGE),
            ..Kind::BASE
        },
        decide: go,
    },
    PackageCommand {
        kind: Kind {
            identifier: "PKG_DEALLOCATE_RESERVATIONS",
            summary: "Gives the reservations of the package's items up and goes on; packing it takes what is there.",
            common: SYNC,
            ..Kind::BASE
        },
        decide: go_without_reservations,
    },
    PackageCommand {
        kind: Kind {
            identifier: "PACKAGE_PACKED_FOR_REFUND",
            summary: "Packed for refund: the customer is refunded instead; the package ends, and its reservations \
                      with it.",
            common: SYNC,
            ..Kind::BASE
        },
        decide: go,
    },
];

/// The plain move.
#[expect(clippy::unnecessary_wraps, reason = "other commands refuse")]
pub(super) fn go(context: &Context<'_>) -> Result<Changes, Refusal> {
    Ok(Changes::to(context.facts, context.transition.destination_id))
}

fn go_without_answer(context: &Context<'_>) -> Result<Changes, Refusal> {
    Ok(Changes { answer: Answer::Nothing, ..go(context)? })
}

/// The items wait without reservations from now on: their units may be promised to others until they are packed.
fn go_without_reservations(context: &Context<'_>) -> Result<Changes, Refusal> {
    Ok(Changes { releases_reservations: true, ..go(context)? })
}

/// Everything is in the box; no shipment is created here.
fn pack(context: &Context<'_>) -> Result<Changes, Refusal> {
    require_items(context.facts)?;
    go(context)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};

    /// Asserts where a command leads, by source, and that it does nothing else.
    fn leads(command: &str, ways: &[(&str, &str)]) {
        let scene = Scene::new();
        for (source, destination) in ways {
            let changes = scene.decide(command, source, &json!({})).expect("moved");
            assert_eq!(changes.state_id, scene.state(destination));
            assert!(changes.shipment.is_none() && changes.successors.is_empty() && changes.item_states.is_empty());
            assert_eq!(changes.releases_reservations, command == "PKG_DEALLOCATE_RESERVATIONS");
        }
    }

    #[test]
    fn the_plain_move_moves_and_does_nothing_else() {
        let destination_id = Scene::new().transition("PKG_STATE_TRANSITION", "waiting").destination_id;
        let changes = Scene::new().decide("PKG_STATE_TRANSITION", "waiting", &json!({})).expect("moved");
        assert_eq!(changes.state_id, destination_id);
        assert!(changes.shipment.is_none() && changes.successors.is_empty() && changes.item_states.is_empty());
    }

    #[test]
    fn packing_without_a_shipment_makes_none() {
        let packed = [("waiting", "packed"), ("preparing", "packed"), ("ready-for-packaging", "packed")];
        leads("COMPLETE_PACKING_WITHOUT_SHIPMENT", &packed);
        leads("CHANNEL_BASED_COMPLETE_PACKING", &packed[..1]);
    }

    #[test]
    fn an_empty_package_cannot_be_packed() {
        let mut scene = Scene::new();
        scene.package.items.clear();
        for command in ["COMPLETE_PACKING_WITHOUT_SHIPMENT", "CHANNEL_BASED_COMPLETE_PACKING"] {
            let refusal = scene.decide(command, "waiting", &json!({})).expect_err("refused");
            assert_eq!(refusal.error["error_code"], "oms_package_1");
        }
    }

    #[test]
    fn it_ships_whatever_package_items_says() {
        let scene = Scene::new();
        for input in [json!({}), json!({ "package_items": [999] })] {
            let changes = scene.decide("SHIP_THE_PACKAGE", "packed", &input).expect("shipped");
            assert_eq!(changes.state_id, scene.state("shipped"));
        }
    }

    #[test]
    fn other_ways_to_ship_lead_to_shipped() {
        leads("SHIP_THE_PACKAGE_BASIC", &[("packed", "shipped")]);
        leads("SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION", &[("packed", "shipped")]);
        let quiet = Scene::new().decide("SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION", "packed", &json!({}));
        assert_eq!(quiet.expect("shipped").answer, Answer::Nothing);
    }

    #[test]
    fn a_customer_may_collect_it() {
        leads("READY_FOR_PICKUP", &[("packed", "ready-for-pickup")]);
        leads("SELF_SERVICE_PACKAGE_DELIVERY", &[("ready-for-pickup", "delivered")]);
    }

    #[test]
    fn a_blocked_package_keeps_its_reservations() {
        let sources = ["waiting", "waiting-remote-action", "preparing", "ready-for-packaging"];
        leads("BLOCK_THE_PACKAGE", &sources.map(|source| (source, "blocked")));
    }

    #[test]
    fn giving_reservations_up_goes_on_without_them() {
        leads("PKG_DEALLOCATE_RESERVATIONS", &[("waiting", "preparing")]);
    }

    #[test]
    fn a_refund_ends_the_package() {
        let ways = [("waiting", "packed-for-refund"), ("out-of-stock", "packed-for-refund")];
        leads("PACKAGE_PACKED_FOR_REFUND", &ways);
    }
}
