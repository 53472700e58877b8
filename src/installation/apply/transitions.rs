//! Transitions: written where they differ, retired where they are gone; and the moves they stand for.

use super::{StateIds, taken, translations};
use crate::{
    db::PgConnection,
    error::{OnConstraint, Result},
    installation::{
        items::Section,
        plan::{Plan, What},
        read::{Entity, Installation, Transition},
    },
    kinds::names::REPACK,
    workflow::{
        NEEDS_RESCHEDULING, OUT_OF_STOCK, TRANSFER_CANCELLED, TRANSFER_CANCELLED_IN_TRANSIT, TRANSFER_IN_TRANSIT,
        WAITING, WAITING_FOR_TRANSFER,
    },
};

/// Writes the transitions that differ, and every move that is new. A transition or move that is gone stays, for the logs
/// that name it: to look whether any does is work that grows.
pub(super) async fn write(
    connection: &mut PgConnection,
    wanted: &Installation,
    plan: &Plan,
    states: &StateIds,
) -> Result<()> {
    let (is_changed, states_changed) =
        (plan.of(Section::Transitions).next().is_some(), plan.of(Section::States).next().is_some());
    if !is_changed && !states_changed {
        return Ok(());
    }
    if plan.of(Section::Transitions).any(|change| change.what == What::Added) {
        reserve_fixed_ids(connection, wanted).await?;
    }
    let gone = plan.gone(Section::Transitions);
    if !gone.is_empty() {
        sqlx::query!("update transitions set retired_date = now() where id = any($1)", &gone)
            .execute(&mut *connection)
            .await?;
    }
    for (at, id) in plan.written(Section::Transitions) {
        store(connection, &wanted.transitions[at], id, states).await?;
    }
    allow_moves(connection, wanted, states).await
}

/// Ids that the files fix, now or before, are not given to other entries.
async fn reserve_fixed_ids(connection: &mut PgConnection, wanted: &Installation) -> Result<()> {
    let largest = wanted.transitions.iter().filter_map(|transition| transition.id).max();
    sqlx::query!(
        "select setval(pg_get_serial_sequence('transitions', 'id'),
                       greatest((select max(id) + 1 from transitions), $1::bigint + 1,
                                nextval(pg_get_serial_sequence('transitions', 'id'))), false) as next",
        largest
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

async fn store(
    connection: &mut PgConnection,
    transition: &Transition,
    id: Option<i64>,
    states: &StateIds,
) -> Result<()> {
    let entity = transition.entity.as_str();
    let state = |slug: &String| states[&(entity.to_owned(), slug.clone())];
    let visibility: Vec<String> =
        transition.ui_visibility.iter().map(|interface| interface.as_str().to_owned()).collect();
    let roles: Option<Vec<String>> =
        transition.roles.as_ref().map(|roles| roles.iter().map(|role| role.as_str().to_owned()).collect());
    let slug = transition.slug();
    sqlx::query!(
        "insert into transitions (id, entity, command, slug, label, translations, ui_visibility, roles, parameters,
                                  source_state_id, destination_state_id, otherwise_state_id)
         values (coalesce($1, (select id from transitions where slug = $4),
                          nextval(pg_get_serial_sequence('transitions', 'id'))),
                 $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (id) do update
            set entity = excluded.entity, command = excluded.command, slug = excluded.slug,
                label = excluded.label, translations = excluded.translations,
                ui_visibility = excluded.ui_visibility, roles = excluded.roles, parameters = excluded.parameters,
                source_state_id = excluded.source_state_id, destination_state_id = excluded.destination_state_id,
                otherwise_state_id = excluded.otherwise_state_id, retired_date = null",
        id.or(transition.id),
        entity,
        transition.command,
        slug,
        transition.label,
        translations(&transition.translations),
        &visibility,
        roles.as_deref(),
        serde_json::to_value(&transition.parameters).unwrap_or_default(),
        state(&transition.source),
        state(&transition.destination),
        transition.otherwise.as_ref().map(state)
    )
    .execute(connection)
    .await
    .on_constraint("transitions_slug_key", || taken("transitions", &slug, transition.at.line))?;
    Ok(())
}

/// The moves that the transitions stand for. One statement: a state that is new can give moves to any transition.
async fn allow_moves(connection: &mut PgConnection, wanted: &Installation, states: &StateIds) -> Result<()> {
    let (mut slugs, mut sources, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for transition in &wanted.transitions {
        let state = |slug: &str| states[&(transition.entity.as_str().to_owned(), slug.to_owned())];
        let own = transition.outcomes().map(|outcome| (state(&transition.source), state(outcome)));
        for (source, outcome) in own.chain(moves_along(transition, wanted, states)) {
            slugs.push(transition.slug());
            sources.push(source);
            outcomes.push(outcome);
        }
    }
    sqlx::query!(
        "insert into transition_moves (transition_id, source_state_id, destination_state_id)
         select t.id, m.source, m.outcome
           from unnest($1::text[], $2::bigint[], $3::bigint[]) as m(slug, source, outcome)
           join transitions t on t.slug = m.slug
         on conflict do nothing",
        &slugs,
        &sources,
        &outcomes
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The moves of other objects that a transition brings about: a transfer moves the package that waits for it; the end of
/// a package ends its transfers; and a package that is planned again in place may have to wait for transfers.
fn moves_along(transition: &Transition, wanted: &Installation, states: &StateIds) -> Vec<(i64, i64)> {
    let id = |entity: &str, slug: &str| states.get(&(entity.to_owned(), slug.to_owned())).copied();
    let for_transfer = id("package", WAITING_FOR_TRANSFER);
    match transition.entity {
        Entity::Transfer => {
            let reached = [WAITING_FOR_TRANSFER, WAITING, OUT_OF_STOCK, NEEDS_RESCHEDULING];
            let reached = reached.into_iter().filter_map(|slug| id("package", slug));
            for_transfer.map(|from| reached.map(|to| (from, to)).collect()).unwrap_or_default()
        }
        Entity::Package if transition.source == WAITING_FOR_TRANSFER && !transition.stays() => {
            let of_transfers = || wanted.states.iter().filter(|state| state.entity == Entity::Transfer);
            let coded = |code: &str| {
                let state = of_transfers().find(|state| state.enum_value == code);
                state.and_then(|state| id("transfer", &state.slug))
            };
            let closed = ["transferred", TRANSFER_CANCELLED, TRANSFER_CANCELLED_IN_TRANSIT];
            let open = of_transfers().filter(|state| !closed.contains(&state.enum_value.as_str()));
            let open = open.filter_map(|state| id("transfer", &state.slug));
            let cancelled = id("transfer", TRANSFER_CANCELLED);
            let at_once = cancelled.into_iter().flat_map(|to| open.clone().map(move |from| (from, to)));
            let on_the_way = coded(TRANSFER_IN_TRANSIT).zip(coded(TRANSFER_CANCELLED_IN_TRANSIT));
            at_once.chain(on_the_way).collect()
        }
        Entity::Package if transition.command == REPACK => {
            let source = id("package", &transition.source);
            source.zip(for_transfer).into_iter().collect()
        }
        Entity::Package | Entity::Order => Vec::new(),
    }
}
