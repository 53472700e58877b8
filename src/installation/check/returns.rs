//! Packages that end after they were packed: what must hold so that the goods are on the shelf, or not, as the command says.

use super::findings::Findings;
use crate::{
    installation::read::{Entity, Installation, State},
    kinds::{self, Kind},
    workflow::{Holding, NEEDS_RESCHEDULING, NOT_RESTOCKED, OUT_OF_STOCK, holding},
};

pub(super) fn check(installation: &Installation, kinds: &[&'static Kind], findings: &mut Findings) {
    let holds = |state: &State| holding("package", &state.slug, &state.enum_value);
    let mut is_used = false;
    for transition in installation.transitions.iter().filter(|transition| transition.entity == Entity::Package) {
        let kind = kinds::find(kinds, &transition.command);
        if !kind.is_some_and(|kind| kind.needs_states.contains(&NOT_RESTOCKED)) {
            continue;
        }
        is_used = true;
        // An unknown state is reported for itself.
        let Some(state) = installation.state(Entity::Package, &transition.destination) else { continue };
        let waits = [OUT_OF_STOCK, NEEDS_RESCHEDULING].contains(&state.slug.as_str());
        if waits || holds(state) != Holding::Nothing {
            let message = format!("after {} a package holds nothing and waits for nothing", transition.command);
            let remedy = "lead to a state numbered 900 to 999 in which packages are not planned again";
            findings.problem(&transition.at, "destination", message, remedy);
        }
    }
    let state = installation.state(Entity::Package, NOT_RESTOCKED).filter(|_| is_used);
    if let Some(state) = state.filter(|state| holds(state) != Holding::Taken) {
        let message = format!("goods of items in `{NOT_RESTOCKED}` would be back on the shelf");
        findings.problem(&state.at, "enum_value", message, "write a number from 1000 on, but not 1100");
    }
}
