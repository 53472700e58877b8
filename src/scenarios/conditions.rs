//! What a rule may ask of a location: everything about a condition stands in its one entry below.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    rules::{OrderFacts, Product, kilometres},
    verdict::Verdict,
};
use crate::{
    locations::{Location, LocationType},
    openapi,
    reading::{self, Reader},
    spelling::suggestion,
};

/// What conditions look at of a location, its order and the moment.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The location.
    pub location: &'a Location,
    /// The items that the rule is to place: what they are, and how many units of each. Given to conditions that read
    /// products.
    pub items: &'a [(&'a Product, i64)],
    /// The order.
    pub order: &'a OrderFacts,
    /// When the plan is made.
    pub time: DateTime<Utc>,
    /// How far it is to the delivery address; none: unknown.
    pub metres: Option<i64>,
    /// True if it refused a package of the order, or missed an item of it, before.
    pub has_refused: bool,
}

impl Seen<'_> {
    /// The weight of the items together.
    #[expect(clippy::cast_precision_loss, reason = "grams, far below what a float holds")]
    fn weight_kg(&self) -> f64 {
        let grams = self
            .items
            .iter()
            .fold(0_i64, |sum, (product, quantity)| sum.saturating_add(product.weight_grams.saturating_mul(*quantity)));
        grams as f64 / 1000.0
    }
}

/// A kind of condition.
#[derive(Debug)]
pub struct Kind {
    /// The word for it in installation files, on the wire and in the database.
    pub name: &'static str,
    /// The parameter it cannot do without, as an example.
    needs: Option<&'static str>,
    /// Reads its parameters.
    read: fn(&mut Reader<'_>) -> Condition,
    /// Its parameters as they are written; none: the word alone says it.
    parameters: fn(&Condition) -> Option<Value>,
    /// True if it looks at more of an item than its SKU.
    pub reads_products: bool,
    /// If it holds at a location. None: it looks at each item, or at the room for a package.
    pub holds: Option<fn(&Condition, &Seen<'_>) -> bool>,
    /// What is said where it does not hold.
    pub verdict: Verdict,
    /// The value it looked at, where explanations do not show it anyway.
    pub shows: Option<fn(&Seen<'_>) -> Value>,
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident $(($parameter:ty))? = $kind:expr;)+) => {
        /// A condition of a rule on a location.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Condition {
            $($(#[$doc])* $variant $(($parameter))?,)+
        }

        /// Every kind of condition.
        pub static KINDS: &[Kind] = &[$($kind),+];

        impl Condition {
            /// Its kind.
            #[must_use]
            pub fn kind(&self) -> &'static Kind {
                match self {
                    $(Self::$variant { .. } => {
                        static KIND: Kind = $kind;
                        &KIND
                    })+
                }
            }
        }
    };
}

/// A condition that looks at each item, or at the room for a package.
const fn of_items(name: &'static str, verdict: Verdict, read: fn(&mut Reader<'_>) -> Condition) -> Kind {
    Kind { name, needs: None, read, parameters: |_| None, reads_products: false, holds: None, verdict, shows: None }
}

conditions! {
    /// The available stock of the SKU covers the whole line.
    SelectByStock = of_items("SELECT_BY_STOCK", Verdict::NoStock, |_| Condition::SelectByStock);

    /// There is room for one more package.
    SelectByQuota = of_items("SELECT_BY_QUOTA", Verdict::NoQuota, |_| Condition::SelectByQuota);

    /// It is of one of these kinds.
    SelectByLocationType(Vec<LocationType>) = Kind {
        name: "SELECT_BY_LOCATION_TYPE",
        needs: Some("location_types = [\"store\"]"),
        read: |reader| {
            let types = reader.words("location_types", &LocationType::WORDS);
            require_some(reader, "location_types", types.is_empty());
            Condition::SelectByLocationType(types)
        },
        parameters: |condition| match condition {
            Condition::SelectByLocationType(types) => Some(json!({ "location_types": types })),
            _ => None,
        },
        reads_products: false,
        holds: Some(|condition, seen| match condition {
            Condition::SelectByLocationType(types) => types.contains(&seen.location.stock_location_type),
            _ => true,
        }),
        verdict: Verdict::OtherType,
        shows: Some(|seen| json!(seen.location.stock_location_type)),
    };

    /// It has at least one of these tags.
    SelectByTag(Vec<String>) = Kind {
        name: "SELECT_BY_TAG",
        needs: Some("tags = [\"…\"]"),
        read: |reader| {
            let tags = reader.texts("tags");
            require_some(reader, "tags", tags.is_empty());
            Condition::SelectByTag(tags)
        },
        parameters: |condition| match condition {
            Condition::SelectByTag(tags) => Some(json!({ "tags": tags })),
            _ => None,
        },
        reads_products: false,
        holds: Some(|condition, seen| match condition {
            Condition::SelectByTag(tags) => tags.iter().any(|tag| seen.location.tags.contains(tag)),
            _ => true,
        }),
        verdict: Verdict::NoTag,
        shows: Some(|seen| json!(seen.location.tags)),
    };

    /// It is in the city of the delivery address.
    SelectBySameCity = Kind {
        holds: Some(|_, seen| seen.order.is_in_city(seen.location)),
        shows: Some(|seen| json!(seen.location.city())),
        ..of_items("SELECT_BY_SAME_CITY", Verdict::OtherCity, |_| Condition::SelectBySameCity)
    };

    /// It is in the country of the delivery address.
    SelectBySameCountry = Kind {
        holds: Some(|_, seen| seen.order.is_in_country(seen.location)),
        shows: Some(|seen| json!(seen.location.country())),
        ..of_items("SELECT_BY_SAME_COUNTRY", Verdict::OtherCountry, |_| Condition::SelectBySameCountry)
    };

    /// It is at most this many metres away from the delivery address; an unknown distance is too far.
    SelectByDistance(i64) = Kind {
        name: "SELECT_BY_DISTANCE",
        needs: Some("kilometres = 25"),
        read: |reader| {
            reader.require(&["kilometres"]);
            Condition::SelectByDistance(reader.kilometres("kilometres").unwrap_or_default())
        },
        parameters: |condition| match condition {
            Condition::SelectByDistance(metres) => Some(json!({ "kilometres": kilometres(*metres) })),
            _ => None,
        },
        reads_products: false,
        holds: Some(|condition, seen| match condition {
            Condition::SelectByDistance(most) => seen.metres.is_some_and(|metres| metres <= *most),
            _ => true,
        }),
        verdict: Verdict::TooFar,
        shows: None,
    };

    /// It is open when the plan is made, or opens within this many minutes.
    SelectByOpeningHours(u32) = Kind {
        parameters: |condition| match condition {
            Condition::SelectByOpeningHours(1..) => Some(json!({ "opens_within_minutes": opens_within(condition) })),
            _ => None,
        },
        holds: Some(|condition, seen| seen.location.conf.is_open(seen.time, opens_within(condition))),
        shows: Some(|seen| json!(seen.location.conf.local_text(seen.time))),
        ..of_items("SELECT_BY_OPENING_HOURS", Verdict::Closed, |reader| {
            // A week is as far as hours tell.
            let minutes = reader.count("opens_within_minutes", 0..=7 * 24 * 60);
            Condition::SelectByOpeningHours(minutes.and_then(|minutes| u32::try_from(minutes).ok()).unwrap_or(0))
        })
    };

    /// It has not refused a package of this order, nor missed an item of it, before.
    SelectByNotRefused = Kind {
        holds: Some(|_, seen| !seen.has_refused),
        shows: Some(|seen| json!(seen.has_refused)),
        ..of_items("SELECT_BY_NOT_REFUSED", Verdict::RefusedBefore, |_| Condition::SelectByNotRefused)
    };

    /// It is among the product's own allowed locations, where the product has such.
    SelectByProductLocations = Kind {
        reads_products: true,
        ..of_items("SELECT_BY_PRODUCT_LOCATIONS", Verdict::NotAllowed, |_| Condition::SelectByProductLocations)
    };

    /// The items that the rule is to place are together no heavier than it can handle.
    SelectByMaxWeight = Kind {
        reads_products: true,
        holds: Some(|_, seen| seen.location.max_weight_kg.is_none_or(|most| seen.weight_kg() <= most)),
        shows: Some(|seen| json!({ "weight_kg": seen.weight_kg(), "max_weight_kg": seen.location.max_weight_kg })),
        ..of_items("SELECT_BY_MAX_WEIGHT", Verdict::TooHeavy, |_| Condition::SelectByMaxWeight)
    };
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl PartialSchema for Condition {
    /// A word, or an object for each kind that has parameters.
    fn schema() -> RefOr<Schema> {
        let words: Vec<&str> = KINDS.iter().filter(|kind| kind.needs.is_none()).map(|kind| kind.name).collect();
        let mut forms = vec![json!({ "type": "string", "enum": words })];
        for kind in KINDS {
            let mut form = reading::schema(|reader| drop((kind.read)(reader)));
            if form["properties"] != json!({}) {
                form["properties"]["condition"] = json!({ "type": "string", "enum": [kind.name] });
                let mut required = form["required"].as_array().cloned().unwrap_or_default();
                required.insert(0, json!("condition"));
                form["required"] = json!(required);
                forms.push(form);
            }
        }
        openapi::of_value(json!({ "description": "A condition of a rule on a location.", "oneOf": forms }))
    }
}

impl ToSchema for Condition {
    fn name() -> Cow<'static, str> {
        "ScenarioCondition".into()
    }
}

fn opens_within(condition: &Condition) -> u32 {
    match condition {
        Condition::SelectByOpeningHours(minutes) => *minutes,
        _ => 0,
    }
}

fn require_some(reader: &mut Reader<'_>, key: &str, is_empty: bool) {
    if !reader.has(key) {
        reader.require(&[key]);
    } else if is_empty {
        reader.refuse(key, "names none", "name at least one");
    }
}

impl Condition {
    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name
    }

    /// Every word.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        KINDS.iter().map(|kind| kind.name).collect()
    }

    fn kind_of(word: &str) -> Result<&'static Kind, (String, String)> {
        KINDS
            .iter()
            .find(|kind| kind.name == word)
            .ok_or_else(|| (format!("`{word}` is not one of its words"), suggestion(word, &Self::names())))
    }

    /// A condition that is a word alone.
    ///
    /// # Errors
    /// What is wrong, and the remedy.
    pub fn of_word(word: &str) -> Result<Self, (String, String)> {
        let kind = Self::kind_of(word)?;
        let lacks = |needs: &str| {
            let remedy = format!("write `{{ condition = \"{word}\", {needs} }}`");
            (format!("`{word}` needs to know more"), remedy)
        };
        match kind.needs {
            Some(needs) => Err(lacks(needs)),
            None => reading::whole(&Map::new(), kind.read).map_err(|_| lacks("…")),
        }
    }

    /// A condition with parameters: `{ condition = "…", … }`.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.require(&["condition"]);
        let word = reader.text("condition")?;
        match Self::kind_of(&word) {
            Ok(kind) => {
                let condition = (kind.read)(reader);
                reader.finish();
                Some(condition)
            }
            Err((message, remedy)) => {
                reader.refuse("condition", message, remedy);
                None
            }
        }
    }

    /// Its form on the wire: the word, or where it has parameters `{"condition": word, …}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kind = self.kind();
        match (kind.parameters)(self) {
            Some(Value::Object(parameters)) => {
                let word = ("condition".to_owned(), Value::from(kind.name));
                Value::Object(std::iter::once(word).chain(parameters).collect())
            }
            _ => Value::from(kind.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_condition_with_its_parameters() {
        let schema = serde_json::to_value(Condition::schema()).expect("JSON");
        let text = schema.to_string();
        for kind in KINDS {
            assert!(text.contains(&format!("\"{}\"", kind.name)), "{} is not in {text}", kind.name);
        }
        let forms = schema["oneOf"].as_array().expect("forms");
        let with = |key: &str| forms.iter().filter(|form| form["properties"].get(key).is_some()).count();
        assert_eq!((with("condition"), with("tags"), with("kilometres"), with("opens_within_minutes")), (4, 1, 1, 1));
    }
}
