//! `UNBLOCK_THE_PACKAGE`: the package goes back to its state before it was blocked.
//!
//! A transition has one destination, in its command object as in the log's legal moves. So an installation has one row
//! for each possible state before, and the log says which one applies. A package lists only that one.

use crate::{
    commands::{changes::Changes, command::Context, package::subject::PackageCommand},
    error::{Refusal, WAS_ELSEWHERE},
    kinds::{Kind, Lookup, names},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: names::UNBLOCK_THE_PACKAGE,
        summary: "Unblocks the package: it goes back to the state it was in before. Of the transitions of this \
                  command only the one to that state can be run; the package lists no other.",
        looks_up: &[Lookup::StateBefore],
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let before = context.background.state_before_id;
    if before != Some(context.transition.destination_id) {
        let state = before.and_then(|id| context.catalog.workflow.state(id).ok());
        let place = state.map_or("another state", |state| &state.name);
        let number = &context.facts.number;
        return Err(Refusal::rule(
            WAS_ELSEWHERE,
            format!("Package {number} was in {place} before; run the transition that leads back there."),
        ));
    }
    Ok(Changes::to(context.facts, context.transition.destination_id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};
    use crate::commands::{input::Input, package::subject::Packages, subject::Subject as _};

    #[test]
    fn only_the_way_back_is_open() {
        let mut scene = Scene::new();
        scene.background.state_before_id = Some(scene.state("preparing"));
        scene.package.state_id = scene.state("blocked");
        let nothing = serde_json::Map::new();
        for transition in scene.catalog.workflow.transitions("package") {
            if transition.kind.identifier != "UNBLOCK_THE_PACKAGE" {
                continue;
            }
            let decided = Packages::decide(&Context {
                catalog: &scene.catalog,
                transition,
                facts: &scene.package,
                input: Input(&nothing),
                supply: None,
                background: &scene.background,
                scope: &scene.scope,
            });
            if transition.destination_id == scene.state("preparing") {
                assert_eq!(decided.expect("back").state_id, scene.state("preparing"));
            } else {
                assert_eq!(
                    decided.expect_err("refused").error,
                    json!({ "non_field_errors": "Package 1P1 was in Preparing before; run the transition that leads back \
                                                 there.",
                            "error_code": "oms_package_2" })
                );
            }
        }
    }
}
