//! What became of a command. Its bytes are made at the door, and for the row of an idempotency key.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Refusal;

/// What became of a command. `A` is what a client is told of the package or the transfer.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<A> {
    /// It was carried out; none where the command answers nothing.
    Done(Option<A>),
    /// It was a dry run, and would be carried out.
    Tried(Box<DryRun<A>>),
    /// It was not carried out, and nothing changed.
    Refused(Refusal),
    /// It was answered before, under the same key.
    Repeated(Reply),
}

/// The answer of a dry run in which the command would be carried out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DryRun<A> {
    /// The status that the command would be answered with.
    pub status_code: u16,
    /// The body that the command would be answered with; null where it answers nothing.
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
    /// Where its items are to be packed now.
    pub package_stock_location_id: i64,
    /// The name of that location.
    pub package_stock_location_name: String,
    /// Whether that is the location they were at before.
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
    /// The status it is answered with.
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
