//! The audit: who changed users, tokens, webhooks, locations, scenarios and the rest of an installation.
//!
//! Triggers write it, in the transaction of the change, so no way to a change passes it by (migration 20). They take the
//! [`Actor`] from the transaction, and refuse a change by this program that names none: whoever changes something audited
//! [`begin`]s by saying who it is. Rows are only added.

use std::{collections::BTreeMap, env};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, types::Json};
use utoipa::ToSchema;

use crate::{
    cause,
    db::{PgConnection, PgPool, Transaction},
    error::Result,
    page::{Kind, List, ListRow, VISIBLE_TO_NONE, filter},
    role::Role,
    wire::Timestamp,
};

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user, by a request.
    User {
        /// The user's id.
        id: i64,
        /// The user's name.
        name: String,
    },
    /// Somebody at the command line: the account of the system, as the environment tells it.
    CommandLine(String),
    /// The server, by itself; the text says at what work.
    Server(&'static str),
}

impl Actor {
    /// Whoever runs this command.
    #[must_use]
    pub fn command_line() -> Self {
        Self::CommandLine(system_user())
    }

    /// What it is: `user`, `command_line` or `server`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::CommandLine(_) => "command_line",
            Self::Server(_) => "server",
        }
    }

    /// The name: of the user, of the account, of the work.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User { name, .. } | Self::CommandLine(name) => name,
            Self::Server(work) => work,
        }
    }

    /// The user's id, if it is one.
    #[must_use]
    pub const fn user_id(&self) -> Option<i64> {
        match self {
            Self::User { id, .. } => Some(*id),
            Self::CommandLine(_) | Self::Server(_) => None,
        }
    }

    fn to_json(&self) -> Value {
        let mut json = json!({ "kind": self.kind(), "name": self.name() });
        if let Some(id) = self.user_id() {
            json["user_id"] = id.into();
        }
        json
    }
}

/// The user of the operating system: who became root, if it was by `sudo`. A note, not a proof: who may run the command
/// may set what it is read from.
#[must_use]
pub fn system_user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| env::var(name).ok());
    let mut named = named.filter(|name| !name.is_empty());
    named.next().unwrap_or_else(|| format!("uid {}", rustix::process::getuid()))
}

/// Begins a transaction whose changes are the actor's.
///
/// # Errors
/// When the database fails.
pub async fn begin(pool: &PgPool, actor: &Actor) -> Result<Transaction<'static>> {
    let mut transaction = pool.begin().await?;
    name(&mut transaction, actor).await?;
    Ok(transaction)
}

/// Says whose the changes of a transaction are, and for which request, until it ends.
///
/// # Errors
/// When the database fails.
pub async fn name(transaction: &mut PgConnection, actor: &Actor) -> Result<()> {
    let cause = cause::current();
    sqlx::query!(
        "select set_config('oms.actor', $1, true) as actor, set_config('oms.request_id', $2, true) as request_id,
                set_config('oms.traceparent', $3, true) as traceparent",
        actor.to_json().to_string(),
        cause.as_ref().map(|cause| cause.request_id()).unwrap_or_default(),
        cause.as_ref().and_then(|cause| cause.traceparent()).unwrap_or_default()
    )
    .fetch_one(transaction)
    .await?;
    Ok(())
}

/// A value before and after a change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditedValue {
    /// Before; null where there was none.
    #[schema(required = true)]
    from: Option<Value>,
    /// After; null where there is none any more.
    #[schema(required = true)]
    to: Option<Value>,
}

/// A change that somebody made.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct AuditEntry {
    id: i64,
    created_date: Timestamp,
    /// `user`: by a request; `command_line`: by `oms`; `server`: by itself; `database`: by a statement of another program.
    actor_kind: String,
    /// Who: the name as it was then, of the user, of the account at the command line, of the server's work, or of the
    /// database's role.
    actor: String,
    /// Id of the user, where it was one.
    user_id: Option<i64>,
    /// What was changed: `user`, `token`, `webhook`, `location`, `scenario`, `installation`, `state`, `transition`,
    /// `cargo_company`, `cargo_company_condition`, `sender_address`, `denial_reason`, `cancellation_reason`,
    /// `stock_service`, `invoice_service`, `home` or `repair` (of what was counted or made again).
    kind: String,
    /// Its id; null for what there is only one of.
    object_id: Option<i64>,
    /// Its name as it was then.
    object: String,
    /// `created`, `changed` or `deleted`.
    action: String,
    /// What differs, by field. A secret shows only that it differs: `********`.
    #[schema(value_type = BTreeMap<String, AuditedValue>)]
    changes: Json<BTreeMap<String, AuditedValue>>,
}

impl AuditEntry {
    /// A line for the command line.
    #[must_use]
    pub fn line(&self) -> String {
        let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "null".to_owned(), Value::to_string);
        let changes = self.changes.iter().map(|(field, value)| match (&value.from, &value.to) {
            (None, to) => format!("{field} {}", text(to)),
            (from, to) => format!("{field} {} -> {}", text(from), text(to)),
        });
        let id = self.object_id.map(|id| format!(" {id}")).unwrap_or_default();
        let changes = changes.collect::<Vec<_>>().join(", ");
        let date = self.created_date.0.format("%FT%TZ");
        format!(
            "{date} {} {} {} {}{id} {:?}: {changes}",
            self.actor_kind, self.actor, self.action, self.kind, self.object
        )
    }
}

/// Which entries are looked for; none: any.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The name of who made the change.
    pub actor: Option<String>,
    /// The kind of what was changed.
    pub kind: Option<String>,
    /// Its id.
    pub object_id: Option<i64>,
    /// Made at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Made before this moment.
    pub to: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: u32,
}

/// Entries, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn latest(connection: &mut PgConnection, wanted: &Wanted) -> Result<Vec<AuditEntry>> {
    let entries = sqlx::query_as(
        "select * from audit
          where ($1::text is null or actor = $1) and ($2::text is null or kind = $2)
            and ($3::bigint is null or object_id = $3) and ($4::timestamptz is null or created_date >= $4)
            and ($5::timestamptz is null or created_date < $5)
          order by id desc limit $6",
    )
    .bind(&wanted.actor)
    .bind(&wanted.kind)
    .bind(wanted.object_id)
    .bind(wanted.from)
    .bind(wanted.to)
    .bind(i64::from(wanted.limit));
    Ok(entries.fetch_all(connection).await?)
}

impl ListRow for AuditEntry {
    const LIST: List = List {
        from: " from audit a",
        columns: "a.*",
        visible: VISIBLE_TO_NONE,
        filters: &[
            filter("user", Kind::Text, "a.actor = {}", "Who made the change: the name, as it was then."),
            filter("user_id", Kind::Integer, "a.user_id = {}", "Id of the user who made the change."),
            filter("actor_kind", Kind::Text, "a.actor_kind = {}", "`user`, `command_line`, `server` or `database`."),
            filter("kind", Kind::Texts, "a.kind = any({})", "Kinds of what was changed, separated by commas."),
            filter("object_id", Kind::Integer, "a.object_id = {}", "Id of what was changed; with `kind`."),
            filter("object", Kind::Text, "a.object = {}", "Name of what was changed, as it was then."),
            filter("action", Kind::Text, "a.action = {}", "`created`, `changed` or `deleted`."),
            filter("created_date__gte", Kind::DateTime, "a.created_date >= {}", "Made at this moment or later."),
            filter("created_date__lte", Kind::DateTime, "a.created_date <= {}", "Made at this moment or earlier."),
        ],
        sorts: &[("id", "a.id"), ("created_date", "a.created_date")],
        default_sort: "-id",
        tie_breaker: "a.id desc",
    };
    const ROLES: &'static [Role] = &[Role::Admin];
}
