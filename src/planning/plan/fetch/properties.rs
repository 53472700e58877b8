//! Random orders among random locations that may fetch from each other: what must hold of every plan, and against a
//! planner that tries everything.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::*;
use crate::{
    locations::Location,
    planning::{
        plan::{Outcome, Stock},
        record::{Facts, PlanDecision},
    },
    scenarios::rules::{OrderBy, OrderFacts, Splitting},
};

const LOCATIONS: usize = 5;

#[derive(Debug, Clone)]
struct Case {
    scenario: Scenario,
    fetching: Fetching,
    demands: Vec<Demand>,
    candidates: Vec<Candidate>,
}

impl Case {
    fn plan(&self) -> Outcome {
        let (demands, candidates, circumstances) = (&self.demands, &self.candidates, &Circumstances::default());
        let outcome = plan(&self.scenario, Some(&self.fetching), demands, candidates, circumstances);
        let (explained, _) = explain(&self.scenario, Some(&self.fetching), demands, candidates, circumstances);
        assert_eq!(outcome, explained, "the same without reasons");
        outcome
    }

    fn rule(&self) -> &Rule {
        &self.scenario.rules[0]
    }

    fn demand(&self, id: i64) -> &Demand {
        self.demands.iter().find(|demand| demand.order_item_id == id).expect("a line")
    }
}

/// Orders of some lines; with `shared`, several may be of one product.
fn cases(shared: bool) -> impl Strategy<Value = Case> {
    let ids: Vec<i64> = (1..).take(LOCATIONS).collect();
    let excluded = prop_oneof![3 => Just(vec![]), 1 => subsequence(ids, 0..=2)];
    let lines = vec((1..=3_i64, excluded, 0..3_usize), 1..=5);
    let location = (1..=2_i32, option::of(0..=2_i64), vec(prop_oneof![1 => Just(0), 1 => 1..=4_i64], 5));
    let conditions = subsequence(vec![Condition::SelectByStock, Condition::SelectByQuota], 0..=2);
    (lines, vec(location, 0..=LOCATIONS), conditions, any::<bool>()).prop_map(
        move |(lines, locations, conditions, others)| {
            let sku = |at: usize| format!("sku {at}");
            let mut rules = vec![rule("Together", conditions, true)];
            if others {
                rules.push(rule("Anywhere", vec![Condition::SelectByStock], false));
            }
            Case {
                scenario: scenario(1, rules),
                fetching: Fetching {
                    scenario: scenario(2, vec![rule("Sources", vec![], false)]),
                    considered: vec![],
                    places: BTreeMap::new(),
                },
                demands: lines
                    .into_iter()
                    .enumerate()
                    .map(|(at, (quantity, excluded, product))| Demand {
                        order_item_id: 1 + i64::try_from(at).expect("few"),
                        sku: sku(if shared { product } else { at }),
                        quantity,
                        excluded_location_ids: excluded.into_iter().collect(),
                        ..Demand::default()
                    })
                    .collect(),
                candidates: (1..)
                    .zip(locations)
                    .map(|(id, (priority, max_quota, stock))| {
                        let stock = stock.into_iter().enumerate();
                        let erp_code = format!("L{id}");
                        Candidate {
                            location: Arc::new(Location {
                                id,
                                erp_code,
                                priority,
                                is_active: true,
                                ..Location::default()
                            }),
                            max_quota,
                            stock: stock
                                .map(|(at, quantity)| {
                                    (Arc::from(sku(at)), Stock { quantity, reserved: 0, ..Stock::default() })
                                })
                                .collect(),
                            ..Candidate::default()
                        }
                    })
                    .collect(),
            }
        },
    )
}

fn rule(name: &str, conditions: Vec<Condition>, transferable: bool) -> Rule {
    Rule { name: name.to_owned(), conditions, order_by: vec![OrderBy::Priority], transferable, ..Rule::default() }
}

fn scenario(id: i64, rules: Vec<Rule>) -> Scenario {
    Scenario { id, rules, ..anything_there(false) }
}

/// The location a single gathering should choose where every line is of a product of its own, and what it brings there:
/// at hand, and fetched.
fn best(case: &Case) -> Option<(i64, BTreeSet<i64>, BTreeSet<i64>)> {
    let has = |candidate: &Candidate, demand: &Demand| {
        !demand.excluded_location_ids.contains(&candidate.location.id)
            && candidate.stock[demand.sku.as_str()].quantity >= demand.quantity
    };
    let mut found = Vec::new();
    for candidate in &case.candidates {
        let id = candidate.location.id;
        let mut at_hand = BTreeSet::new();
        let mut fetched = BTreeSet::new();
        for demand in &case.demands {
            let mut others = case.candidates.iter().filter(|other| other.location.id != id);
            if has(candidate, demand) {
                at_hand.insert(demand.order_item_id);
            } else if !demand.excluded_location_ids.contains(&id) && others.any(|other| has(other, demand)) {
                fetched.insert(demand.order_item_id);
            }
        }
        let by_stock = case.rule().asks_for(&Condition::SelectByStock);
        let full =
            case.rule().asks_for(&Condition::SelectByQuota) && candidate.available_quota().is_some_and(|it| it < 1);
        let most = at_hand.len() + fetched.len();
        let lacks_stock = by_stock && at_hand.is_empty();
        if most > 0 && !full && !lacks_stock {
            let worth = (most, if by_stock { at_hand.len() } else { 0 });
            found.push((std::cmp::Reverse(worth), candidate.location.priority, id, at_hand, fetched));
        }
    }
    found.sort();
    found.into_iter().next().map(|(_, _, id, at_hand, fetched)| (id, at_hand, fetched))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn nobody_promises_what_is_not_there_or_sends_what_it_is_left_out_for(case in cases(true)) {
        let plan = case.plan();
        let mut promised: HashMap<(i64, &str), i64> = HashMap::new();
        let mut placed = BTreeSet::new();
        for parcel in &plan.parcels {
            let at = parcel.stock_location_id;
            for id in &parcel.order_item_ids {
                prop_assert!(placed.insert(*id), "item {id} is in two parcels");
                let demand = case.demand(*id);
                prop_assert!(!demand.excluded_location_ids.contains(&at));
                let mut transfers = plan.gatherings.iter()
                    .filter(|gathering| gathering.stock_location_id == at)
                    .flat_map(|gathering| &gathering.transfers)
                    .filter(|transfer| transfer.order_item_ids.contains(id));
                let source = transfers.next().map(|transfer| transfer.source_location_id);
                prop_assert!(transfers.next().is_none(), "item {id} comes twice");
                prop_assert_eq!(source.is_none(), parcel.stock_bound_item_ids.contains(id));
                prop_assert!(source != Some(at) && source.is_none_or(|it| !demand.excluded_location_ids.contains(&it)));
                *promised.entry((source.unwrap_or(at), demand.sku.as_str())).or_default() += demand.quantity;
            }
        }
        for ((at, sku), units) in promised {
            let candidate = case.candidates.iter().find(|candidate| candidate.location.id == at);
            prop_assert!(candidate.is_some_and(|it| it.stock[sku].quantity >= units), "{at} promises {units} of {sku}");
        }
        placed.extend(&plan.unplaced);
        prop_assert_eq!(placed.len(), case.demands.len());
        for gathering in &plan.gatherings {
            let parcels = plan.parcels.iter().filter(|parcel| parcel.stock_location_id == gathering.stock_location_id);
            let items: BTreeSet<i64> = parcels.flat_map(|parcel| parcel.order_item_ids.clone()).collect();
            prop_assert!(gathering.units(&demanded(&case.demands)).keys().all(|id| items.contains(id)));
        }
    }

    #[test]
    fn a_location_with_no_room_gets_nothing_together_where_the_rule_asks_for_room(case in cases(true)) {
        let plan = case.plan();
        if case.rule().asks_for(&Condition::SelectByQuota) {
            for gathering in &plan.gatherings {
                let full = case.candidates.iter().any(|candidate| {
                    candidate.location.id == gathering.stock_location_id && candidate.max_quota == Some(0)
                });
                prop_assert!(!full);
            }
        }
    }

    #[test]
    fn the_first_location_is_the_one_a_planner_that_tries_all_would_choose(case in cases(false)) {
        let plan = case.plan();
        let first = plan.gatherings.first().map(|gathering| {
            let fetched = gathering.transfers.iter().flat_map(|it| it.order_item_ids.clone()).collect();
            (gathering.stock_location_id, gathering.at_hand.iter().copied().collect(), fetched)
        });
        prop_assert_eq!(first, best(&case));
    }

    #[test]
    fn what_could_still_be_brought_to_a_location_is_not_left_unplaced(case in cases(false)) {
        let plan = case.plan();
        let left = Case {
            demands: case.demands.iter().filter(|it| plan.unplaced.contains(&it.order_item_id)).cloned().collect(),
            ..case
        };
        // Products are not shared, so what was placed has taken nothing from what is left; only a rule that wants
        // something at hand may find nothing there for it.
        prop_assert_eq!(best(&left), None);
    }

    #[test]
    fn the_order_in_which_facts_are_given_does_not_matter(case in cases(true), turn in 0..5_usize) {
        let mut turned = case.clone();
        turned.demands.reverse();
        let by = turn.min(turned.candidates.len());
        turned.candidates.rotate_left(by);
        prop_assert_eq!(case.plan(), turned.plan());
    }

    #[test]
    fn an_order_that_is_not_to_be_split_is_brought_together_whole_or_not_at_all(case in cases(true)) {
        let mut whole = case;
        whole.scenario.splitting = Splitting { allowed: false, ..Splitting::default() };
        let plan = whole.plan();
        prop_assert!(plan.parcels.is_empty() || (plan.parcels.len() == 1 && plan.unplaced.is_empty()), "{plan:?}");
    }

    #[test]
    fn a_plan_is_made_again_from_what_is_kept_of_it(case in cases(true)) {
        let outcome = case.plan();
        let decision = PlanDecision { gatherings: outcome.gatherings.clone(), ..PlanDecision::default() };
        let text = serde_json::to_string(&decision).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<PlanDecision>(&text).expect("a decision"), decision);
        let facts = Facts::of(1, &Circumstances::default(), &case.demands, &case.candidates, false);
        let text = serde_json::to_string(&facts).expect("JSON");
        let facts: Facts = serde_json::from_str(&text).expect("facts");
        let locations = case.candidates.iter().map(|it| (it.location.id, Arc::clone(&it.location))).collect();
        let candidates = facts.candidates(&locations, &OrderFacts::default());
        let again = Case { demands: facts.demands(&BTreeMap::new()), candidates, ..case };
        prop_assert_eq!(again.plan(), outcome);
    }

    #[test]
    fn every_unit_is_in_one_place_where_it_may_be(
        (case, barred, is_reversed, divides) in
            (cases(true), vec(option::of((1..=4_i64, 1..=5_i64)), 5), any::<bool>(), prop_oneof![3 => Just(true), 1 => Just(false)])
    ) {
        let mut case = case;
        case.scenario.splitting.lines = divides;
        // What an earlier rule left of a line is brought together, too.
        if is_reversed {
            case.scenario.rules.reverse();
        }
        // Some units of a line may not be where its others may.
        let parts: Vec<Demand> = case.demands.iter().zip(barred).filter_map(|(demand, part)| {
            let (quantity, at) = part?;
            let excluded_location_ids = demand.excluded_location_ids.iter().copied().chain([at]).collect();
            Some(Demand { quantity, excluded_location_ids, ..demand.clone() })
        }).collect();
        case.demands.extend(parts);
        let whole = demanded(&case.demands);
        let plan = case.plan();
        let may_be = |id: i64, at: i64| -> i64 {
            let demands = case.demands.iter().filter(|demand| demand.order_item_id == id);
            demands.filter(|demand| !demand.excluded_location_ids.contains(&at)).map(|demand| demand.quantity).sum()
        };
        let mut placed = units_of(&plan.unplaced, &plan.unplaced_parts, &whole);
        let mut promised: HashMap<(i64, String), i64> = HashMap::new();
        let mut promise = |at: i64, id: i64, units: i64| {
            *promised.entry((at, case.demand(id).sku.clone())).or_default() += units;
        };
        for parcel in &plan.parcels {
            let at = parcel.stock_location_id;
            let mut own = parcel.units(&whole);
            let mut gathered = BTreeMap::<i64, i64>::new();
            for gathering in plan.gatherings.iter().filter(|it| it.stock_location_id == at) {
                for (id, units) in gathering.units(&whole) {
                    *gathered.entry(id).or_default() += units;
                }
            }
            prop_assert!(gathered.iter().all(|(id, units)| own.get(id) >= Some(units)), "{gathered:?} in {own:?}");
            for (id, units) in &own {
                prop_assert!(*units > 0 && *units <= may_be(*id, at), "{units} of {id} at {at}");
                *placed.entry(*id).or_default() += units;
            }
            for transfer in plan.gatherings.iter().filter(|it| it.stock_location_id == at).flat_map(|it| &it.transfers) {
                for (id, units) in transfer.units(&whole) {
                    let from = transfer.source_location_id;
                    prop_assert!(units > 0 && units <= may_be(id, from), "{units} of {id} from {from}");
                    *own.entry(id).or_default() -= units;
                    promise(from, id, units);
                }
            }
            for (id, units) in own {
                prop_assert!(units >= 0, "more of {id} is fetched than is packed at {at}");
                promise(at, id, units);
            }
        }
        prop_assert_eq!(placed, whole);
        for ((at, sku), units) in promised {
            let candidate = case.candidates.iter().find(|candidate| candidate.location.id == at).expect("a location");
            prop_assert!(candidate.stock[sku.as_str()].quantity >= units, "{at} promises {units} of {sku}");
        }
    }
}
