//! Which scenario plans an order.

use super::plan::{SHOWN_ENTRIES, ScenarioTrace, ScenarioVerdict};
use crate::{
    reading::is_same_in_any_case,
    scenarios::rules::{OrderFacts, Scenario},
};

/// The first prerequisite of a scenario that the order does not meet, with its list and the order's value.
pub(super) fn differs<'a>(
    scenario: &'a Scenario,
    order: &'a OrderFacts,
) -> Option<(ScenarioVerdict, &'a [String], &'a [String])> {
    use ScenarioVerdict::{OtherChannel, OtherPayment, OtherShipping};
    [
        (OtherChannel, scenario.channels.as_slice(), order.channel.as_slice()),
        (OtherShipping, scenario.shipping.as_slice(), order.shipping.as_slice()),
        (OtherPayment, scenario.payments.as_slice(), order.payment.as_slice()),
    ]
    .into_iter()
    .find(|(other, wanted, has)| {
        let is_wanted = |name: &String| match other {
            OtherChannel => wanted.iter().any(|one| is_same_in_any_case(one, name)),
            _ => wanted.contains(name),
        };
        !wanted.is_empty() && !has.iter().any(is_wanted)
    })
}

/// The first scenario, by priority and id, whose prerequisites the order meets, and each scenario that was tried, with
/// its verdict.
#[must_use]
pub fn choose_scenario<'a>(
    scenarios: &'a [Scenario],
    order: &OrderFacts,
) -> (Option<&'a Scenario>, Vec<ScenarioTrace>) {
    let mut by_priority: Vec<&Scenario> = scenarios.iter().collect();
    by_priority.sort_by_key(|scenario| (scenario.priority, scenario.id));
    let mut asked = Vec::new();
    for scenario in by_priority {
        let differs = differs(scenario, order);
        let (verdict, wanted, order_has) = differs.unwrap_or((ScenarioVerdict::Chosen, &[], &[]));
        let shown = |names: &[String]| names.iter().take(SHOWN_ENTRIES).cloned().collect();
        asked.push(ScenarioTrace {
            scenario_id: scenario.id,
            version: scenario.version,
            name: scenario.name.clone(),
            priority: scenario.priority,
            verdict,
            wanted: shown(wanted),
            order_has: shown(order_has),
        });
        if verdict == ScenarioVerdict::Chosen {
            return (Some(scenario), asked);
        }
    }
    (None, asked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_scenario_by_priority_and_id_whose_prerequisites_hold_is_chosen() {
        let of = |id, priority, channels: &[&str], shipping: &[&str], payments: &[&str]| {
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Scenario {
                id,
                name: format!("Scenario {id}"),
                priority,
                channels: words(channels),
                shipping: words(shipping),
                payments: words(payments),
                version: 4,
                ..Scenario::default()
            }
        };
        let scenarios = [
            of(6, 2, &[], &[], &[]),
            of(5, 2, &["12", "Web"], &["express", "standard"], &["card"]),
            of(4, 1, &["Web"], &["standard"], &["cash"]),
            of(3, 1, &["Web"], &["express"], &[]),
            of(2, 1, &["Marketplace"], &[], &[]),
            of(7, 9, &[], &[], &[]),
        ];
        let facts = OrderFacts {
            channel: vec!["Web".to_owned(), "12".to_owned()],
            shipping: Some("standard".to_owned()),
            payment: Some("card".to_owned()),
            ..OrderFacts::default()
        };
        let (chosen, asked) = choose_scenario(&scenarios, &facts);
        assert_eq!(chosen.map(|scenario| scenario.id), Some(5));
        let asked: Vec<(i64, ScenarioVerdict)> =
            asked.iter().map(|scenario| (scenario.scenario_id, scenario.verdict)).collect();
        assert_eq!(
            asked,
            [
                (2, ScenarioVerdict::OtherChannel),
                (3, ScenarioVerdict::OtherShipping),
                (4, ScenarioVerdict::OtherPayment),
                (5, ScenarioVerdict::Chosen),
            ]
        );

        // An order that says nothing is only for a scenario that asks nothing.
        let (chosen, _) = choose_scenario(&scenarios, &OrderFacts::default());
        assert_eq!(chosen.map(|scenario| scenario.id), Some(6));

        let (chosen, asked) = choose_scenario(&scenarios[2..4], &facts);
        assert!(chosen.is_none());
        assert_eq!(
            serde_json::to_value(&asked[0]).unwrap(),
            json!({
                "scenario_id": 3,
                "version": 4,
                "name": "Scenario 3",
                "priority": 1,
                "verdict": "other_shipping",
                "wanted": ["express"],
                "order_has": ["standard"]
            })
        );
    }
}
