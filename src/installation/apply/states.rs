//! States: written where they differ, retired where they are gone.

use super::{StateIds, on_taken, refuse, taken, translations};
use crate::{
    db::PgConnection,
    error::{Error, OnConstraint, Result},
    installation::{
        items::Section,
        plan::{Plan, What},
        read::{Installation, State},
    },
    workflow::{NEEDED_BY_TRANSFERS, TRANSFER_CANCELLED},
};

/// Writes the states that differ; the ids of all, by entity and slug.
pub(super) async fn write(connection: &mut PgConnection, wanted: &Installation, plan: &Plan) -> Result<StateIds> {
    if plan.of(Section::States).any(|change| change.what == What::Added) {
        reserve_fixed_ids(connection, wanted).await?;
    }
    for (at, id) in plan.written(Section::States) {
        store(connection, &wanted.states[at], id).await?;
    }
    let gone = plan.gone(Section::States);
    if !gone.is_empty() {
        sqlx::query!("update states set retired_date = now() where id = any($1)", &gone)
            .execute(&mut *connection)
            .await?;
    }
    let rows = sqlx::query!("select id, entity, slug from states where retired_date is null");
    let rows = rows.fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| ((row.entity, row.slug), row.id)).collect())
}

/// Ids that the files fix, now or before, are not given to other entries.
async fn reserve_fixed_ids(connection: &mut PgConnection, wanted: &Installation) -> Result<()> {
    let largest = wanted.states.iter().filter_map(|state| state.id).max();
    sqlx::query!(
        "select setval(pg_get_serial_sequence('states', 'id'),
                       greatest((select max(id) + 1 from states), $1::bigint + 1,
                                nextval(pg_get_serial_sequence('states', 'id'))), false) as next",
        largest
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// The row that is this state: the installed one, else a retired one with its id, its slug, or its code.
async fn known(connection: &mut PgConnection, state: &State, id: Option<i64>) -> Result<Option<Known>> {
    let known = sqlx::query_as!(
        Known,
        "select id, entity, enum_value from states
          where id = $1 or ($1 is null and entity = $2 and (slug = $3 or enum_value = $4 and retired_date is not null))
          order by slug = $3 desc limit 1",
        id.or(state.id),
        state.entity.as_str(),
        state.slug,
        state.enum_value
    );
    Ok(known.fetch_optional(connection).await?)
}

struct Known {
    id: i64,
    entity: String,
    enum_value: String,
}

async fn store(connection: &mut PgConnection, state: &State, id: Option<i64>) -> Result<i64> {
    let known = known(&mut *connection, state, id).await?;
    let entity = state.entity.as_str();
    if let Some(known) = &known
        && (known.enum_value != state.enum_value || known.entity != entity)
        && hold_packages(&mut *connection, &[known.id]).await?
    {
        return Err(other_code(state, known));
    }
    sqlx::query_scalar!(
        "insert into states (id, entity, slug, enum_value, name, translations, occupies_quota, final, unused)
         values (coalesce($1, nextval(pg_get_serial_sequence('states', 'id'))), $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (id) do update
            set entity = excluded.entity, slug = excluded.slug, enum_value = excluded.enum_value,
                name = excluded.name, translations = excluded.translations,
                occupies_quota = excluded.occupies_quota, final = excluded.final, unused = excluded.unused,
                retired_date = null
         returning id",
        known.map(|known| known.id).or(state.id),
        entity,
        state.slug,
        state.enum_value,
        state.name,
        translations(&state.translations),
        state.occupies_quota(),
        state.is_final,
        state.unused
    )
    .fetch_one(&mut *connection)
    .await
    .on_constraint("states_entity_slug_key", || taken("states", &state.slug, state.at.line))
    .or_else(|error| on_taken(error, "states_entity_enum_value_key", "states", &state.enum_value, state.at.line))
}

fn other_code(state: &State, known: &Known) -> Error {
    refuse(
        "states",
        format!(
            "line {}: state {} is in use and cannot become {} {} (it is {} {}); give the new one another slug",
            state.at.line, state.slug, state.entity, state.enum_value, known.entity, known.enum_value
        ),
    )
}

/// Whether packages stand in one of these states. Each location is looked up by the index, so it takes the same time
/// however many packages there are.
pub(super) async fn hold_packages(connection: &mut PgConnection, states: &[i64]) -> Result<bool> {
    let held = sqlx::query_scalar!(
        r#"select exists (
               select from stock_locations l
                cross join unnest($1::bigint[]) as s(id)
                cross join lateral (select from packages p
                                     where p.stock_location_id = l.id and p.state_id = s.id limit 1) p
           ) as "held!""#,
        states
    );
    Ok(held.fetch_one(connection).await?)
}

/// Refuses states in use that would get another code: what stands in them would mean something else. It looks at every
/// item and transfer, so it is asked before the installation is locked.
pub(super) async fn refuse_other_codes(
    connection: &mut PgConnection,
    wanted: &Installation,
    plan: &Plan,
) -> Result<()> {
    for (at, id) in plan.written(Section::States) {
        let state = &wanted.states[at];
        let Some(known) = known(&mut *connection, state, id).await? else { continue };
        if known.enum_value == state.enum_value && known.entity == state.entity.as_str() {
            continue;
        }
        let in_use = sqlx::query_scalar!(
            r#"select exists (select from packages where state_id = $1)
                   or exists (select from package_items where state_id = $1)
                   or exists (select from transfers where state_id = $1) as "in_use!""#,
            known.id
        );
        if in_use.fetch_one(&mut *connection).await? {
            return Err(other_code(state, &known));
        }
    }
    Ok(())
}

/// What a scenario of transfers brings about must be possible still, whoever made the scenario.
pub(super) async fn keep_those_of_scenarios(
    connection: &mut PgConnection,
    plan: &Plan,
    states: &StateIds,
) -> Result<()> {
    if plan.gone(Section::States).is_empty() {
        return Ok(());
    }
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

/// What is on its way must be able to arrive, or to come to nothing.
pub(super) async fn keep_those_of_transfers(
    connection: &mut PgConnection,
    plan: &Plan,
    states: &StateIds,
) -> Result<()> {
    if plan.gone(Section::States).is_empty() {
        return Ok(());
    }
    let in_use = sqlx::query_scalar!(
        "select s.slug from states s
          where s.entity = 'transfer' and s.enum_value in ('waiting', 'ready_to_shipment', 'in_transit', 'cancelled_in_transit')
            and exists (select from stock_locations l
                         cross join lateral (select from transfers t
                                              where t.source_location_id = l.id and t.state_id = s.id limit 1) t)
          order by 1"
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
