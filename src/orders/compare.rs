//! What an order that is sent again says otherwise than the stored one. Compared is what is kept; dates of change, the order
//! of keys, and how a number is written make no difference.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    input::{LineInput, OrderInput},
    statuses::{self, SHIPPED, Stage},
};
use crate::{db::PgConnection, error::Result};

/// `OrderStatus` cancelled.
const CANCELLED: &str = "100";
/// Keys of parts that are only handed on which say when something was changed, not what.
const VOLATILE: [&str; 5] = ["created_date", "modified_date", "created_at", "updated_at", "last_login"];
/// The parts that say who ordered, and where to.
pub const RECIPIENT: [&str; 3] = ["customer", "shipping_address", "billing_address"];

/// What is to be done for the stored order to be as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The whole order is cancelled.
    Cancelled,
    /// A line is cancelled; its id here.
    LineCancelled(i64),
    /// Who ordered, or where it goes, is another.
    Recipient,
    /// Fewer units of a line than are still in packages; its id here, and how many are left.
    FewerUnits(i64, i64),
    /// A line is approved of which nothing was packed, because it was not; its id here.
    Approved(i64),
    /// It is wanted again, or more of it: of the order or a line that was cancelled because nobody wanted it.
    WantedAgain,
    /// A line is on its way already, and the units that are here are not.
    SentElsewhere,
    /// Anything else: what an order was planned by stays as it came.
    Other,
}

/// One thing that an order that is sent again says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key of the order.
    pub field: &'static str,
    /// The line of the order as it is sent, from 1, and the key of that line.
    pub line: Option<(usize, &'static str)>,
    /// What it comes to.
    pub change: Change,
}

/// A difference as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrderDifference)]
pub struct Differing {
    /// The key of the order.
    pub field: &'static str,
    /// The number of the line as it was sent, from 1; of `orderitem_set` alone.
    pub line: Option<usize>,
    /// The key of that line.
    pub line_field: Option<&'static str>,
    /// Whether it is now as it was sent.
    pub done: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

impl Differing {
    /// `undone`: why it is not done.
    #[must_use]
    pub fn of(difference: &Difference, undone: Option<&str>) -> Self {
        let (line, line_field) = difference.line.unzip();
        let reason = undone.map(str::to_owned);
        Self { field: difference.field, line, line_field, done: undone.is_none(), reason }
    }
}

/// An order as it is stored, as far as it is compared.
#[derive(Debug, Clone)]
pub struct StoredOrder {
    /// Its id.
    pub id: i64,
    /// The upstream's date of change of what was heard of it last.
    pub heard_date: Option<DateTime<Utc>>,
    /// Some of it is in a package that is not cancelled.
    is_live: bool,
    /// By key, as text.
    texts: Vec<(&'static str, Option<String>)>,
    details: Value,
    lines: Vec<StoredLine>,
}

/// The number of a line that is sent, the line, and the stored one that it is.
type Pair<'s> = (usize, &'s LineInput, Option<&'s StoredLine>);

#[derive(Debug, Clone)]
struct StoredLine {
    id: i64,
    omnitron_id: Option<i64>,
    quantity: i64,
    /// Its units in packages that are not cancelled.
    live: i64,
    /// How many of its units are wanted, by what was heard of it last.
    wanted: i64,
    /// Some of its live units are not on their way yet.
    is_here: bool,
    /// The stage that it came with, if nothing was packed of it for that.
    left: Option<Stage>,
    texts: Vec<(&'static str, Option<String>)>,
}

/// Reads orders, by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, StoredOrder>> {
    let mut lines = load_lines(&mut *connection, ids).await?;
    let rows = sqlx::query!(
        "select id, number, date_placed, currency, amount::text as amount, language_code, payment_type, shipping_option_slug,
                delivery_type, cargo_company_id, notes, details, heard_date
           from orders where id = any($1)",
        ids
    )
    .fetch_all(connection)
    .await?;
    let orders = rows.into_iter().map(|row| {
        let lines = lines.remove(&row.id).unwrap_or_default();
        let stored = StoredOrder {
            id: row.id,
            heard_date: row.heard_date,
            is_live: lines.iter().any(|line| line.live > 0),
            texts: vec![
                ("number", Some(row.number)),
                ("date_placed", Some(moment(row.date_placed))),
                ("currency", row.currency),
                ("amount", row.amount),
                ("language_code", row.language_code),
                ("payment_option", row.payment_type),
                ("shipping_option_slug", row.shipping_option_slug),
                ("delivery_type", row.delivery_type),
                ("cargo_company", row.cargo_company_id.map(|id| id.to_string())),
                ("notes", row.notes),
            ],
            details: row.details,
            lines,
        };
        (row.id, stored)
    });
    Ok(orders.collect())
}

/// The lines of orders, by the order's id, in its own sequence.
async fn load_lines(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, Vec<StoredLine>>> {
    let mut lines: HashMap<i64, Vec<StoredLine>> = HashMap::new();
    // Of a product that was replaced, the one that was ordered.
    let rows = sqlx::query!(
        r#"select i.id, i.order_id, i.omnitron_id, i.parent_omnitron_id, i.quantity, i.price::text as price, i.price_currency,
                  i.tax_rate::text as tax_rate, i.discount_amount::text as discount_amount,
                  coalesce((select h.sku from order_item_history h where h.order_item_id = i.id
                             order by until_event_id limit 1), i.sku) as "sku!",
                  coalesce((select sum(k.quantity - k.passed_on) from package_items k
                              join packages p on p.id = k.package_id
                              join states s on s.id = p.state_id
                             where k.order_item_id = i.id and s.slug <> 'packaging-canceled'), 0)::bigint as "live!",
                  coalesce(i.wanted_quantity, i.quantity) as "wanted!",
                  array(select distinct s.enum_value from package_items k
                          join packages p on p.id = k.package_id
                          join states s on s.id = p.state_id
                         where k.order_item_id = i.id and k.quantity > k.passed_on
                           and s.slug <> 'packaging-canceled') as "states!",
                  array(select s.enum_value from lines_not_packed n, states s
                         where n.order_item_id = i.id and n.reason = 'status'
                           and s.id in (i.placed_state_id, o.placed_state_id)) as "came!"
             from order_items i join orders o on o.id = i.order_id where i.order_id = any($1) order by i.order_id, i.position"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        lines.entry(row.order_id).or_default().push(StoredLine {
            id: row.id,
            omnitron_id: row.omnitron_id,
            quantity: row.quantity,
            live: row.live,
            wanted: row.wanted,
            is_here: row.states.iter().any(|state| is_here(state)),
            left: left(&row.came),
            texts: vec![
                ("product", Some(row.sku)),
                ("price", row.price),
                ("price_currency", row.price_currency),
                ("tax_rate", row.tax_rate),
                ("discount_amount", row.discount_amount),
                ("parent", row.parent_omnitron_id.map(|key| key.to_string())),
            ],
        });
    }
    Ok(lines)
}

impl StoredOrder {
    /// What an order that is sent says otherwise. `cargo_company_id`: of the company that it names.
    #[must_use]
    pub fn differences(&self, order: &OrderInput, cargo_company_id: Option<i64>) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut note = |field, line, change| found.push(Difference { field, line, change });
        let is_cancelled = order.status == CANCELLED;
        if is_cancelled && self.is_live {
            note("status", None, Change::Cancelled);
        } else if self.is_wanted_again(order) {
            note("status", None, Change::WantedAgain);
        }
        let sent = [
            Some(order.number.clone()),
            Some(moment(order.date_placed)),
            order.currency.clone(),
            order.amount.clone(),
            order.language_code.clone(),
            order.payment_type.clone(),
            order.shipping_option_slug.clone(),
            order.delivery_type.clone(),
            cargo_company_id.map(|id| id.to_string()),
            order.notes.clone(),
        ];
        for ((field, kept), sent) in self.texts.iter().zip(sent) {
            // Who carries it may be known upstream because we said so.
            let is_our_news = *field == "cargo_company" && kept.is_none();
            if !is_our_news && !is_same_text(kept.as_deref(), sent.as_deref()) {
                note(field, None, Change::Other);
            }
        }
        // Who says nothing of the address does not take it away.
        for field in RECIPIENT {
            let sent = &order.details[field];
            if is_said(sent) && plain(sent) != plain(&self.details[field]) {
                note(field, None, Change::Recipient);
            }
        }
        // `extra_field` is not compared: whoever works on an order upstream writes there.
        for field in ["has_gift_box", "gift_box_note", "shipping_amount"] {
            if self.keeps_all() && plain(&self.details[field]) != plain(&order.details[field]) {
                note(field, None, Change::Other);
            }
        }
        for field in ["delivery_range", "retail_store"] {
            if plain(&self.details[field]) != plain(&order.details[field]) {
                note(field, None, Change::Other);
            }
        }
        // Of an order that is cancelled, each line is.
        found.extend(if is_cancelled { Vec::new() } else { self.line_differences(order) });
        found
    }

    /// False for orders of before gifts and kits were kept: they say nothing of them.
    fn keeps_all(&self) -> bool {
        !self.details["has_gift_box"].is_null()
    }

    /// True if all of it was cancelled because nobody wanted it, and somebody does.
    fn is_wanted_again(&self, order: &OrderInput) -> bool {
        let is_unwanted = |line: &StoredLine| line.wanted == 0 && line.left.is_none();
        let mut with_units = self.lines.iter().filter(|line| line.quantity > 0).peekable();
        let were_all = with_units.peek().is_some() && with_units.all(is_unwanted);
        Stage::of(&order.status) == Stage::ToPack && !self.is_live && were_all
    }

    /// The units that are wanted of its lines, by id, where that changes with an order that is sent: not where a line is wanted
    /// again, which is told each time.
    #[must_use]
    pub fn wanted(&self, order: &OrderInput) -> Vec<(i64, i64)> {
        let is_cancelled = order.status == CANCELLED;
        let of_line = |kept: &StoredLine, line: Option<&LineInput>| match line {
            _ if is_cancelled => Some(0),
            Some(line) => match Stage::of(&line.status) {
                Stage::Over => Some(0),
                Stage::ToPack => Some(line.quantity).filter(|wanted| *wanted <= kept.wanted.max(kept.live)),
                Stage::NotYet | Stage::Sent => None,
            },
            None => None,
        };
        let (pairs, _) = self.pairs(&order.lines);
        let mut sent: HashMap<i64, &LineInput> = HashMap::new();
        for (_, line, kept) in pairs {
            sent.extend(kept.map(|kept| (kept.id, line)));
        }
        let wanted = self.lines.iter().filter_map(|kept| {
            let wanted = of_line(kept, sent.get(&kept.id).copied())?;
            (wanted != kept.wanted && wanted <= kept.quantity).then_some((kept.id, wanted))
        });
        wanted.collect()
    }

    /// The lines that are sent, each with its number and the stored one that it is; and the stored ones that are not sent.
    fn pairs<'s>(&'s self, sent: &'s [LineInput]) -> (Vec<Pair<'s>>, Vec<&'s StoredLine>) {
        let have_keys = sent.iter().map(|line| line.omnitron_id).chain(self.lines.iter().map(|line| line.omnitron_id));
        let by_key = have_keys.clone().all(|key| key.is_some()) && have_keys.clone().count() > 0;
        let mut left: Vec<&StoredLine> = self.lines.iter().collect();
        let pair = |(line, number): (&'s LineInput, usize)| {
            let at = left.iter().position(|kept| !by_key || kept.omnitron_id == line.omnitron_id);
            (number, line, at.map(|at| left.remove(at)))
        };
        let pairs = sent.iter().zip(1..).map(pair).collect();
        (pairs, left)
    }

    fn line_differences(&self, order: &OrderInput) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut note = |number, key, change| {
            found.push(Difference { field: "orderitem_set", line: Some((number, key)), change });
        };
        let told = self.is_wanted_again(order);
        let (pairs, left) = self.pairs(&order.lines);
        for (number, line, kept) in pairs {
            let Some(kept) = kept else {
                note(number, "product", Change::Other);
                continue;
            };
            match kept.status_difference(line) {
                Some((_, Change::WantedAgain)) if told => {}
                Some((key, change)) => note(number, key, change),
                None => {}
            }
            if Stage::of(&line.status) == Stage::Over {
                continue;
            }
            let texts = [
                Some(line.sku.clone()),
                line.price.clone(),
                line.price_currency.clone(),
                line.tax_rate.clone(),
                line.discount_amount.clone(),
                line.parent.map(|key| key.to_string()),
            ];
            for ((key, kept), sent) in kept.texts.iter().zip(texts) {
                let is_known = *key != "parent" || self.keeps_all();
                if is_known && !is_same_text(kept.as_deref(), sent.as_deref()) {
                    note(number, key, Change::Other);
                }
            }
        }
        if left.iter().any(|kept| kept.live > 0) {
            found.push(Difference { field: "orderitem_set", line: None, change: Change::Other });
        }
        found
    }
}

impl StoredLine {
    /// What a line that is sent says otherwise of its status and its units.
    fn status_difference(&self, line: &LineInput) -> Option<(&'static str, Change)> {
        let stage = Stage::of(&line.status);
        let change = match (stage, self.left) {
            // What was given back after it was sent is not ours to stop.
            (Stage::Over, _) if self.live > 0 && (line.status == CANCELLED || self.is_here) => {
                ("status", Change::LineCancelled(self.id))
            }
            (Stage::Over, _) => return None,
            (Stage::ToPack, Some(Stage::Sent)) => ("status", Change::Other),
            (Stage::ToPack, Some(_)) => ("status", Change::Approved(self.id)),
            (Stage::Sent, _) if self.is_here => ("status", Change::SentElsewhere),
            // What was cancelled here need not be known upstream.
            _ if line.quantity < self.live => ("quantity", Change::FewerUnits(self.id, line.quantity)),
            _ if line.quantity > self.quantity => ("quantity", Change::Other),
            (Stage::ToPack, None) if line.quantity > self.wanted.max(self.live) => {
                (if self.wanted == 0 { "status" } else { "quantity" }, Change::WantedAgain)
            }
            _ => return None,
        };
        Some(change)
    }
}

/// Why nothing was packed of a line, by the statuses that it and its order came with; none of none.
fn left(came: &[String]) -> Option<Stage> {
    let stages = || came.iter().map(|status| Stage::of(status)).filter(|stage| *stage != Stage::ToPack);
    stages().find(|stage| *stage == Stage::Sent).or_else(|| stages().next())
}

/// True for the state of a package whose goods are not on their way yet.
fn is_here(state: &str) -> bool {
    state.parse().ok().and_then(|state| statuses::of(state, false)).is_some_and(|status| status < SHIPPED)
}

/// To the microsecond, which is what a column holds.
fn moment(date: DateTime<Utc>) -> String {
    date.timestamp_micros().to_string()
}

/// True for the same text, or the same decimal.
fn is_same_text(kept: Option<&str>, sent: Option<&str>) -> bool {
    fn shortest(text: &str) -> &str {
        let is_decimal = text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
        if is_decimal { text.trim_end_matches('0').trim_end_matches('.') } else { text }
    }
    kept.map(shortest) == sent.map(shortest)
}

/// True if a part says something.
#[must_use]
pub fn is_said(part: &Value) -> bool {
    !plain(part).is_null()
}

/// A part that is only handed on, without what makes no difference: dates of change, what is null or empty, and whether a
/// number is written as one.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let parts = object.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str()));
            let parts = parts.map(|(key, value)| (key.clone(), plain(value))).filter(|(_, value)| !value.is_null());
            let parts: Map<String, Value> = parts.collect();
            if parts.is_empty() { Value::Null } else { Value::Object(parts) }
        }
        Value::Array(list) if list.is_empty() => Value::Null,
        Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        Value::Number(number) => Value::String(number.to_string()),
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) => Value::String(text.trim().to_owned()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent() -> OrderInput {
        let order = json!({
            "number": "1", "date_placed": "2026-01-02T10:00:00Z", "amount": "10.50", "currency": "try",
            "shipping_address": { "line": "Road 1", "postcode": "34", "modified_date": "2026-01-01T00:00:00Z" },
            "customer": { "pk": 5, "email": "a@example.com" },
            "orderitem_set": [
                { "pk": 11, "quantity": 3, "price": "2.50", "product": { "sku": "RED" } },
                { "pk": 12, "quantity": 1, "price": "3.00", "product": { "sku": "BLUE" } }
            ]
        });
        OrderInput::of_json(&order).expect("an order")
    }

    fn stored() -> StoredOrder {
        let line = |id: i64, omnitron_id, sku: &str, quantity, price: &str| StoredLine {
            id,
            omnitron_id: Some(omnitron_id),
            quantity,
            live: quantity,
            wanted: quantity,
            is_here: true,
            left: None,
            texts: vec![
                ("product", Some(sku.to_owned())),
                ("price", Some(price.to_owned())),
                ("price_currency", None),
                ("tax_rate", None),
                ("discount_amount", None),
                ("parent", None),
            ],
        };
        let mut texts: Vec<(&'static str, Option<String>)> =
            ["number", "date_placed", "currency", "amount", "a", "b", "c", "d", "e", "f"]
                .map(|field| (field, None))
                .to_vec();
        texts[0].1 = Some("1".to_owned());
        texts[1].1 = Some(moment(sent().date_placed));
        texts[2].1 = Some("try".to_owned());
        texts[3].1 = Some("10.5".to_owned());
        StoredOrder {
            id: 1,
            heard_date: None,
            is_live: true,
            texts,
            details: json!({
                "has_gift_box": false,
                "shipping_address": { "postcode": 34, "line": "Road 1 ", "title": "", "district": null },
                "customer": { "email": "a@example.com", "pk": "5" }
            }),
            lines: vec![line(1, 11, "RED", 3, "2.5"), line(2, 12, "BLUE", 1, "3")],
        }
    }

    fn found(change: impl FnOnce(&mut OrderInput)) -> Vec<Difference> {
        let mut order = sent();
        change(&mut order);
        stored().differences(&order, None)
    }

    fn of(field: &'static str, change: Change) -> [Difference; 1] {
        [Difference { field, line: None, change }]
    }

    fn of_line(number: usize, key: &'static str, change: Change) -> [Difference; 1] {
        [Difference { field: "orderitem_set", line: Some((number, key)), change }]
    }

    #[test]
    fn what_is_written_otherwise_makes_no_difference() {
        assert_eq!(found(|_| {}), []);
        assert_eq!(found(|order| order.lines.reverse()), []);
        for nothing in [json!(null), json!({}), json!({ "line": " " })] {
            assert_eq!(found(|order| order.details["shipping_address"] = nothing), []);
        }
    }

    #[test]
    fn each_difference_is_told_with_what_it_comes_to() {
        assert_eq!(found(|order| order.status = "100".to_owned()), of("status", Change::Cancelled));
        // What goes on as it should is none.
        assert_eq!(found(|order| order.status = "550".to_owned()), []);
        let line_at = |status: &'static str| move |order: &mut OrderInput| order.lines[0].status = status.to_owned();
        assert_eq!(found(line_at("550")), of_line(1, "status", Change::SentElsewhere));
        assert_eq!(found(line_at("600")), of_line(1, "status", Change::LineCancelled(1)));
        assert_eq!(found(line_at("50")), []);
        assert_eq!(found(|order| order.amount = None), of("amount", Change::Other));
        assert_eq!(found(|order| order.number = "2".to_owned()), of("number", Change::Other));
        for (field, value) in [("has_gift_box", json!(true)), ("gift_box_note", json!("For you"))] {
            assert_eq!(found(|order| order.details[field] = value), of(field, Change::Other));
        }
        assert_eq!(
            found(|order| order.details["shipping_address"]["line"] = json!("Road 2")),
            of("shipping_address", Change::Recipient)
        );
        assert_eq!(
            found(|order| order.lines[1].status = "100".to_owned()),
            of_line(2, "status", Change::LineCancelled(2))
        );
        assert_eq!(found(|order| order.lines[0].quantity = 2), of_line(1, "quantity", Change::FewerUnits(1, 2)));
        assert_eq!(found(|order| order.lines[0].quantity = 4), of_line(1, "quantity", Change::Other));
        assert_eq!(found(|order| order.lines[1].sku = "GREEN".to_owned()), of_line(2, "product", Change::Other));
        assert_eq!(found(|order| order.lines[1].parent = Some(11)), of_line(2, "parent", Change::Other));
        let before_kits = |kept: &mut StoredOrder| kept.details = json!({ "customer": kept.details["customer"] });
        let mut of_kit = sent();
        of_kit.lines[1].parent = Some(11);
        assert_eq!(of_kept(before_kits, &of_kit).0.iter().filter(|told| told.line.is_some()).count(), 0);
        assert_eq!(found(|order| drop(order.lines.pop())), of("orderitem_set", Change::Other));
        let added = |order: &mut OrderInput| {
            let mut line = order.lines[0].clone();
            line.omnitron_id = Some(13);
            order.lines.push(line);
        };
        assert_eq!(found(added), of_line(3, "product", Change::Other));
    }

    fn of_kept(change: impl FnOnce(&mut StoredOrder), sent: &OrderInput) -> (Vec<Difference>, Vec<(i64, i64)>) {
        let mut kept = stored();
        change(&mut kept);
        (kept.differences(sent, None), kept.wanted(sent))
    }

    #[test]
    fn what_nobody_wanted_and_is_wanted_again_is_told() {
        let cancelled = |kept: &mut StoredOrder| {
            kept.is_live = false;
            for line in &mut kept.lines {
                (line.live, line.wanted) = (0, 0);
            }
        };
        assert_eq!(of_kept(cancelled, &sent()), (of("status", Change::WantedAgain).to_vec(), vec![]));
        // Of an order without a unit nothing was cancelled.
        let nothing = |kept: &mut StoredOrder| {
            cancelled(kept);
            kept.lines.iter_mut().for_each(|line| line.quantity = 0);
        };
        let mut of_nothing = sent();
        of_nothing.lines.iter_mut().for_each(|line| line.quantity = 0);
        assert_eq!(of_kept(nothing, &of_nothing), (vec![], vec![]));
        let line =
            |live, wanted| move |kept: &mut StoredOrder| (kept.lines[0].live, kept.lines[0].wanted) = (live, wanted);
        let again = |key| of_line(1, key, Change::WantedAgain).to_vec();
        assert_eq!(of_kept(line(0, 0), &sent()), (again("status"), vec![]));
        assert_eq!(of_kept(line(2, 2), &sent()), (again("quantity"), vec![]));
        // What was cancelled here need not be known there; and what was asked for in vain is taken back.
        assert_eq!(of_kept(line(2, 3), &sent()), (vec![], vec![]));
        assert_eq!(of_kept(line(3, 2), &sent()), (vec![], vec![(1, 3)]));
    }

    #[test]
    fn what_is_wanted_is_kept_as_it_is_heard() {
        let wanted = |change: fn(&mut OrderInput)| {
            let mut order = sent();
            change(&mut order);
            stored().wanted(&order)
        };
        assert_eq!(wanted(|_| {}), []);
        assert_eq!(wanted(|order| order.status = "100".to_owned()), [(1, 0), (2, 0)]);
        assert_eq!(wanted(|order| order.lines[1].status = "100".to_owned()), [(2, 0)]);
        assert_eq!(wanted(|order| order.lines[0].quantity = 2), [(1, 2)]);
        assert_eq!(wanted(|order| order.lines[0].quantity = 4), []);
        assert_eq!(wanted(|order| order.lines[0].status = "50".to_owned()), []);
    }

    #[test]
    fn a_line_that_was_not_approved_when_it_came_is_taken_up_once_it_is() {
        let left = |stage| {
            move |kept: &mut StoredOrder| {
                (kept.lines[0].live, kept.lines[0].is_here, kept.lines[0].left) = (0, false, Some(stage));
            }
        };
        for (stage, change) in
            [(Stage::NotYet, Change::Approved(1)), (Stage::Over, Change::Approved(1)), (Stage::Sent, Change::Other)]
        {
            assert_eq!(of_kept(left(stage), &sent()).0, of_line(1, "status", change), "{stage:?}");
        }
    }
}
