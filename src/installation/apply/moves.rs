//! Packages that stand in a state that is gone are moved to another, by the one write path: each by a command, in the log,
//! with its quota, its stock and its events. The command's transition is there as long as packages are to move; only
//! admins may run it.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::Map;

use super::{
    Applying, PATIENCE, StateIds, kept_out,
    write::{PAUSE, enter},
};
use crate::{
    auth::{Caller, Role, users::SYSTEM},
    catalog::CatalogCache,
    commands::{
        self,
        dispatch::{self, Dispatcher, Request, Versions},
        outcome::Outcome,
        wake_signal::WakeSignal,
    },
    db::{self, PgConnection, PgPool},
    error::Result,
    installation::{installed::MOVED, moving::Moving, read::Installation},
    inventory::Inventory,
    kinds::names::PKG_STATE_TRANSITION,
    metrics::Metrics,
    outbound::Gate,
    scope::Scope,
    tasks::Tasks,
};

/// Commands at the same time.
const AT_ONCE: usize = 64;
/// Packages read at a time.
const PAGE: i64 = 10_000;

/// The moves of the files whose state is not empty yet.
pub(super) async fn find(connection: &mut PgConnection, wanted: &Installation) -> Result<Vec<Moving>> {
    let mut moves = Vec::new();
    for moved in &wanted.moved {
        let state = sqlx::query_scalar!(
            "select s.id from states s
              where s.entity = 'package' and s.slug = $1
                and exists (select from stock_locations l
                             cross join lateral (select from packages p
                                                  where p.stock_location_id = l.id and p.state_id = s.id limit 1) p)",
            moved.from
        );
        if let Some(state_id) = state.fetch_optional(&mut *connection).await? {
            moves.push(Moving { from: moved.from.clone(), to: moved.to.clone(), state_id, ..Moving::default() });
        }
    }
    Ok(moves)
}

/// Makes the transitions of these moves.
pub(super) async fn prepare(connection: &mut PgConnection, moves: &[Moving], states: &StateIds) -> Result<()> {
    for moving in moves {
        let Some(destination) = states.get(&("package".to_owned(), moving.to.clone())) else { continue };
        sqlx::query!(
            "with made as (
                 insert into transitions (entity, command, slug, label, roles, source_state_id, destination_state_id)
                 values ('package', $1, $2, 'Moved by an installation', '{}', $3, $4)
                 on conflict (slug) do update
                    set source_state_id = excluded.source_state_id,
                        destination_state_id = excluded.destination_state_id, retired_date = null
                 returning id
             )
             insert into transition_moves (transition_id, source_state_id, destination_state_id)
             select id, $3, $4 from made on conflict do nothing",
            PKG_STATE_TRANSITION,
            moving.slug(),
            moving.state_id,
            destination
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Moves the packages, and retires the transitions by which nothing is left to move.
pub(super) async fn run(
    pool: &PgPool,
    connection: &mut PgConnection,
    wanted: &Installation,
    applying: Applying<'_>,
) -> Result<Vec<Moving>> {
    let mut moves = find(connection, wanted).await?;
    if moves.is_empty() {
        return Ok(moves);
    }
    let catalog_cache = Arc::new(CatalogCache::new(commands::kinds()));
    catalog_cache.refresh(&mut *connection).await?;
    let (metrics, wake_signal) = (Arc::new(Metrics::default()), Arc::<WakeSignal>::default());
    let inventory = Inventory::new(pool.clone(), Arc::clone(&metrics), Arc::clone(&wake_signal), Gate::closed());
    let lookups = db::for_groups(pool, dispatch::CONNECTIONS);
    let tasks = Tasks::default();
    let dispatcher = Dispatcher::start(pool, lookups.clone(), catalog_cache, metrics, wake_signal, inventory, &tasks);
    let user_id = sqlx::query_scalar!("select id from users where username = $1", SYSTEM).fetch_one(pool).await?;
    let (role, scope) = (Role::Admin, Scope::unlimited());
    let caller = Arc::new(Caller { user_id, username: SYSTEM.to_owned(), role, scope, token: None });
    let mut done = Ok(());
    for moving in &mut moves {
        done = move_all(&dispatcher, connection, &caller, moving).await;
        if done.is_err() {
            break;
        }
    }
    dispatcher.finish().await;
    lookups.close().await;
    done?;
    // Other servers plan again what wants the room that came free.
    sqlx::query!("insert into replanning_wakes default values").execute(&mut *connection).await?;
    retire_done(connection, applying).await?;
    Ok(moves)
}

async fn move_all(
    dispatcher: &Dispatcher,
    connection: &mut PgConnection,
    caller: &Arc<Caller>,
    moving: &mut Moving,
) -> Result<()> {
    let mut last = 0;
    loop {
        let page = sqlx::query!(
            "select id, number from packages where state_id = $1 and id > $2 order by id limit $3",
            moving.state_id,
            last,
            PAGE
        );
        let page = page.fetch_all(&mut *connection).await?;
        let Some(end) = page.last().map(|package| package.id) else { return Ok(()) };
        last = end;
        let slug = moving.slug();
        let run = |id| {
            let (slug, caller) = (Some(slug.clone()), Arc::clone(caller));
            let input = Map::new();
            dispatcher.run(Request {
                id,
                transition: None,
                slug,
                input,
                caller,
                cause: None,
                key: None,
                versions: Versions::Any,
                dry_run: false,
            })
        };
        let mut outcomes = stream::iter(page)
            .map(|package| {
                let outcome = run(package.id);
                async move { (package.number, outcome.await) }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((number, outcome)) = outcomes.next().await {
            moving.count(
                &number,
                outcome.map(|outcome| match outcome {
                    Outcome::Refused(refusal) => Some(refusal.to_string()),
                    _ => None,
                }),
            );
        }
    }
}

/// Retires the transitions by which nothing is left to move, those too that an interrupted process has left.
pub(super) async fn retire_done(connection: &mut PgConnection, applying: Applying<'_>) -> Result<()> {
    let began = Instant::now();
    loop {
        let done = sqlx::query_scalar!(
            "select t.id from transitions t
              where starts_with(t.slug, $1) and t.retired_date is null
                and not exists (select from stock_locations l
                                 cross join lateral (select from packages p
                                                      where p.stock_location_id = l.id
                                                        and p.state_id = t.source_state_id limit 1) p)",
            MOVED
        );
        let done = done.fetch_all(&mut *connection).await?;
        if done.is_empty() {
            return Ok(());
        }
        match retire(connection, applying, &done).await {
            Err(error) if error.is_lock_timeout() && began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            Err(error) if error.is_lock_timeout() => return Err(kept_out()),
            done => return done,
        }
    }
}

async fn retire(connection: &mut PgConnection, applying: Applying<'_>, ids: &[i64]) -> Result<()> {
    let mut transaction = connection.begin().await?;
    enter(&mut transaction, applying).await?;
    sqlx::query!("update transitions set retired_date = now() where id = any($1)", ids)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!("select keep_installation_words()").fetch_one(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
