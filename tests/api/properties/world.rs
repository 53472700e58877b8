//! What there is, in words of the contract: read from the database, and foretold by the model. The two are compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sqlx::PgPool;

use super::spec::{NOT_FOUND, Spec};

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct World {
    /// By id.
    pub packages: BTreeMap<i64, Package>,
    /// By ERP code.
    pub locations: BTreeMap<String, Location>,
    /// By `sku@erp_code`; where there is nothing, nothing stands here.
    pub stocks: BTreeMap<String, Stock>,
    /// `order item@erp_code`.
    pub excluded: BTreeSet<String>,
    /// Order numbers.
    pub orders: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Package {
    pub number: String,
    pub order: String,
    pub at: String,
    pub state: String,
    pub items: BTreeMap<i64, Item>,
    /// Every move.
    pub log: Vec<Step>,
    pub replaced_by: BTreeSet<i64>,
    /// The carrier's slug and number.
    pub shipment: Option<(String, String)>,
    /// The invoice's number.
    pub invoice: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// The order's line.
    pub line: i64,
    pub sku: String,
    pub quantity: i64,
    pub state: String,
    /// Whether it holds a reservation.
    pub is_reserved: bool,
}

/// A row of the transition log: transition, source, destination, location after it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Step(pub Option<i64>, pub Option<String>, pub String, pub String);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Location {
    pub max_quota: Option<i64>,
    pub quota: i64,
    /// The sum of its ledger.
    pub ledger: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Stock {
    pub quantity: i64,
    pub reserved: i64,
}

const READ: &str = "
select json_build_object(
  'packages', (select coalesce(json_object_agg(p.id, json_build_object(
        'number', p.number, 'order', o.number, 'at', l.erp_code, 'state', s.slug,
        'invoice', p.invoice_number,
        'items', (select coalesce(json_object_agg(i.id, json_build_object('line', i.order_item_id, 'sku', oi.sku,
                              'quantity', i.quantity, 'state', si.slug,
                              'is_reserved', exists (select from reservations r where r.package_item_id = i.id))), '{}')
                    from package_items i join order_items oi on oi.id = i.order_item_id
                    join states si on si.id = i.state_id where i.package_id = p.id),
        'log', (select coalesce(json_agg(json_build_array(t.transition_id, f.slug, d.slug, tl.erp_code)
                                         order by t.id), '[]')
                  from transition_logs t left join states f on f.id = t.source_state_id
                  join states d on d.id = t.destination_state_id
                  join stock_locations tl on tl.id = t.stock_location_id where t.package_id = p.id),
        'replaced_by', (select coalesce(json_agg(r.successor_id), '[]') from package_replacements r
                         where r.package_id = p.id),
        'shipment', (select json_build_array(c.slug, h.tracking_number) from shipments h
                       join cargo_companies c on c.id = h.cargo_company_id where h.package_id = p.id))), '{}')
     from packages p join orders o on o.id = p.order_id join states s on s.id = p.state_id
     join stock_locations l on l.id = p.stock_location_id),
  'locations', (select json_object_agg(l.erp_code, json_build_object('max_quota', l.max_quota, 'quota', l.quota,
        'ledger', (select coalesce(sum(q.delta), 0) from quota_ledger q where q.stock_location_id = l.id)))
     from stock_locations l),
  'stocks', (select coalesce(json_object_agg(s.sku || '@' || l.erp_code,
                                             json_build_object('quantity', s.quantity, 'reserved', s.reserved)), '{}')
     from stocks s join stock_locations l on l.id = s.stock_location_id where s.quantity <> 0 or s.reserved <> 0),
  'excluded', (select coalesce(json_agg(e.order_item_id || '@' || l.erp_code), '[]')
     from item_exclusions e join stock_locations l on l.id = e.stock_location_id),
  'orders', (select coalesce(json_object_agg(number, package_count), '{}') from orders)
)::text";

impl Package {
    /// The state it was in before the one it is in; `waiting` if it began there.
    pub fn state_before(&self) -> &str {
        let came = |step: &&Step| step.2 == self.state && step.1.as_deref() != Some(&self.state);
        let before = self.log.iter().rev().find(came).and_then(|step| step.1.as_deref());
        before.unwrap_or(super::spec::WAITING)
    }
}

impl World {
    pub async fn read(pool: &PgPool) -> Self {
        let text: String = sqlx::query_scalar(READ).fetch_one(pool).await.expect("the world");
        serde_json::from_str(&text).expect("a world")
    }

    /// What is available of a SKU at a location.
    pub fn available(&self, sku: &str, erp_code: &str) -> i64 {
        let stock = self.stocks.get(&format!("{sku}@{erp_code}")).copied().unwrap_or_default();
        stock.quantity - stock.reserved
    }

    /// Draws the sums anew, from the packages alone: quota, ledger and reservations are what the packages are; the
    /// shelf loses what they have taken since `before`.
    pub fn settle(&mut self, before: &Self, spec: &Spec) {
        for (erp_code, location) in &mut self.locations {
            let here = self.packages.values().filter(|package| package.at == *erp_code);
            location.quota = here.map(|package| i64::from(spec.state(&package.state).occupies_quota())).sum();
            location.ledger = location.quota;
        }
        let takes = |item: &Item| item.state != NOT_FOUND && spec.state(&item.state).takes();
        let reserved = self.held(|item| item.is_reserved);
        let (taken, taken_before) = (self.held(takes), before.held(takes));
        let keys: BTreeSet<String> =
            self.stocks.keys().chain(reserved.keys()).chain(taken.keys()).chain(taken_before.keys()).cloned().collect();
        for key in keys {
            let stock = self.stocks.entry(key.clone()).or_default();
            let of = |units: &BTreeMap<String, i64>| units.get(&key).copied().unwrap_or(0);
            stock.reserved = of(&reserved);
            // A shelf is never less than empty, whatever was counted.
            stock.quantity = (stock.quantity - (of(&taken) - of(&taken_before))).max(0);
        }
        self.stocks.retain(|_, stock| *stock != Stock::default());
    }

    /// Units by `sku@erp_code` of some items.
    fn held(&self, is_held: impl Fn(&Item) -> bool) -> BTreeMap<String, i64> {
        let mut units = BTreeMap::new();
        for package in self.packages.values() {
            for item in package.items.values().filter(|item| is_held(item)) {
                *units.entry(format!("{}@{}", item.sku, package.at)).or_default() += item.quantity;
            }
        }
        units
    }

    /// What must hold whatever happened.
    pub fn check(&self, steps: &BTreeSet<(i64, String, String)>) {
        let mut lines = BTreeMap::new();
        for package in self.packages.values() {
            let mut reached: Option<&str> = None;
            for Step(transition, source, destination, _) in &package.log {
                assert_eq!(source.as_deref(), reached, "{}: a step starts where the last ended", package.number);
                if let (Some(transition), Some(source)) = (transition, source) {
                    let step = (*transition, source.clone(), destination.clone());
                    assert!(steps.contains(&step), "{}: {step:?} is no move of the table", package.number);
                }
                reached = Some(destination);
            }
            assert_eq!(reached, Some(package.state.as_str()), "{}: the log ends where it is", package.number);
            assert_eq!(package.log.last().map(|step| step.3.as_str()), Some(package.at.as_str()));
            for item in package.items.values().filter(|_| package.state != super::spec::CANCELLED) {
                assert!(lines.insert(item.line, &package.number).is_none(), "line {} is in two packages", item.line);
            }
        }
        for (key, stock) in &self.stocks {
            assert!(stock.quantity >= 0 && stock.reserved >= 0, "{key}: {stock:?}");
        }
        for (erp_code, location) in &self.locations {
            assert_eq!(location.quota, location.ledger, "{erp_code}: quota is its ledger");
        }
    }
}
