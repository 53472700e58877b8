//! The form of a scenario in the installation file and in `/api/v1/oms/scenarios/`: one form, one reader.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    reading::{Defect, Reader, Step},
    scenarios::rules::{
        Condition, OrderBy, OrderPrerequisites, ProductPrerequisite, Rule, Scenario, ScenarioKind, Splitting, Waiting,
        Which,
    },
    spelling::nearest,
    workflow::{NEEDED_BY_TRANSFERS, WAITING, WAITING_FOR_TRANSFER},
};

/// Most rules of one scenario.
const MOST_RULES: usize = 100;

/// A scenario with its location and state by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioDefinition)]
pub struct Definition {
    /// Its name, by which it is known.
    pub name: String,
    /// Its kind: it distributes orders, or chooses the sources of transfers.
    pub kind: ScenarioKind,
    /// Its purpose.
    pub description: Option<String>,
    /// Lower comes first.
    pub priority: i32,
    /// True if it is used.
    pub is_active: bool,
    /// Channels that it applies to; empty: all.
    pub channels: Vec<String>,
    /// Shipping options that it applies to; empty: all.
    pub shipping: Vec<String>,
    /// Payment types that it applies to; empty: all.
    pub payments: Vec<String>,
    /// The location for items without a place, by `erp_code`.
    pub default_location: String,
    /// The slug of the first state of packages when an order is split. A transfer scenario needs none.
    pub initial_state_when_split: String,
    /// How an order may be split into packages.
    pub splitting: Splitting,
    /// What a plan does with what older orders wait for; left out where it leaves it to them. A transfer scenario has none of
    /// its own: the scenario of the order decides.
    #[serde(skip_serializing_if = "Waiting::is_first_come")]
    #[schema(required = false)]
    pub waiting: Waiting,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

impl Definition {
    /// Reads a definition. It does not check that the location and the state exist.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["name", "priority", "default_location"]);
        let named = if reader.has("kind") || reader.is_described() {
            reader.word("kind", &ScenarioKind::WORDS)
        } else {
            Some(ScenarioKind::default())
        };
        if named == Some(ScenarioKind::Distribution) {
            reader.require(&["initial_state_when_split"]);
        }
        let kind = named.unwrap_or_default();
        let is_for_transfers = kind == ScenarioKind::Transfer;
        let initial_state = reader.slug("initial_state_when_split");
        let definition = Self {
            name: reader.text("name").unwrap_or_default(),
            kind,
            description: reader.prose("description"),
            priority: reader.count("priority", 0..=i32::MAX).unwrap_or_default(),
            is_active: reader.flag("is_active").unwrap_or(true),
            channels: reader.texts("channels"),
            shipping: reader.texts("shipping"),
            payments: reader.texts("payments"),
            default_location: reader.lines("default_location").unwrap_or_default(),
            initial_state_when_split: match initial_state {
                None if is_for_transfers => WAITING.to_owned(),
                other => other.unwrap_or_default(),
            },
            splitting: reader.object("splitting", read_splitting).unwrap_or_default(),
            waiting: reader.word("waiting", &Waiting::WORDS).unwrap_or_default(),
            rules: reader.objects("rules", "write each entry under its own `[[scenarios.rules]]`", read_rule),
        };
        if is_for_transfers && definition.waiting != Waiting::default() {
            let message = "a transfer scenario only chooses sources";
            reader.refuse("waiting", message, "leave it out, and write it in the distribution scenario");
        }
        if definition.rules.len() > MOST_RULES {
            let message = format!("has {} entries", definition.rules.len());
            reader.refuse("rules", message, format!("write at most {MOST_RULES}"));
        }
        reader.finish();
        definition
    }

    /// Its references that do not exist: locations, by ERP code, and the package state, by slug and whether it is
    /// final.
    #[must_use]
    pub fn wrong_references(&self, erp_codes: &[&str], package_states: &[(&str, bool)]) -> Vec<Defect> {
        let mut defects = Vec::new();
        let location = |path: Vec<Step>, wanted: &str| {
            let remedy = match nearest(wanted, erp_codes.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add a `[[stock_locations]]` entry with this erp_code".to_owned(),
            };
            Defect { path, message: format!("there is no location `{wanted}`"), remedy }
        };
        let is_missing = |wanted: &str| !erp_codes.contains(&wanted);
        if is_missing(&self.default_location) {
            defects.push(location(vec![Step::Key("default_location".to_owned())], &self.default_location));
        }
        defects.extend(self.wrong_state(package_states));
        for (at, rule) in self.rules.iter().enumerate() {
            for (entry, wanted) in rule.order.package_locations.iter().enumerate().filter(|(_, code)| is_missing(code))
            {
                let keys = ["order", "package_locations"].map(|key| Step::Key(key.to_owned()));
                let path = [Step::Key("rules".to_owned()), Step::Entry(at)].into_iter().chain(keys);
                defects.push(location(path.chain([Step::Entry(entry)]).collect(), wanted));
            }
        }
        defects
    }

    /// Its parts about transfers that are impossible with these states of packages and transfers; `has_state` is called
    /// with entity and slug.
    #[must_use]
    pub fn wrong_transfers(&self, has_state: impl Fn(&str, &str) -> bool) -> Vec<Defect> {
        let mut defects = Vec::new();
        if self.initial_state_when_split == WAITING_FOR_TRANSFER {
            let message = format!("a package is in `{WAITING_FOR_TRANSFER}` because of its transfers alone");
            defects.push(Defect::of_key("initial_state_when_split", message, format!("write `{WAITING}`")));
        }
        for (at, _) in self.rules.iter().enumerate().filter(|(_, rule)| rule.transferable) {
            if self.kind == ScenarioKind::Transfer {
                let message = "a source has what it sends, nothing is fetched for it";
                defects.push(of_transferable(at, message.to_owned(), "take `transferable` out".to_owned()));
            } else if let Some((entity, slug)) =
                NEEDED_BY_TRANSFERS.iter().find(|(entity, slug)| !has_state(entity, slug))
            {
                let message = format!("transfers need the {entity} state `{slug}`, which is not there");
                let remedy = format!("add a `[[states]]` entry with `entity = \"{entity}\"` and `slug = \"{slug}\"`");
                defects.push(of_transferable(at, message, remedy));
            }
        }
        defects
    }

    fn wrong_state(&self, package_states: &[(&str, bool)]) -> Option<Defect> {
        let slug = self.initial_state_when_split.as_str();
        let (message, remedy) = match package_states.iter().find(|(known, _)| *known == slug) {
            Some((_, false)) => return None,
            Some(_) => (
                format!("`{slug}` is final, a package cannot begin in it"),
                "name a state that is not final".to_owned(),
            ),
            None => {
                let remedy = match nearest(slug, package_states.iter().map(|(slug, _)| *slug)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a package state of this installation".to_owned(),
                };
                (format!("there is no state `{slug}` of packages"), remedy)
            }
        };
        Some(Defect::of_key("initial_state_when_split", message, remedy))
    }

    /// The planner's form.
    #[must_use]
    pub fn scenario(
        &self,
        id: i64,
        version: i32,
        default_location_id: i64,
        initial_state_when_split_id: i64,
    ) -> Scenario {
        Scenario {
            id,
            version,
            name: self.name.clone(),
            kind: self.kind,
            priority: self.priority,
            channels: self.channels.clone(),
            shipping: self.shipping.clone(),
            payments: self.payments.clone(),
            default_location_id,
            initial_state_when_split_id,
            splitting: self.splitting,
            waiting: self.waiting,
            rules: self.rules.clone(),
        }
    }

    /// Every key that [`Self::read`] reads.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        match json!(self) {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }
}

/// A defect of a rule's `transferable`.
#[must_use]
pub fn of_transferable(rule: usize, message: String, remedy: String) -> Defect {
    let path = vec![Step::Key("rules".to_owned()), Step::Entry(rule), Step::Key("transferable".to_owned())];
    Defect { path, message, remedy }
}

fn read_splitting(reader: &mut Reader<'_>) -> Splitting {
    let splitting = Splitting {
        allowed: reader.flag("allowed").unwrap_or(true),
        lines: reader.flag("lines").unwrap_or(false),
        kits_together: reader.flag("kits_together").unwrap_or(false),
        most_packages: reader.count("most_packages", 1..=1000).and_then(|most| usize::try_from(most).ok()),
        metres_per_package: reader.kilometres("kilometres_per_package"),
    };
    if !splitting.allowed {
        for key in ["lines", "kits_together", "most_packages", "kilometres_per_package"] {
            if reader.has(key) {
                let message = "says how to split what is not to be split";
                reader.refuse(key, message, "leave it out, or write `allowed = true`");
            }
        }
    }
    reader.finish();
    splitting
}

fn read_rule(reader: &mut Reader<'_>) -> Rule {
    reader.require(&["name", "conditions"]);
    let rule = Rule {
        name: reader.text("name").unwrap_or_default(),
        order: reader.object("order", read_order).unwrap_or_default(),
        products: reader.object("products", read_products).flatten(),
        conditions: reader.objects_or_words("conditions", Condition::read, Condition::of_word),
        order_by: reader.words("order_by", &OrderBy::WORDS),
        transferable: reader.flag("transferable").unwrap_or(false),
    };
    for (at, condition) in rule.conditions.iter().enumerate() {
        if rule.conditions[..at].iter().any(|other| other.name() == condition.name()) {
            let message = format!("`{}` stands in it twice", condition.name());
            reader.refuse("conditions", message, "name it once");
        }
    }
    reader.finish();
    rule
}

fn read_order(reader: &mut Reader<'_>) -> OrderPrerequisites {
    let order = OrderPrerequisites {
        channels: reader.texts("channels"),
        shipping: reader.texts("shipping"),
        payments: reader.texts("payments"),
        delivery_types: reader.texts("delivery_types"),
        cities: reader.texts("cities"),
        countries: reader.texts("countries"),
        package_locations: reader.texts("package_locations"),
    };
    reader.finish();
    order
}

fn read_products(reader: &mut Reader<'_>) -> Option<ProductPrerequisite> {
    reader.require(&["which"]);
    let which = reader.word("which", &Which::WORDS);
    let products = ProductPrerequisite {
        which: which.unwrap_or(Which::All),
        skus: reader.texts("skus"),
        base_codes: reader.texts("base_codes"),
        attributes: reader.lists_by_name("attributes"),
    };
    let says_nothing = products.skus.is_empty() && products.base_codes.is_empty() && products.attributes.is_empty();
    if says_nothing && !["skus", "base_codes", "attributes"].iter().any(|key| reader.has(key)) {
        reader.refuse("which", "does not say what of", "add `skus`, `base_codes` or `attributes`");
    }
    reader.finish();
    (!says_nothing).then_some(products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading;

    fn read(value: &Value) -> Result<Definition, Vec<String>> {
        let read = reading::whole(value.as_object().expect("an object"), Definition::read);
        read.map_err(|defects| defects.iter().map(ToString::to_string).collect())
    }

    fn with_rule(rule: &Value) -> Value {
        json!({ "name": "S", "priority": 1, "default_location": "369", "initial_state_when_split": "waiting",
                "rules": [rule] })
    }

    /// Every key.
    fn whole() -> Value {
        json!({
            "name": "Everything", "kind": "distribution", "description": "All of it", "priority": 3, "is_active": false,
            "channels": ["web"], "shipping": ["express"], "payments": ["card"], "default_location": "369",
            "initial_state_when_split": "waiting",
            "splitting": { "allowed": true, "kits_together": true, "most_packages": 3, "kilometres_per_package": 12.5 },
            "rules": [{
                "name": "Near",
                "order": { "channels": ["web"], "cities": ["Izmir"], "countries": ["tr"], "delivery_types": ["delivery"],
                           "package_locations": ["369"], "payments": ["card"], "shipping": ["express"] },
                "products": { "which": "these", "skus": ["A"], "base_codes": ["B"], "attributes": { "cold": ["true"] } },
                "conditions": [
                    "SELECT_BY_STOCK", "SELECT_BY_QUOTA",
                    { "condition": "SELECT_BY_LOCATION_TYPE", "location_types": ["store", "warehouse"] },
                    { "condition": "SELECT_BY_TAG", "tags": ["fast"] },
                    "SELECT_BY_SAME_CITY", "SELECT_BY_SAME_COUNTRY",
                    { "condition": "SELECT_BY_DISTANCE", "kilometres": 25 },
                    { "condition": "SELECT_BY_OPENING_HOURS", "opens_within_minutes": 30 },
                    "SELECT_BY_NOT_REFUSED", "SELECT_BY_PRODUCT_LOCATIONS", "SELECT_BY_MAX_WEIGHT"
                ],
                "order_by": ["priority", "distance", "available_quota", "available_quota_share", "items_covered",
                             "open_packages"],
                "transferable": true
            }]
        })
    }

    #[test]
    fn what_is_read_is_written_again() {
        let definition = read(&whole()).expect("sound");
        assert_eq!(Value::Object(definition.to_json()), whole());
        let names: Vec<&str> = definition.rules[0].conditions.iter().map(Condition::name).collect();
        assert_eq!(names, Condition::names(), "every condition can be written");
        // A condition whose parameters are optional may have either form.
        let open = |condition: Value| {
            read(&with_rule(&json!({ "name": "r", "conditions": [condition] }))).expect("sound").rules[0].clone()
        };
        assert_eq!(
            open(json!("SELECT_BY_OPENING_HOURS")),
            open(json!({ "condition": "SELECT_BY_OPENING_HOURS", "opens_within_minutes": 0 }))
        );
        assert_eq!(open(json!("SELECT_BY_STOCK")), open(json!({ "condition": "SELECT_BY_STOCK" })));
    }

    #[test]
    fn what_is_left_out_has_a_default_and_null_counts_as_left_out() {
        let definition = read(&json!({ "name": "S", "priority": 1, "default_location": "369", "description": null,
            "initial_state_when_split": "waiting", "channels": null, "splitting": null, "rules": null }))
        .expect("sound");
        assert!(definition.is_active && definition.splitting.allowed && definition.rules.is_empty());
        assert_eq!(definition.splitting, Splitting::default());
    }

    #[test]
    fn a_transfer_scenario_splits_nothing_and_fetches_nothing() {
        let sources = |rule: &Value| json!({ "name": "S", "kind": "transfer", "priority": 1, "default_location": "369", "rules": [rule] });
        let definition = read(&sources(&json!({ "name": "r", "conditions": [] }))).expect("sound");
        assert_eq!(
            (definition.kind, definition.initial_state_when_split.as_str()),
            (ScenarioKind::Transfer, "waiting")
        );
        assert_eq!(definition.wrong_transfers(|_, _| false), []);
        assert!(definition.scenario(1, 1, 1, 1).is_for_transfers());
        let fetching = json!({ "name": "r", "conditions": [], "transferable": true });
        let problems = |value: &Value, lacking: &str| -> Vec<String> {
            let defects = read(value).expect("sound").wrong_transfers(|_, slug| slug != lacking);
            defects.iter().map(ToString::to_string).collect()
        };
        let of_source = problems(&sources(&fetching), "");
        assert!(of_source.len() == 1 && of_source[0].starts_with("rules[0].transferable: a source has what it sends"));
        assert_eq!(problems(&with_rule(&fetching), ""), [""; 0]);
        let lacking = problems(&with_rule(&fetching), "cancelled");
        assert!(lacking[0].starts_with("rules[0].transferable: transfers need the transfer state `cancelled`"));
        let unknown = read(&json!({ "name": "S", "kind": "transfers", "priority": 1, "default_location": "369" }));
        let defects = unknown.expect_err("refused");
        assert!(
            defects.iter().any(|defect| defect.starts_with("kind: `transfers` is not one of its words")),
            "{defects:?}"
        );
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases is long")]
    fn every_defect_is_named_with_its_place_and_a_remedy() {
        let cases = [
            (
                json!({ "name": "r", "conditions": ["SELECT_BY_QOTA"] }),
                "rules[0].conditions[0]: `SELECT_BY_QOTA` is not one of its words — did you mean `SELECT_BY_QUOTA`? (one of",
            ),
            (
                json!({ "name": "r", "conditions": ["SELECT_BY_TAG"] }),
                "rules[0].conditions[0]: `SELECT_BY_TAG` needs to know more — write `{ condition = \"SELECT_BY_TAG\", tags",
            ),
            (
                json!({ "name": "r", "conditions": [{ "condition": "SELECT_BY_TAG", "tags": [] }] }),
                "rules[0].conditions[0].tags: names none — name at least one",
            ),
            (
                json!({ "name": "r", "conditions": [{ "condition": "SELECT_BY_TAG" }] }),
                "rules[0].conditions[0].tags: is missing — add `tags`",
            ),
            (
                json!({ "name": "r", "conditions": [{ "condition": "SELECT_BY_DISTANCE", "kilometres": -1 }] }),
                "rules[0].conditions[0].kilometres: -1 is out of range — write a number from 0 to 20040",
            ),
            (
                json!({ "name": "r", "conditions": [{ "condition": "SELECT_BY_STOCK", "kilometres": 1 }] }),
                "rules[0].conditions[0].kilometres: there is no such key — ",
            ),
            (
                json!({ "name": "r", "conditions": ["SELECT_BY_STOCK", { "condition": "SELECT_BY_STOCK" }] }),
                "rules[0].conditions: `SELECT_BY_STOCK` stands in it twice — name it once",
            ),
            (json!({ "name": "r" }), "rules[0].conditions: is missing — add `conditions`"),
            (json!({ "conditions": [] }), "rules[0].name: is missing — add `name`"),
            (
                json!({ "name": "r", "conditions": [], "order_by": ["distanse"] }),
                "rules[0].order_by[0]: `distanse` is not one of its words — did you mean `distance`?",
            ),
            (
                json!({ "name": "r", "conditions": [], "order_by": "distance" }),
                "rules[0].order_by: must be a list, not a text",
            ),
            (
                json!({ "name": "r", "conditions": [], "products": { "which": "some", "skus": ["A"] } }),
                "rules[0].products.which: `some` is not one of its words — write one of all, any, these",
            ),
            (
                json!({ "name": "r", "conditions": [], "products": { "which": "all" } }),
                "rules[0].products.which: does not say what of — add `skus`, `base_codes` or `attributes`",
            ),
            (
                json!({ "name": "r", "conditions": [], "products": { "which": "all", "attributes": { "cold": [] } } }),
                "rules[0].products.attributes.cold: names no value",
            ),
            (
                json!({ "name": "r", "conditions": [], "order": { "city": ["Izmir"] } }),
                "rules[0].order.city: there is no such key — write one of channels, shipping",
            ),
            (
                json!({ "name": "r", "conditions": [], "transferable": 1 }),
                "rules[0].transferable: must be true or false",
            ),
            (json!("r"), "rules[0]: must be a table, not a text"),
        ];
        for (rule, beginning) in cases {
            let defects = read(&with_rule(&rule)).expect_err("refused");
            assert!(defects.len() == 1 && defects[0].starts_with(beginning), "{beginning}\n{defects:#?}");
        }
        let mut scenario = whole();
        scenario["splitting"] = json!({ "allowed": false, "most_packages": 2 });
        scenario["priority"] = json!(-1);
        scenario["moon"] = json!(1);
        let defects = read(&scenario).expect_err("refused");
        assert_eq!(
            defects[..2],
            [
                "priority: -1 is out of range — write a number from 0 to 2147483647",
                "splitting.most_packages: says how to split what is not to be split — leave it out, or write `allowed = true`"
            ]
        );
        assert!(defects[2].starts_with("moon: there is no such key"), "{defects:#?}");
    }
}
