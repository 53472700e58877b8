//! Checks that the entries of an installation fit together.
//!
//! A workflow is data, so no compiler checks it; this module does. It refuses entries that would strand a package (a
//! dead end), leak quota (a final state that occupies it), or make a call ambiguous (two transitions with one slug),
//! before they reach the database. Entries that are strange but possible are warnings.

mod company;
mod duplicates;
mod findings;
mod flow;
mod inventory;
mod invoicing;
mod places;
mod resources;
mod returns;
mod transfers;
mod transitions;

use std::borrow::Cow;

pub use self::findings::Checked;
use self::findings::Findings;
use super::read::{Installation, Problem};
use crate::kinds::Kind;

/// Reads and checks an installation from (file name, text) pairs, and replaces the aliases of commands by their
/// identifiers. Returns it with its warnings.
///
/// # Errors
/// Every problem of reading; if there is none, every problem of the check.
pub fn load(files: &[(&str, &str)], kinds: &[&'static Kind]) -> Result<(Installation, Vec<Problem>), Vec<Problem>> {
    let mut installation = Installation::parse_files(files)?;
    resolve_aliases(&mut installation, kinds);
    let Checked { problems, warnings } = check(&installation, kinds);
    if problems.is_empty() { Ok((installation, warnings)) } else { Err(problems) }
}

/// Replaces the aliases of commands by their identifiers, so that the rest of the server knows each command, and the
/// default slug of its transitions, by one name.
pub fn resolve_aliases(installation: &mut Installation, kinds: &[&'static Kind]) {
    for transition in &mut installation.transitions {
        let by_alias = |kind: &&&Kind| kind.aliases.contains(&transition.command.as_str());
        if let Some(kind) = kinds.iter().find(by_alias) {
            kind.identifier.clone_into(&mut transition.command);
        }
    }
}

/// Checks that the entries fit together, for a server with these commands.
#[must_use]
pub fn check(installation: &Installation, kinds: &[&'static Kind]) -> Checked {
    let mut resolved = Cow::Borrowed(installation);
    if kinds.iter().any(|kind| !kind.aliases.is_empty()) {
        resolve_aliases(resolved.to_mut(), kinds);
    }
    let installation = resolved.as_ref();

    let mut findings = Findings::default();
    duplicates::check(installation, &mut findings);
    transitions::check(installation, kinds, &mut findings);
    flow::check(installation, kinds, &mut findings);
    places::check(installation, &mut findings);
    resources::check(installation, &mut findings);
    inventory::check(installation, &mut findings);
    invoicing::check(installation, &mut findings);
    transfers::check(installation, &mut findings);
    returns::check(installation, kinds, &mut findings);
    findings.sorted(installation)
}

#[cfg(test)]
mod tests;
