//! What an order is known by: its number and its channel, and the upstream's key where both have one.

use std::fmt;

use serde_json::Value;

use super::input::OrderInput;
use crate::{
    db::PgConnection,
    error::{Refusal, Result},
    reading::values,
    scope::Scope,
};

/// Most orders of one number that an error names.
const MOST_NAMED: usize = 10;

/// A sales channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// The upstream's key.
    pub id: Option<i64>,
    /// The name.
    pub name: Option<String>,
}

impl Channel {
    /// Reads a channel: an object with `pk` and `name`, the key alone, or the name alone.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let key = if value.is_object() { &value["pk"] } else { value };
        let name = if value.is_object() { &value["name"] } else { value };
        let id = values::integer(key);
        let name = values::name(name).filter(|name| !name.is_empty() && (value.is_object() || id.is_none()));
        Self { id, name }
    }

    /// True for the same channel: by key, and by name where neither has a key.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id && (self.id.is_some() || self.name == other.name)
    }

    /// True if a caller means this channel, by what they know of it.
    fn is_meant_by(&self, asked: &Self) -> bool {
        let has = |part: bool, wanted: bool| wanted && part;
        has(self.id == asked.id, asked.id.is_some())
            || has(self.name == asked.name, asked.id.is_none() && asked.name.is_some())
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.id, &self.name) {
            (Some(id), Some(name)) => write!(f, "{id} ({name})"),
            (Some(id), None) => write!(f, "{id}"),
            (None, Some(name)) => f.write_str(name),
            (None, None) => f.write_str("none"),
        }
    }
}

/// What an order is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The order number.
    pub number: String,
    /// Its channel.
    pub channel: Channel,
    /// The upstream's key.
    pub omnitron_id: Option<i64>,
}

impl Identity {
    /// Reads it from an order that is sent, whatever else is wrong with it.
    #[must_use]
    pub fn of_json(order: &Value) -> Option<Self> {
        let number = values::name(&order["number"]).filter(|number| !number.is_empty())?;
        Some(Self { number, channel: Channel::of(&order["channel"]), omnitron_id: values::integer(&order["pk"]) })
    }

    /// True for the same order.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let keys = self.omnitron_id.zip(other.omnitron_id);
        self.number == other.number && self.channel.is(&other.channel) && keys.is_none_or(|(a, b)| a == b)
    }

    /// The stored order that this one is, if it is there.
    ///
    /// # Errors
    /// 400 when it has no `pk`, and several stored ones differ by theirs.
    pub fn among<'a>(&self, stored: &'a [StoredIdentity]) -> Result<Option<&'a StoredIdentity>, Refusal> {
        let found: Vec<&StoredIdentity> = stored.iter().filter(|stored| self.is(&stored.identity)).collect();
        let exact = found.iter().find(|stored| stored.identity.omnitron_id == self.omnitron_id);
        match (exact, found.as_slice()) {
            (Some(exact), _) => Ok(Some(exact)),
            (None, []) => Ok(None),
            (None, [one]) => Ok(Some(one)),
            (None, several) => {
                let keys = several.iter().take(MOST_NAMED).filter_map(|stored| stored.identity.omnitron_id);
                let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
                let message = format!(
                    "There are {} orders {} of this channel; say which by its key: {}.",
                    several.len(),
                    self.number,
                    keys.join(", ")
                );
                Err(Refusal::field("pk", message))
            }
        }
    }
}

impl OrderInput {
    /// What it is known by.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let channel = Channel { id: self.channel_id, name: self.channel_name.clone() };
        Identity { number: self.number.clone(), channel, omnitron_id: self.omnitron_id }
    }
}

/// A stored order and what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIdentity {
    /// The order's id here.
    pub id: i64,
    /// What it is known by.
    pub identity: Identity,
}

/// The orders of numbers, those of a number in the order in which they came. Of a scope with limits, those that have a
/// package in it.
///
/// # Errors
/// When the database fails.
pub async fn of_numbers(
    connection: &mut PgConnection,
    numbers: &[String],
    scope: Option<&Scope>,
) -> Result<Vec<StoredIdentity>> {
    let rows = sqlx::query!(
        "select id, number, channel_id, channel_name, omnitron_id from orders o
          where number = any($1)
            and ($2::bigint[] is null
                 or exists (select from packages p where p.order_id = o.id and p.stock_location_id = any($2)))
          order by number, occurrence",
        numbers,
        scope.and_then(Scope::location_ids)
    )
    .fetch_all(connection)
    .await?;
    let stored = rows.into_iter().map(|row| {
        let channel = Channel { id: row.channel_id, name: row.channel_name };
        let identity = Identity { number: row.number, channel, omnitron_id: row.omnitron_id };
        StoredIdentity { id: row.id, identity }
    });
    Ok(stored.collect())
}

/// The id of an order that is sent, if it is known.
///
/// # Errors
/// As [`Identity::among`]; when the database fails.
pub async fn find(connection: &mut PgConnection, order: &Identity) -> Result<Option<i64>> {
    let stored = of_numbers(connection, std::slice::from_ref(&order.number), None).await?;
    Ok(order.among(&stored)?.map(|stored| stored.id))
}

/// What somebody says of an order that they mean: its number, and of channel and key what they know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub number: String,
    /// Its channel; none: not said.
    pub channel: Option<Channel>,
    /// The upstream's key; none: not said.
    pub omnitron_id: Option<i64>,
}

impl Named {
    /// The id of the order that is meant, if it is here; one that the scope does not see is not. `field`: what the number
    /// was said by.
    ///
    /// # Errors
    /// 400 that names the channels when several are meant; when the database fails.
    pub async fn find(&self, connection: &mut PgConnection, scope: Option<&Scope>, field: &str) -> Result<Option<i64>> {
        let stored = of_numbers(connection, std::slice::from_ref(&self.number), scope).await?;
        let is_meant = |stored: &&StoredIdentity| {
            let channel = self.channel.as_ref().is_none_or(|channel| stored.identity.channel.is_meant_by(channel));
            let keys = self.omnitron_id.zip(stored.identity.omnitron_id);
            channel && keys.is_none_or(|(asked, key)| asked == key)
        };
        let found: Vec<&StoredIdentity> = stored.iter().filter(is_meant).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.id)),
            several => Err(self.ambiguous(several, field).into()),
        }
    }

    fn ambiguous(&self, several: &[&StoredIdentity], field: &str) -> Refusal {
        let one = |stored: &&StoredIdentity| {
            let key = stored.identity.omnitron_id.map(|key| format!(", pk {key}")).unwrap_or_default();
            format!("{}{key}", stored.identity.channel)
        };
        let named: Vec<String> = several.iter().take(MOST_NAMED).map(one).collect();
        let message = format!(
            "There are {} orders {}; say also which channel. Their channels: {}.",
            several.len(),
            self.number,
            named.join("; ")
        );
        Refusal::field(field, message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(channel: &Value, omnitron_id: Option<i64>) -> Identity {
        Identity { number: "1".to_owned(), channel: Channel::of(channel), omnitron_id }
    }

    #[test]
    fn a_channel_is_read_however_it_is_written() {
        let web = Channel { id: Some(7), name: Some("web".to_owned()) };
        for (value, id, name) in [
            (json!({ "pk": 7, "name": "web" }), web.id, web.name.as_deref()),
            (json!({ "pk": "7" }), Some(7), None),
            (json!(7), Some(7), None),
            (json!("7"), Some(7), None),
            (json!("web"), None, Some("web")),
            (json!({ "name": "web" }), None, Some("web")),
            (json!(null), None, None),
            (json!({}), None, None),
            (json!([7]), None, None),
        ] {
            let channel = Channel::of(&value);
            assert_eq!((channel.id, channel.name.as_deref()), (id, name), "{value}");
        }
    }

    #[test]
    fn another_channel_or_another_key_is_another_order() {
        let web = json!({ "pk": 1, "name": "web" });
        let order = identity(&web, Some(5));
        for (channel, omnitron_id, is_same) in [
            (&web, Some(5), true),
            (&web, None, true),
            // Channels are renamed.
            (&json!({ "pk": 1, "name": "shop" }), Some(5), true),
            (&web, Some(6), false),
            (&json!({ "pk": 2, "name": "web" }), Some(5), false),
            (&json!({ "name": "web" }), Some(5), false),
            (&json!(null), Some(5), false),
        ] {
            assert_eq!(order.is(&identity(channel, omnitron_id)), is_same, "{channel} {omnitron_id:?}");
            assert_eq!(identity(channel, omnitron_id).is(&order), is_same, "{channel} {omnitron_id:?}");
        }
        assert!(identity(&json!("web"), None).is(&identity(&json!({ "name": "web" }), None)));
    }

    #[test]
    fn an_order_without_a_key_is_the_one_of_its_channel_or_must_say_which() {
        let stored = |id, omnitron_id| StoredIdentity { id, identity: identity(&json!(1), omnitron_id) };
        let found = |stored: &[StoredIdentity], key| {
            identity(&json!(1), key).among(stored).map(|found| found.map(|stored| stored.id))
        };
        assert_eq!(found(&[], None), Ok(None));
        assert_eq!(found(&[stored(1, Some(5))], None), Ok(Some(1)));
        assert_eq!(found(&[stored(1, Some(5)), stored(2, Some(6))], Some(6)), Ok(Some(2)));
        assert_eq!(found(&[stored(1, Some(5)), stored(2, Some(6))], Some(7)), Ok(None));
        let refusal = found(&[stored(1, Some(5)), stored(2, Some(6))], None).expect_err("refused");
        assert_eq!(
            refusal.error,
            json!({ "pk": ["There are 2 orders 1 of this channel; say which by its key: 5, 6."] })
        );
    }
}
