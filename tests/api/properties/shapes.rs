//! The shapes of random installations.

use std::collections::BTreeSet;

use proptest::{collection::vec, option, prelude::*, sample::select, sample::subsequence};

use super::{
    spec::{Place, Rule, Scenario, Spec, State},
    vocabulary::{FIRST, OTHERS, USUAL, WAITING, WAITING_FOR_TRANSFER, commands},
};

/// Numbers for a transition.
#[derive(Debug, Clone)]
pub struct Seed {
    pub command: &'static str,
    pub source: usize,
    pub destination: usize,
    pub otherwise: usize,
    pub is_named: bool,
    pub id: Option<i64>,
    pub roles: Option<&'static str>,
}

pub fn seed() -> impl Strategy<Value = Seed> {
    let id = prop_oneof![2 => Just(None), 1 => (1..60_i64).prop_map(Some)];
    let roles = prop_oneof![4 => Just(None), 1 => select(vec!["operator", "store"]).prop_map(Some)];
    (select(commands()), 0..32_usize, 0..32_usize, 0..32_usize, any::<bool>(), id, roles).prop_map(
        |(command, source, destination, otherwise, is_named, id, roles)| Seed {
            command,
            source,
            destination,
            otherwise,
            is_named,
            id,
            roles,
        },
    )
}

/// Texts as they are pasted: with line breaks, blanks around them, quotes and control characters; and none.
pub fn pasted() -> impl Strategy<Value = String> {
    let letters =
        vec!['a', 'ş', ' ', ' ', '\n', '\r', '\t', '"', '\'', '\\', '#', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}'];
    vec(select(letters), 0..8).prop_map(|letters| letters.into_iter().collect())
}

fn place() -> impl Strategy<Value = Place> {
    let max_quota = prop_oneof![1 => Just(None), 2 => (0..5_i64).prop_map(Some)];
    (pasted(), 1..4_i32, max_quota, 0..5_i32).prop_map(|(name, priority, max_quota, longitude)| Place {
        name: format!("{name}N"),
        priority,
        max_quota,
        longitude,
    })
}

pub fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let plain = prop_oneof![3 => Just((true, true)), 2 => Just((true, false)), 1 => Just((false, true)),
                            1 => Just((false, false))];
    // One that fetches has more to fetch where nothing needs to be at hand.
    let fetching = (proptest::bool::weighted(0.3), proptest::bool::weighted(0.6));
    let conditions = prop_oneof![
        1 => plain.prop_map(|(by_stock, by_quota)| (by_stock, by_quota, false)),
        2 => fetching.prop_map(|(by_stock, by_quota)| (by_stock, by_quota, true)),
    ];
    let order_by = subsequence(vec!["priority", "distance", "available_quota"], 0..=3).prop_shuffle();
    let rule = (conditions, order_by).prop_map(|((by_stock, by_quota, transferable), order_by)| Rule {
        by_stock,
        by_quota,
        transferable,
        order_by,
    });
    vec(rule, 1..=2)
}

pub fn specs() -> impl Strategy<Value = Spec> {
    let states =
        (subsequence((0..OTHERS.len()).collect::<Vec<_>>(), 2..=9), vec(option::weighted(0.25, any::<bool>()), 18));
    let ids = (vec(option::weighted(0.3, 1..60_i64), 18), any::<bool>());
    let chosen = vec(proptest::bool::weighted(0.85), commands().len());
    let places = prop_oneof![1 => vec(place(), 1), 6 => vec(place(), 2..=4)];
    let scenarios = vec((any::<bool>(), 0..8_usize, 0..32_usize, rules()), 1..=2);
    (states, ids, chosen, vec(seed(), 4..24), places, scenarios, 0..8_usize).prop_map(
        |((others, occupies), (ids, has_ids), chosen, seeds, places, scenarios, transfer_default)| {
            let named = FIRST.into_iter().chain(others.into_iter().map(|at| OTHERS[at]));
            let mut used = BTreeSet::new();
            let states: Vec<State> = named
                .zip(occupies)
                .zip(ids)
                .map(|(((slug, number, is_final), occupies), id)| State {
                    slug,
                    number,
                    is_final,
                    occupies: occupies.filter(|occupies| !(is_final && *occupies)),
                    id: id.filter(|id| has_ids && used.insert(*id)),
                })
                .collect();
            let beginnings: Vec<&'static str> = states
                .iter()
                .filter(|state| !state.is_final && state.slug != WAITING_FOR_TRANSFER)
                // What begins where nothing is held is fetched from nowhere.
                .filter(|state| state.reserves() || state.takes())
                .map(|state| state.slug)
                .collect();
            let scenarios = scenarios
                .into_iter()
                .enumerate()
                .map(|(at, (web_only, default_location, split, rules))| Scenario {
                    web_only: web_only && at == 0,
                    default_location: default_location % places.len(),
                    split_state: if split < 16 { WAITING } else { beginnings[split % beginnings.len()] },
                    rules,
                })
                .collect();
            let transfer_default = transfer_default % places.len();
            let mut spec = Spec { states, transitions: Vec::new(), places, scenarios, transfer_default };
            for (source, destination, command) in USUAL {
                let usual = Seed { command, source, destination, otherwise: 6, is_named: false, id: None, roles: None };
                spec.add(&usual);
            }
            for seed in &seeds {
                spec.add(seed);
            }
            spec.transitions.retain(|transition| {
                commands().iter().position(|name| *name == transition.command).is_some_and(|at| chosen[at])
            });
            spec.mend();
            spec
        },
    )
}
