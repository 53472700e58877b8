//! The state of a plan while its rules run: the waiting lines, the stock left, the parcels.

mod gather;

use std::collections::{BTreeMap, HashMap};

use super::{Candidate, Circumstances, Demand, Outcome, Parcel, fetch::Gathering, trace::RuleTrace, view::View};
use crate::{
    planning::cover::{Bits, Cover, Line, Taker, cover},
    scenarios::rules::{Condition, ProductPrerequisite, Rule, Scenario, Splitting, Which},
};

/// The facts in a fixed order, and the results of the rules so far.
pub(super) struct PlanState<'a> {
    /// By id.
    pub demands: Vec<&'a Demand>,
    /// By id.
    pub candidates: Vec<&'a Candidate>,
    pub circumstances: &'a Circumstances,
    pub splitting: Splitting,
    /// For each demand the column of its SKU.
    pub sku_of: Vec<usize>,
    sku_count: usize,
    /// The stock left, by candidate and SKU.
    stock: Vec<i64>,
    /// For each candidate the demands that it is excluded for.
    pub left_out: Vec<Bits>,
    /// Demands without a place, ascending.
    pub waiting: Vec<usize>,
    parcels: Vec<Parcel>,
    gatherings: Vec<Gathering>,
    /// For each candidate its parcel.
    parcel_of: Vec<Option<usize>>,
    /// Most parcels; none: no limit.
    most_parcels: Option<usize>,
}

impl<'a> PlanState<'a> {
    pub(super) fn new(
        scenario: &Scenario,
        demands: &'a [Demand],
        candidates: impl Iterator<Item = &'a Candidate>,
        circumstances: &'a Circumstances,
    ) -> Self {
        let by_id: BTreeMap<i64, &Demand> = demands.iter().map(|demand| (demand.order_item_id, demand)).collect();
        let demands: Vec<&Demand> = by_id.into_values().collect();
        let by_id: BTreeMap<i64, &Candidate> = candidates.map(|candidate| (candidate.location.id, candidate)).collect();
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
            for (sku, stock) in &candidate.stock {
                if let Some(column) = columns.get(&**sku) {
                    row[*column] = stock.available();
                }
            }
        }
        let mut left_out = vec![Bits::none(demands.len()); candidates.len()];
        for (at, demand) in demands.iter().enumerate() {
            for id in &demand.excluded_location_ids {
                let found = candidates.binary_search_by_key(id, |candidate| candidate.location.id);
                if let Ok(candidate) = found {
                    left_out[candidate].insert(at);
                }
            }
        }
        Self {
            waiting: (0..demands.len()).collect(),
            parcel_of: vec![None; candidates.len()],
            parcels: Vec::new(),
            gatherings: Vec::new(),
            most_parcels: scenario.most_packages().map(|most| most.saturating_sub(circumstances.other_packages)),
            splitting: scenario.splitting,
            circumstances,
            demands,
            candidates,
            sku_of,
            sku_count,
            stock,
            left_out,
        }
    }

    /// True if no line waits for a place.
    pub(super) fn all_placed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The parcels, and the items that still wait.
    pub(super) fn result(self) -> Outcome {
        let unplaced = self.waiting.iter().map(|at| self.demands[*at].order_item_id).collect();
        Outcome { parcels: self.parcels, unplaced, gatherings: self.gatherings }
    }

    /// Lets a rule place what it can. `traces` receives its facts and its decision.
    pub(super) fn apply_rule(&mut self, rule: &Rule, traces: Option<&mut Vec<RuleTrace>>) {
        let asked = match self.prerequisites(rule) {
            Ok(asked) => asked,
            Err(unmet) => {
                if let Some(traces) = traces {
                    traces.push(Self::explain_skipped(rule, unmet));
                }
                return;
            }
        };
        let mut views = self.ranked(rule, &asked);
        let able: Vec<usize> = (0..views.len()).filter(|rank| self.is_able(&views[*rank])).collect();
        let Cover { given, exact } = self.cover(rule, &views, &able);
        for (line, taker) in given.iter().enumerate() {
            if let Some(taker) = taker {
                views[able[*taker]].given.push(line);
            }
        }
        let before = traces.is_some().then(|| self.stock.clone());
        for view in &views {
            self.put(rule, view);
        }
        if let (Some(traces), Some(before)) = (traces, before) {
            traces.push(self.explain(rule, &asked, &views, &before, exact));
        }
        let mut place = given.iter();
        self.waiting.retain(|_| place.next().is_some_and(Option::is_none));
    }

    /// The waiting lines that a rule is about, or the prerequisite that is not met.
    fn prerequisites(&self, rule: &Rule) -> Result<Bits, &'static str> {
        let unmet = rule.order.unmet(&self.circumstances.order, self.circumstances.package_location.as_deref());
        let asked = self.asked(rule);
        match unmet {
            Some(unmet) => Err(unmet),
            None if asked.is_empty() => Err("products"),
            None => Ok(asked),
        }
    }

    /// The waiting lines that a rule is about; none if its prerequisite on products is not met.
    fn asked(&self, rule: &Rule) -> Bits {
        let matches = |products: &ProductPrerequisite, at: usize| {
            let demand = self.demands[at];
            products.matches(&demand.sku, &demand.product)
        };
        let mut asked = Bits::none(self.waiting.len());
        let all = match &rule.products {
            None => true,
            Some(products) => {
                let mut waiting = self.waiting.iter();
                match products.which {
                    Which::All => waiting.all(|at| matches(products, *at)),
                    Which::Any => waiting.any(|at| matches(products, *at)),
                    Which::These => {
                        for (line, at) in waiting.enumerate() {
                            if matches(products, *at) {
                                asked.insert(line);
                            }
                        }
                        false
                    }
                }
            }
        };
        if all {
            (0..self.waiting.len()).for_each(|line| asked.insert(line));
        }
        asked
    }

    /// How many more parcels are allowed; none: no limit.
    pub(super) fn parcels_left(&self) -> Option<usize> {
        self.most_parcels.map(|most| most.saturating_sub(self.parcels.len()))
    }

    fn is_able(&self, view: &View) -> bool {
        let may_open = view.has_parcel || self.parcels_left() != Some(0);
        view.barred.is_none() && view.has_room && may_open && !view.can.is_empty()
    }

    /// Decides which able view (by its rank) gets which line.
    fn cover(&self, rule: &Rule, views: &[View], able: &[usize]) -> Cover {
        let lines: Vec<Line> =
            self.waiting.iter().map(|&at| Line { sku: self.sku_of[at], quantity: needed(self.demands[at]) }).collect();
        let takers: Vec<Taker> = able
            .iter()
            .map(|&rank| Taker {
                can: &views[rank].can,
                has_parcel: views[rank].has_parcel,
                cost: self.cost(&views[rank]),
                stock: self.row(views[rank].candidate),
            })
            .collect();
        let by_stock = rule.asks_for(&Condition::SelectByStock);
        let mut cover = cover(&lines, &takers, by_stock, self.parcels_left());
        if !self.splitting.allowed && cover.given.iter().any(Option::is_none) {
            cover.given.fill(None);
        }
        cover
    }

    pub(super) fn has_parcel(&self, candidate: usize) -> bool {
        self.parcel_of[candidate].is_some()
    }

    pub(super) fn row(&self, candidate: usize) -> &[i64] {
        self.row_of(&self.stock, candidate)
    }

    /// A candidate's row of the stock at some time.
    pub(super) fn row_of<'s>(&self, stock: &'s [i64], candidate: usize) -> &'s [i64] {
        &stock[candidate * self.sku_count..][..self.sku_count]
    }

    /// Puts lines into the candidate's parcel. The first line opens it.
    fn put(&mut self, rule: &Rule, view: &View) {
        if view.given.is_empty() {
            return;
        }
        let by_stock = rule.asks_for(&Condition::SelectByStock);
        let candidate = view.candidate;
        let at = *self.parcel_of[candidate].get_or_insert_with(|| {
            self.parcels.push(Parcel {
                stock_location_id: self.candidates[candidate].location.id,
                order_item_ids: Vec::new(),
                rule: rule.name.clone(),
                bound_by_stock: false,
                stock_bound_item_ids: Vec::new(),
                bound_by_quota: rule.asks_for(&Condition::SelectByQuota),
            });
            self.parcels.len() - 1
        });
        let parcel = &mut self.parcels[at];
        for &line in &view.given {
            let demand = self.waiting[line];
            let left = &mut self.stock[candidate * self.sku_count + self.sku_of[demand]];
            // Without SELECT_BY_STOCK a line may take more than there is.
            *left = left.saturating_sub(needed(self.demands[demand])).max(0);
            let id = self.demands[demand].order_item_id;
            parcel.order_item_ids.push(id);
            if by_stock {
                parcel.bound_by_stock = true;
                parcel.stock_bound_item_ids.push(id);
            }
        }
        parcel.order_item_ids.sort_unstable();
        parcel.stock_bound_item_ids.sort_unstable();
    }
}

/// The units that a line takes, at least one.
pub(super) fn needed(demand: &Demand) -> i64 {
    demand.quantity.max(1)
}
