//! `oms repair`: makes derived data again from the facts that it derives from. No fact is ever written.
//!
//! What would be done is found without a lock, beside any load. It is done in one transaction that looks once more, and the
//! audit has what was before. Counters are of commands, so these are kept out meanwhile, as an installation keeps them out:
//! for the rows that are wrong, not for the looking. (Only indexes are made one by one, without a transaction: so nobody
//! waits for them.)

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

use super::{
    query::rows,
    schema::{self, Difference},
    sequences,
};
use crate::{
    audit::{self, Actor},
    db::{self, PgConnection, PgPool},
    error::{Error, Result},
};

/// What is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Quota of locations, reserved units of stock, numbers of packages of orders.
    Counters,
    /// The next number of each sequence.
    Sequences,
    /// Indexes that are missing, invalid or others than the migrations make.
    Indexes,
    /// Triggers that are missing, disabled or others than the migrations make, and foreign keys that are not enforced.
    Triggers,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Sequences => "sequences",
            Self::Indexes => "indexes",
            Self::Triggers => "triggers",
        }
    }
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What it is done to: `location KADIKOY`.
    pub subject: String,
    /// What it was.
    pub from: String,
    /// What it becomes.
    pub to: String,
    #[serde(skip)]
    statements: Vec<String>,
}

/// How long to try to keep commands out, and how long each time: they have the way first.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(500);
const BRIEFLY: &str = "set local lock_timeout = '300ms'";

/// Counters that are not what their rows sum to, with the statement that counts again.
const COUNTERS: &str = "
select 'location ' || l.erp_code, 'quota ' || l.quota, 'quota ' || coalesce(p.occupied, 0),
       format('update stock_locations l set quota = (
                   select count(*) from packages p join states s on s.id = p.state_id and s.occupies_quota
                    where p.stock_location_id = l.id) where l.id = %s', l.id)
  from stock_locations l
  left join (select stock_location_id, count(*) as occupied
               from packages join states s on s.id = state_id and s.occupies_quota group by 1) p
         on p.stock_location_id = l.id
 where l.quota <> coalesce(p.occupied, 0)
union all
select 'stock of ' || s.sku || ' at ' || l.erp_code, 'reserved ' || s.reserved, 'reserved ' || coalesce(r.total, 0),
       format('update stocks s set reserved = coalesce((
                   select sum(quantity) from reservations r
                    where r.sku = s.sku and r.stock_location_id = s.stock_location_id), 0)
                where s.sku = %L and s.stock_location_id = %s', s.sku, s.stock_location_id)
  from stocks s
  join stock_locations l on l.id = s.stock_location_id
  left join (select sku, stock_location_id, sum(quantity) as total from reservations group by 1, 2) r
         on r.sku = s.sku and r.stock_location_id = s.stock_location_id
 where s.reserved <> coalesce(r.total, 0)
union all
select 'package ' || coalesce(p.number, w.package_id::text), 'in the queue as it is not', 'in the queue as it is',
       format('select note_waiting(array[%s]::bigint[])', coalesce(p.id, w.package_id))
  from (select p.id, p.number, jsonb_agg(jsonb_build_array(i.id, p.order_id, i.order_item_id, o.date_placed, oi.sku,
                                                           i.quantity) order by i.id) as items
          from packages p
          join states s on s.id = p.state_id and s.slug in ('out-of-stock', 'needs-rescheduling')
          join package_items i on i.package_id = p.id
          join order_items oi on oi.id = i.order_item_id
          join orders o on o.id = p.order_id
         group by p.id, p.number) p
  full join (select package_id, jsonb_agg(jsonb_build_array(package_item_id, order_id, order_item_id, date_placed, sku,
                                                            quantity) order by package_item_id) as items
               from waiting_items group by 1) w on w.package_id = p.id
 where p.items is distinct from w.items
union all
select 'order ' || o.number, o.package_count || ' packages', n.largest || ' packages',
       format('update orders o set package_count = (
                   select coalesce(max(substring(p.number from ''P([0-9]+)(?:-[0-9]+)?$'')::integer), 0)
                     from packages p where p.order_id = o.id) where o.id = %s', o.id)
  from orders o
  join lateral (select coalesce(max(substring(p.number from 'P([0-9]+)(?:-[0-9]+)?$')::integer), 0) as largest
                  from packages p where p.order_id = o.id) n on true
 where o.package_count <> n.largest
 order by 1";

/// What would be done.
///
/// # Errors
/// When the database fails.
pub async fn plan(connection: &mut PgConnection, kind: Kind) -> Result<Vec<Step>> {
    match kind {
        Kind::Counters => {
            let counters = rows::<4>(connection, COUNTERS).await?;
            let step =
                |[subject, from, to, statement]: [String; 4]| Step { subject, from, to, statements: vec![statement] };
            Ok(counters.into_iter().map(step).collect())
        }
        Kind::Sequences => {
            let behind = sequences::behind(connection).await?;
            let step = |one: &sequences::Behind| Step {
                subject: format!("sequence {}", one.sequence),
                from: one.last.to_string(),
                to: one.largest.to_string(),
                // Others may take numbers meanwhile: it goes forward only.
                statements: vec![format!(
                    "select setval('{0}', {1}) from {0} where last_value - case when is_called then 0 else 1 end < {1}",
                    one.sequence, one.largest
                )],
            };
            Ok(behind.iter().map(step).collect())
        }
        Kind::Indexes => {
            let differences = schema::differences(connection).await?;
            Ok(differences.iter().filter_map(|difference| index(difference, &differences)).collect())
        }
        Kind::Triggers => {
            let differences = schema::differences(connection).await?;
            Ok(differences.iter().filter_map(trigger).collect())
        }
    }
}

/// Does what is to be done, and returns it.
///
/// # Errors
/// When commands or others do not let it come in for a minute. When the database fails or refuses.
pub async fn repair(pool: &PgPool, kind: Kind) -> Result<Vec<Step>> {
    let mut reader = db::for_long_work(pool).await?;
    let steps = plan(&mut reader, kind).await?;
    if steps.is_empty() {
        return Ok(steps);
    }
    if kind == Kind::Indexes {
        for statement in steps.iter().flat_map(|step| &step.statements) {
            sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut reader).await?;
        }
        let mut transaction = audit::begin(pool, &Actor::command_line()).await?;
        record(&mut transaction, kind, &steps).await?;
        transaction.commit().await?;
        return Ok(steps);
    }
    let began = Instant::now();
    loop {
        match once(pool, kind, &steps).await {
            Err(error) if (error.is_lock_timeout() || error.is_deadlock()) && began.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if error.is_lock_timeout() => {
                return Err(Error::Fault("commands did not let it come in for a minute; try again".to_owned()));
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(steps),
        }
    }
}

async fn once(pool: &PgPool, kind: Kind, steps: &[Step]) -> Result<()> {
    let mut transaction = audit::begin(pool, &Actor::command_line()).await?;
    sqlx::raw_sql(BRIEFLY).execute(&mut *transaction).await?;
    if kind == Kind::Counters {
        // No plan and no command writes meanwhile.
        sqlx::query!("select pg_advisory_xact_lock($1) as lock", db::INSTALLATION_LOCK)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query!("select from installation for update").fetch_one(&mut *transaction).await?;
    }
    for statement in steps.iter().flat_map(|step| &step.statements) {
        sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *transaction).await?;
    }
    record(&mut transaction, kind, steps).await?;
    transaction.commit().await?;
    Ok(())
}

/// Writes into the audit what was done.
async fn record(transaction: &mut PgConnection, kind: Kind, steps: &[Step]) -> Result<()> {
    let changes: Map<String, Value> =
        steps.iter().map(|step| (step.subject.clone(), json!({ "from": step.from, "to": step.to }))).collect();
    sqlx::query!(
        "select write_audit('repair', null, $1, 'changed', $2) as written",
        kind.as_str(),
        Value::Object(changes)
    )
    .fetch_one(transaction)
    .await?;
    Ok(())
}

/// An index is made beside the load. One that a constraint makes is made by it, and one of a partitioned table with all of
/// its partitions: both keep writers of that table out.
fn index(difference: &Difference, all: &[Difference]) -> Option<Step> {
    let made = difference.made.as_ref().filter(|_| difference.kind == "index")?;
    let name = &difference.name;
    let by_constraint = all.iter().find_map(|other| {
        let (table, own) = other.of_table().filter(|(_, own)| other.kind == "constraint" && own == name)?;
        Some(format!("alter table {table} add constraint {own} {}", other.made.as_ref()?))
    });
    let is_partitioned = made.contains(" ON ONLY ");
    let create = match (by_constraint, is_partitioned) {
        (Some(statement), _) => statement,
        (None, true) => made.replacen(" ON ONLY ", " ON ", 1),
        (None, false) => made.replacen("INDEX ", "INDEX CONCURRENTLY ", 1),
    };
    let drop = match (difference.found.is_some(), is_partitioned) {
        (false, _) => None,
        (true, true) => Some(format!("drop index {name}")),
        (true, false) => Some(format!("drop index concurrently {name}")),
    };
    Some(Step {
        subject: format!("index {name}"),
        from: difference.found.clone().unwrap_or_else(|| "missing".to_owned()),
        to: made.clone(),
        statements: drop.into_iter().chain([create]).collect(),
    })
}

fn trigger(difference: &Difference) -> Option<Step> {
    let made = difference.made.as_ref()?;
    let (table, name) = difference.of_table()?;
    let statements = match (difference.kind.as_str(), difference.is_disabled()) {
        ("trigger", true) => vec![format!("alter table {table} enable trigger {name}")],
        ("trigger", false) => vec![format!("drop trigger if exists {name} on {table}"), made.clone()],
        ("constraint", true) => vec![format!("alter table {table} enable trigger all")],
        _ => return None,
    };
    Some(Step {
        subject: format!("{} {}", difference.kind, difference.name),
        from: difference.found.clone().unwrap_or_else(|| "missing".to_owned()),
        to: made.clone(),
        statements,
    })
}
