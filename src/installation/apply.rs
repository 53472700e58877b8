//! Applying an installation: idempotent, in one transaction, alone (no command runs meanwhile).
//!
//! An entry is the same as one installed before if its id is the same, or else its slug (ERP code, name, title). What
//! the files no longer hold is removed where nothing refers to it; a transition that logs name is retired, a location
//! or company in use is left as it is, and so is a scenario that was made by REST. When a state begins or ceases to occupy quota, the packages in it are counted
//! anew and the ledger says so.

mod resources;
mod services;

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::read::{Entity, Installation, State, Transition};
use crate::{
    db::{self, INSTALLATION_LOCK, PgConnection, PgPool},
    error::{Error, OnConstraint, Refusal, Result},
    kinds::names::REPACK,
    scenarios::{self, References},
    workflow::{NEEDED_BY_TRANSFERS, OUT_OF_STOCK, TRANSFER_CANCELLED, WAITING, WAITING_FOR_TRANSFER},
};

/// A line of the table that `oms install` prints: what integrators are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledTransition {
    /// The transition's id.
    pub id: i64,
    /// Its slug.
    pub slug: String,
    /// Its command.
    pub command: String,
    /// Its label.
    pub label: String,
}

/// Applies an installation and returns the table of transitions. The future is boxed: a crate that awaits it does not
/// compile all this work once more.
///
/// # Errors
/// A refusal when it contradicts what is there (a state in use would change its code, ids collide); nothing is changed
/// then. When the database fails.
#[must_use]
pub fn apply<'a>(pool: &'a PgPool, installation: &'a Installation) -> BoxFuture<'a, Result<Vec<InstalledTransition>>> {
    Box::pin(apply_all(pool, installation))
}

async fn apply_all(pool: &PgPool, installation: &Installation) -> Result<Vec<InstalledTransition>> {
    let mut connection = db::for_long_work(pool).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock($1) as lock", INSTALLATION_LOCK).fetch_one(&mut *transaction).await?;
    let version = db::announce(&mut transaction).await?;
    sqlx::query!("update installation set applied_date = now()").execute(&mut *transaction).await?;
    reserve_fixed_ids(&mut transaction, installation).await?;
    let states = apply_states(&mut transaction, installation).await?;
    keep_states_of_transfers(&mut transaction, &states).await?;
    apply_transitions(&mut transaction, installation, &states).await?;
    let companies = resources::cargo_companies(&mut transaction, installation).await?;
    let locations = resources::locations(&mut transaction, installation, &companies).await?;
    apply_scenarios(&mut transaction, installation, &states, &locations).await?;
    keep_states_of_scenarios(&mut transaction, &states).await?;
    resources::others(&mut transaction, installation, &companies, &locations).await?;
    services::stock(&mut transaction, installation).await?;
    services::invoices(&mut transaction, installation).await?;
    remove_unused_states(&mut transaction, &states).await?;
    recount_quota(&mut transaction, version).await?;
    sqlx::query!("select keep_installation_words()").fetch_one(&mut *transaction).await?;
    let table = sqlx::query_as!(
        InstalledTransition,
        "select id, slug, command, label from transitions where retired_date is null order by id"
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(table)
}

/// Whether an installation was ever applied.
///
/// # Errors
/// When the database fails.
pub async fn is_applied(pool: &PgPool) -> Result<bool> {
    let applied = sqlx::query_scalar!("select applied_date from installation").fetch_one(pool).await?;
    Ok(applied.is_some())
}

/// Ids by (entity, slug).
type StateIds = HashMap<(String, String), i64>;

fn translations(texts: &super::read::Translations) -> Option<Value> {
    if texts.is_empty() { None } else { serde_json::to_value(texts).ok() }
}

fn refuse(what: &str, message: String) -> Error {
    Refusal::field(what, message).into()
}

/// Ids that the files fix, now or before, are not given to other entries.
async fn reserve_fixed_ids(connection: &mut PgConnection, installation: &Installation) -> Result<()> {
    let states = installation.states.iter().filter_map(|state| state.id).max();
    let transitions = installation.transitions.iter().filter_map(|transition| transition.id).max();
    sqlx::query!(
        "select setval(pg_get_serial_sequence('states', 'id'),
                       greatest((select max(id) + 1 from states), $1::bigint + 1,
                                nextval(pg_get_serial_sequence('states', 'id'))), false) as states,
                setval(pg_get_serial_sequence('transitions', 'id'),
                       greatest((select max(id) + 1 from transitions), $2::bigint + 1,
                                nextval(pg_get_serial_sequence('transitions', 'id'))), false) as transitions",
        states,
        transitions
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

async fn apply_states(connection: &mut PgConnection, installation: &Installation) -> Result<StateIds> {
    let mut ids = StateIds::new();
    for state in &installation.states {
        let id = apply_state(connection, state).await?;
        if ids.values().any(|other| *other == id) {
            return Err(shared("states", id, state.at.line));
        }
        ids.insert((state.entity.as_str().to_owned(), state.slug.clone()), id);
    }
    Ok(ids)
}

async fn apply_state(connection: &mut PgConnection, state: &State) -> Result<i64> {
    let entity = state.entity.as_str();
    let known = sqlx::query!(
        r#"select id, enum_value, entity,
                  exists (select from packages p where p.state_id = s.id)
                  or exists (select from package_items i where i.state_id = s.id)
                  or exists (select from transfers t where t.state_id = s.id) as "in_use!"
             from states s where id = $1 or ($1 is null and entity = $2 and slug = $3)"#,
        state.id,
        entity,
        state.slug
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(known) = &known
        && known.in_use
        && (known.enum_value != state.enum_value || known.entity != entity)
    {
        return Err(refuse(
            "states",
            format!(
                "line {}: state {} is in use and cannot become {entity} {} (it is {} {}); give the new one another slug",
                state.at.line, state.slug, state.enum_value, known.entity, known.enum_value
            ),
        ));
    }
    let id = sqlx::query_scalar!(
        "insert into states (id, entity, slug, enum_value, name, translations, occupies_quota, final)
         values (coalesce($1, nextval(pg_get_serial_sequence('states', 'id'))), $2, $3, $4, $5, $6, $7, $8)
         on conflict (id) do update
            set entity = excluded.entity, slug = excluded.slug, enum_value = excluded.enum_value,
                name = excluded.name, translations = excluded.translations,
                occupies_quota = excluded.occupies_quota, final = excluded.final,
                modified_date = case when (states.slug, states.enum_value, states.name, states.translations,
                                           states.occupies_quota, states.final)
                                is distinct from (excluded.slug, excluded.enum_value, excluded.name,
                                                  excluded.translations, excluded.occupies_quota, excluded.final)
                                then now() else states.modified_date end
         returning id",
        known.map(|known| known.id).or(state.id),
        entity,
        state.slug,
        state.enum_value,
        state.name,
        translations(&state.translations),
        state.occupies_quota(),
        state.is_final
    )
    .fetch_one(&mut *connection)
    .await
    .on_constraint("states_entity_slug_key", || taken("states", &state.slug, state.at.line))
    .or_else(|error| on_taken(error, "states_entity_enum_value_key", "states", &state.enum_value, state.at.line))?;
    Ok(id)
}

/// What is on its way must be able to arrive, or to come to nothing.
async fn keep_states_of_transfers(connection: &mut PgConnection, states: &StateIds) -> Result<()> {
    let in_use = sqlx::query_scalar!(
        "select distinct s.slug from transfers t join states s on s.id = t.state_id
          where s.enum_value in ('waiting', 'ready_to_shipment', 'in_transit') order by 1"
    )
    .fetch_all(connection)
    .await?;
    let is_kept = |slug: &str| states.contains_key(&("transfer".to_owned(), slug.to_owned()));
    let ending = if in_use.is_empty() { None } else { Some(TRANSFER_CANCELLED.to_owned()) };
    match in_use.into_iter().chain(ending).find(|slug| !is_kept(slug)) {
        Some(slug) => Err(refuse(
            "states",
            format!("transfers are under way and need the transfer state {slug}; leave it in until they have ended"),
        )),
        None => Ok(()),
    }
}

/// What a scenario that was made by REST brings about must be possible still.
async fn keep_states_of_scenarios(connection: &mut PgConnection, states: &StateIds) -> Result<()> {
    let fetching = sqlx::query_scalar!(
        r#"select name from scenarios where is_active and rules @> '[{"transferable": true}]' order by name limit 1"#
    )
    .fetch_optional(connection)
    .await?;
    let is_kept = |entity: &str, slug: &str| states.contains_key(&(entity.to_owned(), slug.to_owned()));
    let lost = NEEDED_BY_TRANSFERS.iter().find(|(entity, slug)| !is_kept(entity, slug));
    match fetching.zip(lost) {
        Some((name, (entity, slug))) => Err(refuse(
            "states",
            format!(
                "the scenario {name} makes transfers, which need the {entity} state {slug}; leave it in, or change the scenario"
            ),
        )),
        None => Ok(()),
    }
}

fn taken(section: &str, value: &str, line: usize) -> Refusal {
    Refusal::field(
        section,
        format!("line {line}: {value} is installed already under another id; use that id or leave it out"),
    )
}

/// An entry is given the id that another one, without an id in the files, was installed under.
fn shared(section: &str, id: i64, line: usize) -> Error {
    refuse(section, format!("line {line}: id {id} is another entry's already; use another id or leave it out"))
}

fn on_taken<T>(error: Error, constraint: &str, section: &str, value: &str, line: usize) -> Result<T> {
    match error {
        Error::Database(error) => Err(error).on_constraint(constraint, || taken(section, value, line)),
        other => Err(other),
    }
}

async fn apply_transitions(
    connection: &mut PgConnection,
    installation: &Installation,
    states: &StateIds,
) -> Result<()> {
    let mut kept = Vec::with_capacity(installation.transitions.len());
    for transition in &installation.transitions {
        let entity = transition.entity.as_str();
        let state = |slug: &String| states[&(entity.to_owned(), slug.clone())];
        let (source, destination) = (state(&transition.source), state(&transition.destination));
        let otherwise = transition.otherwise.as_ref().map(state);
        let visibility: Vec<String> =
            transition.ui_visibility.iter().map(|interface| interface.as_str().to_owned()).collect();
        let roles: Option<Vec<String>> =
            transition.roles.as_ref().map(|roles| roles.iter().map(|role| role.as_str().to_owned()).collect());
        let slug = transition.slug();
        let known = sqlx::query_scalar!(
            "select id from transitions where id = $1 or ($1 is null and slug = $2)",
            transition.id,
            slug
        )
        .fetch_optional(&mut *connection)
        .await?;
        let id = sqlx::query_scalar!(
            "insert into transitions (id, entity, command, slug, label, translations, ui_visibility, roles, parameters,
                                      source_state_id, destination_state_id, otherwise_state_id)
             values (coalesce($1, nextval(pg_get_serial_sequence('transitions', 'id'))), $2, $3, $4, $5, $6, $7, $8, $9,
                     $10, $11, $12)
             on conflict (id) do update
                set entity = excluded.entity, command = excluded.command, slug = excluded.slug,
                    label = excluded.label, translations = excluded.translations,
                    ui_visibility = excluded.ui_visibility, roles = excluded.roles, parameters = excluded.parameters,
                    source_state_id = excluded.source_state_id, destination_state_id = excluded.destination_state_id,
                    otherwise_state_id = excluded.otherwise_state_id, retired_date = null,
                    modified_date = case when (transitions.command, transitions.slug, transitions.label,
                                               transitions.translations, transitions.ui_visibility, transitions.roles,
                                               transitions.parameters, transitions.source_state_id,
                                               transitions.destination_state_id, transitions.otherwise_state_id)
                                    is distinct from (excluded.command, excluded.slug, excluded.label,
                                               excluded.translations, excluded.ui_visibility, excluded.roles,
                                               excluded.parameters, excluded.source_state_id,
                                               excluded.destination_state_id, excluded.otherwise_state_id)
                                    then now() else transitions.modified_date end
             returning id",
            known.or(transition.id),
            entity,
            transition.command,
            slug,
            transition.label,
            translations(&transition.translations),
            &visibility,
            roles.as_deref(),
            serde_json::to_value(&transition.parameters).unwrap_or_default(),
            source,
            destination,
            otherwise
        )
        .fetch_one(&mut *connection)
        .await
        .on_constraint("transitions_slug_key", || taken("transitions", &slug, transition.at.line))?;
        let mut moves = vec![(source, destination)];
        moves.extend(otherwise.map(|otherwise| (source, otherwise)));
        moves.extend(moves_along(transition, installation, states));
        allow_moves(connection, id, &moves).await?;
        if kept.contains(&id) {
            return Err(shared("transitions", id, transition.at.line));
        }
        kept.push(id);
    }
    retire_transitions(connection, &kept).await
}

/// The moves of other objects that a transition brings about: a transfer moves the package that waits for it; the end of
/// a package ends its transfers; and a package that is planned again in place may have to wait for transfers.
fn moves_along(transition: &Transition, installation: &Installation, states: &StateIds) -> Vec<(i64, i64)> {
    let id = |entity: &str, slug: &str| states.get(&(entity.to_owned(), slug.to_owned())).copied();
    let for_transfer = id("package", WAITING_FOR_TRANSFER);
    match transition.entity {
        Entity::Transfer => {
            let reached = [WAITING_FOR_TRANSFER, WAITING, OUT_OF_STOCK];
            let reached = reached.into_iter().filter_map(|slug| id("package", slug));
            for_transfer.map(|from| reached.map(|to| (from, to)).collect()).unwrap_or_default()
        }
        Entity::Package if transition.source == WAITING_FOR_TRANSFER && !transition.stays() => {
            let of_transfers = installation.states.iter().filter(|state| state.entity == Entity::Transfer);
            let open =
                of_transfers.filter(|state| state.enum_value != "transferred" && state.slug != TRANSFER_CANCELLED);
            let open = open.filter_map(|state| id("transfer", &state.slug));
            id("transfer", TRANSFER_CANCELLED).map(|to| open.map(|from| (from, to)).collect()).unwrap_or_default()
        }
        Entity::Package if transition.command == REPACK => {
            let source = id("package", &transition.source);
            source.zip(for_transfer).into_iter().collect()
        }
        Entity::Package | Entity::Order => Vec::new(),
    }
}

/// The moves a transition stands for, as (source, destination). Moves it stood for before stay as long as logs name
/// them.
async fn allow_moves(connection: &mut PgConnection, transition_id: i64, moves: &[(i64, i64)]) -> Result<()> {
    let (sources, outcomes): (Vec<i64>, Vec<i64>) = moves.iter().copied().unzip();
    sqlx::query!(
        "insert into transition_moves (transition_id, source_state_id, destination_state_id)
         select $1, * from unnest($2::bigint[], $3::bigint[]) on conflict do nothing",
        transition_id,
        &sources,
        &outcomes
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from transition_moves m
          where m.transition_id = $1
            and not exists (select from unnest($2::bigint[], $3::bigint[]) as c(source, destination)
                             where c.source = m.source_state_id and c.destination = m.destination_state_id)
            and not exists (select from transition_logs l
                             where l.transition_id = m.transition_id and l.source_state_id = m.source_state_id
                               and l.destination_state_id = m.destination_state_id)
            and not exists (select from transfer_logs l
                             where l.transition_id = m.transition_id and l.source_state_id = m.source_state_id
                               and l.destination_state_id = m.destination_state_id)",
        transition_id,
        &sources,
        &outcomes
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn retire_transitions(connection: &mut PgConnection, kept: &[i64]) -> Result<()> {
    sqlx::query!(
        "delete from transitions t
          where not (t.id = any($1)) and not exists (select from transition_logs l where l.transition_id = t.id)
            and not exists (select from transfer_logs l where l.transition_id = t.id)",
        kept
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("update transitions set retired_date = now() where not (id = any($1)) and retired_date is null", kept)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// States that are in no file and that nothing refers to any more.
async fn remove_unused_states(connection: &mut PgConnection, states: &StateIds) -> Result<()> {
    let kept: Vec<i64> = states.values().copied().collect();
    sqlx::query!(
        "delete from states s
          where not (s.id = any($1))
            and not exists (select from packages where state_id = s.id)
            and not exists (select from package_items where state_id = s.id)
            and not exists (select from transfers where state_id = s.id)
            and not exists (select from orders where state_id = s.id)
            and not exists (select from order_items where state_id = s.id)
            and not exists (select from scenarios where initial_state_when_split_id = s.id)
            and not exists (select from transition_moves where s.id in (source_state_id, destination_state_id))
            and not exists (select from transitions
                             where s.id in (source_state_id, destination_state_id, otherwise_state_id))",
        &kept
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn apply_scenarios(
    connection: &mut PgConnection,
    installation: &Installation,
    states: &StateIds,
    locations: &HashMap<String, i64>,
) -> Result<()> {
    let mut wanted = Vec::with_capacity(installation.scenarios.len());
    for scenario in &installation.scenarios {
        let definition = &scenario.definition;
        let state = states[&("package".to_owned(), definition.initial_state_when_split.clone())];
        let location = locations.get(&definition.default_location).copied().ok_or_else(|| {
            let line = scenario.at.line;
            refuse("scenarios", format!("line {line}: there is no location {}", definition.default_location))
        })?;
        let references = References { default_location_id: location, initial_state_when_split_id: state };
        wanted.push((definition, references));
    }
    scenarios::install(connection, &wanted).await
}

/// Packages whose state now occupies quota and did not, or the other way round: one ledger row each, naming the
/// installation's version, and each location's quota set to what its packages occupy.
async fn recount_quota(connection: &mut PgConnection, version: i64) -> Result<()> {
    sqlx::query!(
        "with counted as (
             select p.id, p.stock_location_id, s.occupies_quota as occupies,
                    coalesce((select sum(q.delta) from quota_ledger q
                               where q.package_id = p.id and q.stock_location_id = p.stock_location_id), 0) as counted
               from packages p join states s on s.id = p.state_id
         ), corrected as (
             insert into quota_ledger (installation_version, package_id, stock_location_id, delta)
             select $1, id, stock_location_id, case when occupies then 1 else -1 end
               from counted where occupies <> (counted = 1)
             returning stock_location_id, delta
         )
         update stock_locations l set quota = l.quota + c.delta
           from (select stock_location_id, sum(delta) as delta from corrected group by 1) c
          where l.id = c.stock_location_id",
        version
    )
    .execute(connection)
    .await?;
    Ok(())
}
