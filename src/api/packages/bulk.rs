//! `POST /packages/commands/`: many commands, each as if it came alone.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{sync::Semaphore, task::JoinSet};
use utoipa::{
    ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, Type},
    },
};

use super::command::{Body, idempotency_key, shape};
use crate::{
    api::body::{LIST_BYTES, RequestBody},
    api::extract::Limited,
    app::App,
    auth::Caller,
    cause,
    commands::{
        dispatch::{Request, Versions},
        idempotency::{self, IdempotencyKey, LONGEST_KEY},
        input::integer,
        outcome::{Outcome, PackageAnswer, Reply},
    },
    error::{Error, Refusal, Result},
    openapi::any_error,
    wire,
};

/// Most commands in a list.
const MOST_COMMANDS: usize = 1000;
/// Commands of lists that wait with the dispatcher at once, whoever sent them: enough to fill its groups, and so few
/// that a command that comes alone never waits behind a thousand.
static WAITING_AT_ONCE: Semaphore = Semaphore::const_new(256);

/// Run many commands
///
/// A list of at most 1,000 commands, each `{"package", "transition" or "slug", "input_parameters"}` and, if it likes, an
/// `idempotency_key` of its own. Answered 200 with one result a command, in order: `{"status_code", "body"}` where it
/// succeeded (`body` is what the command alone would answer, null with 204), `{"error", "status_code"}` where it did not.
/// Each command is checked and carried out by itself, in a transaction of its own or with others: one that fails harms
/// no other. Commands for one package run in the order of the list, commands for several in any order.
///
/// With an `Idempotency-Key` the list can be sent again after a failure of any kind: what was carried out gets its answer
/// again, the rest is run. With `?dry_run=true` each result says what its command alone would do now, and nothing is
/// written.
#[utoipa::path(post, path = "/api/v1/oms/packages/commands/", tag = "Packages",
    operation_id = "runPackageCommands", request_body = Value,
    params(("dry_run" = Option<bool>, Query, description = "Only say what the commands would do."), ("Idempotency-Key" = Option<String>, Header, description = "Names this list, at most 255 characters.")),
    responses( (status = 200, description = "The results, in order", body = Vec<Listed>), (status = 422, description = "The Idempotency-Key was used with another request")))]
pub(super) async fn run_commands(
    door: Limited,
    headers: HeaderMap,
    uri: Uri,
    body: RequestBody<LIST_BYTES>,
) -> Result<axum::Json<Vec<Listed>>> {
    let (app, caller) = (&door.app, door.caller());
    wire::check_media_type(&headers)?;
    let list = match body.json().await? {
        Value::Array(list) => list,
        other => {
            let message = format!("Expected a list of items but got type \"{}\".", wire::python_type(&other));
            return Err(Refusal::non_field(&message).into());
        }
    };
    if list.len() > MOST_COMMANDS {
        return Err(Refusal::non_field(&format!("At most {MOST_COMMANDS} commands a request.")).into());
    }
    let dry_run = wire::dry_run(&uri)?;
    let key = if dry_run { None } else { idempotency_key(&headers)? };
    let key = key.map(|key| IdempotencyKey::of_list(caller.user_id, key, &body));
    if let Some(key) = &key
        && !idempotency::claim(&mut *app.pool.acquire().await?, key).await?
    {
        return Err(Refusal::key_reused().into());
    }
    let count = list.len();
    let mut outcomes: Vec<Option<Listed>> = Vec::new();
    outcomes.resize_with(count, || None);
    // By package, in the order of the list.
    let mut packages: BTreeMap<i64, Vec<(usize, Request)>> = BTreeMap::new();
    for (index, value) in list.into_iter().enumerate() {
        match read_request(value, &caller, key.as_ref().map(|key| key.of_part(index)), dry_run) {
            Ok(request) => packages.entry(request.id).or_default().push((index, request)),
            Err(refusal) => outcomes[index] = Some(Listed::refused(&refusal)),
        }
    }
    // They end with the request: what has not begun when the client goes away is not run.
    let mut tasks = JoinSet::new();
    for requests in packages.into_values() {
        tasks.spawn(cause::carry(run_in_order(app.clone(), requests)));
    }
    while let Some(done) = tasks.join_next().await {
        for (index, outcome) in done.map_err(|error| Error::Fault(format!("commands of a list: {error}")))? {
            outcomes[index] = Some(outcome);
        }
    }
    Ok(axum::Json(outcomes.into_iter().flatten().collect()))
}

/// The commands for one package, each after the one before it has its answer.
async fn run_in_order(app: App, requests: Vec<(usize, Request)>) -> Vec<(usize, Listed)> {
    let mut outcomes = Vec::with_capacity(requests.len());
    for (index, request) in requests {
        let outcome = match WAITING_AT_ONCE.acquire().await {
            Ok(_turn) => app.dispatcher.run(request).await,
            Err(_) => Err(Error::Overloaded),
        };
        outcomes.push((index, outcome.map_or_else(|error| Listed::failed(&error), Listed::from)));
    }
    outcomes
}

/// A command of the list. `key` is the one made from the list's.
fn read_request(
    value: Value,
    caller: &Arc<Caller>,
    key: Option<IdempotencyKey>,
    dry_run: bool,
) -> Result<Request, Refusal> {
    let package_id = match value.get("package") {
        None | Some(Value::Null) if value.is_object() => {
            return Err(Refusal::field("package", "This field is required."));
        }
        None => 0,
        Some(value) => integer(value).ok_or_else(|| Refusal::field("package", "A valid integer is required."))?,
    };
    let own_key = match value.get("idempotency_key") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if is_key(text) => Some(text.clone()),
        Some(_) => return Err(Refusal::field("idempotency_key", "Must be 1 to 255 printable characters.")),
    };
    let Body { transition, slug, input } = shape(value)?;
    // The same command under the same key is the same request, however its list is written.
    let content = json!([transition, slug, input]).to_string();
    let own_key = own_key.map(|key| IdempotencyKey::new(caller.user_id, key, package_id, content.as_bytes()));
    let key = own_key.or(key).filter(|_| !dry_run);
    let (caller, cause) = (Arc::clone(caller), cause::current());
    let versions = Versions::Any;
    Ok(Request { id: package_id, transition, slug, input, caller, cause, key, versions, dry_run })
}

fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// What became of a command of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedCommandResult)]
#[serde(untagged)]
pub(super) enum Listed {
    /// It was carried out, or, in a dry run, would be.
    #[schema(title = "ListedCommandDone")]
    Done {
        /// The status it would answer alone.
        status_code: u16,
        /// What it would answer alone; null with 204.
        #[schema(schema_with = answer_alone)]
        body: Option<Box<RawValue>>,
    },
    /// It was refused, or could not be run.
    #[schema(title = "ListedCommandRefused")]
    Refused {
        /// What is wrong, as in every error.
        #[schema(schema_with = any_error)]
        error: Value,
        /// The status it would answer alone.
        status_code: u16,
    },
}

/// What a command answers alone, a dry run too.
fn answer_alone() -> RefOr<Schema> {
    let answers = ["PackageAnswer", "PackageCommandDryRun"].map(Ref::from_schema_name);
    let null = ObjectBuilder::new().schema_type(Type::Null);
    answers.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).item(null).into()
}

impl Listed {
    fn refused(refusal: &Refusal) -> Self {
        Self::Refused { error: refusal.error.clone(), status_code: refusal.status.as_u16() }
    }

    fn done(status: StatusCode, body: Option<Box<RawValue>>) -> Self {
        Self::Done { status_code: status.as_u16(), body }
    }

    /// As its first request was answered.
    fn repeated(reply: &Reply) -> Self {
        if reply.status.is_success() {
            let body = (reply.status != StatusCode::NO_CONTENT).then(|| serde_json::from_slice(&reply.body).ok());
            return Self::done(reply.status, body.flatten());
        }
        let mut refused: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        Self::Refused { error: refused["error"].take(), status_code: reply.status.as_u16() }
    }

    /// It could not be run: a fault of ours, which says nothing of the command.
    fn failed(error: &Error) -> Self {
        tracing::error!(%error, "a command of a list failed");
        let detail = "The command could not be run. Send it again.";
        Self::Refused { error: json!({ "detail": detail }), status_code: error.status().as_u16() }
    }
}

impl From<Outcome<PackageAnswer>> for Listed {
    fn from(outcome: Outcome<PackageAnswer>) -> Self {
        let status = outcome.status();
        match &outcome {
            Outcome::Done(answer) => Self::done(status, answer.as_ref().map(wire::raw)),
            Outcome::Tried(dry_run) => Self::done(status, Some(wire::raw(dry_run))),
            Outcome::Refused(refusal) => Self::refused(refusal),
            Outcome::Repeated(reply) => Self::repeated(reply),
        }
    }
}
