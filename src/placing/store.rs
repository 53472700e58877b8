//! Stores orders with their lines, any number in a few statements.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::place::{
    Placed, Sent, cargo_company_id, check, kits_of, lines_to_pack, no_scenario, order_state, refuse_early,
};
use crate::{
    catalog::Catalog,
    db::PgConnection,
    error::{Error, Refusal, Result},
    orders::{
        identity::{Identity, Known},
        input::{LineInput, OrderInput},
    },
    planning::{
        Line,
        choose::choose_scenario,
        plan::{Plan, Units, units_of},
        queue::Unserved,
    },
    scenarios::rules::{OrderFacts, Product},
};

/// The class of advisory locks of who stores an order of one key: two that are stored at once would not see each other.
const OF_ONE_KEY: i32 = 0x6f6d_7304;
/// How often an order is stored anew after others of its number came at the same time: each time one of them is stored.
const MOST_OF_A_NUMBER: u32 = 1000;

/// A new order, stored with its lines.
pub(super) struct New<'a> {
    /// Its place in the group.
    pub at: usize,
    /// The order as it was sent.
    pub sent: &'a Sent,
    /// Its id.
    pub id: i64,
    /// The order, as far as rules use it.
    pub facts: OrderFacts,
    /// The lines that are packed.
    pub lines: Vec<Line>,
    to_pack: Vec<&'a LineInput>,
    /// The kits that lines are parts of.
    pub kits: BTreeMap<i64, i64>,
}

impl New<'_> {
    /// The product of a line that is packed.
    pub(super) fn product(&self, at: usize) -> Product {
        self.to_pack.get(at).map(|line| Product::of(&line.product)).unwrap_or_default()
    }

    /// What its plan found no place for.
    pub(super) fn unserved(&self, plan: &Plan) -> Vec<Unserved> {
        let whole: Units = self.lines.iter().map(|line| (line.order_item_id, line.quantity)).collect();
        let left = units_of(&plan.unplaced, &plan.unplaced_parts, &whole);
        let lines = self.lines.iter().enumerate();
        let unserved = lines.filter_map(|(at, line)| {
            let units = left.get(&line.order_item_id).copied()?;
            Some(Unserved { order: self.facts.clone(), product: self.product(at), sku: line.sku.clone(), units })
        });
        unserved.collect()
    }
}

/// Stores those orders of a group that are not here yet. No two of them have a number or a key in common.
pub(super) async fn orders(
    connection: &mut PgConnection,
    catalog: &Catalog,
    group: &[&Sent],
) -> Result<Vec<Result<Placed, Refusal>>> {
    let mut results: Vec<Option<Result<Placed, Refusal>>> = Vec::with_capacity(group.len());
    let (mut unfit, mut pending) = (Vec::new(), Vec::new());
    for (at, Sent { order, .. }) in group.iter().enumerate() {
        let early = refuse_early(order).err();
        let wrong = if early.is_some() { None } else { check_order(catalog, order).err() };
        match early.or_else(|| unfit_as_new(catalog, order)) {
            _ if wrong.is_some() => {}
            Some(refusal) => unfit.push((at, refusal)),
            None => pending.push(Pending { at, order, occurrence: None }),
        }
        results.push(wrong.map(Err));
    }
    if !unfit.is_empty() {
        let identities: Vec<Identity> = unfit.iter().map(|(at, _)| group[*at].order.identity()).collect();
        let known = Known::load(&mut *connection, &identities, None).await?;
        for ((at, refusal), identity) in unfit.into_iter().zip(identities) {
            let stored = known.find(&identity).and_then(|stored| stored.ok_or(refusal));
            results[at] = Some(stored.map(|stored| Placed::known(stored.id)));
        }
    }
    lock_keys(&mut *connection, &pending).await?;
    for _ in 0..MOST_OF_A_NUMBER {
        if pending.is_empty() {
            break;
        }
        let new = insert(&mut *connection, catalog, &pending).await?;
        pending.retain(|one| match new.get(&one.order.number) {
            Some(id) => {
                results[one.at] = Some(Ok(Placed { order_id: *id, is_new: true, waits: false }));
                false
            }
            None => true,
        });
        pending = still_new(&mut *connection, pending, &mut results).await?;
    }
    results.into_iter().map(|result| result.ok_or(Error::Overloaded)).collect()
}

/// An order that is to be stored.
struct Pending<'a> {
    at: usize,
    order: &'a OrderInput,
    /// Its place among those of its number; none: it is the first.
    occurrence: Option<i32>,
}

/// Refuses what the order itself names and the installation does not have.
fn check_order(catalog: &Catalog, order: &OrderInput) -> Result<(), Refusal> {
    cargo_company_id(catalog, order)?;
    order_state(catalog, &order.status).map(drop)
}

/// Why an order cannot be taken if it is not known.
fn unfit_as_new(catalog: &Catalog, order: &OrderInput) -> Option<Refusal> {
    if let Err(refusal) = check(catalog, order) {
        return Some(refusal);
    }
    let is_packed = order.lines.iter().any(|line| order.is_to_pack(line));
    let has_scenario = || choose_scenario(&catalog.scenarios, &order.facts()).0.is_some();
    (is_packed && !has_scenario()).then(|| no_scenario(order))
}

/// One key may come with two numbers at once.
async fn lock_keys(connection: &mut PgConnection, pending: &[Pending<'_>]) -> Result<()> {
    let keys: Vec<i64> = pending.iter().filter_map(|one| one.order.omnitron_id).collect();
    if keys.is_empty() {
        return Ok(());
    }
    // In one order, so that two groups do not wait for each other.
    sqlx::query!(
        "select pg_advisory_xact_lock($1, k.hash) as lock
           from (select distinct hashint8(key) as hash from unnest($2::bigint[]) as key order by 1) k",
        OF_ONE_KEY,
        &keys
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Those that are still to be stored after others of their number, or of their key, were found. Each gets the place after them.
async fn still_new<'a>(
    connection: &mut PgConnection,
    pending: Vec<Pending<'a>>,
    results: &mut [Option<Result<Placed, Refusal>>],
) -> Result<Vec<Pending<'a>>> {
    if pending.is_empty() {
        return Ok(pending);
    }
    let identities: Vec<Identity> = pending.iter().map(|one| one.order.identity()).collect();
    let known = Known::load(connection, &identities, None).await?;
    let mut left = Vec::new();
    for (one, identity) in pending.into_iter().zip(&identities) {
        match known.find(identity) {
            Ok(Some(stored)) => results[one.at] = Some(Ok(Placed::known(stored.id))),
            Ok(None) => left.push(Pending { occurrence: Some(known.next_occurrence(&identity.number)), ..one }),
            Err(refusal) => results[one.at] = Some(Err(refusal)),
        }
    }
    Ok(left)
}

/// The ids of the new orders by number. One without a place is stored if there is none that it may be: of its number, or of its
/// key; one with a place, if no other order took that meanwhile.
async fn insert(
    connection: &mut PgConnection,
    catalog: &Catalog,
    pending: &[Pending<'_>],
) -> Result<HashMap<String, i64>> {
    let texts = |of: fn(&OrderInput) -> &Option<String>| -> Vec<Option<String>> {
        pending.iter().map(|one| of(one.order).clone()).collect()
    };
    let dates = |of: fn(&OrderInput) -> Option<DateTime<Utc>>| -> Vec<Option<DateTime<Utc>>> {
        pending.iter().map(|one| of(one.order)).collect()
    };
    let all = || pending.iter().map(|one| one.order);
    let numbers: Vec<String> = all().map(|order| order.number.clone()).collect();
    let keys: Vec<Option<i64>> = all().map(|order| order.omnitron_id).collect();
    let states: Vec<i64> = all().map(|order| order_state(catalog, &order.status)).collect::<Result<_, _>>()?;
    let channels: Vec<Option<i64>> = all().map(|order| order.channel_id).collect();
    let carriers: Vec<Option<i64>> = all().map(|order| cargo_company_id(catalog, order)).collect::<Result<_, _>>()?;
    let placed: Vec<DateTime<Utc>> = all().map(|order| order.date_placed).collect();
    let details: Vec<Value> = all().map(|order| order.details.clone()).collect();
    let occurrences: Vec<Option<i32>> = pending.iter().map(|one| one.occurrence).collect();
    let rows = sqlx::query!(
        "insert into orders (number, omnitron_id, state_id, channel_id, channel_name, customer_first_name,
                             customer_last_name, payment_type, shipping_option_slug, delivery_type, cargo_company_id,
                             currency, amount, language_code, notes, latitude, longitude, date_placed, details,
                             delivery_from, delivery_until, heard_date, occurrence)
         select c.number, c.omnitron_id, c.state_id, c.channel_id, c.channel_name, c.first_name, c.last_name, c.payment_type,
                c.shipping_option_slug, c.delivery_type, c.cargo_company_id, c.currency, c.amount::numeric, c.language_code,
                c.notes, c.latitude::numeric, c.longitude::numeric, c.date_placed, c.details, c.delivery_from,
                c.delivery_until, c.heard_date, coalesce(c.occurrence, 1)
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[],
                       $16::text[], $17::text[], $18::timestamptz[], $19::jsonb[], $20::timestamptz[], $21::timestamptz[],
                       $22::timestamptz[], $23::integer[]) with ordinality
                as c(number, omnitron_id, state_id, channel_id, channel_name, first_name, last_name, payment_type,
                     shipping_option_slug, delivery_type, cargo_company_id, currency, amount, language_code, notes, latitude,
                     longitude, date_placed, details, delivery_from, delivery_until, heard_date, occurrence, n)
          where c.occurrence is not null
             or not exists (select from orders o where o.number = c.number)
                and not exists (select from orders o where o.omnitron_id = c.omnitron_id)
          order by c.n
         on conflict on constraint orders_number_key do nothing
         returning id, number",
        &numbers,
        &keys as &[Option<i64>],
        &states,
        &channels as &[Option<i64>],
        &texts(|order| &order.channel_name) as &[Option<String>],
        &texts(|order| &order.customer_first_name) as &[Option<String>],
        &texts(|order| &order.customer_last_name) as &[Option<String>],
        &texts(|order| &order.payment_type) as &[Option<String>],
        &texts(|order| &order.shipping_option_slug) as &[Option<String>],
        &texts(|order| &order.delivery_type) as &[Option<String>],
        &carriers as &[Option<i64>],
        &texts(|order| &order.currency) as &[Option<String>],
        &texts(|order| &order.amount) as &[Option<String>],
        &texts(|order| &order.language_code) as &[Option<String>],
        &texts(|order| &order.notes) as &[Option<String>],
        &texts(|order| &order.latitude) as &[Option<String>],
        &texts(|order| &order.longitude) as &[Option<String>],
        &placed,
        &details,
        &dates(|order| order.delivery_from) as &[Option<DateTime<Utc>>],
        &dates(|order| order.delivery_until) as &[Option<DateTime<Utc>>],
        &dates(|order| order.modified_date) as &[Option<DateTime<Utc>>],
        &occurrences as &[Option<i32>]
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.number, row.id)).collect())
}

/// Stores the lines of the new orders of a group, and notes which are not packed.
pub(super) async fn lines<'a>(
    connection: &mut PgConnection,
    catalog: &Catalog,
    group: &[&'a Sent],
    results: &[Result<Placed, Refusal>],
) -> Result<Vec<New<'a>>> {
    let placed = results.iter().map(Result::as_ref).map(Result::ok);
    let new: Vec<(usize, &'a Sent, i64)> = placed
        .zip(group.iter().copied())
        .enumerate()
        .filter_map(|(at, (placed, sent))| Some((at, sent, placed.filter(|placed| placed.is_new)?.order_id)))
        .collect();
    let ids = insert_lines(&mut *connection, catalog, &new).await?;
    let mut not_packed: (Vec<i64>, Vec<String>) = Default::default();
    let mut ids = ids.into_iter();
    let mut stored = Vec::with_capacity(new.len());
    for (at, sent, id) in new {
        let order = &*sent.order;
        let own: Vec<i64> = ids.by_ref().take(order.lines.len()).collect();
        let why = order.lines.iter().zip(&own).filter_map(|(line, id)| Some((*id, order.not_packed(line)?.to_owned())));
        not_packed.extend(why);
        let (to_pack, lines) = lines_to_pack(order, &own);
        let kits = kits_of(order, &own);
        stored.push(New { at, sent, id, facts: order.facts(), lines, to_pack, kits });
    }
    let (ids, reasons) = not_packed;
    if !ids.is_empty() {
        sqlx::query!(
            "insert into lines_not_packed (order_item_id, reason) select * from unnest($1::bigint[], $2::text[])",
            &ids,
            &reasons
        )
        .execute(connection)
        .await?;
    }
    Ok(stored)
}

/// The ids of the lines, order by order, each in its own sequence.
async fn insert_lines(
    connection: &mut PgConnection,
    catalog: &Catalog,
    new: &[(usize, &Sent, i64)],
) -> Result<Vec<i64>> {
    let all =
        || new.iter().flat_map(|(_, sent, id)| sent.order.lines.iter().zip(1_i32..).map(|(line, n)| (*id, n, line)));
    let texts = |of: fn(&LineInput) -> &Option<String>| -> Vec<Option<String>> {
        all().map(|(.., line)| of(line).clone()).collect()
    };
    let orders: Vec<i64> = all().map(|(id, ..)| id).collect();
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let positions: Vec<i32> = all().map(|(_, n, _)| n).collect();
    let states: Vec<i64> = all().map(|(.., line)| order_state(catalog, &line.status)).collect::<Result<_, _>>()?;
    let keys: Vec<Option<i64>> = all().map(|(.., line)| line.omnitron_id).collect();
    let skus: Vec<String> = all().map(|(.., line)| line.sku.clone()).collect();
    let quantities: Vec<i64> = all().map(|(.., line)| line.quantity).collect();
    let parents: Vec<Option<i64>> = all().map(|(.., line)| line.parent).collect();
    let extras: Vec<Option<Value>> = all().map(|(.., line)| line.extra_field.clone()).collect();
    let products: Vec<Value> = all().map(|(.., line)| line.product.clone()).collect();
    // Ids are given out in the order of the lines.
    let mut ids = sqlx::query_scalar!(
        "insert into order_items (order_id, position, omnitron_id, state_id, sku, quantity, price, price_currency,
                                  tax_rate, discount_amount, product, parent_omnitron_id, extra_field)
         select order_id, position, omnitron_id, state_id, sku, quantity, price::numeric, price_currency,
                tax_rate::numeric, discount_amount::numeric, product, parent, extra_field
           from unnest($1::bigint[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[],
                       $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::bigint[], $13::jsonb[]) with ordinality
                as c(order_id, position, omnitron_id, state_id, sku, quantity, price, price_currency, tax_rate,
                     discount_amount, product, parent, extra_field, n)
          order by n
         returning id",
        &orders,
        &positions,
        &keys as &[Option<i64>],
        &states,
        &skus,
        &quantities,
        &texts(|line| &line.price) as &[Option<String>],
        &texts(|line| &line.price_currency) as &[Option<String>],
        &texts(|line| &line.tax_rate) as &[Option<String>],
        &texts(|line| &line.discount_amount) as &[Option<String>],
        &products,
        &parents as &[Option<i64>],
        &extras as &[Option<Value>]
    )
    .fetch_all(connection)
    .await?;
    ids.sort_unstable();
    Ok(ids)
}
