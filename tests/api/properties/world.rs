//! The world in the words of the API: read from the database, and predicted by the model. The two are compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    spec::Spec,
    vocabulary::{CANCELLED, NOT_FOUND, WAITING, WAITING_FOR_TRANSFER},
};

use oms::db::PgPool;

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct World {
    /// By id.
    pub packages: BTreeMap<i64, Package>,
    /// By id.
    pub transfers: BTreeMap<i64, Transfer>,
    /// By ERP code.
    pub locations: BTreeMap<String, Location>,
    /// By `sku@erp_code`; where there is nothing, nothing stands here.
    pub stocks: BTreeMap<String, Stock>,
    /// By `sku@erp_code`.
    pub missing: Missing,
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

/// A transfer of items to a package, open or ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transfer {
    pub number: String,
    pub package: i64,
    pub source: String,
    pub destination: String,
    pub state: String,
    /// By package item.
    pub items: BTreeMap<i64, Carried>,
    /// Transition, source, destination of every move.
    pub log: Vec<(Option<i64>, Option<String>, String)>,
    pub events: Vec<String>,
    /// The carrier's slug and number.
    pub shipment: Option<(String, String)>,
}

/// Its id, and the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Carried(pub i64, pub i64);

impl Transfer {
    /// Whether its package still waits for it.
    pub fn is_open(&self) -> bool {
        self.is_at_source() || self.state == "in_transit"
    }

    /// Whether its units stand on the shelf of its source, held.
    pub fn is_at_source(&self) -> bool {
        ["waiting", "ready_to_shipment"].contains(&self.state.as_str())
    }

    /// The effect of its units on the shelves of source and destination, in a state.
    fn on_shelves(state: &str) -> (i64, i64) {
        match state {
            "in_transit" | "cancelled_in_transit" => (-1, 0),
            "transferred" => (-1, 1),
            _ => (0, 0),
        }
    }
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

/// Units that were not found: read, not expected, because the proofs at the end make them again from the ledger.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Missing(BTreeMap<String, i64>);

impl PartialEq for Missing {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Missing {}

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
  'transfers', (select coalesce(json_object_agg(t.id, json_build_object(
        'number', t.number, 'package', t.package_id, 'source', a.erp_code, 'destination', b.erp_code, 'state', s.slug,
        'items', (select json_object_agg(i.package_item_id, json_build_array(i.id, i.quantity))
                    from transfer_items i where i.transfer_id = t.id),
        'log', (select json_agg(json_build_array(g.transition_id, f.slug, d.slug) order by g.id)
                  from transfer_logs g left join states f on f.id = g.source_state_id
                  join states d on d.id = g.destination_state_id where g.transfer_id = t.id),
        'events', (select json_agg(y.type order by e.sequence, y.n)
                     from events e, unnest(e.types) with ordinality as y(type, n)
                    where e.entity = 'transfer' and e.object_id = t.id),
        'shipment', (select json_build_array(c.slug, t.tracking_number) from cargo_companies c
                      where c.id = t.cargo_company_id))), '{}')
     from transfers t join states s on s.id = t.state_id
     join stock_locations a on a.id = t.source_location_id join stock_locations b on b.id = t.destination_location_id),
  'locations', (select json_object_agg(l.erp_code, json_build_object('max_quota', l.max_quota, 'quota', l.quota,
        'ledger', (select coalesce(sum(q.delta), 0) from quota_ledger q where q.stock_location_id = l.id)))
     from stock_locations l),
  'stocks', (select coalesce(json_object_agg(s.sku || '@' || l.erp_code,
                                             json_build_object('quantity', s.quantity, 'reserved', s.reserved)), '{}')
     from stocks s join stock_locations l on l.id = s.stock_location_id where s.quantity <> 0 or s.reserved <> 0),
  'missing', (select coalesce(json_object_agg(s.sku || '@' || l.erp_code, s.missing), '{}')
     from stocks s join stock_locations l on l.id = s.stock_location_id where s.missing <> 0),
  'excluded', (select coalesce(json_agg(e.order_item_id || '@' || l.erp_code), '[]')
     from item_exclusions e join stock_locations l on l.id = e.stock_location_id),
  'orders', (select coalesce(json_object_agg(number, package_count), '{}') from orders)
)::text";

impl Package {
    /// The state it was in before the one it is in; `waiting` if it began there.
    pub fn state_before(&self) -> &str {
        let came = |step: &&Step| step.2 == self.state && step.1.as_deref() != Some(&self.state);
        let before = self.log.iter().rev().find(came).and_then(|step| step.1.as_deref());
        before.unwrap_or(WAITING)
    }
}

impl World {
    pub async fn read(pool: &PgPool) -> Self {
        let text: String = sqlx::query_scalar(READ).fetch_one(pool).await.expect("the world");
        serde_json::from_str(&text).expect("a world")
    }

    /// What is available of a SKU at a location.
    pub fn available(&self, sku: &str, erp_code: &str) -> i64 {
        let key = format!("{sku}@{erp_code}");
        let stock = self.stocks.get(&key).copied().unwrap_or_default();
        stock.quantity - stock.reserved - self.missing.0.get(&key).copied().unwrap_or(0)
    }

    /// Computes the sums again from the packages alone: quota, ledger and reservations follow from the packages; the
    /// shelf loses the units taken since `before`.
    pub fn settle(&mut self, before: &Self, spec: &Spec) {
        for (erp_code, location) in &mut self.locations {
            let here = self.packages.values().filter(|package| package.at == *erp_code);
            location.quota = here.map(|package| i64::from(spec.state(&package.state).occupies_quota())).sum();
            location.ledger = location.quota;
        }
        let takes = |item: &Item| item.state != NOT_FOUND && spec.state(&item.state).takes();
        let reserved = self.held(|item| item.is_reserved);
        let (taken, taken_before) = (self.held(takes), before.held(takes));
        let sent = self.sent(before);
        let keys: BTreeSet<String> = [&reserved, &taken, &taken_before, &sent]
            .into_iter()
            .flat_map(BTreeMap::keys)
            .chain(self.stocks.keys())
            .cloned()
            .collect();
        for key in keys {
            let stock = self.stocks.entry(key.clone()).or_default();
            let of = |units: &BTreeMap<String, i64>| units.get(&key).copied().unwrap_or(0);
            stock.reserved = of(&reserved);
            // A shelf is never less than empty, whatever was counted.
            stock.quantity = (stock.quantity - (of(&taken) - of(&taken_before)) + of(&sent)).max(0);
        }
        self.stocks.retain(|_, stock| *stock != Stock::default());
    }

    /// Units of some items by `sku@erp_code`: at their package's location, or at their source.
    fn held(&self, is_held: impl Fn(&Item) -> bool) -> BTreeMap<String, i64> {
        let to_be_sent = self.transfers.values().filter(|transfer| transfer.is_at_source());
        let sources: BTreeMap<i64, &String> =
            to_be_sent.flat_map(|transfer| transfer.items.keys().map(|item| (*item, &transfer.source))).collect();
        let mut units = BTreeMap::new();
        for package in self.packages.values() {
            for (id, item) in package.items.iter().filter(|(_, item)| is_held(item)) {
                let at = sources.get(id).copied().unwrap_or(&package.at);
                *units.entry(format!("{}@{at}", item.sku)).or_default() += item.quantity;
            }
        }
        units
    }

    /// Units that transfers have put on shelves since `before`, and taken from them.
    fn sent(&self, before: &Self) -> BTreeMap<String, i64> {
        let mut units: BTreeMap<String, i64> = BTreeMap::new();
        for (id, transfer) in &self.transfers {
            let was = before.transfers.get(id).map_or("", |transfer| &transfer.state);
            let (before, after) = (Transfer::on_shelves(was), Transfer::on_shelves(&transfer.state));
            let changes = [(&transfer.source, after.0 - before.0), (&transfer.destination, after.1 - before.1)];
            for (at, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
                for (item, Carried(_, quantity)) in &transfer.items {
                    let sku = &self.packages[&transfer.package].items[item].sku;
                    *units.entry(format!("{sku}@{at}")).or_default() += change * quantity;
                }
            }
        }
        units
    }

    /// Invariants that always hold.
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
            for item in package.items.values().filter(|_| package.state != CANCELLED) {
                assert!(lines.insert(item.line, &package.number).is_none(), "line {} is in two packages", item.line);
            }
        }
        for transfer in self.transfers.values() {
            let mut reached: Option<&str> = None;
            for (_, source, destination) in &transfer.log {
                assert_eq!(source.as_deref(), reached, "{}: a step starts where the last ended", transfer.number);
                reached = Some(destination);
            }
            assert_eq!(reached, Some(transfer.state.as_str()), "{}: the log ends where it is", transfer.number);
        }
        for (id, package) in &self.packages {
            let is_open = |transfer: &Transfer| transfer.package == *id && transfer.is_open();
            let waits = package.state == WAITING_FOR_TRANSFER;
            assert_eq!(waits, self.transfers.values().any(is_open), "{} waits for its transfers", package.number);
        }
        for (key, stock) in &self.stocks {
            assert!(stock.quantity >= 0 && stock.reserved >= 0, "{key}: {stock:?}");
        }
        for (erp_code, location) in &self.locations {
            assert_eq!(location.quota, location.ledger, "{erp_code}: quota is its ledger");
        }
    }
}
