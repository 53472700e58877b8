//! Transitions that make sense only in company: what one begins, another ends or does in its place.

use super::Findings;
use crate::installation::read::{Installation, Transition};

pub(super) fn check(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    match transition.command.as_str() {
        "PREPARE_PACKAGE" => preparing(installation, transition, findings),
        "BLOCK_THE_PACKAGE" => blocking(installation, transition, findings),
        _ => {}
    }
}

/// Whether there is a transition of a command from a state, to a state where one is named.
fn is_there(installation: &Installation, like: &Transition, command: &str, way: (&str, Option<&str>)) -> bool {
    let (source, destination) = way;
    installation.transitions.iter().any(|other| {
        other.entity == like.entity
            && other.command == command
            && other.source == source
            && destination.is_none_or(|slug| other.destination == slug)
    })
}

/// It does in one step what three others do, so these must be allowed from the same state.
fn preparing(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    let (source, destination) = (transition.source.as_str(), transition.destination.as_str());
    for (command, to) in [
        ("DETECTED_OUT_OF_STOCK_ITEM", None),
        ("REPLACE_PRODUCT", Some(source)),
        ("PKG_STATE_TRANSITION", Some(destination)),
    ] {
        if !is_there(installation, transition, command, (source, to)) {
            let way = to.map_or_else(|| format!("from `{source}`"), |to| format!("from `{source}` to `{to}`"));
            let message = format!("it leans on {command} {way}, which is not there");
            findings.problem(&transition.at, "command", message, format!("add a transition of {command} {way}"));
        }
    }
}

/// Who blocks wants to unblock: back to where the package was.
fn blocking(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    let (source, blocked) = (transition.source.as_str(), transition.destination.as_str());
    if !is_there(installation, transition, "UNBLOCK_THE_PACKAGE", (blocked, Some(source))) {
        let message = format!("a package blocked in `{source}` cannot be unblocked");
        let remedy = format!("add a transition of UNBLOCK_THE_PACKAGE from `{blocked}` to `{source}`");
        findings.warning(&transition.at, "destination", message, remedy);
    }
}
