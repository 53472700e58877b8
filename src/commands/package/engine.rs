//! Packages, as the engine of commands sees them.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    super::{
        background, common,
        consequences::{self, PackageChange},
        effects::EffectsView,
        outcome::PackageAnswer,
        transfer::{
            self,
            consequences::{Derived, Laid, Planned},
        },
    },
    commands, restock,
    subject::{PackageCommand, Packages},
};
use crate::{
    catalog::Catalog,
    commands::{
        background::Background,
        changes::{Answer, Changes, Part},
        command::{Command, Context, find},
        input::Input,
        subject::Subject,
        transfer::changes::TransferChange,
    },
    db::PgConnection,
    error::{Refusal, Result},
    kinds::{Kind, Lookup},
    packages::facts::{self, Found, PackageFacts},
    planning::{self, Held, Line, Supply},
    scope::Scope,
    stock::ledger::NotFound,
    workflow::Workflow,
};

impl Subject for Packages {
    const ENTITY: &'static str = "package";
    type Facts = PackageFacts;
    type Changes = Changes;
    type Answer = PackageAnswer;

    fn commands() -> impl Iterator<Item = &'static PackageCommand> {
        commands()
    }

    async fn lock(connection: &mut PgConnection, ids: &[i64]) -> Result<Found> {
        facts::lock(connection, ids).await
    }

    fn state_id(package: &PackageFacts) -> i64 {
        package.state_id
    }

    fn is_visible(package: &PackageFacts, scope: &Scope) -> bool {
        scope.sees(package.stock_location_id)
    }

    fn version(package: &PackageFacts) -> i64 {
        package.version
    }

    fn location_of(package: &PackageFacts, _kind: &Kind) -> i64 {
        package.stock_location_id
    }

    async fn supply(
        connection: &mut PgConnection,
        catalog: &Catalog,
        package: &PackageFacts,
        lock: bool,
    ) -> Result<Supply> {
        let mut held = Held {
            package_id: Some(package.id),
            stock_location_id: package.stock_location_id,
            reserved: HashMap::new(),
            occupies_quota: catalog.workflow.state(package.state_id)?.occupies_quota,
            elsewhere: transfer::facts::held_at_sources(connection, package, &catalog.workflow).await?,
        };
        let mut lines = Vec::with_capacity(package.items.len());
        for item in &package.items {
            if item.is_reserved {
                *held.reserved.entry(item.sku.clone()).or_default() += item.quantity;
            }
            lines.push(Line::of(item.order_item_id, &item.sku, item.quantity));
        }
        planning::supply(connection, catalog, package.order_id, &lines, &held, lock).await
    }

    async fn background(
        connection: &mut PgConnection,
        lookups: &[Lookup],
        package: &PackageFacts,
        input: Input<'_>,
    ) -> Result<Background> {
        background::load(connection, lookups, package, input).await
    }

    fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
        let kind = context.transition.kind;
        let command: &Command<Self> = find(kind)?;
        common::refuse_unknown(context.input, kind, Self::ENTITY)?;
        common::check(context.input, context.facts.id, kind.common, &context.catalog.invoicing)?;
        let recorded = common::read_recorded(context.input, kind.parameters)?;
        let mut changes = (command.decide)(context)?;
        restock::keep(context, &mut changes);
        changes.record.parameters = recorded;
        common::record(context.input, &context.transition.parameters, kind.common, &mut changes.record);
        Ok(changes)
    }

    fn lay_out(context: &Context<'_>, changes: Changes, user_id: i64) -> Result<Laid> {
        let mut packages = consequences::lay_out(context.facts, context.transition, &changes, user_id);
        let transfers = match &changes.trace {
            Some(trace) => transfer::begin::begin(&mut packages, 0, trace, &context.catalog.workflow)?,
            None => Vec::new(),
        };
        let is_planned = changes.trace.is_some() || !changes.exclusions.is_empty();
        let planned = is_planned.then(|| Planned {
            order_id: context.facts.order_id,
            package_id: context.facts.id,
            scenario_id: context.supply.and_then(|supply| Some(supply.scenario.as_ref()?.id)),
            trace: changes.trace,
            not_found: not_found(context, &changes.missing, user_id),
            exclusions: changes.exclusions,
        });
        Ok(Laid { packages, transfers, planned })
    }

    async fn ended(
        connection: &mut PgConnection,
        packages: &[PackageChange],
        workflow: &Workflow,
    ) -> Result<Vec<TransferChange>> {
        transfer::end::end(connection, packages, workflow).await
    }

    fn answer(context: &Context<'_>, changes: &Changes) -> Result<Option<PackageAnswer>> {
        let Answer::Package { stock_location_id } = changes.answer else { return Ok(None) };
        let package = context.facts;
        let location = context.catalog.locations.get(&stock_location_id);
        Ok(Some(PackageAnswer {
            package_id: package.id,
            package_number: package.number.clone(),
            package_stock_location_id: stock_location_id,
            package_stock_location_name: location.map(|location| location.name.clone()).unwrap_or_default(),
            is_same_location: stock_location_id == package.stock_location_id,
        }))
    }

    fn effects(context: &Context<'_>, laid: &Laid, derived: &Derived) -> Result<Value> {
        let view = EffectsView { scope: context.scope, workflow: &context.catalog.workflow };
        let effects = view.of_package(context.facts.placement(), laid, derived)?;
        Ok(serde_json::to_value(effects).unwrap_or_default())
    }
}

/// What the package's location did not find.
fn not_found(context: &Context<'_>, missing: &[Part], user_id: i64) -> Vec<NotFound> {
    let package = context.facts;
    let not_found = |part: &Part| {
        let item = package.items.iter().find(|item| item.id == part.package_item_id)?;
        Some(NotFound {
            sku: item.sku.clone(),
            stock_location_id: package.stock_location_id,
            units: part.quantity,
            package_id: package.id,
            transfer_id: None,
            user_id,
            request_id: None,
        })
    };
    missing.iter().filter_map(not_found).collect()
}
