use serde_json::json;

use super::*;
use crate::{
    locations::LocationType,
    scenarios::rules::{
        Condition::{
            SelectByDistance, SelectByLocationType, SelectByMaxWeight, SelectByNotRefused, SelectByOpeningHours,
            SelectByProductLocations, SelectByQuota, SelectBySameCity, SelectBySameCountry, SelectByStock, SelectByTag,
        },
        OrderBy::{self, AvailableQuota, AvailableQuotaShare, Distance, ItemsCovered, OpenPackages, Priority},
        OrderPrerequisites, ProductPrerequisite, Rule, Splitting, Which,
    },
};

// ---- what a test says -------------------------------------------------------------------------

/// A plan with its reasons.
struct Planned {
    scenario_id: i64,
    parcels: Vec<Parcel>,
    unplaced: Vec<i64>,
    trace: Reasons,
}

struct Reasons {
    rules: Vec<RuleTrace>,
}

/// Plans in circumstances without significance.
fn plan(scenario: &Scenario, demands: &[Demand], candidates: &[Candidate]) -> Planned {
    plan_in(scenario, demands, candidates, &Circumstances::default())
}

fn plan_in(
    scenario: &Scenario,
    demands: &[Demand],
    candidates: &[Candidate],
    circumstances: &Circumstances,
) -> Planned {
    let (outcome, rules) = explain(scenario, None, demands, candidates, circumstances);
    assert_eq!(outcome, super::plan(scenario, None, demands, candidates, circumstances), "the same without reasons");
    let Outcome { parcels, unplaced, .. } = outcome;
    Planned { scenario_id: scenario.id, parcels, unplaced, trace: Reasons { rules } }
}

fn scenario(rules: impl IntoIterator<Item = Rule>) -> Scenario {
    Scenario { id: 7, name: "Standard".to_owned(), rules: rules.into_iter().collect(), ..Scenario::default() }
}

fn rule(conditions: &[Condition], order_by: &[OrderBy]) -> Rule {
    Rule {
        name: "Nearest with room".to_owned(),
        conditions: conditions.to_vec(),
        order_by: order_by.to_vec(),
        ..Rule::default()
    }
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
            ..Demand::default()
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
    let location = Location {
        id,
        erp_code: format!("L{id}"),
        name: format!("Location {id}"),
        priority: 1,
        is_active: true,
        ..Location::default()
    };
    let stock = stock
        .iter()
        .map(|(sku, quantity)| (Arc::from(*sku), Stock { quantity: *quantity, reserved: 0, ..Stock::default() }));
    Candidate { location: Arc::new(location), stock: stock.collect(), ..Candidate::default() }
}

/// With room for so many; less than none is a limit that was lowered.
fn with_room(quota: i64, mut location: Candidate) -> Candidate {
    location.max_quota = Some(quota.max(0));
    location.open_packages = (-quota).max(0);
    location
}

fn at_km(km: f64, mut location: Candidate) -> Candidate {
    location.distance_km = Some(km);
    location
}

fn with_priority(priority: i32, location: Candidate) -> Candidate {
    with(location, |location| location.priority = priority)
}

fn with(mut candidate: Candidate, change: impl FnOnce(&mut Location)) -> Candidate {
    change(Arc::make_mut(&mut candidate.location));
    candidate
}

/// The parcels as (location, items).
fn parcels(plan: &Planned) -> Vec<(i64, Vec<i64>)> {
    plan.parcels.iter().map(|parcel| (parcel.stock_location_id, parcel.order_item_ids.clone())).collect()
}

/// The locations in the order in which a rule asks them.
fn asked_in_order(order_by: &[OrderBy], locations: &[Candidate]) -> Vec<i64> {
    let plan = plan(&scenario([rule(&[], order_by)]), &order(&[("shirt", 1)]), locations);
    let candidates = &plan.trace.rules[0].candidates;
    candidates.iter().map(|candidate| candidate.stock_location_id).collect()
}

fn verdicts(plan: &Planned) -> Vec<(i64, Verdict)> {
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
fn a_trace_is_told_like_this() {
    let mut rule = rule(&[SelectByStock, SelectByQuota, SelectByTag(vec!["fast".to_owned()])], &[Distance]);
    rule.transferable = true;
    let fast = |candidate| with(candidate, |location| location.tags = vec!["fast".to_owned()]);
    let plan = plan(
        &scenario([rule]),
        &order(&[("shirt", 2), ("shoe", 1)]),
        &[
            at_km(1.25, with_room(3, fast(location(1, &[("shoe", 1), ("shirt", 1)])))),
            at_km(7.5, fast(location(2, &[("shirt", 2), ("shoe", 1)]))),
        ],
    );
    let candidate = |rank: i64, km: f64, quota: Option<i64>, shirts: i64| {
        json!({
            "rank": rank,
            "stock_location_id": rank,
            "erp_code": format!("L{rank}"),
            "name": format!("Location {rank}"),
            "priority": 1,
            "distance_km": km,
            "available_quota": quota,
            "open_packages": 0,
            "stock": { "shirt": shirts, "shoe": 1 },
            "seen": { "SELECT_BY_TAG": ["fast"] },
        })
    };
    let mut passed_over = candidate(1, 1.25, Some(3), 1);
    passed_over["verdict"] = json!("not_needed");
    passed_over["reason"] = json!(Verdict::NotNeeded.sentence());
    passed_over["could_take"] = json!({"count": 1, "ids": [2]});
    passed_over["missing"] = json!([{"order_item_id": 1, "sku": "shirt", "needed": 2, "available": 1}]);
    let mut chosen = candidate(2, 7.5, None, 2);
    chosen["verdict"] = json!("chosen");
    chosen["reason"] = json!(Verdict::Chosen.sentence());
    chosen["could_take"] = json!({"count": 2, "ids": [1, 2]});
    chosen["given"] = json!([1, 2]);
    assert_eq!(
        serde_json::to_value(&plan.trace.rules).unwrap(),
        json!([{
            "rule": "Nearest with room",
            "conditions": [
                "SELECT_BY_STOCK", "SELECT_BY_QUOTA", { "condition": "SELECT_BY_TAG", "tags": ["fast"] }
            ],
            "order_by": ["distance"],
            "transferable": true,
            "asked": {"count": 2, "ids": [1, 2]},
            "placed": 2,
            "exact": true,
            "candidates": [passed_over, chosen]
        }])
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

// ---- conditions on the location ------------------------------------------------------------------

/// What becomes of the location of a rule with this condition, when it is the only one and has everything.
fn judged(condition: Condition, location: Candidate, now: &Circumstances) -> Verdict {
    let rule = rule(&[SelectByStock, condition], &[]);
    let plan = plan_in(&scenario([rule]), &order(&[("shirt", 1)]), &[location], now);
    let verdict = plan.trace.rules[0].candidates[0].verdict;
    assert_eq!(plan.parcels.is_empty(), verdict != Verdict::Chosen, "trace and decision agree");
    verdict
}

fn here() -> Candidate {
    location(1, &[("shirt", 1)])
}

#[test]
fn a_rule_may_ask_for_a_kind_of_location_and_for_a_tag() {
    let anywhere = Circumstances::default();
    let warehouse = || with(here(), |location| location.stock_location_type = LocationType::Warehouse);
    let stores = || SelectByLocationType(vec![LocationType::Store]);
    assert_eq!(judged(stores(), here(), &anywhere), Verdict::Chosen);
    assert_eq!(judged(stores(), warehouse(), &anywhere), Verdict::OtherType);
    let both = SelectByLocationType(vec![LocationType::Store, LocationType::Warehouse]);
    assert_eq!(judged(both, warehouse(), &anywhere), Verdict::Chosen);

    let tagged = || with(here(), |location| location.tags = vec!["cold".to_owned(), "fast".to_owned()]);
    let by = |tags: &[&str]| SelectByTag(tags.iter().map(|tag| (*tag).to_owned()).collect());
    assert_eq!(judged(by(&["fast", "far"]), tagged(), &anywhere), Verdict::Chosen);
    assert_eq!(judged(by(&["far"]), tagged(), &anywhere), Verdict::NoTag);
    assert_eq!(judged(by(&["fast"]), here(), &anywhere), Verdict::NoTag);
}

#[test]
fn a_rule_may_ask_for_the_city_or_the_country_of_the_address() {
    let to = |city: Option<&str>, country: &[&str]| Circumstances {
        order: OrderFacts {
            city: city.map(str::to_owned),
            country: country.iter().map(|name| (*name).to_owned()).collect(),
            ..OrderFacts::default()
        },
        ..Circumstances::default()
    };
    let izmir = || {
        with(here(), |location| {
            location.address.set_part("city", "Izmir");
            location.address.set_part("country", "TR");
        })
    };
    assert_eq!(judged(SelectBySameCity, izmir(), &to(Some("İZMİR"), &[])), Verdict::Chosen);
    assert_eq!(judged(SelectBySameCity, izmir(), &to(Some("Ankara"), &["tr"])), Verdict::OtherCity);
    assert_eq!(judged(SelectBySameCity, izmir(), &to(Some("Izmir"), &["us"])), Verdict::OtherCity);
    assert_eq!(judged(SelectBySameCity, izmir(), &to(None, &["tr"])), Verdict::OtherCity);
    assert_eq!(judged(SelectBySameCity, here(), &to(Some("Izmir"), &[])), Verdict::OtherCity);
    assert_eq!(judged(SelectBySameCountry, izmir(), &to(None, &["tr", "Türkiye"])), Verdict::Chosen);
    assert_eq!(judged(SelectBySameCountry, izmir(), &to(None, &["de"])), Verdict::OtherCountry);
    assert_eq!(judged(SelectBySameCountry, izmir(), &to(None, &[])), Verdict::OtherCountry);
}

#[test]
fn a_rule_may_ask_for_a_distance_and_the_unknown_is_too_far() {
    let anywhere = Circumstances::default();
    let verdict = |candidate| judged(SelectByDistance(25_000), candidate, &anywhere);
    assert_eq!(verdict(at_km(25.0, here())), Verdict::Chosen);
    assert_eq!(verdict(at_km(25.001, here())), Verdict::TooFar);
    assert_eq!(verdict(at_km(f64::NAN, here())), Verdict::TooFar);
    assert_eq!(verdict(here()), Verdict::TooFar);
}

#[test]
fn a_rule_may_ask_that_the_location_is_open() {
    let at = |time: &str| Circumstances { time: time.parse().unwrap(), ..Circumstances::default() };
    let conf = json!({ "timezone": "Europe/Istanbul", "opening_hours": { "wednesday": "09:00-18:00" } });
    let hours = crate::reading::whole(conf.as_object().unwrap(), crate::locations::Hours::read).unwrap();
    let shop = || with(here(), |location| location.conf = hours.clone());
    assert_eq!(judged(SelectByOpeningHours(0), shop(), &at("2024-05-01T06:00:00Z")), Verdict::Chosen);
    assert_eq!(judged(SelectByOpeningHours(0), shop(), &at("2024-05-01T05:30:00Z")), Verdict::Closed);
    assert_eq!(judged(SelectByOpeningHours(30), shop(), &at("2024-05-01T05:30:00Z")), Verdict::Chosen);
    assert_eq!(judged(SelectByOpeningHours(0), here(), &at("2024-05-01T02:00:00Z")), Verdict::Chosen);
}

#[test]
fn a_rule_may_ask_that_the_location_did_not_refuse_the_order_before() {
    let refused = Circumstances { refused_by: [1].into(), ..Circumstances::default() };
    assert_eq!(judged(SelectByNotRefused, here(), &refused), Verdict::RefusedBefore);
    assert_eq!(judged(SelectByNotRefused, location(2, &[("shirt", 1)]), &refused), Verdict::Chosen);
}

#[test]
fn a_product_may_say_where_it_comes_from() {
    let mut items = order(&[("shirt", 1), ("shoe", 1), ("hat", 1)]);
    items[0].product.allowed_locations = Some(vec!["L2".to_owned()]);
    items[1].product.allowed_locations = Some(vec![]);
    let all = [("shirt", 9), ("shoe", 9), ("hat", 9)];
    let locations = [location(1, &all), location(2, &all)];
    let asked = plan(&scenario([rule(&[SelectByProductLocations], &[])]), &items, &locations);
    assert_eq!(parcels(&asked), [(2, vec![1, 3])]);
    assert_eq!(asked.unplaced, [2]);
    assert_eq!(asked.trace.rules[0].candidates[0].not_allowed.ids, [1, 2]);
    let not_asked = plan(&scenario([by_stock()]), &items, &locations);
    assert_eq!(parcels(&not_asked), [(1, vec![1, 2, 3])]);
    let none = plan(&scenario([rule(&[SelectByProductLocations], &[])]), &items[1..2], &locations);
    assert_eq!(verdicts(&none), [(1, Verdict::NotAllowed), (2, Verdict::NotAllowed)]);
}

#[test]
fn a_location_may_be_too_weak_for_the_items_together() {
    let mut items = order(&[("shirt", 2), ("shoe", 1), ("hat", 1)]);
    items[0].product.weight_grams = 1_250;
    items[1].product.weight_grams = 500;
    let all = [("shirt", 9), ("shoe", 9), ("hat", 9)];
    let most = |id, kilograms: Option<f64>| with(location(id, &all), |location| location.max_weight_kg = kilograms);
    let by_weight = || scenario([rule(&[SelectByMaxWeight], &[])]);
    let planned = plan(&by_weight(), &items, &[most(1, Some(2.999)), most(2, Some(3.0)), most(3, None)]);
    assert_eq!(parcels(&planned), [(2, vec![1, 2, 3])]);
    assert_eq!(verdicts(&planned), [(1, Verdict::TooHeavy), (2, Verdict::Chosen), (3, Verdict::NotNeeded)]);
    let seen = &planned.trace.rules[0].candidates[0].seen["SELECT_BY_MAX_WEIGHT"];
    assert_eq!(*seen, json!({ "weight_kg": 3.0, "max_weight_kg": 2.999 }));
    // A product without a weight weighs nothing.
    let planned = plan(&by_weight(), &items[2..], &[most(1, Some(0.0))]);
    assert_eq!(parcels(&planned), [(1, vec![3])]);
}

#[test]
fn the_first_condition_that_does_not_hold_is_the_reason() {
    let conditions = [SelectByDistance(1), SelectByTag(vec!["x".to_owned()]), SelectByStock];
    let plan = plan(&scenario([rule(&conditions, &[])]), &order(&[("shirt", 1)]), &[location(1, &[])]);
    assert_eq!(verdicts(&plan), [(1, Verdict::TooFar)]);
}

// ---- further orders of locations ------------------------------------------------------------------

#[test]
fn by_share_of_quota_the_freest_is_asked_first_and_no_limit_before_any() {
    let used = |id, open_packages, max_quota| Candidate { max_quota, open_packages, ..location(id, &[]) };
    let locations =
        [used(1, 5, Some(10)), used(2, 40, Some(100)), used(3, 0, Some(0)), used(4, 90, None), used(5, 3, Some(2))];
    assert_eq!(asked_in_order(&[AvailableQuotaShare], &locations), [4, 2, 1, 3, 5]);
    assert_eq!(asked_in_order(&[AvailableQuota], &locations), [4, 2, 1, 3, 5]);
    let locations = [used(1, 5, Some(10)), used(2, 60, Some(100))];
    assert_eq!(asked_in_order(&[AvailableQuotaShare], &locations), [1, 2]);
    assert_eq!(asked_in_order(&[AvailableQuota], &locations), [2, 1]);
}

#[test]
fn by_open_packages_the_idle_is_asked_first() {
    let busy = |id, open_packages| Candidate { open_packages, ..location(id, &[]) };
    assert_eq!(asked_in_order(&[OpenPackages], &[busy(1, 7), busy(2, 0), busy(3, 7)]), [2, 1, 3]);
}

#[test]
fn by_items_covered_the_one_that_could_take_most_is_asked_first() {
    let plan = plan(
        &scenario([rule(&[SelectByStock], &[ItemsCovered])]),
        &order(&[("shirt", 1), ("shoe", 1), ("hat", 1)]),
        &[location(1, &[("shirt", 1)]), location(2, &[("shirt", 1), ("shoe", 1)]), location(3, &[("hat", 1)])],
    );
    let ranks: Vec<i64> = plan.trace.rules[0].candidates.iter().map(|seen| seen.stock_location_id).collect();
    assert_eq!(ranks, [2, 1, 3]);
}

// ---- prerequisites of a rule ------------------------------------------------------------------------

#[test]
fn a_rule_runs_only_for_the_orders_it_is_for() {
    let to = |channel: &str, city: &str| Circumstances {
        order: OrderFacts {
            channel: vec![channel.to_owned()],
            city: Some(city.to_owned()),
            delivery_type: Some("delivery".to_owned()),
            ..OrderFacts::default()
        },
        package_location: Some("L9".to_owned()),
        ..Circumstances::default()
    };
    let list = |word: &str| vec![word.to_owned()];
    let prerequisites = OrderPrerequisites {
        channels: list("web"),
        cities: list("izmir"),
        delivery_types: list("delivery"),
        package_locations: list("L9"),
        ..OrderPrerequisites::default()
    };
    let only = Rule { order: prerequisites, ..named("Only", by_stock()) };
    let skipped = |circumstances: &Circumstances, rule: &Rule| {
        let scenario = scenario([rule.clone(), named("Else", by_stock())]);
        let plan = plan_in(&scenario, &order(&[("shirt", 1)]), &[here()], circumstances);
        assert_eq!(parcels(&plan), [(1, vec![1])]);
        (plan.parcels[0].rule.clone(), plan.trace.rules[0].skipped)
    };
    assert_eq!(skipped(&to("web", "İzmir"), &only), ("Only".to_owned(), None));
    assert_eq!(skipped(&to("app", "İzmir"), &only), ("Else".to_owned(), Some("channels")));
    assert_eq!(skipped(&to("web", "Ankara"), &only), ("Else".to_owned(), Some("cities")));
    let elsewhere = Circumstances { package_location: None, ..to("web", "Izmir") };
    assert_eq!(skipped(&elsewhere, &only), ("Else".to_owned(), Some("package_locations")));
    for (key, order) in [
        ("shipping", OrderPrerequisites { shipping: list("express"), ..OrderPrerequisites::default() }),
        ("payments", OrderPrerequisites { payments: list("card"), ..OrderPrerequisites::default() }),
        ("delivery_types", OrderPrerequisites { delivery_types: list("pickup"), ..OrderPrerequisites::default() }),
        ("countries", OrderPrerequisites { countries: list("tr"), ..OrderPrerequisites::default() }),
    ] {
        let rule = Rule { order, ..by_stock() };
        assert_eq!(skipped(&to("web", "Izmir"), &rule).1, Some(key));
    }
}

#[test]
fn a_rule_may_be_about_all_products_about_any_or_about_these() {
    let about = |which, skus: &[&str]| Rule {
        products: Some(ProductPrerequisite {
            which,
            skus: skus.iter().map(|sku| (*sku).to_owned()).collect(),
            base_codes: vec![],
            attributes: BTreeMap::new(),
        }),
        ..named("About", by_stock())
    };
    let items = order(&[("shirt", 1), ("shoe", 1)]);
    let stock = [("shirt", 1), ("shoe", 1)];
    let placed = |rule: Rule| {
        let plan = plan(&scenario([rule]), &items, &[location(1, &stock)]);
        assert_eq!(plan.trace.rules[0].skipped.is_some(), plan.parcels.is_empty());
        parcels(&plan).pop().map(|(_, items)| items).unwrap_or_default()
    };
    assert_eq!(placed(about(Which::All, &["shirt", "shoe"])), [1, 2]);
    assert!(placed(about(Which::All, &["shirt"])).is_empty());
    assert_eq!(placed(about(Which::Any, &["shirt"])), [1, 2]);
    assert!(placed(about(Which::Any, &["hat"])).is_empty());
    assert_eq!(placed(about(Which::These, &["shoe"])), [2]);
    assert!(placed(about(Which::These, &["hat"])).is_empty());

    // The next rule takes what "these" left.
    let rules = [about(Which::These, &["shoe"]), named("Else", by_stock())];
    let plan = plan(&scenario(rules), &items, &[location(1, &[("shoe", 1)]), location(2, &stock)]);
    assert_eq!(parcels(&plan), [(1, vec![2]), (2, vec![1])]);
    assert_eq!(plan.trace.rules[0].asked.ids, [2]);
    assert_eq!(plan.trace.rules[0].candidates[1].could_take.ids, [2], "it is asked for the shoe alone");
}

// ---- splitting --------------------------------------------------------------------------------------

fn splitting(splitting: Splitting, rules: impl IntoIterator<Item = Rule>) -> Scenario {
    Scenario { splitting, ..scenario(rules) }
}

fn at_most(most_packages: usize) -> Splitting {
    Splitting { most_packages: Some(most_packages), ..Splitting::default() }
}

fn whole() -> Splitting {
    Splitting { allowed: false, ..Splitting::default() }
}

#[test]
fn an_order_that_is_not_to_be_split_goes_whole_or_not_at_all() {
    let items = order(&[("shirt", 1), ("shoe", 1)]);
    let parts = [location(1, &[("shirt", 1)]), location(2, &[("shoe", 1)])];
    let split = plan(&splitting(whole(), [by_stock()]), &items, &parts);
    assert_eq!((parcels(&split), &split.unplaced), (vec![], &vec![1, 2]));
    assert_eq!(verdicts(&split), [(1, Verdict::NotEverything), (2, Verdict::NotEverything)]);

    // A rule that cannot place everything leaves everything to the next.
    let one = [parts[0].clone(), with_room(0, location(3, &[("shirt", 1), ("shoe", 1)]))];
    let rules = [named("With room", by_stock_and_quota()), named("Anyhow", by_stock())];
    let plan = plan(&splitting(whole(), rules), &items, &one);
    assert_eq!(parcels(&plan), [(3, vec![1, 2])]);
    assert_eq!(plan.parcels[0].rule, "Anyhow");
}

#[test]
fn at_most_so_many_packages_take_the_most_items() {
    let items = order(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    let locations = [
        location(1, &[("a", 1)]),
        location(2, &[("b", 1), ("c", 1)]),
        location(3, &[("d", 1)]),
        location(4, &[("a", 1), ("b", 1)]),
    ];
    let with_limit = |most| parcels(&plan(&splitting(at_most(most), [by_stock()]), &items, &locations));
    assert_eq!(with_limit(3), [(1, vec![1]), (2, vec![2, 3]), (3, vec![4])]);
    assert_eq!(with_limit(2), [(1, vec![1]), (2, vec![2, 3])], "of equals the better ranks");
    assert_eq!(with_limit(1), [(2, vec![2, 3])]);
    let one = plan(&splitting(at_most(1), [by_stock()]), &items, &locations);
    assert_eq!(one.unplaced, [1, 4]);
    assert!(one.trace.rules[0].exact);
    assert_eq!(verdicts(&one)[0], (1, Verdict::NoPackageLeft));
}

#[test]
fn packages_the_order_has_already_count() {
    let items = order(&[("a", 1)]);
    let with = |other_packages, splitting: Splitting| {
        let circumstances = Circumstances { other_packages, ..Circumstances::default() };
        let scenario = self::splitting(splitting, [by_stock()]);
        plan_in(&scenario, &items, &[location(1, &[("a", 1)])], &circumstances)
    };
    assert_eq!(parcels(&with(1, at_most(2))), [(1, vec![1])]);
    let full = with(2, at_most(2));
    assert!(full.parcels.is_empty());
    assert_eq!(verdicts(&full), [(1, Verdict::NoPackageLeft)]);
    assert!(with(1, whole()).parcels.is_empty());
}

#[test]
fn a_later_rule_joins_the_parcels_there_are_when_no_more_may_be_opened() {
    let items = order(&[("shirt", 1), ("shoe", 1)]);
    let rules = [by_stock(), rule(&[], &[])];
    let plan = plan(&splitting(at_most(1), rules), &items, &[location(1, &[]), location(2, &[("shirt", 1)])]);
    assert_eq!(parcels(&plan), [(2, vec![1, 2])]);
}

#[test]
fn a_weight_prefers_nearer_packages_to_fewer() {
    let items = order(&[("shirt", 1), ("shoe", 1)]);
    let locations = [
        at_km(3.0, location(1, &[("shirt", 1)])),
        at_km(4.0, location(2, &[("shoe", 1)])),
        at_km(60.0, location(3, &[("shirt", 1), ("shoe", 1)])),
    ];
    let by_weight = |kilometres: i64| {
        let weight = Splitting { metres_per_package: Some(kilometres * 1000), ..Splitting::default() };
        parcels(&plan(&splitting(weight, [by_stock()]), &items, &locations))
    };
    // Two near ones are 7 km and twice the weight, the far one is 60 km and once.
    assert_eq!(by_weight(52), [(1, vec![1]), (2, vec![2])]);
    assert_eq!(by_weight(53), [(3, vec![1, 2])], "at equality the fewer");
    assert_eq!(by_weight(0), [(1, vec![1]), (2, vec![2])]);
    let fewest = parcels(&plan(&scenario([by_stock()]), &items, &locations));
    assert_eq!(fewest, [(3, vec![1, 2])], "without a weight, no distance is worth a package");
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
