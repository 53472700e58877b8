//! Turns events into calls: each event that matters writes rows of `upstream_calls`, in the transaction that moves the
//! cursor. So each event is turned into calls exactly once, whichever server does it, also after a crash.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::kits;
use crate::{
    catalog::Catalog,
    db::{PgConnection, PgPool},
    error::Result,
    events::{self, Change, Cursor, Wanted},
    invoicing,
    orders::statuses,
    packages::snapshot::PackageSnapshot,
    upstream::UPSTREAM_LANE,
    workflow::NOT_RESTOCKED,
};

/// Events turned into calls at a time.
const MOST_AT_ONCE: i64 = 200;
/// Most positions that may be read again, because no event in them matters.
const SKIPPED: i64 = 10_000;
/// The state of a package that is packed, by its number.
const PACKED: i64 = 500;
/// The event type that is followed: every move of a package.
const FOLLOWED: &str = "package.status.transitioned";

/// Starts the cursor at the present end of the feed, unless it was started before. `releases`: from now on the upstream is
/// told, by whichever server, and whether its reservations are released; none: this server has no upstream.
pub(super) async fn begin(connection: &mut PgConnection, releases: Option<bool>) -> Result<()> {
    let now = Cursor::now(&mut *connection).await?;
    sqlx::query!("update upstream_feed set position = $1, id = $2 where position is null", now.position(), now.id())
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "update upstream_feed set tells = true, releases = $1
          where $1::boolean is not null and (not tells or releases <> $1)",
        releases
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Calls to be made, as columns.
#[derive(Debug, Default)]
struct Calls {
    orders: Vec<i64>,
    kinds: Vec<&'static str>,
    packages: Vec<i64>,
    items: Vec<Option<i64>>,
    paths: Vec<String>,
    payloads: Vec<Value>,
    requests: Vec<Option<String>>,
    traces: Vec<Option<String>>,
}

impl Calls {
    fn push(&mut self, kind: &'static str, row: &ItemRow, item: Option<i64>, path: String, payload: Value) {
        self.orders.push(row.order_id);
        self.kinds.push(kind);
        self.packages.push(row.package_id);
        self.items.push(item);
        self.paths.push(path);
        self.payloads.push(payload);
        self.requests.push(row.request_id.clone());
        self.traces.push(row.traceparent.clone());
    }
}

impl Calls {
    /// The call that tells the status of a line, by its id and the upstream's key.
    fn push_status(&mut self, row: &ItemRow, (order_item_id, pk): (i64, i64), status: i64, snapshot: &PackageSnapshot) {
        let mut payload = json!({ "status": status.to_string() });
        if let Some(shipment) = snapshot.documents.shipment.as_ref().filter(|_| status >= 500) {
            payload["tracking_number"] = json!(shipment.tracking_number);
        }
        self.push("status", row, Some(order_item_id), format!("api/v1/order_items/{pk}/"), payload);
    }
}

/// An item of a package that moved.
struct ItemRow {
    /// The index of the change.
    change: i64,
    package_id: i64,
    package_number: String,
    order_id: i64,
    order_pk: Option<i64>,
    item_id: i64,
    order_item_id: i64,
    order_item_pk: Option<i64>,
    /// The status that the upstream has.
    known: String,
    /// True if the package has units of it that no other took over.
    has_own: bool,
    /// Numbers of the states of other packages that have units of it.
    others: Vec<String>,
    is_synced: bool,
    bills: bool,
    /// The request that moved the package, and its place in a trace.
    request_id: Option<String>,
    traceparent: Option<String>,
}

impl ItemRow {
    /// Its package as it moved.
    fn snapshot<'s>(&self, snapshots: &'s [Option<PackageSnapshot>]) -> Option<&'s PackageSnapshot> {
        usize::try_from(self.change).ok().and_then(|index| snapshots.get(index)).and_then(Option::as_ref)
    }
}

/// Keeps the statuses of orders after the next events, and turns these into calls if there is an upstream. Returns the number
/// of events, or none while another server does it.
pub(super) async fn events(pool: &PgPool, catalog: &Catalog) -> Result<Option<usize>> {
    let mut transaction = pool.begin().await?;
    let feed = sqlx::query!("select position, id, tells, releases from upstream_feed for update skip locked")
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(feed) = feed else { return Ok(None) };
    let Some((position, id)) = feed.position.zip(feed.id) else { return Ok(None) };
    let wanted = Wanted { types: vec![FOLLOWED.to_owned()], ..Wanted::default() };
    let cursor = Cursor::new(position, id);
    if events::is_too_old(&mut transaction, cursor).await? {
        tracing::error!(%cursor, "what happened since is kept no more: neither orders nor the upstream hear of it");
    }
    let (changes, next) = events::after(&mut transaction, cursor, &wanted, MOST_AT_ONCE).await?;
    if changes.is_empty() && next.position() - position < SKIPPED {
        // Events that do not matter are worth a write only now and then.
        return Ok(Some(0));
    }
    let mut snapshots = Vec::with_capacity(changes.len());
    for change in &changes {
        snapshots.push(PackageSnapshot::from_json(&change.facts)?);
    }
    let rows = read_rows(&mut transaction, &changes, &snapshots).await?;
    let (mut calls, mut statuses) = lay_out(catalog, &snapshots, &rows, feed.releases);
    follow_kits(&mut transaction, &snapshots, &rows, &mut calls, &mut statuses).await?;
    keep_statuses(&mut transaction, &rows, &statuses).await?;
    if feed.tells {
        insert(&mut transaction, &calls).await?;
    }
    sqlx::query!("update upstream_feed set position = $1, id = $2", next.position(), next.id())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Some(changes.len()))
}

/// The items of the packages that moved, in the order of the moves.
async fn read_rows(
    connection: &mut PgConnection,
    changes: &[Change],
    snapshots: &[Option<PackageSnapshot>],
) -> Result<Vec<ItemRow>> {
    let (mut indexes, mut packages, mut items) = (Vec::new(), Vec::new(), Vec::new());
    let mut dates: Vec<DateTime<Utc>> = Vec::new();
    let (mut requests, mut traces) = (Vec::new(), Vec::new());
    for (index, (change, snapshot)) in changes.iter().zip(snapshots).enumerate() {
        for item in snapshot.iter().flat_map(|snapshot| &snapshot.items) {
            indexes.push(i64::try_from(index).unwrap_or(i64::MAX));
            packages.push(change.object_id);
            items.push(item.id);
            dates.push(change.created_date);
            requests.push(change.request_id.clone());
            traces.push(change.traceparent.clone());
        }
    }
    // A log row and the event of the same move are written in one transaction, so their dates are equal.
    let rows = sqlx::query_as!(
        ItemRow,
        r#"select w.change as "change!", w.package_id as "package_id!", p.number as package_number,
                  p.order_id, o.omnitron_id as order_pk, i.id as item_id, i.order_item_id,
                  oi.omnitron_id as order_item_pk, s.enum_value as known,
                  i.quantity > i.passed_on as "has_own!",
                  array(select ks.enum_value
                          from package_items k join packages kp on kp.id = k.package_id join states ks on ks.id = kp.state_id
                         where k.order_item_id = i.order_item_id and k.package_id <> w.package_id
                           and k.quantity > k.passed_on) as "others!",
                  coalesce((r.parameters ->> 'sync_remote_order_status')::boolean, true) as "is_synced!",
                  coalesce((r.parameters ->> 'remote_bill_fulfillment_call')::boolean, false) as "bills!",
                  w.request_id, w.traceparent
             from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[])
                  with ordinality as w(change, package_id, item_id, created_date, request_id, traceparent, n)
             join packages p on p.id = w.package_id
             join orders o on o.id = p.order_id
             join package_items i on i.id = w.item_id
             join order_items oi on oi.id = i.order_item_id
             join states s on s.id = oi.state_id
             left join lateral (select k.parameters
                                  from transition_logs l join transition_records k on k.transition_log_id = l.id
                                 where l.package_id = w.package_id and l.created_date = w.created_date
                                 order by l.id desc limit 1) r on true
            order by w.n"#,
        &indexes,
        &packages,
        &items,
        &dates,
        &requests as &[Option<String>],
        &traces as &[Option<String>]
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The calls, and the statuses of order items after them, by id.
fn lay_out(
    catalog: &Catalog,
    snapshots: &[Option<PackageSnapshot>],
    rows: &[ItemRow],
    releases: bool,
) -> (Calls, HashMap<i64, i64>) {
    let mut calls = Calls::default();
    let mut statuses: HashMap<i64, i64> = HashMap::new();
    // Items whose goods are not back on the shelf share the fate of their package.
    let not_restocked = catalog.workflow.state_by_slug("package", NOT_RESTOCKED).ok().map(|state| state.id);
    for (at, row) in rows.iter().enumerate() {
        let Some(snapshot) = row.snapshot(snapshots) else { continue };
        let number = catalog.workflow.state(snapshot.state_id).ok().and_then(crate::workflow::State::number);
        let Some(state) = number else { continue };
        // An item that was not found here is elsewhere, or nowhere.
        let is_of_it = |state_id: i64| state_id == snapshot.state_id || Some(state_id) == not_restocked;
        let is_with_it = snapshot.items.iter().any(|item| item.id == row.item_id && is_of_it(item.state_id));
        let known = row.known.parse().unwrap_or(statuses::APPROVED);
        let known = statuses.get(&row.order_item_id).copied().unwrap_or(known);
        let others = row.others.iter().filter_map(|number| number.parse().ok());
        let next = statuses::of_line(state, row.has_own, others);
        let next = next.filter(|next| is_with_it && statuses::is_to_report(known, *next));
        if let Some(next) = next {
            statuses.insert(row.order_item_id, next);
        }
        if !row.is_synced {
            continue;
        }
        if let (Some(next), Some(pk)) = (next, row.order_item_pk) {
            calls.push_status(row, (row.order_item_id, pk), next, snapshot);
        }
        if let Some(pk) = row.order_item_pk.filter(|_| releases && is_with_it && state == PACKED) {
            let payload = json!({ "code": format!("{}-{}", row.package_number, row.item_id), "update_stock": true });
            let path = format!("api/i1/order_items/{pk}/create_mapping/");
            calls.push("mapping", row, Some(row.order_item_id), path, payload);
        }
        let is_last = rows.get(at + 1).is_none_or(|next| next.change != row.change);
        if let Some(pk) = row.order_pk.filter(|_| is_last && row.bills) {
            let items: Vec<i64> = rows
                .iter()
                .filter(|other| other.change == row.change)
                .filter_map(|other| other.order_item_pk)
                .collect();
            let payload = json!({ "package_number": row.package_number, "order_items": items });
            calls.push("bill", row, None, format!("api/i1/orders/{pk}/bill_fulfillment/"), payload);
        }
    }
    (calls, statuses)
}

/// The statuses of kits of which parts have others now. Each is told with the last move of a part.
async fn follow_kits(
    connection: &mut PgConnection,
    snapshots: &[Option<PackageSnapshot>],
    rows: &[ItemRow],
    calls: &mut Calls,
    told: &mut HashMap<i64, i64>,
) -> Result<()> {
    let of_told = rows.iter().filter(|row| told.contains_key(&row.order_item_id));
    let orders: Vec<i64> = of_told.map(|row| row.order_id).collect::<BTreeSet<i64>>().into_iter().collect();
    if orders.is_empty() {
        return Ok(());
    }
    let kits = kits::read(connection, &orders).await?;
    let of_lines = told.clone();
    for kit in kits {
        let mut moved = rows.iter().rev().filter(|row| of_lines.contains_key(&row.order_item_id));
        let parts = kit.statuses(&of_lines).map(|status| status.unwrap_or(statuses::APPROVED));
        let known = kit.known.unwrap_or(statuses::APPROVED);
        let next = statuses::of_kit(parts).filter(|next| statuses::is_to_report(known, *next));
        let (Some(next), Some(row)) = (next, moved.find(|row| kit.has(row.order_item_id))) else {
            continue;
        };
        told.insert(kit.order_item_id, next);
        if let (true, Some(pk), Some(snapshot)) = (row.is_synced, kit.omnitron_id, row.snapshot(snapshots)) {
            calls.push_status(row, (kit.order_item_id, pk), next, snapshot);
        }
    }
    Ok(())
}

/// Keeps our order items and orders at the statuses that are reported.
async fn keep_statuses(connection: &mut PgConnection, rows: &[ItemRow], statuses: &HashMap<i64, i64>) -> Result<()> {
    if statuses.is_empty() {
        return Ok(());
    }
    let moved = rows.iter().filter(|row| statuses.contains_key(&row.order_item_id));
    let orders: Vec<i64> = moved.map(|row| row.order_id).collect::<BTreeSet<i64>>().into_iter().collect();
    // Orders before their items: the order in which commands lock them.
    sqlx::query!("select from orders where id = any($1) order by id for no key update", &orders)
        .execute(&mut *connection)
        .await?;
    let (ids, values): (Vec<i64>, Vec<String>) = statuses.iter().map(|(id, status)| (*id, status.to_string())).unzip();
    sqlx::query!(
        "update order_items oi set state_id = s.id, modified_date = now()
           from unnest($1::bigint[], $2::text[]) as c(id, status)
           join states s on s.entity = 'order' and s.enum_value = c.status
          where oi.id = c.id and oi.state_id <> s.id",
        &ids,
        &values
    )
    .execute(&mut *connection)
    .await?;
    statuses::keep_least(connection, &orders).await
}

async fn insert(connection: &mut PgConnection, calls: &Calls) -> Result<()> {
    let kinds: Vec<String> = calls.kinds.iter().map(|kind| (*kind).to_owned()).collect();
    sqlx::query!(
        "insert into upstream_calls (lane, order_id, kind, package_id, order_item_id, path, payload, request_id, traceparent)
         select $7, order_id, kind, package_id, order_item_id, path, payload, request_id, traceparent
           from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[], $8::text[],
                       $9::text[]) with ordinality
                as c(order_id, kind, package_id, order_item_id, path, payload, request_id, traceparent, n)
          order by n
         on conflict do nothing",
        &calls.orders,
        &kinds,
        &calls.packages,
        &calls.items as &[Option<i64>],
        &calls.paths,
        &calls.payloads,
        UPSTREAM_LANE,
        &calls.requests as &[Option<String>],
        &calls.traces as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Turns recorded invoice calls into calls. A record is blanked when its call is over, so the records themselves say which
/// calls are left.
pub(super) async fn invoices(pool: &PgPool) -> Result<usize> {
    let asked = sqlx::query!(
        r#"select p.order_id, p.id as package_id, l.id as log_id, r.invoice_call as "invoice_call!",
                  l.request_id, e.traceparent as "traceparent?"
             from transition_records r
             join transition_logs l on l.id = r.transition_log_id
             join packages p on p.id = l.package_id
             left join lateral (select e.traceparent from events e
                                 where e.entity = 'package' and e.object_id = l.package_id
                                   and e.created_date = l.created_date
                                 order by e.id desc limit 1) e on true
            where r.invoice_call is not null
              and not exists (select from upstream_calls c where c.transition_log_id = r.transition_log_id)
            order by l.id limit $1"#,
        MOST_AT_ONCE
    )
    .fetch_all(pool)
    .await?;
    if asked.is_empty() {
        return Ok(0);
    }
    let orders: Vec<i64> = asked.iter().map(|row| row.order_id).collect();
    let packages: Vec<i64> = asked.iter().map(|row| row.package_id).collect();
    let logs: Vec<i64> = asked.iter().map(|row| row.log_id).collect();
    let lanes: Vec<String> = asked.iter().map(|row| invoicing::lane(&row.invoice_call)).collect();
    let payloads: Vec<Value> = asked.iter().map(|row| invoicing::shown(&row.invoice_call)).collect();
    let requests: Vec<Option<String>> = asked.iter().map(|row| row.request_id.clone()).collect();
    let traces: Vec<Option<String>> = asked.iter().map(|row| row.traceparent.clone()).collect();
    let made = sqlx::query!(
        "insert into upstream_calls (lane, order_id, kind, package_id, transition_log_id, payload, request_id, traceparent)
         select lane, order_id, 'invoice', package_id, log_id, payload, request_id, traceparent
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::text[], $7::text[])
                with ordinality as c(lane, order_id, package_id, log_id, payload, request_id, traceparent, n)
          order by n
         on conflict do nothing",
        &lanes,
        &orders,
        &packages,
        &logs,
        &payloads,
        &requests as &[Option<String>],
        &traces as &[Option<String>]
    )
    .execute(pool)
    .await?;
    Ok(usize::try_from(made.rows_affected()).unwrap_or_default())
}
