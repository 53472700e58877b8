//! The decisions on a group of commands: derived, written, answered.

use serde::Serialize;

use super::{
    super::{
        apply::{Applied, is_one_statement},
        consequences::PackageChange,
        idempotency::IdempotencyKey,
        outcome::{Outcome, Reply},
        transfer::{
            self,
            consequences::{Derived, Laid, Planned, derive},
        },
    },
    Request,
    engine::AttemptError,
};
use crate::{
    catalog::Catalog, commands::transfer::changes::TransferChange, db::PgConnection, error::Result, planning,
    stock::ledger,
};

/// The decision on one command.
pub(super) struct Decision<A> {
    /// Its outcome, once it is written.
    pub(super) outcome: Outcome<A>,
    /// True if the answer is to be stored under the command's key.
    pub(super) is_new: bool,
    /// The changes; none for a refusal, a repeat or a dry run.
    pub(super) laid: Laid,
}

impl<A> Decision<A> {
    /// An outcome without changes.
    pub(super) fn unchanged(outcome: Outcome<A>) -> Self {
        Self { outcome, is_new: false, laid: Laid::default() }
    }

    /// True if there is something to write.
    pub(super) fn is_to_be_written(&self) -> bool {
        self.is_new || !self.laid.packages.is_empty() || !self.laid.transfers.is_empty()
    }
}

/// The decisions on a group.
pub(super) struct Decided<A> {
    pub(super) changes: Vec<PackageChange>,
    planned: Vec<Planned>,
    /// Changed transfers: those of commands, those that fetch for the packages, and those that end with them.
    transfers: Vec<TransferChange>,
    pub(super) derived: Derived,
    /// One per request.
    pub(super) outcomes: Vec<Outcome<A>>,
    /// For each, true if it is to be stored.
    are_new: Vec<bool>,
}

impl<A: Serialize> Decided<A> {
    pub(super) fn new(decisions: Vec<Decision<A>>, catalog: &Catalog) -> Result<Self> {
        let (mut changes, mut planned, mut transfers) = (Vec::new(), Vec::new(), Vec::new());
        let (mut outcomes, mut are_new) = (Vec::with_capacity(decisions.len()), Vec::with_capacity(decisions.len()));
        for Decision { outcome, is_new, laid } in decisions {
            outcomes.push(outcome);
            are_new.push(is_new);
            let first = changes.len();
            changes.extend(laid.packages);
            transfers.extend(laid.transfers.into_iter().map(|transfer| {
                let package = transfer.package.map(|index| first + index);
                TransferChange { package, ..transfer }
            }));
            planned.extend(laid.planned);
        }
        let derived = derive(&changes, &transfers, &catalog.workflow)?;
        Ok(Self { changes, planned, transfers, derived, outcomes, are_new })
    }

    /// True if nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.transfers.is_empty()
    }

    /// The answers to store.
    pub(super) fn answers<'a>(&self, requests: &[&'a Request]) -> Vec<(&'a IdempotencyKey, Reply)> {
        let answers = requests.iter().zip(&self.outcomes).zip(&self.are_new);
        answers
            .filter(|(_, is_new)| **is_new)
            .filter_map(|((request, outcome), _)| Some((request.key.as_ref()?, outcome.reply())))
            .collect()
    }

    /// Ends transfers of packages that no longer wait for them. Both are locked.
    pub(super) fn end(&mut self, ended: Vec<TransferChange>, catalog: &Catalog) -> Result<()> {
        if !ended.is_empty() {
            self.transfers.extend(ended);
            self.derived = derive(&self.changes, &self.transfers, &catalog.workflow)?;
        }
        Ok(())
    }

    /// True if [`write`](Self::write) sends a single statement.
    pub(super) fn is_one_statement(&self) -> bool {
        is_one_statement(&self.changes, &self.derived.packages) && self.transfers.is_empty() && self.planned.is_empty()
    }

    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        installation_version: Option<i64>,
    ) -> Result<(), AttemptError> {
        if self.is_empty() {
            return Ok(());
        }
        for Planned { package_id, order_id, scenario_id, trace, exclusions, .. } in &self.planned {
            if let Some(trace) = trace {
                planning::store_trace(connection, *order_id, Some(*package_id), *scenario_id, trace).await?;
            }
            if !exclusions.is_empty() {
                planning::store_exclusions(connection, exclusions).await?;
            }
        }
        let (changes, transfers) = (&self.changes, &self.transfers);
        match transfer::apply::apply(connection, changes, transfers, &self.derived, installation_version).await? {
            Applied::Done { .. } => {
                for planned in &self.planned {
                    ledger::record_not_found(connection, &planned.not_found).await?;
                }
                Ok(())
            }
            Applied::Conflict => Err(AttemptError::Conflict),
        }
    }
}
