//! Turns an order into packages: stores, plans and reserves it, in one transaction. An order that is known
//! ([`crate::orders::identity`]) changes nothing.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use crate::{
    catalog::{Catalog, CatalogCache},
    cause,
    commands::{
        apply::Applied,
        consequences::{ItemChange, PackageChange, Reserving},
        transfer::{apply::apply, begin::begin, consequences::derive},
    },
    db::{self, PgPool, Transaction},
    error::{Error, NO_SCENARIO, Refusal, Result},
    orders::{
        identity::Known,
        input::{LineInput, OrderInput},
        statuses::Stage,
    },
    packages::facts::{Documents, Placement},
    planning::{
        self, Line,
        plan::{Plan, Units, units_of},
    },
    scenarios::rules::Product,
    workflow::WAITING,
};

/// How often an order is tried again after others took its stock or quota.
const MOST_ATTEMPTS: u32 = 6;
/// From this attempt on, the plan locks the rows that it reads.
const LOCK_FROM_ATTEMPT: u32 = 3;
/// The class of advisory locks of who stores an order of one key: two that are stored at once would not see each other.
const OF_ONE_KEY: i32 = 0x6f6d_7304;
/// How often an order is stored anew after others of its number came at the same time: each time one of them is stored.
const MOST_OF_A_NUMBER: u32 = 1000;

/// When the answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the order is on disk: the client may then forget it.
    Each,
    /// Before it is on disk: for imports, which wait for the disk once at the end and can be repeated.
    Later,
}

/// The result for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub order_id: i64,
    /// False if it was known.
    pub is_new: bool,
    /// True if it is new and some items have no place.
    pub waits: bool,
}

/// Stores and plans an order. The future is boxed: an import, which is generic, does not compile the planning once more in
/// each crate that imports.
///
/// # Errors
/// 400 for a status or cargo company that the installation does not have; 406 if no scenario fits; 503 when the
/// database is away, or others were faster too often.
#[must_use]
pub fn place<'a>(
    pool: &'a PgPool,
    catalog_cache: &'a CatalogCache,
    order: &'a OrderInput,
    user_id: Option<i64>,
    durability: Durability,
) -> BoxFuture<'a, Result<Placed>> {
    Box::pin(place_or_retry(pool, catalog_cache, order, user_id, durability))
}

async fn place_or_retry(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    order: &OrderInput,
    user_id: Option<i64>,
    durability: Durability,
) -> Result<Placed> {
    for attempt in 1..=MOST_ATTEMPTS {
        match try_place(pool, catalog_cache, order, user_id, durability, attempt >= LOCK_FROM_ATTEMPT).await {
            Ok(Some(placed)) => return Ok(placed),
            Ok(None) => {}
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => {}
            // The reader knows what columns hold. Should it not know of one, that costs this order, and not the others of
            // its list, its file or its queue.
            Err(error) if error.is_of_a_value() => {
                tracing::error!(order = order.number, %error, "an order has a value that the database cannot keep");
                let message = "It has a value that the database cannot keep; the log of the server says which.";
                return Err(Refusal::non_field(message).into());
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::Overloaded)
}

/// One transaction. None if others were faster.
async fn try_place(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    order: &OrderInput,
    user_id: Option<i64>,
    durability: Durability,
    lock: bool,
) -> Result<Option<Placed>> {
    let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    if durability == Durability::Later {
        sqlx::query!("set local synchronous_commit = off").execute(&mut *transaction).await?;
    }
    let catalog = catalog_cache.up_to_date(&mut transaction).await?;
    let (order_id, is_new) = store_order(&mut transaction, &catalog, order).await?;
    if !is_new {
        return Ok(Some(Placed { order_id, is_new, waits: false }));
    }
    let item_ids = insert_items(&mut transaction, &catalog, order_id, &order.lines).await?;
    note_not_packed(&mut transaction, order, &item_ids).await?;
    let (to_pack, lines) = lines_to_pack(order, &item_ids);
    let mut waits = false;
    if !lines.is_empty() {
        let product = |at: usize| to_pack.get(at).map(|line| Product::of(&line.product)).unwrap_or_default();
        let supply = planning::supply_for_new(
            &mut transaction,
            &catalog,
            (order_id, order.facts()),
            &lines,
            product,
            kits_of(order, &item_ids),
            lock,
        )
        .await?;
        let plan = supply.plan(&lines, &[]).ok_or_else(|| no_scenario(order))?;
        waits = !plan.unplaced.is_empty();
        planning::store_trace(&mut transaction, order_id, None, Some(plan.scenario_id), &plan.trace).await?;
        let mut packages = packages(&catalog, order_id, &lines, &plan, user_id)?;
        let transfers = begin(&mut packages, 0, &plan.trace, &catalog.workflow)?;
        let derived = derive(&packages, &transfers, &catalog.workflow)?;
        if apply(&mut transaction, &packages, &transfers, &derived, None).await? == Applied::Conflict {
            return Ok(None);
        }
    }
    transaction.commit().await?;
    Ok(Some(Placed { order_id, is_new: true, waits }))
}

/// The lines of an order that are packed, as they came and as they are planned.
pub(super) fn lines_to_pack<'o>(order: &'o OrderInput, item_ids: &[i64]) -> (Vec<&'o LineInput>, Vec<Line>) {
    let lines = order.lines.iter().zip(item_ids);
    let wanted = lines.filter(|(line, _)| order.is_to_pack(line));
    let line = |(line, id): (&'o LineInput, &i64)| (line, Line::of(*id, &line.sku, line.quantity));
    wanted.map(line).unzip()
}

/// The kits that lines of an order are parts of, by line, as lines.
pub(super) fn kits_of(order: &OrderInput, item_ids: &[i64]) -> BTreeMap<i64, i64> {
    let lines = order.lines.iter().zip(item_ids);
    lines.filter_map(|(line, id)| Some((*id, *item_ids.get(line.kit?)?))).collect()
}

pub(super) fn no_scenario(order: &OrderInput) -> Refusal {
    let number = &order.number;
    Refusal::rule(NO_SCENARIO, format!("No active distribution scenario fits order {number}; add one."))
}

/// The packages of a plan: one for each parcel, and one at the default location for items without a place.
pub(super) fn packages(
    catalog: &Catalog,
    order_id: i64,
    lines: &[Line],
    plan: &Plan,
    user_id: Option<i64>,
) -> Result<Vec<PackageChange>> {
    let workflow = &catalog.workflow;
    let scenario = catalog.scenarios.iter().find(|scenario| scenario.id == plan.scenario_id);
    let scenario = scenario.ok_or_else(|| Error::Fault(format!("scenario {} vanished", plan.scenario_id)))?;
    let is_split = plan.parcels.len() + usize::from(!plan.unplaced.is_empty()) > 1;
    let first_state =
        if is_split { scenario.initial_state_when_split_id } else { workflow.state_by_slug("package", WAITING)?.id };
    let whole: Units = lines.iter().map(|line| (line.order_item_id, line.quantity)).collect();
    let package = |after: Placement, units: &Units, stock_bound: &[i64], bound_by_quota| PackageChange {
        id: None,
        order_id,
        before: None,
        after,
        transition_id: None,
        replaces: None,
        event_sequence: 0,
        version: 0,
        items: lines
            .iter()
            .filter_map(|line| Some((line, *units.get(&line.order_item_id)?)))
            .map(|(line, quantity)| ItemChange {
                id: None,
                order_item_id: line.order_item_id,
                sku: line.sku.clone(),
                quantity,
                cut_from: None,
                part_of: None,
                passed_on: 0,
                before: None,
                after,
                bound_by_stock: stock_bound.contains(&line.order_item_id),
                was_reserved: false,
                reserving: Reserving::Anew,
                replaces_sku: None,
                modified_date: None,
                leaves: None,
            })
            .collect(),
        shipment: None,
        documents: Documents::default(),
        bound_by_quota,
        user_id,
        cause: cause::current(),
        record: None,
        event: None,
    };
    let mut packages: Vec<PackageChange> = plan
        .parcels
        .iter()
        .map(|parcel| {
            let after = Placement { state_id: first_state, stock_location_id: parcel.stock_location_id };
            package(after, &parcel.units(&whole), &parcel.stock_bound_item_ids, parcel.bound_by_quota)
        })
        .collect();
    if !plan.unplaced.is_empty() {
        let after = Placement {
            state_id: workflow.state_without_place(plan.waits_for_opening())?.id,
            stock_location_id: scenario.default_location_id,
        };
        let units = units_of(&plan.unplaced, &plan.unplaced_parts, &whole);
        packages.push(package(after, &units, &[], false));
    }
    Ok(packages)
}

pub(super) fn order_state(catalog: &Catalog, status: &str) -> Result<i64, Refusal> {
    let mut states = catalog.workflow.states();
    let state = states.find(|state| state.entity == "order" && state.enum_value == status);
    state
        .map(|state| state.id)
        .ok_or_else(|| Refusal::field("status", format!("\"{status}\" is not an order status of this installation.")))
}

/// The cargo company that an order asks for, if any.
fn cargo_company_id(catalog: &Catalog, order: &OrderInput) -> Result<Option<i64>, Refusal> {
    let Some(name) = &order.cargo_company else { return Ok(None) };
    let company = catalog.cargo_company(name).map(|company| company.id);
    company.map(Some).ok_or_else(|| Refusal::field("cargo_company", format!("There is no cargo company {name}.")))
}

/// Refuses a new order that is not approved yet.
pub(super) fn refuse_early(order: &OrderInput) -> Result<(), Refusal> {
    if Stage::of(&order.status) != Stage::NotYet {
        return Ok(());
    }
    let status = &order.status;
    let message =
        format!("An order is taken when it is approved (400), and this one has {status}; send it again then.");
    Err(Refusal::field("status", message))
}

/// Refuses statuses and companies that the installation does not have, as placing the order would.
pub(super) fn check(catalog: &Catalog, order: &OrderInput) -> Result<(), Refusal> {
    cargo_company_id(catalog, order)?;
    order_state(catalog, &order.status)?;
    order.lines.iter().try_for_each(|line| order_state(catalog, &line.status).map(drop))
}

/// The order's id, and whether it is new.
async fn store_order(transaction: &mut Transaction<'_>, catalog: &Catalog, order: &OrderInput) -> Result<(i64, bool)> {
    let identity = order.identity();
    if Stage::of(&order.status) == Stage::NotYet {
        let known = Known::load(transaction, std::slice::from_ref(&identity), None).await?;
        if let Some(stored) = known.find(&identity)? {
            return Ok((stored.id, false));
        }
        refuse_early(order)?;
    }
    if let Some(key) = identity.omnitron_id {
        // One key may come with two numbers at once.
        sqlx::query!("select pg_advisory_xact_lock($1, hashint8($2)) as lock", OF_ONE_KEY, key)
            .fetch_one(&mut **transaction)
            .await?;
    }
    let mut occurrence = None;
    for _ in 0..MOST_OF_A_NUMBER {
        if let Some(id) = insert_order(transaction, catalog, order, occurrence).await? {
            return Ok((id, true));
        }
        let known = Known::load(transaction, std::slice::from_ref(&identity), None).await?;
        if let Some(stored) = known.find(&identity)? {
            return Ok((stored.id, false));
        }
        // If another order of this number comes meanwhile, it takes this place.
        occurrence = Some(known.next_occurrence(&identity.number));
    }
    Err(Error::Overloaded)
}

/// The new order's id, at its place among those of its number; none if another order took it. Without a place it is the
/// first, and none if there may be one that it is: of its number, or of its key.
async fn insert_order(
    transaction: &mut Transaction<'_>,
    catalog: &Catalog,
    order: &OrderInput,
    occurrence: Option<i32>,
) -> Result<Option<i64>> {
    let cargo_company_id = cargo_company_id(catalog, order)?;
    let id = sqlx::query_scalar!(
        "insert into orders (number, omnitron_id, state_id, channel_id, channel_name, customer_first_name,
                             customer_last_name, payment_type, shipping_option_slug, delivery_type, cargo_company_id,
                             currency, amount, language_code, notes, latitude, longitude, date_placed, details,
                             delivery_from, delivery_until, heard_date, occurrence)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::numeric, $14, $15,
                $16::text::numeric, $17::text::numeric, $18, $19, $20, $21, $22,
                coalesce($23::integer, 1)
          where $23::integer is not null
             or not exists (select from orders where number = $1)
                and not exists (select from orders where omnitron_id = $2)
         on conflict on constraint orders_number_key do nothing
         returning id",
        order.number,
        order.omnitron_id,
        order_state(catalog, &order.status)?,
        order.channel_id,
        order.channel_name,
        order.customer_first_name,
        order.customer_last_name,
        order.payment_type,
        order.shipping_option_slug,
        order.delivery_type,
        cargo_company_id,
        order.currency,
        order.amount,
        order.language_code,
        order.notes,
        order.latitude,
        order.longitude,
        order.date_placed,
        order.details,
        order.delivery_from,
        order.delivery_until,
        order.modified_date,
        occurrence
    )
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(id)
}

/// Notes which lines are not packed, and why.
async fn note_not_packed(transaction: &mut Transaction<'_>, order: &OrderInput, item_ids: &[i64]) -> Result<()> {
    let lines = order.lines.iter().zip(item_ids);
    let why = lines.filter_map(|(line, id)| Some((*id, order.not_packed(line)?.to_owned())));
    let (ids, reasons): (Vec<i64>, Vec<String>) = why.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into lines_not_packed (order_item_id, reason) select * from unnest($1::bigint[], $2::text[])",
        &ids,
        &reasons
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The ids of the lines, in the order's own sequence.
async fn insert_items(
    transaction: &mut Transaction<'_>,
    catalog: &Catalog,
    order_id: i64,
    lines: &[LineInput],
) -> Result<Vec<i64>> {
    let states: Vec<i64> = lines.iter().map(|line| order_state(catalog, &line.status)).collect::<Result<_, _>>()?;
    let omnitron_ids: Vec<Option<i64>> = lines.iter().map(|line| line.omnitron_id).collect();
    let skus: Vec<String> = lines.iter().map(|line| line.sku.clone()).collect();
    let quantities: Vec<i64> = lines.iter().map(|line| line.quantity).collect();
    let prices: Vec<Option<String>> = lines.iter().map(|line| line.price.clone()).collect();
    let currencies: Vec<Option<String>> = lines.iter().map(|line| line.price_currency.clone()).collect();
    let taxes: Vec<Option<String>> = lines.iter().map(|line| line.tax_rate.clone()).collect();
    let discounts: Vec<Option<String>> = lines.iter().map(|line| line.discount_amount.clone()).collect();
    let parents: Vec<Option<i64>> = lines.iter().map(|line| line.parent).collect();
    let extras: Vec<Option<serde_json::Value>> = lines.iter().map(|line| line.extra_field.clone()).collect();
    let products: Vec<serde_json::Value> = lines.iter().map(|line| line.product.clone()).collect();
    let mut rows = sqlx::query!(
        "insert into order_items (order_id, position, omnitron_id, state_id, sku, quantity, price, price_currency,
                                  tax_rate, discount_amount, product, parent_omnitron_id, extra_field)
         select $1, n, omnitron_id, state_id, sku, quantity, price::numeric, price_currency, tax_rate::numeric,
                discount_amount::numeric, product, parent, extra_field
           from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                       $9::text[], $10::jsonb[], $11::bigint[], $12::jsonb[]) with ordinality
                as c(omnitron_id, state_id, sku, quantity, price, price_currency, tax_rate, discount_amount, product, parent,
                     extra_field, n)
         returning id, position",
        order_id,
        &omnitron_ids as &[Option<i64>],
        &states,
        &skus,
        &quantities,
        &prices as &[Option<String>],
        &currencies as &[Option<String>],
        &taxes as &[Option<String>],
        &discounts as &[Option<String>],
        &products,
        &parents as &[Option<i64>],
        &extras as &[Option<serde_json::Value>]
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.sort_by_key(|row| row.position);
    Ok(rows.into_iter().map(|row| row.id).collect())
}
