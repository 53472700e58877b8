//! What happens in the year: places, stock and orders, all from one seed.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use crate::Failure;

/// Locations: one in thirty is a warehouse.
pub(crate) const LOCATIONS: u64 = 300;
/// Lines of an order: 1, 2, 3 and 4 of so many in ten.
const LINES: [u64; 10] = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4];
/// Of so many orders one is collected by the customer, at a store that has all of it brought there.
const COLLECTED: u64 = 10;

/// Random numbers (`SplitMix64`) that are the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

/// Somewhere in the country, in ten-thousandths of a degree.
#[derive(Debug, Clone, Copy)]
struct Point {
    latitude: i64,
    longitude: i64,
}

impl Point {
    fn any(dice: &mut Dice) -> Self {
        let between = |dice: &mut Dice, low: i64, span: u64| low + i64::try_from(dice.below(span)).unwrap_or_default();
        Self { latitude: between(dice, 505_000, 70_000), longitude: between(dice, -45_000, 60_000) }
    }

    fn text(ten_thousandths: i64) -> String {
        let sign = if ten_thousandths < 0 { "-" } else { "" };
        let size = ten_thousandths.unsigned_abs();
        format!("{sign}{}.{:04}", size / 10_000, size % 10_000)
    }
}

/// Orders go to the nearest that have the goods and room; those that are collected are brought together at a store near
/// the customer, which fetches what it lacks from the nearest that has it.
const SCENARIOS: &str = r#"
[[scenarios]]
name = "Collected in a store"
priority = 1
channels = []
shipping = ["collect"]
payments = []
default_location = "W-0"
initial_state_when_split = "waiting"
[[scenarios.rules]]
name = "Together at a store nearby"
conditions = [
    "SELECT_BY_STOCK",
    "SELECT_BY_QUOTA",
    { condition = "SELECT_BY_LOCATION_TYPE", location_types = ["store"] },
    { condition = "SELECT_BY_DISTANCE", kilometres = 50 },
]
order_by = ["distance", "priority"]
transferable = true
[[scenarios.rules]]
name = "Else delivered"
conditions = ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"]
order_by = ["distance", "priority"]

[[scenarios]]
name = "Standard"
priority = 2
channels = []
shipping = []
payments = []
default_location = "W-0"
initial_state_when_split = "waiting"
[[scenarios.rules]]
name = "Nearest with room"
conditions = ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"]
order_by = ["distance", "priority"]

[[scenarios]]
name = "Nearest that has it"
kind = "transfer"
priority = 1
default_location = "W-0"
[[scenarios.rules]]
name = "Nearest"
conditions = ["SELECT_BY_STOCK"]
order_by = ["distance"]
"#;

/// A year's feed.
#[derive(Debug)]
pub(crate) struct Feed {
    dice: Dice,
    orders: u64,
    /// What is ordered, with how often.
    demand: Vec<(String, u64)>,
    total: u64,
}

impl Feed {
    /// A year of so many orders. What is ordered how often is taken from the real orders.
    pub(crate) fn new(seed: u64, orders: u64) -> Result<Self, Failure> {
        let mut demand: BTreeMap<String, u64> = BTreeMap::new();
        for line in include_str!("../../installations/demo/orders.ndjson").lines() {
            let order: Value = serde_json::from_str(line)?;
            for item in order["orderitem_set"].as_array().into_iter().flatten() {
                let sku = item["product"]["sku"].as_str().ok_or("an item without a SKU")?;
                *demand.entry(sku.to_owned()).or_default() += 1;
            }
        }
        let demand: Vec<_> = demand.into_iter().collect();
        let total = demand.iter().map(|(_, weight)| weight).sum();
        Ok(Self { dice: Dice::new(seed), orders, demand, total })
    }

    fn erp_code(number: u64) -> String {
        if number.is_multiple_of(30) { format!("W-{number}") } else { format!("S-{number}") }
    }

    /// The places and the scenarios, as an installation file.
    pub(crate) fn places(&mut self) -> String {
        let mut text = String::new();
        for number in 0..LOCATIONS {
            let kind = if number.is_multiple_of(30) { "warehouse" } else { "store" };
            let quota = if kind == "store" { "max_quota = 150\n" } else { "" };
            let at = Point::any(&mut self.dice);
            let (code, latitude, longitude) =
                (Self::erp_code(number), Point::text(at.latitude), Point::text(at.longitude));
            writeln!(
                text,
                "[[stock_locations]]\nerp_code = \"{code}\"\nname = \"Place {number}\"\ntype = \"{kind}\"\n\
                 priority = {number}\nlatitude = {latitude}\nlongitude = {longitude}\n{quota}"
            )
            .ok();
        }
        text.push_str(SCENARIOS);
        text
    }

    /// The stock of the year as a CSV: warehouses have everything, a store what is asked for most and some more;
    /// altogether about as much as is going to be ordered, so that of many SKUs some orders find none.
    pub(crate) fn stock(&mut self) -> String {
        let mut text = "erp_code,sku,quantity\n".to_owned();
        let units = self.orders * 2;
        for (sku, weight) in self.demand.clone() {
            let carriers: Vec<u64> = (0..LOCATIONS)
                .filter(|number| number.is_multiple_of(30) || self.dice.below(10) < weight.min(6))
                .collect();
            let mut shelves = vec![0_u64; carriers.len()];
            for _ in 0..(units * weight / self.total).max(1) {
                let one = self.dice.below(u64::try_from(shelves.len()).unwrap_or(1));
                shelves[usize::try_from(one).unwrap_or_default()] += 1;
            }
            for (number, quantity) in carriers.iter().zip(shelves).filter(|(_, quantity)| *quantity > 0) {
                writeln!(text, "{},{sku},{quantity}", Self::erp_code(*number)).ok();
            }
        }
        text
    }

    fn sku(&mut self) -> String {
        let mut at = self.dice.below(self.total);
        for (sku, weight) in &self.demand {
            if at < *weight {
                return sku.clone();
            }
            at -= weight;
        }
        self.demand[0].0.clone()
    }

    /// The n-th order.
    pub(crate) fn order(&mut self, n: u64) -> Value {
        let at = Point::any(&mut self.dice);
        let shipping = if self.dice.below(COLLECTED) == 0 { "collect" } else { "standard" };
        let tenth = usize::try_from(self.dice.below(10)).unwrap_or_default();
        let mut skus: Vec<String> = (0..LINES[tenth]).map(|_| self.sku()).collect();
        skus.sort_unstable();
        skus.dedup();
        let items: Vec<Value> = skus
            .iter()
            .zip(1..)
            .map(|(sku, k)| {
                json!({
                    "pk": n * 10 + k, "status": "400", "quantity": 1, "price": "9.95", "price_currency": "gbp",
                    "tax_rate": "20.00", "discount_amount": "0.00",
                    "product": { "pk": k, "sku": sku, "base_code": sku, "name": format!("Product {sku}"), "barcode": sku },
                })
            })
            .collect();
        json!({
            "pk": n, "number": format!("Y{n:08}"), "status": "400", "channel": { "pk": 1, "name": "web" },
            "date_placed": date(n * 365 * 24 * 60 / self.orders.max(1)), "currency": "gbp", "amount": "19.90",
            "language_code": "en-us", "payment_option": { "pk": 1, "slug": "credit_card" },
            "shipping_option_slug": shipping, "delivery_type": "delivery", "cargo_company": null, "notes": null,
            "customer": { "pk": n, "first_name": "Customer", "last_name": n.to_string(), "email": format!("{n}@example.com") },
            "shipping_address": {
                "title": "Home", "line": "1 High Street", "postcode": null,
                "country": { "code": "gb", "name": "United Kingdom" }, "city": { "name": "Town" },
                "latitude": Point::text(at.latitude), "longitude": Point::text(at.longitude),
            },
            "orderitem_set": items,
        })
    }
}

/// So many minutes into a year of 365 days.
fn date(minutes: u64) -> String {
    let begin = chrono::DateTime::from_timestamp(1_735_689_600, 0).unwrap_or_default();
    let at = begin + chrono::TimeDelta::minutes(i64::try_from(minutes).unwrap_or_default());
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
