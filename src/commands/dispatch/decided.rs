//! What a group of commands comes to: laid out, derived, written, answered.

use axum::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;
use sqlx::PgConnection;

use super::{
    super::{
        Answer, Changes, PackageFacts,
        apply::{Applied, is_one_statement},
        consequences::PackageChange,
        idempotency::IdempotencyKey,
        transfer::{
            self, TransferChange,
            consequences::{Derived, derive},
        },
    },
    Reply, Request,
    engine::AttemptError,
};
use crate::{
    catalog::Catalog,
    error::Result,
    planning::{self, plan::Trace},
};

/// What becomes of one command.
pub(super) struct Decision {
    /// Its answer, once it is written.
    pub(super) reply: Reply,
    /// Whether the answer is to be remembered under the command's key.
    pub(super) is_new: bool,
    /// What changes, the command's own package first; nothing if the answer stands as it is: a refusal, a repeat, a dry
    /// run.
    pub(super) packages: Vec<PackageChange>,
    /// The scenario that planned.
    pub(super) scenario_id: Option<i64>,
    /// Why each place was chosen, if it planned.
    pub(super) trace: Option<Trace>,
    /// (order item, location) pairs that are left out from now on.
    pub(super) exclusions: Vec<(i64, i64)>,
}

impl Decision {
    /// An answer, and nothing changes.
    pub(super) fn answer(reply: Reply) -> Self {
        Self { reply, is_new: false, packages: Vec::new(), scenario_id: None, trace: None, exclusions: Vec::new() }
    }

    /// Whether there is something to write.
    pub(super) fn is_to_be_written(&self) -> bool {
        self.is_new || !self.packages.is_empty()
    }
}

/// What a plan leaves behind besides the packages.
struct Planned {
    package_id: Option<i64>,
    order_id: i64,
    scenario_id: Option<i64>,
    trace: Option<Trace>,
    exclusions: Vec<(i64, i64)>,
}

/// What a group comes to.
pub(super) struct Decided {
    pub(super) changes: Vec<PackageChange>,
    planned: Vec<Planned>,
    /// What is fetched for these packages, and what ends with them.
    pub(super) transfers: Vec<TransferChange>,
    pub(super) derived: Derived,
    /// One a request.
    pub(super) replies: Vec<Reply>,
    /// Whether each is to be remembered.
    are_new: Vec<bool>,
}

impl Decided {
    pub(super) fn new(decisions: Vec<Decision>, catalog: &Catalog) -> Result<Self> {
        let (mut changes, mut planned, mut transfers) = (Vec::new(), Vec::new(), Vec::new());
        let (mut replies, mut are_new) = (Vec::with_capacity(decisions.len()), Vec::with_capacity(decisions.len()));
        for decision in decisions {
            replies.push(decision.reply);
            are_new.push(decision.is_new);
            let first = changes.len();
            changes.extend(decision.packages);
            if let Some(trace) = &decision.trace {
                transfers.extend(transfer::begin::begin(&mut changes, first, trace, &catalog.workflow)?);
            }
            if decision.trace.is_some() || !decision.exclusions.is_empty() {
                let own = &changes[first];
                planned.push(Planned {
                    package_id: own.id,
                    order_id: own.order_id,
                    scenario_id: decision.scenario_id,
                    trace: decision.trace,
                    exclusions: decision.exclusions,
                });
            }
        }
        let derived = derive(&changes, &transfers, &catalog.workflow)?;
        Ok(Self { changes, planned, transfers, derived, replies, are_new })
    }

    /// The answers to remember.
    pub(super) fn answers<'a>(&'a self, requests: &[&'a Request]) -> Vec<(&'a IdempotencyKey, &'a Reply)> {
        let answers = requests.iter().zip(&self.replies).zip(&self.are_new);
        answers
            .filter(|(_, is_new)| **is_new)
            .filter_map(|((request, reply), _)| Some((request.key.as_ref()?, reply)))
            .collect()
    }

    /// Ends the transfers of packages that no longer wait for them. The packages are locked.
    pub(super) async fn end_transfers(&mut self, connection: &mut PgConnection, catalog: &Catalog) -> Result<()> {
        let ended = transfer::end::end(connection, &self.changes, &catalog.workflow).await?;
        if !ended.is_empty() {
            self.transfers.extend(ended);
            self.derived = derive(&self.changes, &self.transfers, &catalog.workflow)?;
        }
        Ok(())
    }

    /// Whether [`write`](Self::write) sends a single statement.
    pub(super) fn is_one_statement(&self) -> bool {
        is_one_statement(&self.changes, &self.derived.packages) && self.transfers.is_empty() && self.planned.is_empty()
    }

    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        installation_version: Option<i64>,
    ) -> Result<(), AttemptError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        for Planned { package_id, order_id, scenario_id, trace, exclusions } in &self.planned {
            if let Some(trace) = trace {
                planning::store_trace(connection, *order_id, *package_id, *scenario_id, trace).await?;
            }
            if !exclusions.is_empty() {
                planning::store_exclusions(connection, exclusions).await?;
            }
        }
        let (changes, transfers) = (&self.changes, &self.transfers);
        match transfer::apply::apply(connection, changes, transfers, &self.derived, installation_version).await? {
            Applied::Done(_) => Ok(()),
            Applied::Conflict => Err(AttemptError::Conflict),
        }
    }
}

/// The body of a successful command on a package, as the Akinon OMS answers it: these five keys.
#[derive(Serialize)]
struct PackageAnswer<'a> {
    package_id: i64,
    package_number: &'a str,
    package_stock_location_id: i64,
    package_stock_location_name: &'a str,
    is_same_location: bool,
}

/// The answer of a command that succeeded.
pub(super) fn reply(package: &PackageFacts, changes: &Changes, catalog: &Catalog) -> Reply {
    match changes.answer {
        Answer::Nothing => Reply { status: StatusCode::NO_CONTENT, body: Bytes::new() },
        Answer::Package { stock_location_id } => Reply::json(
            StatusCode::OK,
            &PackageAnswer {
                package_id: package.id,
                package_number: &package.number,
                package_stock_location_id: stock_location_id,
                package_stock_location_name: catalog.locations.get(&stock_location_id).map_or("", |at| &at.name),
                is_same_location: stock_location_id == package.stock_location_id,
            },
        ),
    }
}
