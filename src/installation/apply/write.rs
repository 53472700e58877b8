//! The one transaction that changes the installation. What grows with the shop is done before it or after it, but for one
//! count by an index: of the packages in a state that begins or ceases to occupy quota ([`quota::switch`]).

use std::time::Duration;

use super::{Applying, Survey, moves, quota, resources, services, states, transitions};
use crate::{
    audit::{self, Actor},
    db::{self, INSTALLATION_LOCK, PgConnection, Transaction},
    error::Result,
    installation::{
        history,
        installed::Installed,
        items::Section,
        plan::{Plan, What},
        print,
        read::Installation,
    },
};

/// Between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Commands that come while this transaction waits for those before them wait with it: so it gives up soon. And they wait
/// no longer for a process that was stopped, or cut off, in the middle of it.
const LIMITS: &str = "set local lock_timeout = '300ms'; set local idle_in_transaction_session_timeout = '2s'; \
                      set local statement_timeout = '10s'";

/// Writes the difference. None if somebody changed the installation meanwhile; the number of the installation otherwise.
pub(super) async fn write(
    connection: &mut PgConnection,
    survey: &Survey,
    wanted: &Installation,
    applying: Applying<'_>,
) -> Result<Option<i64>> {
    let mut transaction = connection.begin().await?;
    let version = enter(&mut transaction, applying).await?;
    let Some(installed) = as_planned(&mut transaction, survey, wanted, applying).await? else {
        transaction.rollback().await?;
        return Ok(None);
    };
    let plan = &survey.plan;
    let occupying = quota::occupying(&mut transaction).await?;
    let states = states::write(&mut transaction, wanted, plan).await?;
    states::keep_those_of_transfers(&mut transaction, plan, &states).await?;
    transitions::write(&mut transaction, wanted, plan, &states).await?;
    let companies = resources::cargo_companies(&mut transaction, wanted, plan).await?;
    let locations = resources::locations(&mut transaction, wanted, plan, &installed, &companies).await?;
    resources::scenarios(&mut transaction, wanted, plan, &states, &locations).await?;
    states::keep_those_of_scenarios(&mut transaction, plan, &states).await?;
    resources::others(&mut transaction, wanted, plan, &companies, &locations).await?;
    services::write(&mut transaction, wanted, plan).await?;
    quota::switch(&mut transaction, &occupying, version).await?;
    // Packages may have come into such a state since it was looked at.
    let moves = moves::find(&mut transaction, wanted).await?;
    moves::prepare(&mut transaction, &moves, &states).await?;
    sqlx::query!("update installation set applied_date = now()").execute(&mut *transaction).await?;
    sqlx::query!("select keep_installation_words()").fetch_one(&mut *transaction).await?;
    let summary = print::short(plan, &survey.touched);
    let number = history::keep(&mut transaction, wanted, applying.by, version, &summary).await?;
    transaction.commit().await?;
    Ok(Some(number))
}

/// Says who it is, waits until no command and no plan is under way, and keeps them out until the end. Returns the new
/// version.
pub(super) async fn enter(transaction: &mut Transaction<'_>, applying: Applying<'_>) -> Result<i64> {
    audit::name(transaction, &Actor::CommandLine(applying.by.to_owned())).await?;
    sqlx::raw_sql(LIMITS).execute(&mut **transaction).await?;
    sqlx::query!("select pg_advisory_xact_lock($1) as lock", INSTALLATION_LOCK).fetch_one(&mut **transaction).await?;
    db::announce(transaction).await
}

/// What is installed now, if what was planned is still what there is to do, and no package has come into a state that goes.
/// What files do not say of a location may have changed meanwhile, and is kept as it is now.
async fn as_planned(
    connection: &mut PgConnection,
    survey: &Survey,
    wanted: &Installation,
    applying: Applying<'_>,
) -> Result<Option<Installed>> {
    let last = history::last(connection).await?;
    if last.as_ref().map_or(0, |kept| kept.number) != survey.last {
        return Ok(None);
    }
    let installed = Installed::load(connection).await?;
    let base = last.as_ref().and_then(history::Kept::installation);
    if Plan::between(&installed, wanted, base.as_ref()) != survey.plan {
        return Ok(None);
    }
    let gone = survey.plan.of(Section::States).filter(|change| change.what == What::Gone);
    let is_moved = |name: &str| wanted.moved.iter().any(|moved| moved.from == name);
    let gone: Vec<i64> = gone.filter(|change| !is_moved(&change.name)).filter_map(|change| change.id).collect();
    let is_free = applying.force || gone.is_empty() || !states::hold_packages(connection, &gone).await?;
    Ok(is_free.then_some(installed))
}

/// The line of an entry, by its place in its section.
pub(super) fn line_of(wanted: &Installation, section: Section, at: usize) -> usize {
    let place = match section {
        Section::States => wanted.states.get(at).map(|entry| &entry.at),
        Section::Transitions => wanted.transitions.get(at).map(|entry| &entry.at),
        Section::CargoCompanies => wanted.cargo_companies.get(at).map(|entry| &entry.at),
        Section::StockLocations => wanted.stock_locations.get(at).map(|entry| &entry.at),
        Section::Scenarios => wanted.scenarios.get(at).map(|entry| &entry.at),
        Section::DenialReasons => wanted.denial_reasons.get(at).map(|entry| &entry.at),
        Section::CancellationReasons => wanted.cancellation_reasons.get(at).map(|entry| &entry.at),
        Section::CargoCompanyConditions => wanted.cargo_company_conditions.get(at).map(|entry| &entry.at),
        Section::SenderAddresses => wanted.sender_addresses.get(at).map(|entry| &entry.at),
        Section::Inventory => wanted.inventory.get(at).map(|entry| &entry.at),
        Section::InvoiceServices => wanted.invoice_services.get(at).map(|entry| &entry.at),
        Section::TimeZone => return wanted.time_zone.get(at).map_or(1, |entry| entry.at.line_of("time_zone")),
    };
    place.map_or(1, |place| place.line)
}
