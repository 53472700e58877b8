use serde_json::json;

use super::*;
use crate::planning::scenario::{
    Condition::{SelectByQuota, SelectByStock},
    OrderBy::{self, AvailableQuota, Distance, Priority},
    Rule,
};

// ---- what a test says -------------------------------------------------------------------------

fn scenario(rules: impl IntoIterator<Item = Rule>) -> Scenario {
    Scenario {
        id: 7,
        name: "Standard".to_owned(),
        priority: 1,
        channels: vec![],
        shipping: vec![],
        payments: vec![],
        default_location_id: 1,
        initial_state_when_split_id: 1,
        rules: rules.into_iter().collect(),
    }
}

fn rule(conditions: &[crate::planning::scenario::Condition], order_by: &[OrderBy]) -> Rule {
    Rule { name: "Nearest with room".to_owned(), conditions: conditions.to_vec(), order_by: order_by.to_vec() }
}

fn by_stock() -> Rule {
    rule(&[SelectByStock], &[])
}

fn by_stock_and_quota() -> Rule {
    rule(&[SelectByStock, SelectByQuota], &[])
}

fn named(name: &str, mut rule: Rule) -> Rule {
    name.clone_into(&mut rule.name);
    rule
}

/// Items 1, 2, 3 …
fn order(lines: &[(&str, i64)]) -> Vec<Demand> {
    (1..)
        .zip(lines)
        .map(|(order_item_id, (sku, quantity))| Demand {
            order_item_id,
            sku: (*sku).to_owned(),
            quantity: *quantity,
            excluded_location_ids: BTreeSet::new(),
        })
        .collect()
}

fn excluding(mut order: Vec<Demand>, item: i64, location: i64) -> Vec<Demand> {
    for demand in order.iter_mut().filter(|demand| demand.order_item_id == item) {
        demand.excluded_location_ids.insert(location);
    }
    order
}

/// Location 1 is asked before location 2.
fn location(id: i64, stock: &[(&str, i64)]) -> Candidate {
    Candidate {
        stock_location_id: id,
        erp_code: format!("L{id}"),
        name: format!("Location {id}"),
        priority: 1,
        available_quota: None,
        distance_km: None,
        available_stock: stock.iter().map(|(sku, n)| ((*sku).to_owned(), *n)).collect(),
    }
}

fn with_room(quota: i64, mut location: Candidate) -> Candidate {
    location.available_quota = Some(quota);
    location
}

fn at_km(km: f64, mut location: Candidate) -> Candidate {
    location.distance_km = Some(km);
    location
}

fn with_priority(priority: i32, mut location: Candidate) -> Candidate {
    location.priority = priority;
    location
}

/// The parcels as (location, items).
fn parcels(plan: &Plan) -> Vec<(i64, Vec<i64>)> {
    plan.parcels.iter().map(|parcel| (parcel.stock_location_id, parcel.order_item_ids.clone())).collect()
}

/// The locations in the order in which a rule asks them.
fn asked_in_order(order_by: &[OrderBy], locations: &[Candidate]) -> Vec<i64> {
    let plan = plan(&scenario([rule(&[], order_by)]), &order(&[("shirt", 1)]), locations);
    let candidates = &plan.trace.rules[0].candidates;
    candidates.iter().map(|candidate| candidate.stock_location_id).collect()
}

fn verdicts(plan: &Plan) -> Vec<(i64, Verdict)> {
    let candidates = &plan.trace.rules[0].candidates;
    candidates.iter().map(|candidate| (candidate.stock_location_id, candidate.verdict)).collect()
}

// ---- the order of locations -------------------------------------------------------------------

#[test]
fn a_rule_without_keys_asks_by_priority_then_by_id() {
    let locations =
        [location(3, &[]), with_priority(2, location(1, &[])), with_priority(0, location(4, &[])), location(2, &[])];
    assert_eq!(asked_in_order(&[], &locations), [4, 2, 3, 1]);
    assert_eq!(asked_in_order(&[Priority], &locations), [4, 2, 3, 1]);
}

#[test]
fn by_distance_the_nearer_is_asked_first_and_the_unknown_last() {
    let locations = [
        location(1, &[]),
        at_km(f64::NAN, location(2, &[])),
        at_km(9.5, location(3, &[])),
        at_km(0.0, location(4, &[])),
    ];
    assert_eq!(asked_in_order(&[Distance], &locations), [4, 3, 1, 2]);
}

#[test]
fn by_available_quota_no_limit_is_asked_first_then_the_most_room() {
    let locations = [
        with_room(-3, location(1, &[])),
        with_room(5, location(2, &[])),
        with_room(50, location(3, &[])),
        location(4, &[]),
    ];
    assert_eq!(asked_in_order(&[AvailableQuota], &locations), [4, 3, 2, 1]);
}

#[test]
fn the_first_key_decides_and_the_next_breaks_its_ties() {
    let locations = [
        with_priority(2, at_km(1.0, location(1, &[]))),
        with_priority(1, at_km(1.0, location(2, &[]))),
        with_priority(1, at_km(0.5, with_room(1, location(3, &[])))),
        with_priority(3, at_km(0.5, with_room(2, location(4, &[])))),
    ];
    assert_eq!(asked_in_order(&[Distance], &locations), [3, 4, 2, 1]);
    assert_eq!(asked_in_order(&[Distance, AvailableQuota], &locations), [4, 3, 2, 1]);
    assert_eq!(asked_in_order(&[Priority, Distance], &locations), [3, 2, 1, 4]);
}

// ---- which locations --------------------------------------------------------------------------

#[test]
fn the_first_location_that_has_everything_gets_one_parcel() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 1), ("shoe", 2)]),
        &[
            location(1, &[("shirt", 9)]),
            location(2, &[("shirt", 1), ("shoe", 2)]),
            location(3, &[("shirt", 9), ("shoe", 9)]),
        ],
    );
    assert_eq!(parcels(&plan), [(2, vec![1, 2])]);
    assert_eq!(plan.scenario_id, 7);
    assert_eq!(plan.parcels[0].rule, "Nearest with room");
    assert!(plan.unplaced.is_empty());
}

#[test]
fn two_locations_are_chosen_rather_than_three_that_are_nearer() {
    let items = order(&[("shirt", 1), ("shoe", 1), ("hat", 1), ("sock", 1)]);
    let plan = plan(
        &scenario([rule(&[SelectByStock], &[Distance])]),
        &items,
        &[
            at_km(1.0, location(1, &[("shirt", 1), ("shoe", 1)])),
            at_km(2.0, location(2, &[("hat", 1)])),
            at_km(3.0, location(3, &[("sock", 1)])),
            at_km(8.0, location(4, &[("hat", 1), ("sock", 1)])),
        ],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 2]), (4, vec![3, 4])]);
}

#[test]
fn the_one_with_most_items_is_left_out_when_two_others_do_without_it() {
    // Location 1 looks best and would make it three.
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", 1)]),
        &[
            location(1, &[("a", 1), ("b", 1), ("d", 1), ("e", 1)]),
            location(2, &[("a", 1), ("b", 1), ("c", 1)]),
            location(3, &[("d", 1), ("e", 1), ("f", 1)]),
        ],
    );
    assert_eq!(parcels(&plan), [(2, vec![1, 2, 3]), (3, vec![4, 5, 6])]);
}

#[test]
fn of_pairs_the_one_with_the_better_ranks_is_chosen() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 1), ("shoe", 1)]),
        &[
            location(1, &[("hat", 1)]),
            location(2, &[("shirt", 1)]),
            location(3, &[("shirt", 1)]),
            location(4, &[("shoe", 1)]),
            location(5, &[("shoe", 1)]),
        ],
    );
    assert_eq!(parcels(&plan), [(2, vec![1]), (4, vec![2])]);
}

#[test]
fn more_items_count_more_than_fewer_parcels() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 1), ("shoe", 1), ("hat", 1)]),
        &[location(1, &[("shirt", 1), ("shoe", 1)]), location(2, &[("hat", 1)])],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 2]), (2, vec![3])]);
}

#[test]
fn each_item_goes_to_the_best_ranked_of_the_chosen_locations() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("both", 1), ("shirt", 1), ("both too", 1), ("shoe", 1)]),
        &[
            location(1, &[("both", 1), ("both too", 1), ("shirt", 1)]),
            location(2, &[("both", 1), ("both too", 1), ("shoe", 1)]),
        ],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 2, 3]), (2, vec![4])]);
}

// ---- stock ------------------------------------------------------------------------------------

#[test]
fn a_line_is_never_split() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 3)]),
        &[location(1, &[("shirt", 2)]), location(2, &[("shirt", 2)])],
    );
    assert!(plan.parcels.is_empty());
    assert_eq!(plan.unplaced, [1]);
}

#[test]
fn two_lines_of_one_sku_share_the_stock() {
    let items = order(&[("shirt", 2), ("shirt", 2)]);
    let twice = |stock| {
        let locations = [location(1, &[("shirt", stock)]), location(2, &[("shirt", 2)])];
        parcels(&plan(&scenario([by_stock()]), &items, &locations))
    };
    assert_eq!(twice(3), [(1, vec![1]), (2, vec![2])]);
    assert_eq!(twice(4), [(1, vec![1, 2])]);
}

#[test]
fn a_line_makes_room_for_one_that_fits_nowhere_else() {
    // Taken in turn, item 1 would go to location 1 and item 2 nowhere.
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 2), ("shirt", 3)]),
        &[location(1, &[("shirt", 3)]), location(2, &[("shirt", 2)])],
    );
    assert_eq!(parcels(&plan), [(1, vec![2]), (2, vec![1])]);
}

#[test]
fn when_the_stock_is_short_most_lines_are_placed_and_of_equals_the_first() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 4), ("shirt", 2), ("shirt", 1), ("shirt", 2)]),
        &[location(1, &[("shirt", 4)])],
    );
    assert_eq!(parcels(&plan), [(1, vec![2, 3])]);
    assert_eq!(plan.unplaced, [1, 4]);
}

#[test]
fn what_is_less_than_nothing_in_stock_is_nothing_and_a_line_of_nothing_is_a_line_of_one() {
    let locations = [location(1, &[("shirt", -5)]), location(2, &[("shoe", 1)])];
    let items = order(&[("shirt", 0), ("shoe", -1)]);
    let plan = plan(&scenario([by_stock()]), &items, &locations);
    assert_eq!(parcels(&plan), [(2, vec![2])]);
    assert_eq!(plan.unplaced, [1]);
}

#[test]
fn the_largest_numbers_do_no_harm() {
    let most = i64::MAX;
    let plan = plan(
        &scenario([by_stock(), rule(&[], &[])]),
        &order(&[("shirt", most), ("shirt", most), ("shoe", i64::MIN)]),
        &[location(1, &[("shirt", most), ("shoe", i64::MIN)]), location(2, &[("shirt", most)])],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 3]), (2, vec![2])]);
}

#[test]
fn without_conditions_the_first_location_takes_everything() {
    let plan = plan(
        &scenario([rule(&[], &[])]),
        &order(&[("shirt", 1), ("shirt", 9)]),
        &[with_room(0, location(1, &[])), location(2, &[("shirt", 10)])],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 2])]);
    assert!(!plan.parcels[0].bound_by_stock && !plan.parcels[0].bound_by_quota);
}

// ---- quota ------------------------------------------------------------------------------------

#[test]
fn a_location_without_room_gets_nothing_where_quota_is_asked() {
    let items = order(&[("shirt", 1)]);
    let locations = [with_room(0, location(1, &[("shirt", 1)])), with_room(1, location(2, &[("shirt", 1)]))];
    let asked = plan(&scenario([by_stock_and_quota()]), &items, &locations);
    assert_eq!(parcels(&asked), [(2, vec![1])]);
    assert!(asked.parcels[0].bound_by_quota && asked.parcels[0].bound_by_stock);

    let not_asked = plan(&scenario([by_stock()]), &items, &locations);
    assert_eq!(parcels(&not_asked), [(1, vec![1])]);
    assert!(!not_asked.parcels[0].bound_by_quota && not_asked.parcels[0].bound_by_stock);
}

#[test]
fn no_limit_is_always_room() {
    let locations = [location(1, &[("shirt", 1)])];
    let plan = plan(&scenario([by_stock_and_quota()]), &order(&[("shirt", 1)]), &locations);
    assert_eq!(parcels(&plan), [(1, vec![1])]);
}

#[test]
fn room_for_one_package_is_room_for_all_items() {
    let plan = plan(
        &scenario([by_stock_and_quota()]),
        &order(&[("shirt", 1), ("shoe", 1), ("hat", 1)]),
        &[with_room(1, location(1, &[("shirt", 1), ("shoe", 1), ("hat", 1)]))],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 2, 3])]);
}

// ---- rules in turn ----------------------------------------------------------------------------

#[test]
fn a_later_rule_places_what_the_earlier_left() {
    let plan = plan(
        &scenario([named("With room", by_stock_and_quota()), named("Anyhow", by_stock())]),
        &order(&[("shirt", 1), ("shoe", 1), ("hat", 1)]),
        &[with_room(0, location(1, &[("shirt", 1), ("shoe", 1)])), with_room(1, location(2, &[("shirt", 1)]))],
    );
    assert_eq!(parcels(&plan), [(2, vec![1]), (1, vec![2])]);
    assert_eq!(plan.unplaced, [3]);
    let rules: Vec<&str> = plan.parcels.iter().map(|parcel| parcel.rule.as_str()).collect();
    assert_eq!(rules, ["With room", "Anyhow"]);
}

#[test]
fn a_rule_with_nothing_left_to_place_does_not_run() {
    let rules = [by_stock(), by_stock()];
    let plan = plan(&scenario(rules), &order(&[("shirt", 1)]), &[location(1, &[("shirt", 1)])]);
    assert_eq!(plan.trace.rules.len(), 1);
}

#[test]
fn stock_that_an_earlier_rule_took_is_gone() {
    // Location 1 has no room; location 2 has room, and stock for one of the lines.
    let plan = plan(
        &scenario([by_stock_and_quota(), by_stock()]),
        &order(&[("shirt", 1), ("shirt", 1), ("shirt", 1)]),
        &[with_room(0, location(1, &[("shirt", 1)])), with_room(9, location(2, &[("shirt", 1)]))],
    );
    assert_eq!(parcels(&plan), [(2, vec![1]), (1, vec![2])]);
    assert_eq!(plan.unplaced, [3]);
}

#[test]
fn later_items_join_the_parcel_of_an_earlier_rule_and_need_no_room_again() {
    let plan = plan(
        &scenario([named("In stock", by_stock()), named("With room", rule(&[SelectByQuota], &[]))]),
        &order(&[("shirt", 1), ("shoe", 1)]),
        &[with_room(0, location(1, &[("shirt", 1)]))],
    );
    assert_eq!(parcels(&plan), [(1, vec![1, 2])]);
    let parcel = &plan.parcels[0];
    assert_eq!(parcel.rule, "In stock");
    assert!(!parcel.bound_by_quota, "the rule that opened it did not ask for room");
    assert!(parcel.bound_by_stock);
    assert_eq!(parcel.stock_bound_item_ids, [1], "the shoe is here without stock");
    assert!(plan.trace.rules[1].candidates[0].has_parcel);
}

#[test]
fn joining_parcels_is_better_than_opening_one() {
    // Items 1 and 2 are at locations 2 and 3. Location 1 comes first and could take items 3 and 4
    // together; each of the others may take one of them.
    let items = order(&[("shirt", 1), ("shoe", 1), ("hat", 1), ("sock", 1)]);
    let items = excluding(excluding(items, 3, 3), 4, 2);
    let plan = plan(
        &scenario([by_stock(), rule(&[], &[])]),
        &items,
        &[location(1, &[]), location(2, &[("shirt", 1)]), location(3, &[("shoe", 1)])],
    );
    assert_eq!(parcels(&plan), [(2, vec![1, 3]), (3, vec![2, 4])]);
}

// ---- left out before --------------------------------------------------------------------------

#[test]
fn a_location_is_not_asked_for_what_it_was_left_out_for() {
    let plan = plan(
        &scenario([by_stock()]),
        &excluding(order(&[("shirt", 1), ("shoe", 1)]), 2, 1),
        &[location(1, &[("shirt", 1), ("shoe", 1)]), location(2, &[("shoe", 1)]), location(3, &[("shoe", 1)])],
    );
    assert_eq!(parcels(&plan), [(1, vec![1]), (2, vec![2])]);
    assert_eq!(plan.trace.rules[0].candidates[0].left_out.ids, [2]);
}

// ---- nothing ----------------------------------------------------------------------------------

#[test]
fn without_rules_locations_or_items_nothing_is_placed() {
    let items = order(&[("shirt", 1), ("shoe", 1)]);
    let here = [location(1, &[("shirt", 1)])];
    let no_rules = plan(&scenario([]), &items, &here);
    assert_eq!((no_rules.unplaced, no_rules.trace.rules.len()), (vec![1, 2], 0));
    let no_locations = plan(&scenario([by_stock()]), &items, &[]);
    assert_eq!((no_locations.unplaced, no_locations.trace.rules.len()), (vec![1, 2], 1));
    let no_items = plan(&scenario([by_stock()]), &[], &here);
    assert!(no_items.unplaced.is_empty() && no_items.parcels.is_empty());
}

// ---- why --------------------------------------------------------------------------------------

#[test]
fn the_trace_says_of_every_location_what_became_of_it() {
    let plan = plan(
        &scenario([by_stock_and_quota()]),
        &excluding(order(&[("shirt", 2)]), 1, 3),
        &[
            location(1, &[("shirt", 1)]),
            with_room(0, location(2, &[("shirt", 2)])),
            location(3, &[("shirt", 2)]),
            location(4, &[("shirt", 2)]),
            location(5, &[("shirt", 2)]),
        ],
    );
    let expected = [
        (1, Verdict::NoStock),
        (2, Verdict::NoQuota),
        (3, Verdict::LeftOutBefore),
        (4, Verdict::Chosen),
        (5, Verdict::NotNeeded),
    ];
    assert_eq!(verdicts(&plan), expected);
    for (_, verdict) in expected {
        assert!(verdict.sentence().ends_with('.'));
    }
}

#[test]
fn a_trace_is_stored_like_this() {
    let plan = plan(
        &scenario([rule(&[SelectByStock, SelectByQuota], &[Distance])]),
        &order(&[("shirt", 2), ("shoe", 1)]),
        &[
            at_km(1.25, with_room(3, location(1, &[("shoe", 1), ("shirt", 1)]))),
            at_km(7.5, location(2, &[("shirt", 2), ("shoe", 1)])),
        ],
    );
    assert_eq!(
        serde_json::to_value(&plan.trace).unwrap(),
        json!({
            "scenarios": [],
            "rules": [{
                "rule": "Nearest with room",
                "conditions": ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"],
                "order_by": ["distance"],
                "asked": {"count": 2, "ids": [1, 2]},
                "placed": 2,
                "exact": true,
                "candidates": [
                    {
                        "rank": 1,
                        "stock_location_id": 1,
                        "erp_code": "L1",
                        "name": "Location 1",
                        "priority": 1,
                        "distance_km": 1.25,
                        "available_quota": 3,
                        "verdict": "not_needed",
                        "could_take": {"count": 1, "ids": [2]},
                        "missing": [
                            {"order_item_id": 1, "sku": "shirt", "needed": 2, "available": 1}
                        ]
                    },
                    {
                        "rank": 2,
                        "stock_location_id": 2,
                        "erp_code": "L2",
                        "name": "Location 2",
                        "priority": 1,
                        "distance_km": 7.5,
                        "available_quota": null,
                        "verdict": "chosen",
                        "could_take": {"count": 2, "ids": [1, 2]},
                        "given": [1, 2]
                    }
                ]
            }]
        })
    );
}

#[test]
fn a_line_that_another_line_crowded_out_is_missing_what_was_left() {
    let plan = plan(
        &scenario([by_stock()]),
        &order(&[("shirt", 2), ("shirt", 2)]),
        &[location(1, &[("shirt", 3)]), location(2, &[("shirt", 2)])],
    );
    let first = &plan.trace.rules[0].candidates[0];
    assert_eq!(first.could_take.ids, [1, 2]);
    assert_eq!(first.given, [1]);
    let missing = Missing { order_item_id: 2, sku: "shirt".to_owned(), needed: 2, available: 1 };
    assert_eq!(first.missing, [missing]);
}

#[test]
fn the_trace_is_bounded_and_counts_what_it_does_not_show() {
    let skus: Vec<String> = (0..30).map(|number| format!("sku {number}")).collect();
    let lines: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 1)).collect();
    let all: Vec<(&str, i64)> = lines.clone();
    // The last one has everything, every tenth has the first item, the others have nothing.
    let locations: Vec<Candidate> = (1..=1_000)
        .map(|id| match id {
            1_000 => location(id, &all),
            id if id % 10 == 0 => location(id, &all[..1]),
            id => location(id, &[]),
        })
        .collect();
    let plan = plan(&scenario([by_stock()]), &order(&lines), &locations);
    assert_eq!(parcels(&plan), [(1_000, (1..=30).collect())]);

    let rule = &plan.trace.rules[0];
    assert_eq!((rule.asked.count, rule.asked.ids.len()), (30, SHOWN_ENTRIES));
    assert_eq!(rule.candidates.len(), SHOWN_CANDIDATES);
    assert_eq!(rule.candidates[0].rank, 10, "those that could take something come first");
    assert_eq!(rule.candidates[0].missing.len(), SHOWN_ENTRIES);
    assert_eq!(rule.candidates[0].missing_not_shown, 9);
    let missing: usize = rule.candidates.iter().map(|candidate| candidate.missing.len()).sum();
    assert_eq!(missing, SHOWN_MISSING);
    assert_eq!(rule.candidates[49].rank, 1_000);
    assert_eq!(rule.candidates[49].verdict, Verdict::Chosen);
    assert_eq!(rule.candidates[49].given.len(), 30, "what was given is there in full");
    assert_eq!(rule.not_shown, [(Verdict::NotNeeded, 50), (Verdict::NoStock, 900)].into());
}

#[test]
fn an_order_of_a_few_lines_is_decided_exactly_among_any_number_of_locations() {
    let locations: Vec<Candidate> = (1..=1_000)
        .map(|id| match id % 3 {
            0 => location(id, &[("shirt", 1), ("shoe", 1)]),
            1 => location(id, &[("shoe", 2), ("hat", 1)]),
            _ => location(id, &[("hat", 1), ("shirt", 2)]),
        })
        .collect();
    let items = order(&[("shirt", 1), ("shirt", 1), ("shoe", 1), ("shoe", 1), ("hat", 1)]);
    let plan = plan(&scenario([by_stock()]), &items, &locations);
    assert_eq!(parcels(&plan), [(1, vec![3, 4, 5]), (2, vec![1, 2])]);
    assert!(plan.trace.rules[0].exact);
}

#[test]
fn among_many_that_matter_the_choice_is_good_but_not_called_exact() {
    // Twenty locations, each the only one with its item: all of them are needed.
    let skus: Vec<String> = (0..20).map(|number| format!("sku {number}")).collect();
    let lines: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 1)).collect();
    let locations: Vec<Candidate> = (1..).zip(lines.chunks(1)).map(|(id, only)| location(id, only)).collect();
    let plan = plan(&scenario([by_stock()]), &order(&lines), &locations);
    assert_eq!(plan.parcels.len(), 20);
    assert!(!plan.trace.rules[0].exact);
}

// ---- distance ---------------------------------------------------------------------------------

#[test]
fn distance_is_that_of_the_great_circle_to_the_metre() {
    let close = |km: f64, expected: f64| (km - expected).abs() < 0.001;
    let istanbul = (41.008_2, 28.978_4);
    let ankara = (39.933_4, 32.859_7);
    assert!(close(distance_km(istanbul, istanbul), 0.0));
    assert!(close(distance_km(istanbul, ankara), distance_km(ankara, istanbul)));
    assert!((distance_km(istanbul, ankara) - 349.4).abs() < 0.5);
    assert!(close(distance_km((0.0, 0.0), (0.0, 1.0)), 111.195));
    assert!(close(distance_km((0.0, 179.5), (0.0, -179.5)), 111.195));
    assert!(close(distance_km((0.0, 0.0), (0.0, 180.0)), 20_015.114));
    assert!(close(distance_km((90.0, 0.0), (-90.0, 77.0)), 20_015.114));
}
