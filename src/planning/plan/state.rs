//! The state of a plan while its rules run: the waiting lines, the stock left, the parcels.

mod gather;

use std::collections::{BTreeMap, HashMap};

use super::{
    Candidate, Circumstances, Demand, Outcome, Parcel, Units, demanded, fetch::Gathering, parts_of, trace::RuleTrace,
    view::View,
};
use crate::{
    planning::cover::{Bits, Cover, Line, Taker, Terms, cover, cover_together},
    scenarios::rules::{Condition, ProductPrerequisite, Rule, Scenario, Splitting, Which},
};

/// The facts in a fixed order, and the results of the rules so far.
pub(super) struct PlanState<'a> {
    /// By id; of one item those first that may go to more locations.
    pub demands: Vec<&'a Demand>,
    /// The units of each item that the plan is about.
    pub whole: Units,
    /// For each demand the units without a place.
    pub units: Vec<i64>,
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
    /// For each parcel what is in it.
    contents: Vec<Contents>,
    gatherings: Vec<Gathering>,
    /// For each candidate its parcel.
    parcel_of: Vec<Option<usize>>,
    /// Most parcels; none: no limit.
    most_parcels: Option<usize>,
}

/// What is in a parcel.
#[derive(Default)]
struct Contents {
    units: Units,
    /// Those of them that are there because the location has them.
    of_stock: Units,
    /// Those of them that are fetched.
    fetched: Units,
}

/// Where units come from that go into a parcel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The location has them.
    Stock,
    /// The location gets them, whether it has them or not.
    Anywhere,
    /// A transfer brings them.
    Transfer,
}

/// Stock and units before a rule.
pub(super) struct Before {
    stock: Vec<i64>,
    /// For each demand the units without a place.
    pub units: Vec<i64>,
}

impl<'a> PlanState<'a> {
    pub(super) fn new(
        scenario: &Scenario,
        demands: &'a [Demand],
        candidates: impl Iterator<Item = &'a Candidate>,
        circumstances: &'a Circumstances,
    ) -> Self {
        let whole = demanded(demands);
        let mut demands: Vec<&Demand> = demands.iter().collect();
        demands.sort_by_key(|demand| {
            let excluded = &demand.excluded_location_ids;
            (demand.order_item_id, excluded.len(), excluded, demand.quantity)
        });
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
            contents: Vec::new(),
            whole,
            units: demands.iter().map(|demand| needed(demand)).collect(),
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
        let mut left = Units::new();
        for at in &self.waiting {
            *left.entry(self.demands[*at].order_item_id).or_default() += self.units[*at];
        }
        let parcels = self.parcels.into_iter().zip(self.contents).map(|(parcel, contents)| {
            let Contents { units, of_stock, fetched } = contents;
            let of = |units: &Units, id: &i64| units.get(id).copied().unwrap_or(0);
            let is_bound = |id: &i64| of(&of_stock, id) > 0 && of(&of_stock, id) + of(&fetched, id) == of(&units, id);
            let stock_bound_item_ids: Vec<i64> = units.keys().copied().filter(is_bound).collect();
            Parcel {
                order_item_ids: units.keys().copied().collect(),
                bound_by_stock: !stock_bound_item_ids.is_empty(),
                stock_bound_item_ids,
                parts: parts_of(&units, &self.whole),
                ..parcel
            }
        });
        Outcome {
            parcels: parcels.collect(),
            unplaced: left.keys().copied().collect(),
            unplaced_parts: parts_of(&left, &self.whole),
            gatherings: self.gatherings,
        }
    }

    /// True if units of one line may go to several locations.
    pub(super) fn divides(&self) -> bool {
        self.splitting.allowed && self.splitting.lines
    }

    /// The waiting lines of each kit whose parts are placed together.
    pub(super) fn kits(&self) -> Vec<Vec<usize>> {
        let mut kits: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        if self.splitting.allowed && self.splitting.kits_together {
            for (line, at) in self.waiting.iter().enumerate() {
                if let Some(kit) = self.demands[*at].kit {
                    kits.entry(kit).or_default().push(line);
                }
            }
        }
        // One line goes where it goes; as a kit it is not divided.
        kits.into_values().filter(|lines| lines.len() > 1 || self.divides()).collect()
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
        let kits = self.kits();
        let mut views = self.ranked(rule, &asked, &kits);
        let able: Vec<usize> = (0..views.len()).filter(|rank| self.is_able(&views[*rank])).collect();
        let Cover { given, exact } = self.cover(rule, &views, &able, &kits);
        for (line, parts) in given.iter().enumerate() {
            for (taker, units) in parts {
                views[able[*taker]].given.push((line, *units));
            }
        }
        let before = traces.is_some().then(|| self.before());
        for view in &views {
            self.put(rule, view);
        }
        if let (Some(traces), Some(before)) = (traces, before) {
            traces.push(self.explain(rule, &asked, &views, &before, exact));
        }
        self.forget_placed();
    }

    fn before(&self) -> Before {
        Before { stock: self.stock.clone(), units: self.units.clone() }
    }

    /// Keeps the lines that have units without a place.
    fn forget_placed(&mut self) {
        let units = &self.units;
        self.waiting.retain(|at| units[*at] > 0);
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
    fn cover(&self, rule: &Rule, views: &[View], able: &[usize], kits: &[Vec<usize>]) -> Cover {
        let line = |at: &usize| Line { sku: self.sku_of[*at], quantity: self.units[*at], stands_for: 1 };
        let lines: Vec<Line> = self.waiting.iter().map(line).collect();
        let takers: Vec<Taker> = able
            .iter()
            .map(|&rank| Taker {
                can: &views[rank].can,
                has_parcel: views[rank].has_parcel,
                is_used: false,
                cost: self.cost(&views[rank]),
                stock: self.row(views[rank].candidate),
            })
            .collect();
        let terms = Terms {
            by_stock: rule.asks_for(&Condition::SelectByStock),
            divides: self.divides(),
            most_new: self.parcels_left(),
        };
        let mut cover =
            if kits.is_empty() { cover(&lines, &takers, terms) } else { cover_together(&lines, &takers, kits, terms) };
        if !self.splitting.allowed && cover.given.iter().any(Vec::is_empty) {
            cover.given.fill(Vec::new());
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
    fn row_of<'s>(&self, stock: &'s [i64], candidate: usize) -> &'s [i64] {
        &stock[candidate * self.sku_count..][..self.sku_count]
    }

    /// A candidate's row of the stock before a rule.
    pub(super) fn row_before<'s>(&self, before: &'s Before, candidate: usize) -> &'s [i64] {
        self.row_of(&before.stock, candidate)
    }

    /// Puts lines into the candidate's parcel. The first line opens it.
    fn put(&mut self, rule: &Rule, view: &View) {
        if view.given.is_empty() {
            return;
        }
        let from = if rule.asks_for(&Condition::SelectByStock) { From::Stock } else { From::Anywhere };
        let parcel = self.open(rule, view.candidate);
        for &(line, units) in &view.given {
            let demand = self.waiting[line];
            self.take(view.candidate, demand, units);
            self.put_units(parcel, demand, units, from);
        }
    }

    /// The candidate's parcel, which is opened if there is none.
    fn open(&mut self, rule: &Rule, candidate: usize) -> usize {
        *self.parcel_of[candidate].get_or_insert_with(|| {
            self.parcels.push(Parcel {
                stock_location_id: self.candidates[candidate].location.id,
                order_item_ids: Vec::new(),
                parts: Units::new(),
                rule: rule.name.clone(),
                bound_by_stock: false,
                stock_bound_item_ids: Vec::new(),
                bound_by_quota: rule.asks_for(&Condition::SelectByQuota),
            });
            self.contents.push(Contents::default());
            self.parcels.len() - 1
        })
    }

    /// Takes units of a demand out of a candidate's stock. Without `SELECT_BY_STOCK` they may be more than there are.
    fn take(&mut self, candidate: usize, demand: usize, units: i64) {
        let left = &mut self.stock[candidate * self.sku_count + self.sku_of[demand]];
        *left = left.saturating_sub(units).max(0);
    }

    /// Puts units of a demand into a parcel.
    fn put_units(&mut self, parcel: usize, demand: usize, units: i64, from: From) {
        self.units[demand] -= units;
        let id = self.demands[demand].order_item_id;
        let contents = &mut self.contents[parcel];
        *contents.units.entry(id).or_default() += units;
        match from {
            From::Stock => *contents.of_stock.entry(id).or_default() += units,
            From::Transfer => *contents.fetched.entry(id).or_default() += units,
            From::Anywhere => {}
        }
    }
}

/// The units that a line takes, at least one.
fn needed(demand: &Demand) -> i64 {
    demand.quantity.max(1)
}
