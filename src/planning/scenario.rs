//! Distribution scenarios: the rules of planning as data.
//!
//! An installation has scenarios; the first whose prerequisites an order meets ([`choose_scenario`])
//! plans it. Its rules run in their order, and each places what it can of what the earlier ones left
//! ([`crate::planning::plan`]).

use serde::{Deserialize, Serialize};

use super::plan::{SHOWN_ENTRIES, ScenarioTrace, ScenarioVerdict};

/// A distribution scenario. Only active ones are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Known by this to plans and to the API.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// Lower is asked first; at equality the lower id.
    pub priority: i32,
    /// Channels it is for; empty: the channel is not significant.
    pub channels: Vec<String>,
    /// Shipping options it is for; empty: not significant.
    pub shipping: Vec<String>,
    /// Payment types it is for; empty: not significant.
    pub payments: Vec<String>,
    /// Where the package of what found no place is kept.
    pub default_location_id: i64,
    /// State of the new packages when an order needs more than one.
    pub initial_state_when_split_id: i64,
    /// Tried in this order.
    pub rules: Vec<Rule>,
}

/// One step of a scenario: which locations may serve, and which of them is asked first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it; plans name it as their reason.
    pub name: String,
    /// All of them must hold at a location; none: every location may take everything.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The first key decides, the next ones break its ties, then priority, then id.
    #[serde(default)]
    pub order_by: Vec<OrderBy>,
}

impl Rule {
    /// Whether the rule asks for this condition.
    #[must_use]
    pub fn asks_for(&self, condition: Condition) -> bool {
        self.conditions.contains(&condition)
    }
}

/// What a rule demands of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Condition {
    /// The available stock of the SKU covers the whole line.
    SelectByStock,
    /// There is room for one more package.
    SelectByQuota,
}

impl Condition {
    /// Every condition there is.
    pub const ALL: [Self; 2] = [Self::SelectByStock, Self::SelectByQuota];

    /// The word for it in installation files, on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SelectByStock => "SELECT_BY_STOCK",
            Self::SelectByQuota => "SELECT_BY_QUOTA",
        }
    }

    /// The words, for the error that says what is understood.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).to_vec()
    }
}

/// A key by which a rule puts its locations in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderBy {
    /// The location's own priority, lower first.
    Priority,
    /// Kilometres to the delivery address, nearer first, unknown last.
    Distance,
    /// Room for packages, more first; no limit before any limit.
    AvailableQuota,
}

impl OrderBy {
    /// Every key there is.
    pub const ALL: [Self; 3] = [Self::Priority, Self::Distance, Self::AvailableQuota];

    /// The word for it in installation files, on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Distance => "distance",
            Self::AvailableQuota => "available_quota",
        }
    }

    /// The words, for the error that says what is understood.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).to_vec()
    }
}

/// What the prerequisites of a scenario look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFacts {
    /// Every name the order's channel is known by: its name, its pk as text.
    pub channel: Vec<String>,
    /// The shipping option.
    pub shipping: Option<String>,
    /// The payment type.
    pub payment: Option<String>,
}

impl Scenario {
    /// The first prerequisite the order does not meet, what it lists and what the order has there.
    fn differs<'a>(&'a self, order: &'a OrderFacts) -> Option<(ScenarioVerdict, &'a [String], &'a [String])> {
        use ScenarioVerdict::{OtherChannel, OtherPayment, OtherShipping};
        [
            (OtherChannel, self.channels.as_slice(), order.channel.as_slice()),
            (OtherShipping, self.shipping.as_slice(), order.shipping.as_slice()),
            (OtherPayment, self.payments.as_slice(), order.payment.as_slice()),
        ]
        .into_iter()
        .find(|(_, wanted, has)| !wanted.is_empty() && !has.iter().any(|name| wanted.contains(name)))
    }
}

/// The first scenario, by priority and id, whose prerequisites the order meets; and each that was
/// asked, with the reason why it was passed over.
#[must_use]
pub fn choose_scenario<'a>(
    scenarios: &'a [Scenario],
    order: &OrderFacts,
) -> (Option<&'a Scenario>, Vec<ScenarioTrace>) {
    let mut by_priority: Vec<&Scenario> = scenarios.iter().collect();
    by_priority.sort_by_key(|scenario| (scenario.priority, scenario.id));
    let mut asked = Vec::new();
    for scenario in by_priority {
        let differs = scenario.differs(order);
        let (verdict, wanted, order_has) = differs.unwrap_or((ScenarioVerdict::Chosen, &[], &[]));
        let shown = |names: &[String]| names.iter().take(SHOWN_ENTRIES).cloned().collect();
        asked.push(ScenarioTrace {
            scenario_id: scenario.id,
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
    fn the_words_are_those_serde_reads_and_writes() {
        for condition in Condition::ALL {
            assert_eq!(serde_json::to_value(condition).unwrap(), json!(condition.name()));
        }
        for key in OrderBy::ALL {
            assert_eq!(serde_json::to_value(key).unwrap(), json!(key.name()));
        }
        assert_eq!(Condition::names(), ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"]);
        assert_eq!(OrderBy::names(), ["priority", "distance", "available_quota"]);
    }

    #[test]
    fn a_rule_needs_only_a_name() {
        let rule: Rule = serde_json::from_value(json!({"name": "Anywhere"})).unwrap();
        assert!(rule.conditions.is_empty() && rule.order_by.is_empty());
        assert!(!rule.asks_for(Condition::SelectByStock));
    }

    #[test]
    fn a_rule_with_an_unknown_word_is_refused() {
        for rule in [
            json!({"name": "a", "conditions": ["SELECT_BY_MOON"]}),
            json!({"name": "a", "order_by": ["moon"]}),
            json!({"name": "a", "moon": true}),
        ] {
            assert!(serde_json::from_value::<Rule>(rule.clone()).is_err(), "{rule}");
        }
    }

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
                default_location_id: 1,
                initial_state_when_split_id: 1,
                rules: vec![],
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
                "name": "Scenario 3",
                "priority": 1,
                "verdict": "other_shipping",
                "wanted": ["express"],
                "order_has": ["standard"]
            })
        );
    }
}
