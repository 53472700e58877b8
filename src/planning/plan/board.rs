//! What a plan knows while its rules run: what waits, what is left of the stock, who has a parcel.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use super::{Candidate, Demand, Parcel, trace::RuleTrace};
use crate::planning::{
    cover::{Bits, Cover, Line, Taker, cover},
    scenario::{Condition, OrderBy, Rule},
};

/// The facts in a fixed order, and what the rules have done so far.
pub(super) struct Board<'a> {
    /// By id.
    pub demands: Vec<&'a Demand>,
    /// By id.
    pub candidates: Vec<&'a Candidate>,
    /// Per demand the column of its SKU.
    pub sku_of: Vec<usize>,
    sku_count: usize,
    /// Per candidate and SKU what is left.
    stock: Vec<i64>,
    /// Per candidate the demands it is left out for.
    left_out: Vec<Bits>,
    /// Demands without a place, ascending.
    pub waiting: Vec<usize>,
    parcels: Vec<Parcel>,
    /// Per candidate its parcel.
    parcel_of: Vec<Option<usize>>,
}

/// A candidate as a rule sees it. Lines are numbered as in [`Board::waiting`].
pub(super) struct View {
    pub candidate: usize,
    /// Whether it may get a parcel or has one.
    pub has_room: bool,
    pub has_parcel: bool,
    /// Lines that stock and exclusions allow it, each looked at alone.
    pub can: Bits,
    /// Lines it is left out for.
    pub left_out: Bits,
    /// Lines it gets, ascending.
    pub given: Vec<usize>,
}

impl<'a> Board<'a> {
    pub(super) fn new(demands: &'a [Demand], candidates: &'a [Candidate]) -> Self {
        let by_id: BTreeMap<i64, &Demand> = demands.iter().map(|demand| (demand.order_item_id, demand)).collect();
        let demands: Vec<&Demand> = by_id.into_values().collect();
        let by_id: BTreeMap<i64, &Candidate> =
            candidates.iter().map(|candidate| (candidate.stock_location_id, candidate)).collect();
        let candidates: Vec<&Candidate> = by_id.into_values().collect();

        let mut columns: HashMap<&str, usize> = HashMap::new();
        let sku_of = demands
            .iter()
            .map(|demand| {
                let next = columns.len();
                *columns.entry(demand.sku.as_str()).or_insert(next)
            })
            .collect();
        let sku_count = columns.len();
        let mut stock = vec![0; candidates.len() * sku_count];
        for (candidate, row) in candidates.iter().zip(stock.chunks_mut(sku_count.max(1))) {
            for (sku, available) in &candidate.available_stock {
                if let Some(column) = columns.get(sku.as_str()) {
                    row[*column] = *available;
                }
            }
        }
        let mut left_out = vec![Bits::none(demands.len()); candidates.len()];
        for (at, demand) in demands.iter().enumerate() {
            for id in &demand.excluded_location_ids {
                let found = candidates.binary_search_by_key(id, |candidate| candidate.stock_location_id);
                if let Ok(candidate) = found {
                    left_out[candidate].insert(at);
                }
            }
        }
        Self {
            waiting: (0..demands.len()).collect(),
            parcel_of: vec![None; candidates.len()],
            parcels: Vec::new(),
            demands,
            candidates,
            sku_of,
            sku_count,
            stock,
            left_out,
        }
    }

    /// Whether nothing waits for a place.
    pub(super) fn all_placed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The parcels, and the items that still wait.
    pub(super) fn result(self) -> (Vec<Parcel>, Vec<i64>) {
        let unplaced = self.waiting.iter().map(|at| self.demands[*at].order_item_id).collect();
        (self.parcels, unplaced)
    }

    /// Lets a rule place what it can.
    pub(super) fn run(&mut self, rule: &Rule) -> RuleTrace {
        let by_stock = rule.asks_for(Condition::SelectByStock);
        let mut views: Vec<View> = self.ranked(&rule.order_by).into_iter().map(|at| self.view(at, rule)).collect();
        let lines: Vec<Line> =
            self.waiting.iter().map(|&at| Line { sku: self.sku_of[at], quantity: needed(self.demands[at]) }).collect();
        let able: Vec<usize> =
            (0..views.len()).filter(|rank| views[*rank].has_room && !views[*rank].can.is_empty()).collect();
        let takers: Vec<Taker> = able
            .iter()
            .map(|&rank| Taker {
                can: &views[rank].can,
                has_parcel: views[rank].has_parcel,
                stock: self.row(views[rank].candidate),
            })
            .collect();
        let Cover { given, exact } = cover(&lines, &takers, by_stock);

        for (line, taker) in given.iter().enumerate() {
            if let Some(taker) = taker {
                views[able[*taker]].given.push(line);
            }
        }
        for view in &views {
            self.put(rule, view);
        }
        let trace = self.explain(rule, &views, exact);
        let mut place = given.iter();
        self.waiting.retain(|_| place.next().is_some_and(Option::is_none));
        trace
    }

    /// The candidates in the rule's order.
    fn ranked(&self, order_by: &[OrderBy]) -> Vec<usize> {
        let compare = |a: &Candidate, b: &Candidate, key: OrderBy| match key {
            OrderBy::Priority => a.priority.cmp(&b.priority),
            OrderBy::Distance => distance(a).total_cmp(&distance(b)),
            OrderBy::AvailableQuota => room(a).cmp(&room(b)).reverse(),
        };
        let mut ranked: Vec<usize> = (0..self.candidates.len()).collect();
        ranked.sort_by(|&at, &other| {
            let (a, b) = (self.candidates[at], self.candidates[other]);
            order_by
                .iter()
                .map(|key| compare(a, b, *key))
                .find(|ordering| ordering.is_ne())
                .unwrap_or(Ordering::Equal)
                .then_with(|| a.priority.cmp(&b.priority))
                .then_with(|| a.stock_location_id.cmp(&b.stock_location_id))
        });
        ranked
    }

    fn view(&self, candidate: usize, rule: &Rule) -> View {
        let by_stock = rule.asks_for(Condition::SelectByStock);
        let by_quota = rule.asks_for(Condition::SelectByQuota);
        let has_parcel = self.parcel_of[candidate].is_some();
        let quota = self.candidates[candidate].available_quota;
        let stock = self.row(candidate);
        let mut can = Bits::none(self.waiting.len());
        let mut left_out = Bits::none(self.waiting.len());
        for (line, &at) in self.waiting.iter().enumerate() {
            if self.left_out[candidate].contains(at) {
                left_out.insert(line);
            } else if !by_stock || stock[self.sku_of[at]] >= needed(self.demands[at]) {
                can.insert(line);
            }
        }
        View {
            candidate,
            has_room: has_parcel || !by_quota || quota.is_none_or(|room| room >= 1),
            has_parcel,
            can,
            left_out,
            given: Vec::new(),
        }
    }

    pub(super) fn row(&self, candidate: usize) -> &[i64] {
        &self.stock[candidate * self.sku_count..][..self.sku_count]
    }

    /// Puts lines into the candidate's parcel, which is opened for the first of them.
    fn put(&mut self, rule: &Rule, view: &View) {
        if view.given.is_empty() {
            return;
        }
        let candidate = view.candidate;
        let at = *self.parcel_of[candidate].get_or_insert_with(|| {
            self.parcels.push(Parcel {
                stock_location_id: self.candidates[candidate].stock_location_id,
                order_item_ids: Vec::new(),
                rule: rule.name.clone(),
                bound_by_stock: false,
                stock_bound_item_ids: Vec::new(),
                bound_by_quota: rule.asks_for(Condition::SelectByQuota),
            });
            self.parcels.len() - 1
        });
        let parcel = &mut self.parcels[at];
        for &line in &view.given {
            let demand = self.waiting[line];
            let left = &mut self.stock[candidate * self.sku_count + self.sku_of[demand]];
            // Without SELECT_BY_STOCK a line takes what there is.
            *left = left.saturating_sub(needed(self.demands[demand])).max(0);
            let id = self.demands[demand].order_item_id;
            parcel.order_item_ids.push(id);
            if rule.asks_for(Condition::SelectByStock) {
                parcel.bound_by_stock = true;
                parcel.stock_bound_item_ids.push(id);
            }
        }
        parcel.order_item_ids.sort_unstable();
        parcel.stock_bound_item_ids.sort_unstable();
    }
}

/// How many a line takes: a line without a quantity would not be a line.
pub(super) fn needed(demand: &Demand) -> i64 {
    demand.quantity.max(1)
}

/// The unknown is farther than anything.
fn distance(candidate: &Candidate) -> f64 {
    candidate.distance_km.filter(|km| km.is_finite()).unwrap_or(f64::INFINITY)
}

/// No limit is more than any number.
fn room(candidate: &Candidate) -> (bool, Option<i64>) {
    (candidate.available_quota.is_none(), candidate.available_quota)
}
