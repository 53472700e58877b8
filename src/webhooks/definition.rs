//! A subscription as clients send it: fields, limits and messages of dj-whisperer.

use http::HeaderValue;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{countdown::Countdown, headers, target::Guard};
use crate::{
    error::Refusal,
    events,
    reading::{self, Reader, values::integer},
    wire,
};

/// Longest `target_url`, `event_type`, `secret_key` and `callback`, in characters.
const LONGEST: [usize; 4] = [255, 124, 124, 64];
/// Longest `additional_headers` and `config`, in bytes of JSON.
const LONGEST_OBJECT: usize = 16 * 1024;
/// Replaces a secret in answers.
pub const MASK: &str = "********";

/// The fields that a request sets. None: the field stays as it is.
#[derive(Debug, Default)]
pub struct Definition {
    /// `target_url`.
    pub target_url: Option<String>,
    /// `event_type`.
    pub event_type: Option<String>,
    /// `is_active`.
    pub is_active: Option<bool>,
    /// `secret_key`.
    pub secret_key: Option<Option<String>>,
    /// `callback`.
    pub callback: Option<Option<String>>,
    /// `retry_countdown_config`, completed with defaults.
    pub retry_countdown_config: Option<Value>,
    /// `additional_headers`.
    pub additional_headers: Option<Value>,
    /// `config`.
    pub config: Option<Value>,
}

/// `config.auth`: how to log in at the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(tag = "auth_type", rename_all = "lowercase")]
pub enum TargetAuth {
    /// User and password with every request.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that a login gives.
    Token {
        /// The address of the login.
        url: String,
        /// The user.
        username: String,
        /// The password.
        password: String,
        /// The login's name for the user field.
        #[serde(default = "username_field")]
        username_field: String,
        /// The login's name for the password field.
        #[serde(default = "password_field")]
        password_field: String,
        /// The key of the token in the login's answer.
        #[serde(default = "token_key")]
        token_key: String,
        /// The value of `Authorization`, with `{}` for the token.
        #[serde(default = "header_format")]
        header_format: String,
    },
}

fn username_field() -> String {
    "username".to_owned()
}

fn password_field() -> String {
    "password".to_owned()
}

fn token_key() -> String {
    "key".to_owned()
}

fn header_format() -> String {
    "Token {}".to_owned()
}

/// The method of a request, which decides the fields it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// POST.
    Create,
    /// PUT.
    Replace,
    /// PATCH.
    Change,
}

impl Definition {
    /// Reads a body. `stored` is the stored `config`: a mask in the body keeps its secret.
    ///
    /// # Errors
    /// 400 that names every field that is wrong.
    pub fn read(body: &[u8], purpose: Purpose, guard: &Guard, stored: Option<&Value>) -> Result<Self, Refusal> {
        let sent = match wire::parse(body)? {
            Value::Object(sent) => sent,
            other => return Err(nested(&[], &["non_field_errors"], &reading::no_dictionary(&other))),
        };
        let mut wrong = Map::new();
        if purpose != Purpose::Change {
            for name in ["retry_countdown_config", "target_url", "event_type"] {
                if !sent.contains_key(name) {
                    wrong.insert(name.to_owned(), json!(["This field is required."]));
                }
            }
        }
        let read = reading::request(&sent, |reader| Self::read_from(reader, purpose, guard, stored, &mut wrong));
        let refusal = Refusal { status: http::StatusCode::BAD_REQUEST, error: Value::Object(wrong) };
        match read {
            Err(more) => Err(refusal.and(more)),
            Ok(_) if refusal.error != json!({}) => Err(refusal),
            Ok(definition) => Ok(definition),
        }
    }

    /// Reads the fields; `wrong` takes the messages for what is within an object.
    fn read_from(
        reader: &mut Reader<'_>,
        purpose: Purpose,
        guard: &Guard,
        stored: Option<&Value>,
        wrong: &mut Map<String, Value>,
    ) -> Self {
        let retry_countdown_config = object(reader, "retry_countdown_config", wrong, countdown_config);
        let additional_headers = object(reader, "additional_headers", wrong, |value| {
            let object = dictionary(value)?;
            headers::parse(object).map(|_| value.clone()).map_err(|why| json!([why]))
        });
        let config = object(reader, "config", wrong, |value| config(value, stored, guard));
        let target_url = reader.text_within("target_url", LONGEST[0]);
        if let Some(why) = target_url.as_deref().and_then(|url| refused_url(url, guard)) {
            reader.wrong("target_url", why);
        }
        let event_type = reader.text_within("event_type", LONGEST[1]);
        if let Some(name) = event_type.as_deref().filter(|name| !events::TYPES.contains(name)) {
            reader.wrong("event_type", format!("\"{name}\" is not a valid choice."));
        }
        let is_active = reader.flag("is_active");
        let secret_key = reader.nullable_text("secret_key", LONGEST[2]);
        let callback = reader.nullable_text("callback", LONGEST[3]);
        let is_masked = secret_key.as_ref().and_then(Option::as_deref) == Some(MASK);
        if purpose == Purpose::Create && is_masked {
            reader.wrong("secret_key", "This is what stands for a secret in answers; send the secret itself.");
        }
        Self {
            target_url,
            event_type,
            is_active,
            secret_key: secret_key.filter(|_| !is_masked),
            callback,
            retry_countdown_config,
            additional_headers,
            config,
        }
    }
}

/// Reads a field that is an object. The error is the field's message.
fn object(
    reader: &mut Reader<'_>,
    name: &'static str,
    wrong: &mut Map<String, Value>,
    read: impl FnOnce(&Value) -> Result<Value, Value>,
) -> Option<Value> {
    let value = reader.value(name)?;
    let result = if value.is_null() {
        Err(json!(["This field may not be null."]))
    } else if value.to_string().len() > LONGEST_OBJECT {
        Err(json!([format!("Ensure this field has no more than {LONGEST_OBJECT} bytes.")]))
    } else if value.to_string().contains("\\u0000") {
        Err(json!(["Null characters are not allowed."]))
    } else {
        read(value)
    };
    result.map_err(|why| wrong.insert(name.to_owned(), why)).ok()
}

fn dictionary(value: &Value) -> Result<&Map<String, Value>, Value> {
    value.as_object().ok_or_else(|| json!({ "non_field_errors": [reading::no_dictionary(value)] }))
}

/// 400 with a message at a nested key.
fn nested(path: &[&str], names: &[&str], message: &str) -> Refusal {
    let mut error = Value::Object(names.iter().map(|name| ((*name).to_owned(), json!([message]))).collect());
    for name in path.iter().rev() {
        error = json!({ *name: error });
    }
    Refusal { status: http::StatusCode::BAD_REQUEST, error }
}

/// Why an address is refused, if that is known without a DNS lookup.
fn refused_url(text: &str, guard: &Guard) -> Option<String> {
    match text.parse::<Url>() {
        Ok(url) => guard.check(&url).err(),
        Err(_) => Some("Enter a valid URL.".to_owned()),
    }
}

/// `{"choice", "kwargs"}`, checked, with numbers as numbers.
fn countdown_config(value: &Value) -> Result<Value, Value> {
    let object = dictionary(value)?;
    let mut wrong = Map::new();
    let mut refuse = |name: &str, message: String| {
        wrong.insert(name.to_owned(), json!([message]));
    };
    let choice = match object.get("choice") {
        None => Err("This field is required.".to_owned()),
        Some(Value::Null) => Err("This field may not be null.".to_owned()),
        Some(Value::String(text)) if text.trim().is_empty() => Err("This field may not be blank.".to_owned()),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err("Not a valid string.".to_owned()),
    };
    let keys = choice.and_then(|choice| match kwargs_of(&choice) {
        Some(keys) => Ok((choice, keys)),
        None => Err(format!("\"{choice}\" is not a valid choice.")),
    });
    let keys = keys.map_err(|message| refuse("choice", message)).ok();
    match object.get("kwargs") {
        None => refuse("kwargs", "This field is required.".to_owned()),
        Some(Value::Null) => refuse("kwargs", "This field may not be null.".to_owned()),
        Some(given) => {
            if let (Some((choice, keys)), true) = (keys, wrong.is_empty()) {
                let kwargs = kwargs(keys, given).map_err(|why| json!({ "kwargs": why }))?;
                return Ok(json!({ "choice": choice, "kwargs": kwargs }));
            }
        }
    }
    Err(Value::Object(wrong))
}

/// A parameter of a countdown: its name, its least value, whether it is required, and its default.
type Kwarg = (&'static str, i64, bool, Option<i64>);

const FIXED: &[Kwarg] = &[("seconds", 0, true, None)];
const LINEAR: &[Kwarg] = &[("base", 0, true, None), ("limit", 0, false, None)];
const EXPONENTIAL: &[Kwarg] = &[("base", 0, true, None), ("factor", 1, false, Some(1)), ("limit", 0, false, None)];
const RANDOM: &[Kwarg] = &[("min_value", 0, true, None), ("max_value", 0, true, None)];

fn kwargs_of(choice: &str) -> Option<&'static [Kwarg]> {
    match choice {
        "fixed" => Some(FIXED),
        "linear" => Some(LINEAR),
        "exponential" => Some(EXPONENTIAL),
        "random" => Some(RANDOM),
        _ => None,
    }
}

fn kwargs(keys: &[Kwarg], given: &Value) -> Result<Value, Value> {
    let given = dictionary(given)?;
    let (mut kwargs, mut wrong) = (Map::new(), Map::new());
    for (name, least, is_required, default) in keys {
        let read = match given.get(*name) {
            None if *is_required => Err("This field is required.".to_owned()),
            None => match default {
                Some(default) => Ok(json!(default)),
                None => continue,
            },
            // Only `limit` may be null.
            Some(Value::Null) if *is_required || default.is_some() => Err("This field may not be null.".to_owned()),
            Some(Value::Null) => Ok(Value::Null),
            Some(value) => match whole(value) {
                None => Err("A valid integer is required.".to_owned()),
                Some(number) if number < *least => {
                    Err(format!("Ensure this value is greater than or equal to {least}."))
                }
                Some(number) => Ok(json!(number)),
            },
        };
        match read {
            Ok(value) => kwargs.insert((*name).to_owned(), value),
            Err(message) => wrong.insert((*name).to_owned(), json!([message])),
        };
    }
    let is_after = |least: &str, most: &str| match (kwargs.get(least), kwargs.get(most)) {
        (Some(least), Some(most)) => least.as_i64() < most.as_i64(),
        _ => true,
    };
    if !wrong.is_empty() {
        return Err(Value::Object(wrong));
    }
    if !is_after("min_value", "max_value") {
        return Err(json!({ "non_field_errors": ["'max_value' must be greater than 'min_value'."] }));
    }
    Ok(Value::Object(kwargs))
}

/// A whole number, given as an integer, as digits, or as a float without a fraction.
fn whole(value: &Value) -> Option<i64> {
    integer(value)
        .or_else(|| value.as_f64().map(|float| format!("{float:.0}")).filter(|_| is_whole(value))?.parse().ok())
}

fn is_whole(value: &Value) -> bool {
    value.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// `config`: an object. This server uses only its key `auth`.
fn config(value: &Value, stored: Option<&Value>, guard: &Guard) -> Result<Value, Value> {
    dictionary(value)?;
    let mut config = value.clone();
    let Some(auth) = config.get_mut("auth").filter(|auth| !auth.is_null()) else { return Ok(config) };
    if auth.get("password").is_some_and(|password| password == MASK)
        && let Some(known) = stored.and_then(|stored| stored.pointer("/auth/password"))
    {
        auth["password"] = known.clone();
    }
    check_auth(auth, guard).map_err(|why| json!({ "auth": why }))?;
    Ok(config)
}

fn check_auth(auth: &Value, guard: &Guard) -> Result<(), Value> {
    let object = dictionary(auth)?;
    let kind = object.get("auth_type").and_then(Value::as_str).unwrap_or_default();
    let (required, optional): (&[&str], &[&str]) = match kind {
        "basic" => (&["username", "password"], &[]),
        "token" => {
            (&["url", "username", "password"], &["username_field", "password_field", "token_key", "header_format"])
        }
        _ => return Err(json!({ "auth_type": ["Choose basic or token."] })),
    };
    let mut wrong = Map::new();
    for name in required.iter().filter(|name| !object.contains_key(**name)) {
        wrong.insert((*name).to_owned(), json!(["This field is required."]));
    }
    for name in required.iter().chain(optional) {
        let message = match object.get(*name) {
            Some(Value::String(text)) if text.is_empty() && *name != "password" => "This field may not be blank.",
            Some(Value::String(text)) if text == MASK && *name == "password" => "Send the password itself.",
            None | Some(Value::String(_)) => continue,
            Some(_) => "Not a valid string.",
        };
        wrong.insert((*name).to_owned(), json!([message]));
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    if kind == "token"
        && let Some(why) = text("url").and_then(|url| refused_url(url, guard))
    {
        wrong.insert("url".to_owned(), json!([why]));
    }
    if text("header_format").is_some_and(|format| !format.contains("{}") || HeaderValue::from_str(format).is_err()) {
        wrong.insert("header_format".to_owned(), json!(["Write it like: Token {}"]));
    }
    if kind == "basic" && text("username").is_some_and(|name| name.contains(':')) {
        wrong.insert("username".to_owned(), json!(["A user with a colon cannot log in by basic authentication."]));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Value::Object(wrong)) }
}

/// A stored countdown. One that cannot be read becomes a minute.
#[must_use]
pub fn countdown(config: &Value) -> Countdown {
    serde_json::from_value(config.clone()).unwrap_or(Countdown::Fixed { seconds: 60 })
}
