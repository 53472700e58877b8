//! The one error of the server, and its form in the API.
//!
//! Every error under `/api/v1/oms/` has the body `{"error": {…}, "status_code": N}`. A [`Refusal`] is an answer that
//! the client can act on (4xx). It is a plain value, so a command can be asked for it without being run. An [`Error`]
//! is a refusal or a fault of ours (5xx). A fault is logged once, at the boundary ([`crate::server`]), and never shows
//! SQL, a path or a stack trace.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

/// A refusal: its status (400..=499) and its `error` object.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status, repeated in the body as `status_code`.
    pub status: StatusCode,
    /// The value of `error`: `{"non_field_errors", "error_code"}`, `{"detail"}` or `{"<field>": ["…"]}`.
    pub error: Value,
    /// Seconds after which to try again, for the header `Retry-After`.
    pub retry_after: Option<u64>,
}

/// A business rule that can refuse a command, with a stable code.
///
/// Codes are `oms_<area>_<n>`; the `OpenAPI` document lists [`RULES`]. A number is never reused for another rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// `oms_<area>_<n>`.
    pub code: &'static str,
    /// When it refuses, for the documentation.
    pub summary: &'static str,
}

/// No location can serve any of the items that were to be planned again.
pub const NO_PLACE: Rule = Rule { code: "oms_planning_1", summary: "No location can serve any of the items." };
/// The location an operator chose has not enough of a product.
pub const NOT_ENOUGH_STOCK: Rule =
    Rule { code: "oms_planning_2", summary: "The chosen location does not have enough available stock." };
/// No scenario fits the order, so its items cannot be planned.
pub const NO_SCENARIO: Rule = Rule { code: "oms_planning_3", summary: "No active scenario fits the order." };
/// A package without items cannot go through this command.
pub const NO_ITEMS: Rule = Rule { code: "oms_package_1", summary: "The package has no items left." };
/// The package was in another state before, so it cannot be led back to the one asked for.
pub const WAS_ELSEWHERE: Rule =
    Rule { code: "oms_package_2", summary: "The package was in another state before it was blocked." };
/// The command changes a shipment, and the package has none.
pub const NO_SHIPMENT: Rule = Rule { code: "oms_shipment_1", summary: "The package has no shipment." };
/// The cargo company that was named is unknown or inactive.
pub const UNKNOWN_CARGO_COMPANY: Rule =
    Rule { code: "oms_cargo_1", summary: "The cargo company is unknown or not active." };
/// There is no cargo company that could carry the package.
pub const NO_CARGO_COMPANY: Rule =
    Rule { code: "oms_cargo_2", summary: "Neither the order nor the location has a cargo company." };

/// The installation has no state that the command needs.
pub const MISSING_STATE: Rule =
    Rule { code: "oms_installation_1", summary: "The installation lacks a state that the command needs." };

/// The data comes from the upstream, and this server has no upstream.
pub const NO_UPSTREAM: Rule = Rule { code: "oms_upstream_1", summary: "The server has no upstream to ask." };

/// The call has an answer, or a person ended it: it is neither ended nor made again.
pub const CALL_IS_OVER: Rule = Rule { code: "oms_upstream_2", summary: "The call was answered or ended." };

/// Something of the order is packed: who it is for is not changed any more.
pub const IS_PACKED: Rule = Rule { code: "oms_order_1", summary: "Something of the order is packed already." };

/// Every business rule, for the `OpenAPI` document.
pub const RULES: &[Rule] = &[
    NO_PLACE,
    NOT_ENOUGH_STOCK,
    NO_SCENARIO,
    NO_ITEMS,
    WAS_ELSEWHERE,
    NO_SHIPMENT,
    UNKNOWN_CARGO_COMPANY,
    NO_CARGO_COMPANY,
    MISSING_STATE,
    NO_UPSTREAM,
    CALL_IS_OVER,
    IS_PACKED,
];

impl Refusal {
    /// A refusal with this `error` object.
    #[must_use]
    pub fn new(status: StatusCode, error: Value) -> Self {
        Self { status, error, retry_after: None }
    }

    /// The same, with the seconds after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// `{"detail": "…"}` with any status: Django REST framework's form of errors without a field.
    #[must_use]
    pub fn detail(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, json!({ "detail": detail.into() }))
    }

    /// 400 for one field: `{"<field>": ["message"]}`.
    #[must_use]
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, json!({ name: [message.into()] }))
    }

    /// 400 for several fields at once.
    #[must_use]
    pub fn fields(messages: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let object = messages.into_iter().map(|(name, texts)| (name, json!(texts))).collect();
        Self::new(StatusCode::BAD_REQUEST, Value::Object(object))
    }

    /// Two refusals of fields as one that names both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        if let (Value::Object(fields), Value::Object(more)) = (&mut self.error, other.error) {
            for (name, messages) in more {
                fields.entry(name).or_insert(messages);
            }
        }
        self
    }

    /// 406: a business rule refuses, in a sentence for a shop assistant.
    #[must_use]
    pub fn rule(rule: Rule, sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, json!({ "non_field_errors": sentence.into(), "error_code": rule.code }))
    }

    /// 400 without a field.
    #[must_use]
    pub fn non_field(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, json!({ "non_field_errors": message }))
    }

    /// 400: the command names neither a transition nor a slug.
    #[must_use]
    pub fn transition_or_slug_required() -> Self {
        Self::non_field("transition or slug required")
    }

    /// 406 `commands_100_5`: transition and slug name different transitions.
    #[must_use]
    pub fn slug_mismatch() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            json!({ "non_field_errors": "Command id and slug mismatch", "error_code": "commands_100_5" }),
        )
    }

    /// 406 `commands_100_1`: the transition is unknown, of another entity, or does not start at the object's state.
    #[must_use]
    pub fn not_allowed() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            json!({
                "non_field_errors":
                    "Command definition is not allowed! Check source & destination states of command to be created",
                "error_code": "commands_100_1"
            }),
        )
    }

    /// 400: the body is not JSON, or not an object where an object is needed.
    #[must_use]
    pub fn parse(reason: impl fmt::Display) -> Self {
        Self::detail(StatusCode::BAD_REQUEST, format!("JSON parse error - {reason}"))
    }

    /// 404 for an object or a path, also if the caller may not know that the object exists.
    #[must_use]
    pub fn not_found() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    /// 401 without credentials.
    #[must_use]
    pub fn no_credentials() -> Self {
        Self::detail(StatusCode::UNAUTHORIZED, "Authentication credentials were not provided.")
    }

    /// 401 with an unknown token.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::detail(StatusCode::UNAUTHORIZED, "Invalid token.")
    }

    /// 403: the token is valid, the right is missing.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::detail(StatusCode::FORBIDDEN, "You do not have permission to perform this action.")
    }

    /// 422: the same `Idempotency-Key` with another request.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::detail(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This Idempotency-Key was used with another request. Use a new key for a new request.",
        )
    }

    /// 412: the object has another version than the request is for.
    #[must_use]
    pub fn has_changed() -> Self {
        Self::detail(
            StatusCode::PRECONDITION_FAILED,
            "It has changed since the version that If-Match names. Read it again, and decide anew.",
        )
    }

    /// The stable code of the rule that refuses, if it has one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.error.get("error_code").or_else(|| self.error.get("code"))?.as_str()
    }

    /// The body: `{"error": …, "status_code": N}`.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({ "error": self.error, "status_code": self.status.as_u16() })
    }
}

/// For people: `field: message`, or only the message if there is no field.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(object) = self.error.as_object() else { return write!(f, "{}", self.error) };
        let mut separator = "";
        for (name, value) in object.iter().filter(|(name, _)| *name != "error_code") {
            let is_field = name != "detail" && name != "non_field_errors";
            let messages: Vec<&str> = match value {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                other => other.as_str().into_iter().collect(),
            };
            let label = if is_field { format!("{name}: ") } else { String::new() };
            write!(f, "{separator}{label}{}", messages.join(" "))?;
            separator = "; ";
        }
        Ok(())
    }
}

/// Any error of a request or a subcommand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A refusal: answered as it is.
    #[error("{0}")]
    Refused(Refusal),
    /// Postgres could not be reached, or refused a statement.
    #[error("database: {}", crate::db::text(.0))]
    Database(#[from] sqlx::Error),
    /// Too many requests wait; answered 503 with `Retry-After`.
    #[error("more requests are waiting than this server takes on; try again shortly")]
    Overloaded,
    /// The stock service does not answer, and `when_down` is `wait`; answered 503 with `Retry-After`.
    #[error("the stock service tells nothing: {0}")]
    StockService(String),
    /// The upstream does not answer; answered 503 with `Retry-After`.
    #[error("the upstream tells nothing: {0}")]
    Upstream(String),
    /// The catalog in memory does not have something that a row refers to: it is old and must be refreshed.
    #[error("{0} is not in the catalog")]
    StaleCatalog(String),
    /// An impossible state, or a failure of something outside; the text is for the log.
    #[error("{0}")]
    Fault(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Error {
    /// 503 if trying again may help (the database is away or overloaded), else 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status,
            Self::Database(error) if Self::is_passing(error) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Overloaded | Self::StockService(_) | Self::Upstream(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) | Self::StaleCatalog(_) | Self::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What became of what was asked for, for metrics.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        if matches!(self, Self::Refused(_)) { "refused" } else { "failed" }
    }

    /// True if a failure of the database says "not now", and nothing about the request.
    #[must_use]
    pub fn is_passing(error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => true,
            // 57P0x: shutting down or starting up; 58xxx: its disk; 53xxx: out of connections, memory or disk; 40xxx:
            // deadlock; 08xxx: the connection itself; 28xxx and 3D000: it does not let us in; 55P03: a lock not to be
            // had; 57014 and 25P03: our own limits of time (`db`); 25006: a standby, after a failover.
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                ["57P", "58", "53", "40", "08", "28"].iter().any(|class| code.starts_with(class))
                    || ["3D000", "55P03", "57014", "25P03", "25006"].contains(&&*code)
            }),
            _ => false,
        }
    }

    /// True if the connection was lost, or given up because Postgres was silent: another one may work. What was to be
    /// written may be written or not.
    #[must_use]
    pub fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Database(error) if crate::db::is_of_the_connection(error))
    }

    /// True if Postgres ended the transaction because of a deadlock: a new attempt may succeed.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code == "40P01")
    }

    /// True if another session held a lock for longer than the lock timeout.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code == "55P03")
    }

    /// What Postgres says of data that a statement cannot work with: a text that is no number, JSON of another form.
    #[must_use]
    pub fn of_data(&self) -> Option<String> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        error.code().is_some_and(|code| code.starts_with("22")).then(|| error.message().to_owned())
    }

    /// True if Postgres cannot keep a value: it is outside its type, its check or its index. Another value may be kept.
    #[must_use]
    pub fn is_of_a_value(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code.starts_with("22") || ["23514", "54000"].contains(&&*code))
    }

    /// What Postgres says of data that it cannot keep: it is outside its type, a constraint or an index. Other data may be kept.
    #[must_use]
    pub fn of_unkept_data(&self) -> Option<&str> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        let is_of_data =
            error.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)));
        is_of_data.then(|| error.message())
    }

    /// True if a statement rolled itself back because another was faster: decided again, it may succeed.
    #[must_use]
    pub fn is_write_conflict(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code == "40001")
    }
}

/// The result of handlers and queries.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Turns a violated constraint into an error of the domain: `.on_constraint("orders_number_key", || …)`.
pub trait OnConstraint<T> {
    /// Replaces the error if it is a violation of the constraint of that name.
    ///
    /// # Errors
    /// The replacement, or the error as it was.
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Refusal) -> Result<T>;
}

impl<T> OnConstraint<T> for std::result::Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Refusal) -> Result<T> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(database) if database.constraint() == Some(name) => refusal().into(),
            _ => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_refusals_are_as_documented_to_the_byte() {
        let texts = [
            (
                Refusal::transition_or_slug_required(),
                r#"{"error":{"non_field_errors":"transition or slug required"},"status_code":400}"#,
            ),
            (
                Refusal::slug_mismatch(),
                r#"{"error":{"non_field_errors":"Command id and slug mismatch","error_code":"commands_100_5"},"status_code":406}"#,
            ),
            (
                Refusal::not_allowed(),
                r#"{"error":{"non_field_errors":"Command definition is not allowed! Check source & destination states of command to be created","error_code":"commands_100_1"},"status_code":406}"#,
            ),
        ];
        for (refusal, text) in texts {
            assert_eq!(refusal.body().to_string(), text);
        }
    }

    #[test]
    fn for_people_a_refusal_is_a_sentence() {
        let two = Refusal::field("sku", "This field is required.").and(Refusal::field("quantity", "Too many."));
        assert_eq!(two.to_string(), "sku: This field is required.; quantity: Too many.");
        assert_eq!(Refusal::rule(NO_PLACE, "No location has it.").to_string(), "No location has it.");
    }

    #[test]
    fn every_rule_has_a_code_of_its_own() {
        let codes: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), RULES.len());
    }
}
