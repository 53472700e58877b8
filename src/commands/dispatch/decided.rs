//! What a group of commands comes to: laid out, derived, written, answered.

use axum::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;
use sqlx::PgConnection;

use super::{
    super::{
        Answer, Changes, PackageFacts,
        apply::{Applied, is_one_statement},
        consequences::{PackageChange, lay_out},
        transfer::{
            self, TransferChange,
            consequences::{Derived, derive},
        },
    },
    Reply, Request, Setback, Verdict,
};
use crate::{catalog::Catalog, error::Result, planning};

/// What a group comes to.
pub(super) struct Decided<'a> {
    verdicts: &'a [Verdict<'a>],
    pub(super) changes: Vec<PackageChange>,
    /// What is fetched for these packages, and what ends with them.
    pub(super) transfers: Vec<TransferChange>,
    pub(super) derived: Derived,
    /// One a request.
    pub(super) replies: Vec<Reply>,
}

impl<'a> Decided<'a> {
    pub(super) fn new(requests: &[Request], verdicts: &'a [Verdict<'a>], catalog: &Catalog) -> Result<Self> {
        let mut package_changes = Vec::new();
        let mut transfers = Vec::new();
        let mut replies = Vec::with_capacity(verdicts.len());
        for (request, verdict) in requests.iter().zip(verdicts) {
            match verdict {
                Verdict::Answered(answer) => replies.push(answer.clone()),
                Verdict::Changes(package, transition, changes, _) => {
                    let first = package_changes.len();
                    package_changes.extend(lay_out(package, transition, changes, request.caller.user_id));
                    if let Some(trace) = &changes.trace {
                        transfers.extend(transfer::begin::begin(
                            &mut package_changes,
                            first,
                            trace,
                            &catalog.workflow,
                        )?);
                    }
                    replies.push(reply(package, changes, catalog));
                }
            }
        }
        let derived = derive(&package_changes, &transfers, &catalog.workflow)?;
        Ok(Self { verdicts, changes: package_changes, transfers, derived, replies })
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
        let records = |verdict: &Verdict<'_>| matches!(verdict, Verdict::Changes(_, _, changes, _) if changes.trace.is_some() || !changes.exclusions.is_empty());
        is_one_statement(&self.changes, &self.derived.packages)
            && self.transfers.is_empty()
            && !self.verdicts.iter().any(records)
    }

    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        installation_version: Option<i64>,
    ) -> Result<(), Setback> {
        if self.changes.is_empty() {
            return Ok(());
        }
        for verdict in self.verdicts {
            let Verdict::Changes(package, _, changes, scenario_id) = verdict else { continue };
            if let Some(trace) = &changes.trace {
                planning::store_trace(connection, package.order_id, Some(package.id), *scenario_id, trace).await?;
            }
            if !changes.exclusions.is_empty() {
                planning::store_exclusions(connection, &changes.exclusions).await?;
            }
        }
        let (changes, transfers) = (&self.changes, &self.transfers);
        match transfer::apply::apply(connection, changes, transfers, &self.derived, installation_version).await? {
            Applied::Done(_) => Ok(()),
            Applied::Outrun => Err(Setback::Outrun),
        }
    }
}

/// The body of a command that succeeded: these five keys (decisions: "Success").
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
