//! The core: commands, and their list.
//!
//! ```text
//! Request ── dispatch ──▶ load ─▶ resolve ─▶ decide ─▶ consequences ─▶ apply ─▶ commit ─▶ answer
//!                        facts   workflow   the file   pure            SQL
//! ```
//!
//! A command is a pure decision: its input is a [`Context`], its output [`Changes`] or a [`Refusal`]. It has no
//! connection, no clock and no network. Consequences of a change of state or place (quota, stock, reservations, the
//! log, events) are derived in [`consequences`], so no command can forget them.
//!
//! To add one: a file under `package/` with its kind and its decision, and its name in the two lists of that folder's
//! `mod.rs`; a plain move is a row of [`package::moves`]. Transfers have commands of their own ([`transfer`]).

pub mod apply;
pub mod background;
pub mod changes;
pub mod common;
pub mod consequences;
pub mod dispatch;
pub mod effects;
pub mod explain;
pub mod idempotency;
pub mod input;
pub mod outcome;
pub mod package;
pub mod records;
pub mod subject;
pub mod traffic;
pub mod transfer;

use std::sync::LazyLock;

use crate::{
    catalog::Catalog,
    error::{MISSING_STATE, Refusal},
    kinds::Kind,
    planning::Supply,
    workflow::Transition,
};

pub use crate::packages::facts::{self, Documents, ItemFacts, PackageFacts, ShipmentFacts};
pub use background::Background;
pub use changes::{Answer, Changes, Record, ShipmentChange, Successor, Taking};
pub use input::Input;
pub use package::{Packages, commands};
pub use subject::Subject;
pub use transfer::{TransferCommand, Transfers};

/// The input of a decision.
#[derive(Debug)]
pub struct Context<'a, Facts = PackageFacts> {
    /// The installation as of this transaction.
    pub catalog: &'a Catalog,
    /// The resolved transition: it starts at the state of the package or the transfer.
    pub transition: &'a Transition,
    /// The facts of the package, or of the transfer and its package.
    pub facts: &'a Facts,
    /// `input_parameters`.
    pub input: Input<'a>,
    /// Possible sources of its items; only for commands that plan.
    pub supply: Option<&'a Supply>,
    /// Further facts that the command asks for.
    pub background: &'a Background,
}

impl<Facts> Context<'_, Facts> {
    /// The id of a package state that the command leads to by itself.
    ///
    /// # Errors
    /// 406 if the installation does not have it, which its check prevents.
    pub fn state_id(&self, slug: &str) -> Result<i64, Refusal> {
        self.catalog.workflow.state_by_slug("package", slug).map(|state| state.id).map_err(|_| {
            Refusal::rule(
                MISSING_STATE,
                format!("The installation has no package state {slug}; ask operations to add it."),
            )
        })
    }
}

/// A command on packages or on transfers: its kind and its decision.
#[derive(Debug)]
pub struct Command<S: Subject> {
    /// Its data.
    pub kind: Kind,
    /// The changes, or the refusal: 400 for a parameter, 406 for a business rule.
    pub decide: Decide<S>,
}

/// A pure decision on facts.
pub type Decide<S> = fn(&Context<'_, <S as Subject>::Facts>) -> Result<<S as Subject>::Changes, Refusal>;

/// A command on packages.
pub type PackageCommand = Command<Packages>;

/// The kinds of all commands, for the table of transitions, the check of an installation and the documentation.
#[must_use]
pub fn kinds() -> &'static [&'static Kind] {
    static KINDS: LazyLock<Vec<&Kind>> = LazyLock::new(|| {
        let of_packages = commands().map(|command| &command.kind);
        of_packages.chain(transfer::commands().map(|command| &command.kind)).collect()
    });
    &KINDS
}

/// The command of a kind. The table resolves only transitions of the subject for it.
fn find<S: Subject>(kind: &'static Kind) -> Result<&'static Command<S>, Refusal> {
    S::commands().find(|command| std::ptr::eq(&raw const command.kind, kind)).ok_or_else(Refusal::not_allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::kinds::{Recorded, common::COMMON};

    #[test]
    fn every_kind_has_a_name_of_its_own_a_summary_and_sound_json() {
        let mut names = std::collections::HashSet::new();
        for kind in kinds() {
            assert!(std::iter::once(&kind.identifier).chain(kind.aliases).all(|name| names.insert(*name)));
            assert!(!kind.summary.is_empty() && ["package", "transfer"].contains(&kind.entity));
            assert!(kind.example().is_object(), "{}: its example is an object", kind.identifier);
            for parameter in kind.parameters {
                let schema: Result<Value, _> = serde_json::from_str(parameter.schema);
                let schema = schema.expect("a schema is JSON");
                assert!(schema.is_object(), "{}: {}", kind.identifier, parameter.name);
                if let Some(Recorded::Text { most_characters }) = parameter.recorded {
                    assert_eq!(schema["maxLength"], most_characters);
                }
                // They are stored together, and only packages have records.
                assert!(parameter.recorded.is_none() || COMMON.iter().all(|common| common.name != parameter.name));
                assert!(parameter.recorded.is_none() || kind.entity == "package");
            }
            assert!(kind.undone_by.is_none_or(|name| crate::kinds::find(kinds(), name).is_some()));
        }
    }
}
