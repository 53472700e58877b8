//! The outcome of a command. Its bytes are made at the API, and for the row of an idempotency key.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Refusal;

/// The outcome of a command. `A` is the answer about the package or the transfer.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<A> {
    /// It was carried out; none if the command has no answer.
    Done(Option<A>),
    /// A dry run: it would be carried out.
    Tried(Box<DryRun<A>>),
    /// It was refused, and nothing changed.
    Refused(Refusal),
    /// It was answered before, with the same key.
    Repeated(Reply),
}

/// The answer of a dry run of a command that would be carried out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DryRun<A> {
    /// The status of the command's answer.
    pub status_code: u16,
    /// The body of the command's answer; null if it has none.
    pub reply: Option<A>,
    /// Everything that would change.
    #[schema(value_type = Object)]
    pub effects: Value,
}

/// The answer of a command that moved a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageAnswer {
    /// The package's id.
    pub package_id: i64,
    /// The package's number.
    pub package_number: String,
    /// The location that packs its items now.
    pub package_stock_location_id: i64,
    /// The name of that location.
    pub package_stock_location_name: String,
    /// True if that is the location before.
    pub is_same_location: bool,
}

/// The answer of a command that moved a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TransferAnswer {
    /// The transfer's id.
    pub transfer_id: i64,
    /// The transfer's number.
    pub transfer_number: String,
    /// The stable code of its state now.
    pub state: String,
}

/// An answer as bytes: a status and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// JSON, or empty with 204.
    pub body: Bytes,
}

impl Reply {
    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_vec(body).unwrap_or_default().into() }
    }
}

impl<A> Outcome<A> {
    /// The status of its answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Done(None) => StatusCode::NO_CONTENT,
            Self::Done(Some(_)) | Self::Tried(_) => StatusCode::OK,
            Self::Refused(refusal) => refusal.status,
            Self::Repeated(reply) => reply.status,
        }
    }
}

impl<A: Serialize> Outcome<A> {
    /// The answer as bytes.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Done(None) => Reply { status: StatusCode::NO_CONTENT, body: Bytes::new() },
            Self::Done(Some(answer)) => Reply::json(StatusCode::OK, answer),
            Self::Tried(dry_run) => Reply::json(StatusCode::OK, dry_run),
            Self::Refused(refusal) => Reply::json(refusal.status, &refusal.body()),
            Self::Repeated(reply) => reply.clone(),
        }
    }
}
