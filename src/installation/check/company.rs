//! Transitions that need other transitions.

use super::findings::Findings;
use crate::{
    installation::read::{Installation, Transition},
    kinds::Kind,
};

/// True if there is a transition of a command from a state, and to a state if one is given.
fn is_there(installation: &Installation, like: &Transition, command: &str, way: (&str, Option<&str>)) -> bool {
    let (source, destination) = way;
    installation.transitions.iter().any(|other| {
        other.entity == like.entity
            && other.command == command
            && other.source == source
            && destination.is_none_or(|slug| other.destination == slug)
    })
}

/// A command that does the work of others in one step needs theirs allowed from the same state.
pub(super) fn leans_on(installation: &Installation, transition: &Transition, kind: &Kind, findings: &mut Findings) {
    let source = transition.source.as_str();
    for (command, key) in kind.leans_on {
        let to = key.and_then(|key| transition.state_under(key).1);
        if !is_there(installation, transition, command, (source, to)) {
            let way = to.map_or_else(|| format!("from `{source}`"), |to| format!("from `{source}` to `{to}`"));
            let message = format!("it leans on {command} {way}, which is not there");
            findings.problem(&transition.at, "command", message, format!("add a transition of {command} {way}"));
        }
    }
}

/// A package that is stopped must be able to go back to its state before.
pub(super) fn way_back(installation: &Installation, transition: &Transition, kind: &Kind, findings: &mut Findings) {
    let Some(command) = kind.undone_by else { return };
    let (source, stopped) = (transition.source.as_str(), transition.destination.as_str());
    if !is_there(installation, transition, command, (stopped, Some(source))) {
        let message = format!("a package cannot go back from `{stopped}` to `{source}`");
        let remedy = format!("add a transition of {command} from `{stopped}` to `{source}`");
        findings.warning(&transition.at, "destination", message, remedy);
    }
}
