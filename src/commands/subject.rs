//! The two things that commands move, packages and transfers, as the one engine sees them.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    Background, Command, Context, Input,
    consequences::PackageChange,
    facts::Found,
    transfer::{
        TransferChange,
        consequences::{Derived, Laid},
    },
};
use crate::{
    auth::Caller,
    catalog::Catalog,
    error::{Refusal, Result},
    kinds::Lookup,
    planning::Supply,
    workflow::Workflow,
};

/// Something that commands move.
///
/// Its functions differ between packages and transfers; everything else of a command's way is the engine's
/// ([`super::dispatch`]), and the same for both.
pub trait Subject: Debug + Sized + Send + Sync + 'static {
    /// The entity of its transitions.
    const ENTITY: &'static str;
    /// What a decision may look at.
    type Facts: Debug + Send + Sync;
    /// What a decision may change.
    type Changes: Debug + Send;
    /// What a client is told when a command was carried out.
    type Answer: Debug + Clone + PartialEq + Serialize + Send + Sync;

    /// Every command on it.
    fn commands() -> impl Iterator<Item = &'static Command<Self>>;

    /// Locks some by id, in an order that is the same for everybody, and reads them.
    fn lock(connection: &mut PgConnection, ids: &[i64]) -> impl Future<Output = Result<Found<Self::Facts>>> + Send;

    /// Its state.
    fn state_id(facts: &Self::Facts) -> i64;

    /// Whether it exists for a caller.
    fn is_visible(facts: &Self::Facts, caller: &Caller) -> bool;

    /// What its items could be planned from, its own reservations included.
    fn supply(
        connection: &mut PgConnection,
        catalog: &Catalog,
        facts: &Self::Facts,
        lock: bool,
    ) -> impl Future<Output = Result<Supply>> + Send;

    /// What a kind of command looks up.
    fn background(
        connection: &mut PgConnection,
        lookups: &[Lookup],
        facts: &Self::Facts,
        input: Input<'_>,
    ) -> impl Future<Output = Result<Background>> + Send;

    /// Finds the input's fault, then decides.
    ///
    /// # Errors
    /// 400 for a parameter, 406 for a business rule.
    fn decide(context: &Context<'_, Self::Facts>) -> Result<Self::Changes, Refusal>;

    /// Lays out a decision as packages and transfers before and after.
    ///
    /// # Errors
    /// A fault when the installation lacks a state that its check requires.
    fn lay_out(context: &Context<'_, Self::Facts>, changes: Self::Changes, user_id: i64) -> Result<Laid>;

    /// The transfers that end with packages which leave the state that waits for them.
    fn ended(
        connection: &mut PgConnection,
        packages: &[PackageChange],
        workflow: &Workflow,
    ) -> impl Future<Output = Result<Vec<TransferChange>>> + Send;

    /// What a client is told; none where the command answers nothing.
    ///
    /// # Errors
    /// A fault when a state is not in the workflow.
    fn answer(context: &Context<'_, Self::Facts>, changes: &Self::Changes) -> Result<Option<Self::Answer>>;

    /// What a dry run says would change.
    ///
    /// # Errors
    /// A fault when a state is not in the workflow.
    fn effects(context: &Context<'_, Self::Facts>, laid: &Laid, derived: &Derived) -> Result<Value>;
}
