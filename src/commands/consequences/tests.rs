//! Deltas are differences of effects, whatever changes.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{super::package::testing::standard_workflow, *};

const LOCATIONS: i64 = 3;

/// The states of packages of the standard installation, each time in the same order.
fn package_states(workflow: &Workflow) -> Vec<i64> {
    let of_packages = workflow.states().filter(|state| state.entity == "package");
    let mut states: Vec<i64> = of_packages.map(|state| state.id).collect();
    states.sort_unstable();
    states
}

/// Some of these states.
fn placement(states: &[i64]) -> impl Strategy<Value = Placement> + use<> {
    (select(states.to_vec()), 1..=LOCATIONS)
        .prop_map(|(state_id, stock_location_id)| Placement { state_id, stock_location_id })
}

fn sku() -> impl Strategy<Value = String> {
    prop_oneof![Just("RED".to_owned()), Just("BLUE".to_owned())]
}

fn item(states: &[i64]) -> impl Strategy<Value = ItemChange> + use<> {
    let reserving = prop_oneof![Just(Reserving::AsBefore), Just(Reserving::Anew), Just(Reserving::Never)];
    let reservation = (any::<bool>(), any::<bool>(), reserving, option::weighted(0.2, sku()));
    (sku(), 1..5_i64, option::of(placement(states)), placement(states), reservation).prop_map(
        |(sku, quantity, before, after, (bound_by_stock, was_reserved, reserving, replaces_sku))| ItemChange {
            id: before.map(|_| 1),
            order_item_id: 1,
            sku,
            quantity,
            cut_from: None,
            part_of: None,
            passed_on: 0,
            before,
            after,
            bound_by_stock,
            was_reserved: was_reserved && before.is_some(),
            reserving,
            replaces_sku: replaces_sku.filter(|_| before.is_some()),
            modified_date: None,
            leaves: None,
        },
    )
}

fn package(states: &[i64]) -> impl Strategy<Value = PackageChange> + use<> {
    (option::of(placement(states)), placement(states), vec(item(states), 0..5)).prop_map(|(before, after, items)| {
        PackageChange {
            id: before.map(|_| 1),
            order_id: 1,
            before,
            after,
            transition_id: None,
            replaces: None,
            event_sequence: 0,
            version: 0,
            items,
            shipment: None,
            documents: Documents::default(),
            bound_by_quota: false,
            user_id: None,
            cause: None,
            record: None,
            event: None,
        }
    })
}

type Sums = (BTreeMap<i64, i64>, BTreeMap<(String, i64), (i64, i64)>);

/// Where an item is, as what, and whether it holds a reservation if its state has it wait.
type Look<'p> = (Placement, &'p String, bool);

fn before(item: &ItemChange) -> Option<Look<'_>> {
    Some((item.before?, item.replaces_sku.as_ref().unwrap_or(&item.sku), item.was_reserved))
}

/// One that went on waiting without a reservation at the same place goes on so, unless it was planned.
fn after<'p>(workflow: &Workflow, item: &'p ItemChange) -> Look<'p> {
    let waits = |placement: &Placement| {
        workflow.state(placement.state_id).is_ok_and(|state| state.holding == Holding::Reserved)
    };
    let went_on = item.before.filter(waits).is_some_and(|from| from.stock_location_id == item.after.stock_location_id);
    let is_reserved = match item.reserving {
        Reserving::Anew => true,
        Reserving::Never => false,
        Reserving::AsBefore => item.was_reserved || !went_on,
    };
    (item.after, &item.sku, is_reserved)
}

/// What packages occupy and their items hold (reserved, taken), looked at before or after.
fn effect<'p>(
    workflow: &Workflow,
    packages: &'p [PackageChange],
    of_package: impl Fn(&'p PackageChange) -> Option<Placement>,
    of_item: impl Fn(&'p ItemChange) -> Option<Look<'p>>,
) -> Sums {
    let (mut quota, mut stock) = Sums::default();
    let state = |placement: Placement| workflow.state(placement.state_id).expect("a state");
    for package in packages {
        if let Some(placement) = of_package(package).filter(|placement| state(*placement).occupies_quota) {
            *quota.entry(placement.stock_location_id).or_default() += 1;
        }
        for (item, look) in package.items.iter().filter_map(|item| Some((item, of_item(item)?))) {
            let (placement, sku, is_reserved) = look;
            let held: &mut (i64, i64) = stock.entry((sku.clone(), placement.stock_location_id)).or_default();
            match state(placement).holding {
                Holding::Reserved if is_reserved => held.0 += item.quantity,
                Holding::Taken => held.1 += item.quantity,
                Holding::Reserved | Holding::Nothing => {}
            }
        }
    }
    (quota, stock)
}

/// `after - before`, without zeros.
fn difference((quota_after, stock_after): Sums, (quota_before, stock_before): Sums) -> Sums {
    let (mut quota, mut stock) = (quota_after, stock_after);
    for (location, count) in quota_before {
        *quota.entry(location).or_default() -= count;
    }
    for (key, (reserved, taken)) in stock_before {
        let held = stock.entry(key).or_default();
        *held = (held.0 - reserved, held.1 - taken);
    }
    quota.retain(|_, count| *count != 0);
    stock.retain(|_, held| *held != (0, 0));
    (quota, stock)
}

fn sums(consequences: &Consequences) -> Sums {
    let mut quota = BTreeMap::new();
    for delta in &consequences.quota {
        *quota.entry(delta.stock_location_id).or_default() += i64::from(delta.delta);
    }
    let stock = consequences.stock.iter().map(|(key, delta)| (key.clone(), (delta.reserved, -delta.quantity)));
    difference((quota, stock.collect()), Sums::default())
}

#[test]
fn deltas_are_what_is_after_less_what_was_before() {
    let workflow = standard_workflow();
    let states = package_states(&workflow);
    proptest!(|(packages in vec(package(&states), 0..5))| {
        let after = effect(&workflow, &packages, |package| Some(package.after), |item| Some(after(&workflow, item)));
        let before = effect(&workflow, &packages, |package| package.before, before);
        let derived = derive(&packages, &workflow).expect("derived");
        prop_assert_eq!(sums(&derived), difference(after, before));
    });
}

#[test]
fn there_and_back_is_as_if_nothing_had_been() {
    let workflow = standard_workflow();
    let states = package_states(&workflow);
    proptest!(|(package in package(&states), from in placement(&states))| {
        let mut there = package;
        there.before = Some(from);
        for item in &mut there.items {
            item.before = item.before.or(Some(from));
            (item.was_reserved, item.reserving, item.replaces_sku) = (true, Reserving::AsBefore, None);
        }
        let mut back = there.clone();
        (back.before, back.after) = (Some(there.after), from);
        for (back, there) in back.items.iter_mut().zip(&there.items) {
            (back.before, back.after) = (Some(there.after), there.before.expect("it was somewhere"));
        }
        let derived = derive(&[there, back], &workflow).expect("derived");
        prop_assert_eq!(sums(&derived), Sums::default());
    });
}

#[test]
fn a_package_that_gave_its_reservations_up_goes_on_without_until_it_is_planned_again() {
    use Reserving::{Anew, AsBefore, Never};

    let workflow = standard_workflow();
    let state = |slug: &str| workflow.state_by_slug("package", slug).expect("a state").id;
    let at = |slug: &str| Placement { state_id: state(slug), stock_location_id: 1 };
    let moved = |from: &str, to: &str, was_reserved, reserving| {
        let item = ItemChange {
            id: Some(7),
            order_item_id: 1,
            sku: "RED".to_owned(),
            quantity: 2,
            cut_from: None,
            part_of: None,
            passed_on: 0,
            before: Some(at(from)),
            after: at(to),
            bound_by_stock: false,
            was_reserved,
            reserving,
            replaces_sku: None,
            modified_date: None,
            leaves: None,
        };
        let package = PackageChange {
            id: Some(1),
            order_id: 1,
            before: Some(at(from)),
            after: at(to),
            transition_id: Some(1),
            replaces: None,
            event_sequence: 0,
            version: 0,
            items: vec![item],
            shipment: None,
            documents: Documents::default(),
            bound_by_quota: false,
            user_id: None,
            cause: None,
            record: None,
            event: None,
        };
        let derived = derive(&[package], &workflow).expect("derived");
        let red = derived.stock.get(&("RED".to_owned(), 1)).map_or((0, 0), |delta| (delta.quantity, delta.reserved));
        (red, !derived.released.is_empty(), !derived.renewed.is_empty(), derived.release == [7])
    };
    assert_eq!(moved("waiting", "preparing", true, Never), ((0, -2), true, false, true));
    assert_eq!(moved("preparing", "blocked", false, AsBefore), ((0, 0), false, false, false));
    assert_eq!(moved("preparing", "packed", false, AsBefore), ((-2, 0), false, false, false));
    assert_eq!(moved("preparing", "packaging-canceled", false, AsBefore), ((0, 0), false, false, false));
    assert_eq!(moved("preparing", "waiting", false, Anew), ((0, 2), false, true, false));
    assert_eq!(moved("needs-rescheduling", "waiting", false, Anew), ((0, 2), false, false, false));
    assert_eq!(moved("waiting", "preparing", true, AsBefore), ((0, 0), false, false, false));
}
