//! One candidate as one rule sees it.

use std::collections::BTreeMap;

use super::{Candidate, state::PlanState, trace::Verdict};
use crate::{
    planning::cover::Bits,
    scenarios::{
        conditions::Seen,
        rules::{Condition, OrderBy, Product, Rule},
    },
};

/// The greatest distance on Earth, in metres. An unknown distance counts as much in a sum.
const FARTHEST_METRES: i64 = 20_040_000;

/// A candidate as a rule sees it. Lines are numbered as in [`PlanState::waiting`].
pub(super) struct View {
    pub candidate: usize,
    /// The condition on the location itself that does not hold.
    pub barred: Option<Verdict>,
    /// True if it may get a parcel or has one.
    pub has_room: bool,
    pub has_parcel: bool,
    /// Lines that stock, exclusions and the product allow, each checked alone; where lines are divided, one unit of them.
    pub can: Bits,
    /// Its size: so many lines, or units of them.
    pub covers: i64,
    /// Lines that it could take alone, but not with the other parts of their kit.
    pub apart: Bits,
    /// Lines that it is excluded for.
    pub left_out: Bits,
    /// Lines whose product is not allowed there.
    pub not_allowed: Bits,
    /// Lines it gets, ascending, with their units.
    pub given: Vec<(usize, i64)>,
}

impl PlanState<'_> {
    /// The candidates in the rule's order. The lines of each of these kits are taken together or not at all.
    pub(super) fn ranked(&self, rule: &Rule, asked: &Bits, kits: &[Vec<usize>]) -> Vec<View> {
        let items = self.items_of(rule, asked, &self.units);
        let view = |at| self.view(at, rule, asked, &items, kits);
        let mut views: Vec<View> = (0..self.candidates.len()).map(view).collect();
        let compare = |a: &View, b: &View, key: OrderBy| {
            let (left, right) = (self.candidates[a.candidate], self.candidates[b.candidate]);
            match key {
                OrderBy::Priority => left.location.priority.cmp(&right.location.priority),
                OrderBy::Distance => distance(left).total_cmp(&distance(right)),
                OrderBy::AvailableQuota => room(left).cmp(&room(right)).reverse(),
                OrderBy::AvailableQuotaShare => compare_shares(left, right).reverse(),
                OrderBy::ItemsCovered => a.covers.cmp(&b.covers).reverse(),
                OrderBy::OpenPackages => left.open_packages.cmp(&right.open_packages),
            }
        };
        views.sort_by(|a, b| {
            let keys = rule.order_by.iter().map(|key| compare(a, b, *key));
            // Candidates are numbered by id.
            let by_keys = keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
            by_keys.then_with(|| compare(a, b, OrderBy::Priority)).then(a.candidate.cmp(&b.candidate))
        });
        views
    }

    fn view(
        &self,
        candidate: usize,
        rule: &Rule,
        asked: &Bits,
        items: &[(&Product, i64)],
        kits: &[Vec<usize>],
    ) -> View {
        let by_stock = rule.asks_for(&Condition::SelectByStock);
        let by_quota = rule.asks_for(&Condition::SelectByQuota);
        let by_product = rule.asks_for(&Condition::SelectByProductLocations);
        let has_parcel = self.has_parcel(candidate);
        let seen = self.candidates[candidate];
        let conditions_see = self.seen(candidate, items);
        let stock = self.row(candidate);
        let mut can = Bits::none(self.waiting.len());
        let mut left_out = Bits::none(self.waiting.len());
        let mut not_allowed = Bits::none(self.waiting.len());
        for line in asked.iter() {
            let at = self.waiting[line];
            let demand = self.demands[at];
            let available = stock[self.sku_of[at]];
            let allowed = demand.product.allowed_locations.as_ref();
            if self.left_out[candidate].contains(at) {
                left_out.insert(line);
            } else if by_product && allowed.is_some_and(|allowed| !allowed.contains(&seen.location.erp_code)) {
                not_allowed.insert(line);
            } else if !by_stock || available >= self.least(at) {
                can.insert(line);
            }
        }
        let apart = self.keep_whole_kits(candidate, by_stock, kits, &mut can);
        let counts = |at: usize| match (self.divides(), by_stock) {
            (false, _) => 1,
            (true, true) => stock[self.sku_of[at]].min(self.units[at]),
            (true, false) => self.units[at],
        };
        let covers = can.iter().map(|line| counts(self.waiting[line])).sum();
        View {
            candidate,
            barred: rule.conditions.iter().find_map(|condition| {
                let kind = condition.kind();
                let holds = kind.holds?(condition, &conditions_see);
                (!holds).then_some(kind.verdict)
            }),
            has_room: has_parcel || !by_quota || seen.available_quota().is_none_or(|room| room >= 1),
            has_parcel,
            can,
            covers,
            apart,
            left_out,
            not_allowed,
            given: Vec::new(),
        }
    }

    /// Takes out of what a candidate can take the lines of kits of which it cannot take all. Returns these lines.
    fn keep_whole_kits(&self, candidate: usize, by_stock: bool, kits: &[Vec<usize>], can: &mut Bits) -> Bits {
        let stock = self.row(candidate);
        let mut apart = Bits::none(self.waiting.len());
        for kit in kits {
            let mut wanted: BTreeMap<usize, i64> = BTreeMap::new();
            for at in kit.iter().map(|line| self.waiting[*line]) {
                let units = wanted.entry(self.sku_of[at]).or_default();
                *units = units.saturating_add(self.units[at]);
            }
            let has_all = !by_stock || wanted.iter().all(|(sku, units)| stock[*sku] >= *units);
            if has_all && kit.iter().all(|line| can.contains(*line)) {
                continue;
            }
            for line in kit.iter().filter(|line| can.contains(**line)) {
                apart.insert(*line);
            }
            can.subtract(&apart);
        }
        apart
    }

    /// The products of the lines that a rule is to place, with their units (by demand); none where no condition looks at
    /// them.
    pub(super) fn items_of(&self, rule: &Rule, asked: &Bits, units: &[i64]) -> Vec<(&Product, i64)> {
        let is_read = rule.conditions.iter().any(|condition| condition.kind().reads_products);
        let lines = asked.iter().filter(|_| is_read).map(|line| self.waiting[line]);
        lines.map(|at| (&self.demands[at].product, units[at])).collect()
    }

    /// The units of a demand that a location must have to be of use: all of them, or one.
    pub(super) fn least(&self, demand: usize) -> i64 {
        if self.divides() { 1 } else { self.units[demand] }
    }

    /// What the conditions look at.
    pub(super) fn seen<'s>(&'s self, candidate: usize, items: &'s [(&'s Product, i64)]) -> Seen<'s> {
        let Candidate { location, .. } = self.candidates[candidate];
        Seen {
            location,
            items,
            order: &self.circumstances.order,
            time: self.circumstances.time,
            metres: metres(self.candidates[candidate]),
            has_refused: self.circumstances.refused_by.contains(&location.id),
        }
    }

    /// The cost of a new parcel at a candidate.
    pub(super) fn cost(&self, view: &View) -> i64 {
        match self.splitting.metres_per_package {
            _ if view.has_parcel => 0,
            None => 1,
            Some(per_package) => per_package + metres(self.candidates[view.candidate]).unwrap_or(FARTHEST_METRES),
        }
    }
}

/// An unknown distance is greater than any other.
fn distance(candidate: &Candidate) -> f64 {
    candidate.distance_km.filter(|km| km.is_finite()).unwrap_or(f64::INFINITY)
}

fn metres(candidate: &Candidate) -> Option<i64> {
    let km = candidate.distance_km.filter(|km| (0.0..1e6).contains(km))?;
    #[expect(clippy::cast_possible_truncation, reason = "less than a thousand million")]
    Some((km * 1000.0).round() as i64)
}

/// No limit is greater than any number.
fn room(candidate: &Candidate) -> (bool, Option<i64>) {
    (candidate.max_quota.is_none(), candidate.available_quota())
}

/// Compares the free shares of two quotas. No limit is more than any share; a quota of zero has no free share.
fn compare_shares(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    let share = |candidate: &Candidate| {
        let most = candidate.max_quota?;
        Some(if most > 0 { (i128::from(candidate.available_quota().unwrap_or(0)), i128::from(most)) } else { (0, 1) })
    };
    match (share(a), share(b)) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(_), None) => std::cmp::Ordering::Less,
        // Both divisors are positive, so that multiplying keeps the order.
        (Some((free_a, most_a)), Some((free_b, most_b))) => (free_a * most_b).cmp(&(free_b * most_a)),
    }
}
