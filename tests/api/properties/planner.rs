//! Checks a plan from outside: limits hold, exclusions hold, there is one package if one location has everything, and
//! no item is left that could be placed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    spec::{Place, Rule, Scenario, Spec, erp},
    world::{Package, World},
};

/// A line to be placed.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: i64,
    pub sku: String,
    pub quantity: i64,
}

/// The lines to plan, and the stock.
pub struct Ask<'a> {
    pub spec: &'a Spec,
    pub scenario: &'a Scenario,
    pub world: &'a World,
    pub lines: Vec<Line>,
    /// The package of the items: its stock and quota are free for them.
    pub own: Option<&'a Package>,
    /// `line@erp_code`.
    pub excluded: BTreeSet<String>,
    pub longitude: Option<i32>,
}

/// By line: its location, or none.
pub type Placement = BTreeMap<i64, Option<String>>;
/// By line: the location that sends it.
pub type Fetched = BTreeMap<i64, String>;

impl Ask<'_> {
    /// Available units of a SKU at a location.
    pub fn available(&self, sku: &str, erp_code: &str) -> i64 {
        let own = self.own.filter(|package| package.at == erp_code);
        let items = own.into_iter().flat_map(|package| package.items.values());
        let held = items.filter(|item| item.sku == sku && item.is_reserved);
        self.world.available(sku, erp_code) + held.map(|item| item.quantity).sum::<i64>()
    }

    /// More packages that a location can have; none: no limit.
    fn room(&self, erp_code: &str) -> Option<i64> {
        let location = &self.world.locations[erp_code];
        let is_own = |package: &Package| package.at == erp_code && self.spec.state(&package.state).occupies_quota();
        location.max_quota.map(|most| most - location.quota + i64::from(self.own.is_some_and(is_own)))
    }

    fn has_room(&self, rule: &Rule, erp_code: &str) -> bool {
        !rule.by_quota || self.room(erp_code).is_none_or(|room| room >= 1)
    }

    fn is_excluded(&self, line: i64, erp_code: &str) -> bool {
        self.excluded.contains(&format!("{line}@{erp_code}"))
    }

    /// Whether a location could take all of some lines by a rule, with this much less stock and without fetching.
    fn takes(&self, rule: &Rule, erp_code: &str, lines: &[&Line], gone: &BTreeMap<(String, String), i64>) -> bool {
        let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
        for line in lines {
            *wanted.entry(&line.sku).or_default() += line.quantity;
        }
        let enough = |(sku, quantity): (&&str, &i64)| {
            let gone = gone.get(&((*sku).to_owned(), erp_code.to_owned())).copied().unwrap_or(0);
            self.available(sku, erp_code) - gone >= *quantity
        };
        self.has_room(rule, erp_code)
            && lines.iter().all(|line| !self.is_excluded(line.id, erp_code))
            && (!rule.needs_stock() || wanted.iter().all(enough))
    }

    /// Whether a line could be brought to a location by a rule that fetches.
    fn brings(&self, rule: &Rule, erp_code: &str, line: &Line, gone: &BTreeMap<(String, String), i64>) -> bool {
        let sends = |source: &String| {
            let gone = gone.get(&(line.sku.clone(), source.clone())).copied().unwrap_or(0);
            let is_here = source == erp_code;
            let may_send = is_here || !rule.by_stock;
            may_send && !self.is_excluded(line.id, source) && self.available(&line.sku, source) - gone >= line.quantity
        };
        rule.transferable
            && self.has_room(rule, erp_code)
            && !self.is_excluded(line.id, erp_code)
            && (0..self.spec.places.len()).map(erp).any(|source| sends(&source))
    }

    /// Whether a rule could place a line at a location, with this much less stock.
    fn places(&self, rule: &Rule, erp_code: &str, line: &Line, gone: &BTreeMap<(String, String), i64>) -> bool {
        self.takes(rule, erp_code, &[line], gone) || self.brings(rule, erp_code, line, gone)
    }

    /// Whether any line could be placed anywhere.
    pub fn is_hopeful(&self) -> bool {
        let places = || (0..self.spec.places.len()).map(erp);
        let none = BTreeMap::new();
        self.lines
            .iter()
            .any(|line| self.scenario.rules.iter().any(|rule| places().any(|at| self.places(rule, &at, line, &none))))
    }

    /// The first location of a rule's order that has everything. A rule that fetches whatever is at hand takes the first
    /// to which everything can come.
    fn only_location(&self, rule: &Rule) -> Option<String> {
        if rule.transferable && !rule.by_stock {
            return None;
        }
        let all: Vec<&Line> = self.lines.iter().collect();
        let none = BTreeMap::new();
        let mut able: Vec<(usize, &Place)> =
            self.spec.places.iter().enumerate().filter(|(at, _)| self.takes(rule, &erp(*at), &all, &none)).collect();
        able.sort_by_key(|(at, place)| {
            let mut rank: Vec<i64> = rule.order_by.iter().map(|key| self.rank(key, *at, place)).collect();
            rank.push(i64::from(place.priority));
            (rank, *at)
        });
        able.first().map(|(at, _)| erp(*at))
    }

    /// Lower comes first.
    fn rank(&self, key: &str, at: usize, place: &Place) -> i64 {
        match key {
            "priority" => i64::from(place.priority),
            "distance" => self.longitude.map_or(0, |longitude| i64::from((place.longitude - longitude).abs())),
            _ => self.room(&erp(at)).map_or(i64::MIN, |room| -room),
        }
    }

    /// Fails if the rules do not allow the plan.
    pub fn check(&self, placement: &Placement, fetched: &Fetched) {
        let rules = &self.scenario.rules;
        let mut placed: BTreeMap<(String, String), i64> = BTreeMap::new();
        for line in &self.lines {
            let Some(at) = &placement[&line.id] else {
                assert!(!fetched.contains_key(&line.id), "line {} is fetched to nowhere", line.id);
                continue;
            };
            let source = fetched.get(&line.id).unwrap_or(at);
            for place in [at, source] {
                assert!(!self.is_excluded(line.id, place), "{place} is left out for line {}", line.id);
            }
            *placed.entry((line.sku.clone(), source.clone())).or_default() += line.quantity;
        }
        if rules.iter().all(Rule::needs_stock) {
            for ((sku, at), quantity) in &placed {
                let available = self.available(sku, at);
                assert!(*quantity <= available, "{quantity} of {sku} planned at {at}, which has {available}");
            }
        }
        if rules.iter().all(|rule| rule.by_quota) {
            for at in placement.values().flatten() {
                assert!(self.room(at).is_none_or(|room| room >= 1), "{at} has no room");
            }
        }
        if let Some(only) = rules.first().and_then(|rule| self.only_location(rule)) {
            assert!(
                placement.values().all(|at| at.as_ref() == Some(&only)) && fetched.is_empty(),
                "{only} has everything, but the plan is {placement:?} {fetched:?}"
            );
        }
        for line in self.lines.iter().filter(|line| placement[&line.id].is_none()) {
            for (rule, at) in rules.iter().flat_map(|rule| (0..self.spec.places.len()).map(move |at| (rule, erp(at)))) {
                assert!(!self.places(rule, &at, line, &placed), "line {} has no place, but {at} has one", line.id);
            }
        }
    }
}
