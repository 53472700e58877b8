//! Deltas are differences of effects, whatever changes.

use proptest::{collection::vec, option, prelude::*};

use super::{super::package::testing::standard_workflow, *};

const LOCATIONS: i64 = 3;

/// States of the standard installation by their place in the file.
fn placement(states: i64) -> impl Strategy<Value = Placement> {
    (1..=states, 1..=LOCATIONS).prop_map(|(state_id, stock_location_id)| Placement { state_id, stock_location_id })
}

fn item(states: i64) -> impl Strategy<Value = ItemChange> {
    let sku = prop_oneof![Just("RED"), Just("BLUE")];
    (sku, 1..5_i64, option::of(placement(states)), placement(states), any::<bool>()).prop_map(
        |(sku, quantity, before, after, bound_by_stock)| ItemChange {
            id: before.map(|_| 1),
            order_item_id: 1,
            sku: sku.to_owned(),
            quantity,
            before,
            after,
            bound_by_stock,
        },
    )
}

fn package(states: i64) -> impl Strategy<Value = PackageChange> {
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
            has_shipment: false,
            bound_by_quota: false,
            user_id: None,
        }
    })
}

type Sums = (BTreeMap<i64, i64>, BTreeMap<(String, i64), (i64, i64)>);

/// What packages occupy and their items hold (reserved, taken), looked at before or after.
fn effect<'p>(
    workflow: &Workflow,
    packages: &'p [PackageChange],
    of_package: impl Fn(&'p PackageChange) -> Option<Placement>,
    of_item: impl Fn(&'p ItemChange) -> Option<Placement>,
) -> Sums {
    let (mut quota, mut stock) = Sums::default();
    let state = |placement: Placement| workflow.state(placement.state_id).expect("a state");
    for package in packages {
        if let Some(placement) = of_package(package).filter(|placement| state(*placement).occupies_quota) {
            *quota.entry(placement.stock_location_id).or_default() += 1;
        }
        for (item, placement) in package.items.iter().filter_map(|item| Some((item, of_item(item)?))) {
            let held: &mut (i64, i64) = stock.entry((item.sku.clone(), placement.stock_location_id)).or_default();
            match state(placement).holding {
                Holding::Reserved => held.0 += item.quantity,
                Holding::Taken => held.1 += item.quantity,
                Holding::Nothing => {}
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
    let states = i64::try_from(workflow.states().filter(|state| state.entity == "package").count()).expect("few");
    proptest!(|(packages in vec(package(states), 0..5))| {
        let after = effect(&workflow, &packages, |package| Some(package.after), |item| Some(item.after));
        let before = effect(&workflow, &packages, |package| package.before, |item| item.before);
        let derived = derive(&packages, &workflow).expect("derived");
        prop_assert_eq!(sums(&derived), difference(after, before));
    });
}

#[test]
fn there_and_back_is_as_if_nothing_had_been() {
    let workflow = standard_workflow();
    let states = i64::try_from(workflow.states().filter(|state| state.entity == "package").count()).expect("few");
    proptest!(|(package in package(states), from in placement(states))| {
        let mut there = package;
        there.before = Some(from);
        for item in &mut there.items {
            item.before = item.before.or(Some(from));
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
