//! Whether the entries of an installation fit together.
//!
//! A workflow is data, so nobody compiles it; this is its compiler. What would strand a package
//! (a dead end), leak quota (a final state that occupies it) or make a call ambiguous (two
//! transitions of one slug) is refused before it reaches the database. What may be meant, but is
//! strange, is a warning.

mod company;
mod duplicates;
mod flow;
mod inventory;
mod places;
mod resources;
mod transfers;
mod transitions;

use std::borrow::Cow;

use super::read::{Installation, Place, Problem};

/// What the check must know of a command. The list is the one of the commands themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandKind {
    /// Its name in the installation file.
    pub identifier: &'static str,
    /// Other names it goes by.
    pub aliases: &'static [&'static str],
    /// The entity it moves: `package` or `transfer`.
    pub entity: &'static str,
    /// Whether it has a second outcome, and so an `otherwise`.
    pub needs_otherwise: bool,
    /// Whether it leaves the state as it is: its destination is its source.
    pub stays: bool,
    /// The common parameters it takes, and so its transitions may give defaults for.
    pub common_parameters: &'static [&'static str],
}

/// What a check found, in the order of the files and their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What forbids applying the installation.
    pub problems: Vec<Problem>,
    /// What is strange, and may be meant.
    pub warnings: Vec<Problem>,
}

/// Reads and checks an installation given as (file name, text) pairs, with the aliases of
/// commands replaced by their identifiers. Returns it with its warnings.
///
/// # Errors
/// Every problem of reading; if there is none, every problem of the check.
pub fn load(files: &[(&str, &str)], commands: &[CommandKind]) -> Result<(Installation, Vec<Problem>), Vec<Problem>> {
    let mut installation = Installation::read_files(files)?;
    resolve_aliases(&mut installation, commands);
    let Checked { problems, warnings } = check(&installation, commands);
    if problems.is_empty() { Ok((installation, warnings)) } else { Err(problems) }
}

/// Replaces the aliases of commands by their identifiers, so that the rest of the server knows
/// each command, and the default slug of its transitions, by one name.
pub fn resolve_aliases(installation: &mut Installation, commands: &[CommandKind]) {
    for transition in &mut installation.transitions {
        let by_alias = |kind: &&CommandKind| kind.aliases.contains(&transition.command.as_str());
        if let Some(kind) = commands.iter().find(by_alias) {
            kind.identifier.clone_into(&mut transition.command);
        }
    }
}

/// Checks that the entries of an installation fit together, for a server that has these commands.
#[must_use]
pub fn check(installation: &Installation, commands: &[CommandKind]) -> Checked {
    let mut resolved = Cow::Borrowed(installation);
    let has_alias = |kind: &CommandKind| !kind.aliases.is_empty();
    if commands.iter().any(has_alias) {
        resolve_aliases(resolved.to_mut(), commands);
    }
    let installation = resolved.as_ref();

    let mut findings = Findings::default();
    duplicates::check(installation, &mut findings);
    transitions::check(installation, commands, &mut findings);
    flow::check(installation, &mut findings);
    places::check(installation, &mut findings);
    resources::check(installation, &mut findings);
    inventory::check(installation, &mut findings);
    transfers::check(installation, &mut findings);
    findings.sorted(installation)
}

/// What the parts of the check add to.
#[derive(Default)]
struct Findings(Checked);

impl Findings {
    fn problem(&mut self, at: &Place, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.problems.push(at.problem(key, message, remedy));
    }

    fn warning(&mut self, at: &Place, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.warnings.push(at.problem(key, message, remedy));
    }

    /// Puts the findings into the order in which somebody reads the files.
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
