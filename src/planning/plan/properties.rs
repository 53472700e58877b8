//! Random orders among random locations, against a planner that tries everything.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::*;
use crate::planning::scenario::{Condition, OrderBy, Rule};

const SKUS: [&str; 3] = ["shirt", "shoe", "hat"];

/// What a random case looks like.
#[derive(Debug, Clone)]
struct Case {
    scenario: Scenario,
    demands: Vec<Demand>,
    candidates: Vec<Candidate>,
}

impl Case {
    fn plan(&self) -> Plan {
        plan(&self.scenario, &self.demands, &self.candidates)
    }

    fn demand(&self, id: i64) -> &Demand {
        self.demands.iter().find(|demand| demand.order_item_id == id).unwrap()
    }

    fn candidate(&self, id: i64) -> &Candidate {
        self.candidates.iter().find(|candidate| candidate.stock_location_id == id).unwrap()
    }
}

fn cases(locations: usize, lines: usize, skus: &'static [&'static str]) -> impl Strategy<Value = Case> {
    let excluded = subsequence((1..=i64::try_from(locations).unwrap()).collect::<Vec<_>>(), 0..=2);
    let line = (0..skus.len(), 1..=4_i64, prop_oneof![3 => Just(vec![]), 1 => excluded]);
    let distance = option::of((0..4_u8).prop_map(f64::from));
    let location =
        (1..=2_i32, option::of(0..=2_i64), distance, vec(prop_oneof![1 => Just(0), 3 => 1..=9_i64], skus.len()));
    let conditions = subsequence(Condition::ALL.to_vec(), 0..=2);
    let rule = (
        prop_oneof![conditions, Just(Condition::ALL.to_vec())],
        subsequence(OrderBy::ALL.to_vec(), 0..=3).prop_shuffle(),
    );
    (vec(line, 1..=lines), vec(location, 0..=locations), vec(rule, 1..=3)).prop_map(|(lines, locations, rules)| Case {
        scenario: scenario(rules),
        demands: (1..)
            .zip(lines)
            .map(|(order_item_id, (sku, quantity, excluded))| Demand {
                order_item_id,
                sku: skus[sku].to_owned(),
                quantity,
                excluded_location_ids: excluded.into_iter().collect(),
            })
            .collect(),
        candidates: (1..)
            .zip(locations)
            .map(|(id, (priority, available_quota, distance_km, stock))| Candidate {
                stock_location_id: id,
                erp_code: format!("L{id}"),
                name: format!("Location {id}"),
                priority,
                available_quota,
                distance_km,
                available_stock: skus.iter().map(|sku| (*sku).to_owned()).zip(stock).collect(),
            })
            .collect(),
    })
}

fn scenario(rules: Vec<(Vec<Condition>, Vec<OrderBy>)>) -> Scenario {
    Scenario {
        id: 1,
        name: "Random".to_owned(),
        priority: 1,
        channels: vec![],
        shipping: vec![],
        payments: vec![],
        default_location_id: 1,
        initial_state_when_split_id: 1,
        rules: (1..)
            .zip(rules)
            .map(|(number, (conditions, order_by)): (i32, _)| Rule {
                name: format!("Rule {number}"),
                conditions,
                order_by,
            })
            .collect(),
    }
}

/// The planner that tries every place for every line.
struct TryAll<'a> {
    case: &'a Case,
    stock: HashMap<(i64, &'a str), i64>,
    parcels: Vec<Planned>,
}

/// Location, items, the rule that opened it.
type Planned = (i64, BTreeSet<i64>, String);

/// Smaller is better: unplaced lines, new parcels, locations, their ranks, each line's rank.
type Cost = (usize, usize, usize, Vec<usize>, Vec<usize>);

impl<'a> TryAll<'a> {
    fn plan(case: &'a Case) -> (Vec<Planned>, Vec<i64>) {
        let stock = case.candidates.iter().flat_map(|candidate| {
            let id = candidate.stock_location_id;
            candidate.available_stock.iter().map(move |(sku, quantity)| ((id, sku.as_str()), *quantity))
        });
        let mut all = Self { case, stock: stock.collect(), parcels: vec![] };
        let mut waiting: Vec<&Demand> = case.demands.iter().collect();
        for rule in &case.scenario.rules {
            let order = all.order(rule);
            let mut best = None;
            all.try_line(rule, &order, &waiting, &mut vec![], &mut best);
            let (.., ranks) = best.unwrap();
            for (rank, candidate) in order.iter().enumerate() {
                for (line, demand) in waiting.iter().enumerate() {
                    if ranks[line] == rank {
                        all.put(rule, candidate, demand);
                    }
                }
            }
            let mut rank = ranks.iter();
            waiting.retain(|_| *rank.next().unwrap() == usize::MAX);
        }
        (all.parcels, waiting.iter().map(|demand| demand.order_item_id).collect())
    }

    fn order(&self, rule: &Rule) -> Vec<&'a Candidate> {
        let mut order: Vec<&Candidate> = self.case.candidates.iter().collect();
        order.sort_by_key(|candidate| (candidate.priority, candidate.stock_location_id));
        // Sorting is stable, so the last sort decides.
        for key in rule.order_by.iter().rev() {
            match key {
                OrderBy::Priority => order.sort_by_key(|candidate| candidate.priority),
                OrderBy::Distance => order.sort_by(|a, b| {
                    let km = |candidate: &Candidate| candidate.distance_km.unwrap_or(f64::MAX);
                    km(a).total_cmp(&km(b))
                }),
                OrderBy::AvailableQuota => {
                    order.sort_by_key(|candidate| std::cmp::Reverse(candidate.available_quota.unwrap_or(i64::MAX)));
                }
            }
        }
        order
    }

    fn has_parcel(&self, candidate: &Candidate) -> bool {
        self.parcels.iter().any(|(id, ..)| *id == candidate.stock_location_id)
    }

    fn try_line(
        &mut self,
        rule: &Rule,
        order: &[&'a Candidate],
        waiting: &[&'a Demand],
        ranks: &mut Vec<usize>,
        best: &mut Option<Cost>,
    ) {
        let unplaced = ranks.iter().filter(|rank| **rank == usize::MAX).count();
        if best.as_ref().is_some_and(|best| unplaced > best.0) {
            return;
        }
        if ranks.len() == waiting.len() {
            let used: BTreeSet<usize> = ranks.iter().copied().filter(|rank| *rank != usize::MAX).collect();
            let new = used.iter().filter(|rank| !self.has_parcel(order[**rank])).count();
            let cost = (unplaced, new, used.len(), used.into_iter().collect::<Vec<_>>(), ranks.clone());
            if best.as_ref().is_none_or(|best| cost < *best) {
                *best = Some(cost);
            }
            return;
        }
        let demand = waiting[ranks.len()];
        for (rank, candidate) in order.iter().enumerate() {
            let id = candidate.stock_location_id;
            let has_room = !rule.asks_for(Condition::SelectByQuota)
                || self.has_parcel(candidate)
                || candidate.available_quota != Some(0);
            let by_stock = rule.asks_for(Condition::SelectByStock);
            let stock = *self.stock.get(&(id, demand.sku.as_str())).unwrap_or(&0);
            if demand.excluded_location_ids.contains(&id) || !has_room || (by_stock && stock < demand.quantity) {
                continue;
            }
            self.stock.insert((id, &demand.sku), stock - demand.quantity);
            ranks.push(rank);
            self.try_line(rule, order, waiting, ranks, best);
            ranks.pop();
            self.stock.insert((id, &demand.sku), stock);
        }
        ranks.push(usize::MAX);
        self.try_line(rule, order, waiting, ranks, best);
        ranks.pop();
    }

    fn put(&mut self, rule: &Rule, candidate: &Candidate, demand: &'a Demand) {
        let id = candidate.stock_location_id;
        let left = self.stock.entry((id, &demand.sku)).or_default();
        *left = (*left - demand.quantity).max(0);
        match self.parcels.iter_mut().find(|(of, ..)| *of == id) {
            Some((_, items, _)) => {
                items.insert(demand.order_item_id);
            }
            None => {
                self.parcels.push((id, [demand.order_item_id].into(), rule.name.clone()));
            }
        }
    }
}

/// What must hold of every plan, however it was found.
fn check(case: &Case, plan: &Plan) -> Result<(), TestCaseError> {
    // Every item once.
    let placed = plan.parcels.iter().flat_map(|parcel| &parcel.order_item_ids);
    let mut all: Vec<i64> = placed.chain(&plan.unplaced).copied().collect();
    all.sort_unstable();
    let asked: Vec<i64> = case.demands.iter().map(|demand| demand.order_item_id).collect();
    prop_assert_eq!(all, asked);

    // One parcel for a location, none of them empty.
    let locations: BTreeSet<i64> = plan.parcels.iter().map(|parcel| parcel.stock_location_id).collect();
    prop_assert_eq!(locations.len(), plan.parcels.len());

    for parcel in &plan.parcels {
        let candidate = case.candidate(parcel.stock_location_id);
        prop_assert!(!parcel.order_item_ids.is_empty());
        prop_assert!(parcel.order_item_ids.is_sorted() && parcel.stock_bound_item_ids.is_sorted());
        prop_assert_eq!(parcel.bound_by_stock, !parcel.stock_bound_item_ids.is_empty());
        if parcel.bound_by_quota {
            prop_assert!(candidate.available_quota.is_none_or(|room| room >= 1));
        }
        let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
        for id in &parcel.order_item_ids {
            let demand = case.demand(*id);
            prop_assert!(!demand.excluded_location_ids.contains(&parcel.stock_location_id));
            if parcel.stock_bound_item_ids.contains(id) {
                *taken.entry(&demand.sku).or_default() += demand.quantity;
            }
        }
        for (sku, quantity) in taken {
            prop_assert!(candidate.available_stock[sku] >= quantity);
        }
    }

    // What the trace says was given is what the parcels hold.
    let mut given: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for rule in &plan.trace.rules {
        let mut placed = 0;
        for candidate in &rule.candidates {
            prop_assert_eq!(candidate.verdict == Verdict::Chosen, !candidate.given.is_empty());
            placed += candidate.given.len();
            if !candidate.given.is_empty() {
                given.entry(candidate.stock_location_id).or_default().extend(&candidate.given);
            }
        }
        prop_assert_eq!(rule.placed, placed);
        let not_shown: usize = rule.not_shown.values().sum();
        prop_assert_eq!(rule.candidates.len() + not_shown, case.candidates.len());
        prop_assert!(rule.candidates.is_sorted_by_key(|candidate| candidate.rank));
    }
    let parcels: BTreeMap<i64, BTreeSet<i64>> = plan
        .parcels
        .iter()
        .map(|parcel| (parcel.stock_location_id, parcel.order_item_ids.iter().copied().collect()))
        .collect();
    prop_assert_eq!(given, parcels);

    let stored = serde_json::to_string(&plan.trace).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Trace>(&stored).unwrap(), &plan.trace);
    Ok(())
}

proptest! {
    #[test]
    fn it_is_the_plan_of_one_who_tries_everything(
        case in prop_oneof![cases(6, 6, &SKUS), cases(5, 7, &SKUS[..1])]
    ) {
        let plan = case.plan();
        check(&case, &plan)?;
        prop_assert!(plan.trace.rules.iter().all(|rule| rule.exact));

        let (parcels, unplaced) = TryAll::plan(&case);
        let planned: Vec<Planned> = plan
            .parcels
            .iter()
            .map(|parcel| {
                let items = parcel.order_item_ids.iter().copied().collect();
                (parcel.stock_location_id, items, parcel.rule.clone())
            })
            .collect();
        prop_assert_eq!(planned, parcels);
        prop_assert_eq!(plan.unplaced, unplaced);
    }

    #[test]
    fn it_is_the_same_in_whatever_order_the_facts_are_given(
        (case, shuffled) in cases(8, 8, &SKUS).prop_flat_map(|case| {
            let demands = Just(case.demands.clone()).prop_shuffle();
            let candidates = Just(case.candidates.clone()).prop_shuffle();
            let scenario = case.scenario.clone();
            let shuffled = (demands, candidates).prop_map(move |(demands, candidates)| Case {
                scenario: scenario.clone(),
                demands,
                candidates,
            });
            (Just(case), shuffled)
        })
    ) {
        prop_assert_eq!(case.plan(), shuffled.plan());
    }

    #[test]
    fn among_many_locations_it_still_places_as_much_as_can_be_placed(
        case in cases(40, 24, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"])
    ) {
        let plan = case.plan();
        check(&case, &plan)?;
        let skus: BTreeSet<&String> = case.demands.iter().map(|demand| &demand.sku).collect();
        let most: usize = skus
            .into_iter()
            .map(|sku| {
                let mut of_sku = case.clone();
                of_sku.demands.retain(|demand| demand.sku == *sku);
                of_sku.plan().trace.rules[0].placed
            })
            .sum();
        prop_assert_eq!(plan.trace.rules[0].placed, most);
    }
}
