//! A command: its kind, and a pure decision on what it sees.

use super::{background::Background, input::Input, subject::Subject};
use crate::{
    catalog::Catalog,
    error::{MISSING_STATE, Refusal},
    kinds::Kind,
    packages::facts::PackageFacts,
    planning::Supply,
    scope::Scope,
    workflow::Transition,
};

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
    /// The locations that the caller sees: a refusal has no stock of others.
    pub scope: &'a Scope,
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

/// The command of a kind. The table resolves only transitions of the subject for it.
///
/// # Errors
/// 406 for a kind that is no command of this subject.
pub fn find<S: Subject>(kind: &'static Kind) -> Result<&'static Command<S>, Refusal> {
    S::commands().find(|command| std::ptr::eq(&raw const command.kind, kind)).ok_or_else(Refusal::not_allowed)
}
