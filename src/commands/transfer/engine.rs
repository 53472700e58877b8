//! Transfers, as the engine of commands sees them.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    super::{consequences::PackageChange, effects::EffectsView, outcome::TransferAnswer},
    commands,
    consequences::{Derived, Laid},
    facts, lay_out,
    subject::{TransferCommand, TransferContext, Transfers},
};
use crate::{
    catalog::Catalog,
    commands::{
        background::Background,
        command::{Command, find},
        common,
        input::Input,
        subject::Subject,
        transfer::{
            changes::{TransferChange, TransferChanges},
            facts::LockedTransfer,
        },
    },
    db::PgConnection,
    error::{Refusal, Result},
    kinds::{End, Kind, Lookup, Moves},
    packages::{facts as package_facts, facts::Found},
    planning::{self, Held, Line, Supply},
    scope::Scope,
    workflow::{Holding, Workflow},
};

impl Subject for Transfers {
    const ENTITY: &'static str = "transfer";
    type Facts = LockedTransfer;
    type Changes = TransferChanges;
    type Answer = TransferAnswer;

    fn commands() -> impl Iterator<Item = &'static TransferCommand> {
        commands()
    }

    /// Locks each transfer's package first, then all transfers of that package: of two commands that end the last ones,
    /// the second sees the result of the first, and the package is moved once.
    async fn lock(connection: &mut PgConnection, ids: &[i64]) -> Result<Found<LockedTransfer>> {
        let mut found = Found { version: None, by_id: HashMap::new() };
        for id in ids {
            let Some(package_id) = facts::package_id(connection, *id).await? else { continue };
            let mut packages = package_facts::lock(connection, &[package_id]).await?;
            let transfers = facts::lock(connection, &[package_id]).await?;
            let own = transfers.iter().position(|transfer| transfer.id == *id);
            if let Some((package, own)) = packages.by_id.remove(&package_id).zip(own) {
                found.version = packages.version;
                found.by_id.insert(*id, LockedTransfer { package, transfers, own });
            }
        }
        Ok(found)
    }

    fn state_id(facts: &LockedTransfer) -> i64 {
        facts.transfer().state_id
    }

    /// Either end sees it.
    fn is_visible(facts: &LockedTransfer, scope: &Scope) -> bool {
        let transfer = facts.transfer();
        scope.sees(transfer.source_location_id) || scope.sees(transfer.destination_location_id)
    }

    fn version(facts: &LockedTransfer) -> i64 {
        facts.transfer().event_sequence
    }

    fn location_of(facts: &LockedTransfer, kind: &Kind) -> i64 {
        let transfer = facts.transfer();
        match kind.moves {
            Moves::Transfer(End::Source) => transfer.source_location_id,
            Moves::Transfer(End::Destination) | Moves::Package => transfer.destination_location_id,
        }
    }

    async fn supply(
        connection: &mut PgConnection,
        catalog: &Catalog,
        facts: &LockedTransfer,
        lock: bool,
    ) -> Result<Supply> {
        let transfer = facts.transfer();
        let mut held = Held {
            package_id: Some(facts.package.id),
            stock_location_id: transfer.destination_location_id,
            ..Held::default()
        };
        let is_held = catalog.workflow.state(transfer.state_id)?.holding == Holding::Reserved;
        let mut lines = Vec::with_capacity(transfer.items.len());
        for item in &transfer.items {
            if is_held {
                held.elsewhere.push((transfer.source_location_id, item.sku.clone(), item.quantity));
            }
            lines.push(Line::of(item.order_item_id, &item.sku, item.quantity));
        }
        planning::supply(connection, catalog, facts.package.order_id, &lines, &held, lock).await
    }

    async fn background(
        _connection: &mut PgConnection,
        _lookups: &[Lookup],
        _facts: &LockedTransfer,
        _input: Input<'_>,
    ) -> Result<Background> {
        Ok(Background::default())
    }

    /// `transfer` may be left out of the input; it must be the one of the URL.
    fn decide(context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
        let command: &Command<Self> = find(context.transition.kind)?;
        let input = context.input;
        common::refuse_unknown(input, context.transition.kind, Self::ENTITY)?;
        if input.optional("transfer").is_some() && input.integer("transfer")? != context.facts.transfer().id {
            return Err(Refusal::field("transfer", "This is not the transfer of the URL."));
        }
        (command.decide)(context)
    }

    fn lay_out(context: &TransferContext<'_>, changes: TransferChanges, user_id: i64) -> Result<Laid> {
        lay_out::lay_out(context, changes, user_id)
    }

    /// The transfers of its package stay as they are: the command decided about its own.
    async fn ended(
        _connection: &mut PgConnection,
        _packages: &[PackageChange],
        _workflow: &Workflow,
    ) -> Result<Vec<TransferChange>> {
        Ok(Vec::new())
    }

    fn answer(context: &TransferContext<'_>, changes: &TransferChanges) -> Result<Option<TransferAnswer>> {
        let transfer = context.facts.transfer();
        let state = context.catalog.workflow.state(changes.state_id)?;
        Ok(Some(TransferAnswer {
            transfer_id: transfer.id,
            transfer_number: transfer.number.clone(),
            state: state.enum_value.clone(),
        }))
    }

    fn effects(context: &TransferContext<'_>, laid: &Laid, derived: &Derived) -> Result<Value> {
        let LockedTransfer { package, .. } = context.facts;
        let before = context.facts.transfer().state_id;
        let of_package = (package.id, package.placement());
        let view = EffectsView { scope: context.scope, workflow: &context.catalog.workflow };
        let effects = view.of_transfer(before, of_package, laid, derived)?;
        Ok(serde_json::to_value(effects).unwrap_or_default())
    }
}
