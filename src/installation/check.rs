//! Checks that the entries of an installation fit together.
//!
//! A workflow is data, so no compiler checks it; this module does. It refuses entries that would strand a package (a
//! dead end), leak quota (a final state that occupies it), or make a call ambiguous (two transitions with one slug),
//! before they reach the database. Entries that are strange but possible are warnings.

mod company;
mod duplicates;
mod flow;
mod inventory;
mod invoicing;
mod places;
mod resources;
mod transfers;
mod transitions;

use std::borrow::Cow;

use super::read::{Installation, Place, Problem};
use crate::kinds::Kind;

/// The findings, in the order of the files and their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Problems: the installation cannot be applied.
    pub problems: Vec<Problem>,
    /// Warnings: strange, but possible.
    pub warnings: Vec<Problem>,
}

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
    findings.sorted(installation)
}

/// Collects the findings of the parts of the check.
#[derive(Default)]
struct Findings(Checked);

impl Findings {
    fn problem(&mut self, at: &Place, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.problems.push(at.problem(key, message, remedy));
    }

    fn warning(&mut self, at: &Place, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.warnings.push(at.problem(key, message, remedy));
    }

    /// Sorts the findings in reading order of the files.
    fn sorted(self, installation: &Installation) -> Checked {
        let position = |problem: &Problem| {
            let mut files = installation.files.iter();
            (files.position(|file| *file == problem.file), problem.line)
        };
        let mut checked = self.0;
        checked.problems.sort_by_key(position);
        checked.warnings.sort_by_key(position);
        checked
    }
}

#[cfg(test)]
mod tests;
