//! The documented order of checks, and the decision on a request.

use std::collections::HashMap;

use http::StatusCode;

use super::{
    super::{
        idempotency::Remembered,
        outcome::{DryRun, Outcome},
        transfer::consequences::derive,
    },
    Request,
    decided::Decision,
    engine::AttemptError,
};
use crate::{
    catalog::Catalog,
    commands::{
        command::Context,
        input::Input,
        subject::{self, Subject},
    },
    db::PgConnection,
    error::Refusal,
    workflow::Transition,
};

/// Stored answers, by user and key.
type Known = HashMap<(i64, String), Remembered>;

/// Decides a request on the facts. `planning`: none if it must not plan, else whether the plan locks its rows.
pub(super) async fn judge<S: Subject>(
    connection: &mut PgConnection,
    request: &Request,
    facts: Option<&S::Facts>,
    catalog: &Catalog,
    remembered: &Known,
    planning: Option<bool>,
) -> Result<Decision<S::Answer>, AttemptError> {
    let answered = |outcome: Outcome<S::Answer>| {
        let is_new = !request.dry_run && is_worth_remembering(request, &outcome, remembered);
        Decision { is_new, ..Decision::unchanged(outcome) }
    };
    let (facts, transition) = match resolve::<S>(request, facts, catalog, remembered) {
        Ok(resolved) => resolved,
        Err(outcome) => return Ok(answered(outcome)),
    };
    let supply = if transition.kind.plans_with(&request.input) {
        let lock = planning.ok_or(AttemptError::Plans)?;
        Some(S::supply(connection, catalog, facts, lock).await?)
    } else {
        None
    };
    let (input, scope) = (Input(&request.input), &request.caller.scope);
    let background = S::background(connection, transition.kind.looks_up, facts, input).await?;
    let context =
        Context { catalog, transition, facts, input, supply: supply.as_ref(), background: &background, scope };
    let changes = match S::decide(&context) {
        Err(refusal) => return Ok(answered(Outcome::Refused(refusal))),
        Ok(changes) => changes,
    };
    let answer = S::answer(&context, &changes)?;
    let mut laid = S::lay_out(&context, changes, request.caller.user_id)?;
    if request.dry_run {
        laid.transfers.extend(S::ended(connection, &laid.packages, &catalog.workflow).await?);
        let derived = derive(&laid.packages, &laid.transfers, &catalog.workflow)?;
        let effects = S::effects(&context, &laid, &derived)?;
        let status_code = if answer.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }.as_u16();
        return Ok(answered(Outcome::Tried(Box::new(DryRun { status_code, reply: answer, effects }))));
    }
    laid.is_caused_by(request.cause.as_ref());
    let outcome = Outcome::Done(answer);
    Ok(Decision { is_new: is_worth_remembering(request, &outcome, remembered), outcome, laid })
}

/// The documented order of checks, up to the source state. A repeat is answered as soon as its subject is known to
/// exist.
fn resolve<'a, S: Subject>(
    request: &Request,
    facts: Option<&'a S::Facts>,
    catalog: &'a Catalog,
    remembered: &Known,
) -> Result<(&'a S::Facts, &'a Transition), Outcome<S::Answer>> {
    let Some(facts) = facts else { return Err(Outcome::Refused(Refusal::not_found())) };
    let before = request.key.as_ref().and_then(|key| remembered.get(&(key.user_id, key.key.clone())).zip(Some(key)));
    if let Some((before, key)) = before {
        if before.request_hash == key.request_hash {
            return Err(Outcome::Repeated(before.reply.clone()));
        }
        return Err(Outcome::Refused(Refusal::key_reused()));
    }
    if !S::is_visible(facts, &request.caller.scope) {
        return Err(Outcome::Refused(Refusal::not_found()));
    }
    // What is written is written at this version, or everything is decided again.
    if !request.versions.has(S::version(facts)) {
        return Err(Outcome::Refused(Refusal::has_changed()));
    }
    let named = (request.transition, request.slug.as_deref());
    let transition = subject::resolve::<S>(&catalog.workflow, named, &request.caller, facts);
    Ok((facts, transition.map_err(Outcome::Refused)?))
}

/// True if a repeat must get this answer, under a new key: what was done, and what is wrong with the request itself. A refusal of
/// the package as it is (406) changed nothing, and a queue that repeats the request must get through once its cause is gone. A
/// 404, a reused key, or another version than `If-Match` has, is not about the command.
pub(super) fn is_worth_remembering<A>(request: &Request, outcome: &Outcome<A>, remembered: &Known) -> bool {
    let has_new_key = request.key.as_ref().is_some_and(|key| !remembered.contains_key(&(key.user_id, key.key.clone())));
    let is_of_now = [StatusCode::NOT_FOUND, StatusCode::PRECONDITION_FAILED, StatusCode::NOT_ACCEPTABLE];
    has_new_key && !is_of_now.contains(&outcome.status())
}
