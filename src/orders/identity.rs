//! What an order is known by: its number and its channel, and the upstream's key where both have one.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
};

use serde_json::Value;

use super::input::OrderInput;
use crate::{
    db::PgConnection,
    error::{Refusal, Result},
    reading::{is_same_in_any_case, values},
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
    /// Reads a channel: an object with `pk` and `name`, the key alone, or the name alone. A key that is no number is a name,
    /// where there is no other.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let (key, name) = if value.is_object() { (&value["pk"], &value["name"]) } else { (value, &Value::Null) };
        let named = |value: &Value| values::name(value).filter(|name| !name.is_empty());
        let id = named(key).and_then(|key| values::integer(&key.into()));
        Self { id, name: named(name).or_else(|| named(key).filter(|_| id.is_none())) }
    }

    /// True if something is said of it.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        self.id.is_some() || self.name.is_some()
    }

    /// True for the same channel: by key where both have one, for channels are renamed; else by name. Nobody's is one too.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self.id.zip(other.id), self.name.as_deref().zip(other.name.as_deref())) {
            (Some((key, other)), _) => key == other,
            (None, Some((name, other))) => is_same_in_any_case(name, other),
            (None, None) => !self.is_said() && !other.is_said(),
        }
    }

    /// The same with the name that its key has elsewhere, where it has none itself.
    fn with_name(&self, names: &HashMap<i64, String>) -> Self {
        let name = || names.get(&self.id?).cloned();
        Self { id: self.id, name: self.name.clone().or_else(name) }
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

    /// True for the same order: by its number and its channel, if their keys do not say otherwise. Of one channel that is
    /// said, one key is one order: its number was changed.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let by_number = self.number == other.number;
        let is_one = match self.omnitron_id.zip(other.omnitron_id) {
            None => by_number,
            Some((key, other)) => key == other && (by_number || self.channel.is_said()),
        };
        is_one && self.channel.is(&other.channel)
    }

    /// The one of these that this one is.
    ///
    /// # Errors
    /// 400 when it has no `pk`, and several stored ones differ by theirs.
    fn among<'a>(&self, stored: &[&'a StoredIdentity]) -> Result<Option<&'a StoredIdentity>, Refusal> {
        let found: Vec<&StoredIdentity> = stored.iter().copied().filter(|stored| self.is(&stored.identity)).collect();
        let of_its_key = || found.iter().filter(|stored| stored.identity.omnitron_id == self.omnitron_id);
        let exact = of_its_key().find(|stored| stored.identity.number == self.number).or_else(|| of_its_key().next());
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

/// A list of orders in parts that are taken one after the other. Within a part no order is, or may be, the same as another: what
/// a list says of one order is done in its turn.
#[must_use]
pub fn runs<E>(list: &[Result<Value, E>]) -> Vec<&[Result<Value, E>]> {
    let mut runs = Vec::new();
    let (mut begin, mut numbers, mut keys) = (0, HashSet::new(), HashSet::new());
    for (at, order) in list.iter().enumerate() {
        let Some(identity) = order.as_ref().ok().and_then(Identity::of_json) else { continue };
        let key = identity.omnitron_id;
        if numbers.contains(&identity.number) || key.is_some_and(|key| keys.contains(&key)) {
            runs.push(&list[begin..at]);
            begin = at;
            numbers.clear();
            keys.clear();
        }
        numbers.insert(identity.number);
        keys.extend(key);
    }
    runs.push(&list[begin..]);
    runs
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
    /// What it is known by; its channel by the name that its key has elsewhere, if it has none here.
    pub identity: Identity,
    /// Its place among those of its number.
    occurrence: i32,
}

/// The stored orders that some may be: those of their numbers, and those of their keys.
#[derive(Debug, Default)]
pub struct Known {
    /// Those of a number in the order in which they came.
    stored: Vec<StoredIdentity>,
    by_number: HashMap<String, Vec<usize>>,
    by_key: HashMap<i64, Vec<usize>>,
    /// The newest name of each channel that is asked for without one.
    names: HashMap<i64, String>,
}

impl Known {
    /// Reads them. Of a scope with limits, those that have a package in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(connection: &mut PgConnection, orders: &[Identity], scope: Option<&Scope>) -> Result<Self> {
        let numbers: Vec<String> = orders.iter().map(|order| order.number.clone()).collect();
        let keys: Vec<i64> = orders.iter().filter_map(|order| order.omnitron_id).collect();
        let rows = sqlx::query!(
            r#"select id, number, channel_id, omnitron_id, occurrence,
                      case when channel_id is null or channel_name is not null then channel_name
                           else (select k.channel_name from orders k
                                  where k.channel_id = o.channel_id and k.channel_name is not null
                                  order by k.id desc limit 1) end as channel_name
                 from orders o
                where id in (select id from orders where number = any($1)
                             union select id from orders where omnitron_id = any($2))
                  and ($3::bigint[] is null
                       or exists (select from packages p where p.order_id = o.id and p.stock_location_id = any($3)))
                order by number, occurrence"#,
            &numbers,
            &keys,
            scope.and_then(Scope::location_ids)
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut known = Self::default();
        for (row, at) in rows.into_iter().zip(0..) {
            known.by_number.entry(row.number.clone()).or_default().push(at);
            if let Some(key) = row.omnitron_id {
                known.by_key.entry(key).or_default().push(at);
            }
            let channel = Channel { id: row.channel_id, name: row.channel_name };
            let identity = Identity { number: row.number, channel, omnitron_id: row.omnitron_id };
            known.stored.push(StoredIdentity { id: row.id, identity, occurrence: row.occurrence });
        }
        // Asked for only where a key is to be compared with a name.
        if known.stored.iter().any(|stored| stored.identity.channel.id.is_none()) {
            known.names = names(connection, orders.iter().map(|order| &order.channel)).await?;
        }
        Ok(known)
    }

    /// The stored order that this one is, if it is there.
    ///
    /// # Errors
    /// 400 when it has no `pk`, and several stored ones differ by theirs.
    pub fn find(&self, order: &Identity) -> Result<Option<&StoredIdentity>, Refusal> {
        let order = Identity { channel: order.channel.with_name(&self.names), ..order.clone() };
        order.among(&self.candidates(&order))
    }

    /// Those of its number, and those of its key.
    fn candidates(&self, order: &Identity) -> Vec<&StoredIdentity> {
        let by_number = self.by_number.get(&order.number).into_iter().flatten();
        let by_key = order.omnitron_id.and_then(|key| self.by_key.get(&key)).into_iter().flatten();
        let at: BTreeSet<usize> = by_number.chain(by_key).copied().collect();
        at.into_iter().filter_map(|at| self.stored.get(at)).collect()
    }

    /// The place of a new order among those of its number.
    #[must_use]
    pub fn next_occurrence(&self, number: &str) -> i32 {
        let last = self.by_number.get(number).and_then(|of_number| self.stored.get(*of_number.last()?));
        last.map_or(0, |last| last.occurrence) + 1
    }
}

/// The newest name of each of these channels that has a key and no name, by key.
async fn names(
    connection: &mut PgConnection,
    channels: impl Iterator<Item = &Channel>,
) -> Result<HashMap<i64, String>> {
    let keys: Vec<i64> = channels.filter(|channel| channel.name.is_none()).filter_map(|channel| channel.id).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"select key as "key!", named.channel_name as "name!"
             from unnest($1::bigint[]) key
            cross join lateral (select channel_name from orders
                                 where channel_id = key and channel_name is not null
                                 order by id desc limit 1) named"#,
        &keys
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.name)).collect())
}

/// The id of an order that is sent, if it is known.
///
/// # Errors
/// As [`Known::find`]; when the database fails.
pub async fn find(connection: &mut PgConnection, order: &Identity) -> Result<Option<i64>> {
    let known = Known::load(connection, std::slice::from_ref(order), None).await?;
    Ok(known.find(order)?.map(|stored| stored.id))
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
        let asked = Identity {
            number: self.number.clone(),
            channel: self.channel.clone().unwrap_or_default(),
            omnitron_id: self.omnitron_id,
        };
        let known = Known::load(connection, std::slice::from_ref(&asked), scope).await?;
        let channel = self.channel.as_ref().map(|channel| channel.with_name(&known.names));
        let is_meant = |stored: &&StoredIdentity| {
            let stored = &stored.identity;
            let is_of_channel = channel.as_ref().is_none_or(|channel| stored.channel.is(channel));
            let is_one = match self.omnitron_id.zip(stored.omnitron_id) {
                None => stored.number == self.number,
                Some((asked, key)) => asked == key && (stored.number == self.number || channel.is_some()),
            };
            is_one && is_of_channel
        };
        let found: Vec<&StoredIdentity> = known.candidates(&asked).into_iter().filter(is_meant).collect();
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
            (json!({ "pk": "\u{200b}7 ", "name": "\u{feff}web " }), Some(7), Some("web")),
            (json!({ "pk": "tr-web" }), None, Some("tr-web")),
            (json!({ "pk": "tr-web", "name": "web" }), None, Some("web")),
            (json!({ "pk": 7.0 }), Some(7), None),
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
            // One side knows the name alone.
            (&json!({ "name": "Web " }), Some(5), true),
            (&json!({ "name": "shop" }), Some(5), false),
            (&json!(null), Some(5), false),
        ] {
            assert_eq!(order.is(&identity(channel, omnitron_id)), is_same, "{channel} {omnitron_id:?}");
            assert_eq!(identity(channel, omnitron_id).is(&order), is_same, "{channel} {omnitron_id:?}");
        }
        assert!(identity(&json!("web"), None).is(&identity(&json!({ "name": "web" }), None)));
    }

    #[test]
    fn one_key_of_one_channel_is_one_order_whatever_its_number() {
        let (web, changed) =
            (json!({ "pk": 1, "name": "web" }), |order: Identity| Identity { number: "2".to_owned(), ..order });
        for (channel, key, is_same) in
            [(&web, Some(5), true), (&web, Some(6), false), (&web, None, false), (&json!(2), Some(5), false)]
        {
            assert_eq!(identity(&web, Some(5)).is(&changed(identity(channel, key))), is_same, "{channel} {key:?}");
        }
        // Of a channel that nobody names it is not known whose the key is.
        assert!(!identity(&json!(null), Some(5)).is(&changed(identity(&json!(null), Some(5)))));
    }

    #[test]
    fn a_key_alone_has_the_name_that_it_has_elsewhere() {
        let names = HashMap::from([(7, "web".to_owned())]);
        let named = |value: Value| Channel::of(&value).with_name(&names);
        assert!(named(json!(7)).is(&Channel::of(&json!("web"))));
        assert!(!named(json!(8)).is(&Channel::of(&json!("web"))));
        assert_eq!(named(json!({ "pk": 7, "name": "shop" })).name.as_deref(), Some("shop"));
    }

    #[test]
    fn an_order_without_a_key_is_the_one_of_its_channel_or_must_say_which() {
        let stored = |id, omnitron_id| StoredIdentity { id, identity: identity(&json!(1), omnitron_id), occurrence: 1 };
        let found = |stored: &[StoredIdentity], key| {
            let stored: Vec<&StoredIdentity> = stored.iter().collect();
            identity(&json!(1), key).among(&stored).map(|found| found.map(|stored| stored.id))
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
