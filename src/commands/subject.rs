//! The two subjects of commands, packages and transfers, as the one engine sees them.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::Value;

use super::{
    consequences::PackageChange,
    transfer::consequences::{Derived, Laid},
};
use crate::{
    auth::Caller,
    catalog::Catalog,
    commands::{
        background::Background,
        command::{Command, Context},
        input::Input,
        transfer::changes::TransferChange,
    },
    db::PgConnection,
    error::{Refusal, Result},
    kinds::{Kind, Lookup},
    packages::facts::Found,
    planning::Supply,
    scope::Scope,
    workflow::{Transition, Workflow},
};

/// A subject of commands.
///
/// Its functions differ between packages and transfers. Everything else is done by the engine ([`super::dispatch`]),
/// and is the same for both.
pub trait Subject: Debug + Sized + Send + Sync + 'static {
    /// The entity of its transitions.
    const ENTITY: &'static str;
    /// The input of a decision.
    type Facts: Debug + Send + Sync;
    /// The output of a decision.
    type Changes: Debug + Send;
    /// The answer when a command was carried out.
    type Answer: Debug + Clone + PartialEq + Serialize + Send + Sync;

    /// Every command on it.
    fn commands() -> impl Iterator<Item = &'static Command<Self>>;

    /// Locks some by id, always in the same order, and reads them.
    fn lock(connection: &mut PgConnection, ids: &[i64]) -> impl Future<Output = Result<Found<Self::Facts>>> + Send;

    /// Its state.
    fn state_id(facts: &Self::Facts) -> i64;

    /// Its version, which grows with each change.
    fn version(facts: &Self::Facts) -> i64;

    /// True if it is in a scope.
    fn is_visible(facts: &Self::Facts, scope: &Scope) -> bool;

    /// The location that runs a command of this kind on it.
    fn location_of(facts: &Self::Facts, kind: &Kind) -> i64;

    /// The stock from which its items could be planned, its own reservations included.
    fn supply(
        connection: &mut PgConnection,
        catalog: &Catalog,
        facts: &Self::Facts,
        lock: bool,
    ) -> impl Future<Output = Result<Supply>> + Send;

    /// The further facts that a kind of command asks for.
    fn background(
        connection: &mut PgConnection,
        lookups: &[Lookup],
        facts: &Self::Facts,
        input: Input<'_>,
    ) -> impl Future<Output = Result<Background>> + Send;

    /// Checks the input, then decides.
    ///
    /// # Errors
    /// 400 for a parameter, 406 for a business rule.
    fn decide(context: &Context<'_, Self::Facts>) -> Result<Self::Changes, Refusal>;

    /// Turns a decision into packages and transfers before and after.
    ///
    /// # Errors
    /// A fault if the installation does not have a state that its check requires.
    fn lay_out(context: &Context<'_, Self::Facts>, changes: Self::Changes, user_id: i64) -> Result<Laid>;

    /// The transfers that end with packages that leave the state in which they wait for transfers.
    fn ended(
        connection: &mut PgConnection,
        packages: &[PackageChange],
        workflow: &Workflow,
    ) -> impl Future<Output = Result<Vec<TransferChange>>> + Send;

    /// The answer; none if the command has none.
    ///
    /// # Errors
    /// A fault when a state is not in the workflow.
    fn answer(context: &Context<'_, Self::Facts>, changes: &Self::Changes) -> Result<Option<Self::Answer>>;

    /// The effects for a dry run, as far as they are in a scope.
    ///
    /// # Errors
    /// A fault when a state is not in the workflow.
    fn effects(context: &Context<'_, Self::Facts>, laid: &Laid, derived: &Derived) -> Result<Value>;
}

/// The transition that a caller may run on an object. Checked in this order: it is named; the caller's role may run it,
/// and the caller sees the location that runs it; it starts at the object's state.
///
/// # Errors
/// As [`Workflow::named`]; 403 when the caller may not run it; 406 when it does not start at the state.
pub(super) fn resolve<'c, S: Subject>(
    workflow: &'c Workflow,
    (id, slug): (Option<i64>, Option<&str>),
    caller: &Caller,
    facts: &S::Facts,
) -> Result<&'c Transition, Refusal> {
    let transition = workflow.named(S::ENTITY, id, slug)?;
    if !transition.permits(caller.role) || !caller.scope.sees(S::location_of(facts, transition.kind)) {
        return Err(Refusal::forbidden());
    }
    if transition.source_id != S::state_id(facts) {
        return Err(Refusal::not_allowed());
    }
    Ok(transition)
}
