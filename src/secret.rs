//! Secrets: passwords, keys, tokens, and what holds them.

use std::{convert::Infallible, fmt, hash, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef},
};

/// Stands for a secret in answers.
pub const MASK: &str = "********";

/// A secret: it cannot be serialized or printed, and its `Debug` shows nothing. Whoever needs it says so by
/// [`reveal`](Self::reveal).
///
/// ```compile_fail
/// # use oms::secret::Secret;
/// serde_json::to_string(&Secret::from("geheim")).ok();
/// ```
///
/// ```compile_fail
/// # use oms::secret::Secret;
/// format!("{}", Secret::from("geheim"));
/// ```
///
/// ```
/// # use oms::secret::Secret;
/// assert_eq!(format!("{:?}", Secret::from("geheim")), "…");
/// ```
pub struct Secret<T: ?Sized = str>(Arc<T>);

impl<T: ?Sized> Secret<T> {
    /// What it is.
    #[must_use]
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> Secret<T> {
    /// Keeps a value secret.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

impl<T: ?Sized> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: ?Sized + Eq> Eq for Secret<T> {}

impl<T: ?Sized + hash::Hash> hash::Hash for Secret<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// For the command line and its variables.
impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// A text without the secrets that a request had: whoever answers it may repeat what was sent, and answers are kept.
#[must_use]
pub fn without<'s>(text: &str, secrets: impl IntoIterator<Item = &'s str>) -> String {
    /// Shorter ones are in every text.
    const SHORTEST: usize = 4;
    let secrets = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST);
    secrets.fold(text.to_owned(), |text, secret| {
        let text = text.replace(secret, MASK);
        let escaped = Value::from(secret).to_string();
        text.replace(escaped.trim_matches('"'), MASK)
    })
}

/// The same of JSON.
#[must_use]
pub fn without_in(value: Value, secrets: &[&str]) -> Value {
    let text = |text: &str| without(text, secrets.iter().copied());
    match value {
        Value::String(said) => text(&said).into(),
        Value::Array(list) => list.into_iter().map(|value| without_in(value, secrets)).collect(),
        Value::Object(object) => {
            object.into_iter().map(|(key, value)| (text(&key), without_in(value, secrets))).collect()
        }
        other => other,
    }
}

/// Read from the database; what is written there is revealed by name.
impl Type<Postgres> for Secret {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }

    fn compatible(of: &PgTypeInfo) -> bool {
        <String as Type<Postgres>>::compatible(of)
    }
}

impl<'r> Decode<'r, Postgres> for Secret {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        String::decode(value).map(Self::from)
    }
}

impl Type<Postgres> for Secret<Value> {
    fn type_info() -> PgTypeInfo {
        <Value as Type<Postgres>>::type_info()
    }

    fn compatible(of: &PgTypeInfo) -> bool {
        <Value as Type<Postgres>>::compatible(of)
    }
}

impl<'r> Decode<'r, Postgres> for Secret<Value> {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Value::decode(value).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_shown_by_nothing_that_holds_it() {
        let text: Secret = "geheim".parse().expect("any text");
        let object = Secret::new(json!({ "password": "geheim" }));
        assert_eq!(format!("{text:?} {object:?} {:?}", Some((&text, [&object]))), "… … Some((…, […]))");
        assert_eq!((text.reveal(), &object.reveal()["password"]), ("geheim", &json!("geheim")));
    }

    #[test]
    fn what_is_repeated_is_masked_as_it_is_and_as_json_has_it() {
        let text = r#"{"Authorization": "Token ge\"heim"} Token ge"heim 1"#;
        assert_eq!(without(text, ["Token ge\"heim", "1"]), r#"{"Authorization": "********"} ******** 1"#);
        let value = json!({ "geheim": [{ "a": "Token geheim", "b": 1 }, null] });
        assert_eq!(without_in(value, &["geheim"]), json!({ "********": [{ "a": "Token ********", "b": 1 }, null] }));
    }
}
