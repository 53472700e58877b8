//! A subscription as clients send it: fields, limits and messages of dj-whisperer.

use http::HeaderValue;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{countdown::Countdown, headers, target::Guard, view};
use crate::{
    error::Refusal,
    events,
    reading::{self, Defect, Reader},
    wire,
};

/// Longest `target_url`, `event_type`, `secret_key` and `callback`, in characters.
const LONGEST: [usize; 4] = [255, 124, 124, 64];
/// Longest `additional_headers` and `config`, in bytes of JSON.
const LONGEST_OBJECT: usize = 16 * 1024;
/// Replaces a secret in answers.
pub const MASK: &str = "********";

/// The fields that a request sets of a subscription. None: the field stays as it is.
#[derive(Debug, Default, ToSchema)]
#[schema(as = NewWebhook)]
pub struct Definition {
    /// Where events are sent: http or https, no user or password in it, a public address.
    #[schema(value_type = String, max_length = 255)]
    pub target_url: Option<String>,
    /// One of `GET /whisperer/hooks/registry/`.
    #[schema(value_type = String, max_length = 124)]
    pub event_type: Option<String>,
    /// When a delivery that failed is tried again. `fixed` (`seconds`), `linear` (`base`, `limit`), `exponential`
    /// (`base`, `factor`, `limit`) or `random` (`min_value`, `max_value`).
    #[schema(value_type = Countdown)]
    pub retry_countdown_config: Option<Value>,
    /// True without one. True for one that is paused resumes it.
    #[schema(value_type = bool, required = false)]
    pub is_active: Option<bool>,
    /// Signs each body: `X-Whisperer-Signature: sha256=<hex>`. `********` keeps the one there is.
    #[schema(value_type = Option<String>, max_length = 124)]
    pub secret_key: Option<Option<String>>,
    /// Kept for the client; this server calls nothing.
    #[schema(value_type = Option<String>, max_length = 64)]
    pub callback: Option<Option<String>>,
    /// Sent with each request; they may replace those of the server but not sign, frame or number it.
    #[schema(value_type = HashMap<String, String>, required = false)]
    pub additional_headers: Option<Value>,
    /// `auth`: how to log in. `{"auth_type": "basic", "username", "password"}`, or `{"auth_type": "token", "url",
    /// "username", "password"}` with `username_field`, `password_field`, `token_key` and `header_format`.
    #[schema(schema_with = view::config, required = false)]
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
    pub fn of_body(body: &[u8], purpose: Purpose, guard: &Guard, stored: Option<&Value>) -> Result<Self, Refusal> {
        let sent = match wire::parse(body)? {
            Value::Object(sent) => sent,
            other => {
                let said = Defect::of_key("non_field_errors", reading::no_dictionary(&other), "");
                return Err(Defect::field_errors(&[said]));
            }
        };
        reading::request(&sent, |reader| {
            if purpose != Purpose::Change {
                reader.require(&["retry_countdown_config", "target_url", "event_type"]);
            }
            Self::read_from(reader, purpose, guard, stored)
        })
    }

    fn read_from(reader: &mut Reader<'_>, purpose: Purpose, guard: &Guard, stored: Option<&Value>) -> Self {
        let retry_countdown_config = object(reader, "retry_countdown_config", countdown_config).flatten();
        let additional_headers = object(reader, "additional_headers", |reader| reader.all());
        if let Some(Err(why)) = additional_headers.as_ref().map(headers::parse) {
            reader.wrong("additional_headers", why);
        }
        let config = object(reader, "config", |reader| config(reader, stored, guard));
        let target_url = reader.text_within("target_url", LONGEST[0]);
        refuse_url(reader, "target_url", target_url.as_deref(), guard);
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
            additional_headers: additional_headers.map(Value::Object),
            config: config.map(Value::Object),
        }
    }
}

/// An object that is not too long.
fn object<T>(reader: &mut Reader<'_>, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
    if reader.value(key).is_some_and(|value| value.to_string().len() > LONGEST_OBJECT) {
        reader.wrong(key, format!("Ensure this field has no more than {LONGEST_OBJECT} bytes."));
        return None;
    }
    reader.object(key, read)
}

/// Notes why an address is refused, if that is known without a DNS lookup.
fn refuse_url(reader: &mut Reader<'_>, key: &str, text: Option<&str>, guard: &Guard) {
    let refused = text.and_then(|text| match text.parse::<Url>() {
        Ok(url) => guard.check(&url).err(),
        Err(_) => Some("Enter a valid URL.".to_owned()),
    });
    if let Some(why) = refused {
        reader.wrong(key, why);
    }
}

/// `{"choice", "kwargs"}`, with numbers as numbers.
fn countdown_config(reader: &mut Reader<'_>) -> Option<Value> {
    reader.require(&["choice", "kwargs"]);
    let choice = reader.word("choice", COUNTDOWNS);
    let kwargs = reader.object("kwargs", |reader| choice.map(|(_, keys)| kwargs(reader, keys)));
    let (name, _) = choice?;
    Some(json!({ "choice": name, "kwargs": kwargs?? }))
}

/// A parameter of a countdown: its name, its least value, whether it is required, and its default.
type Kwarg = (&'static str, i64, bool, Option<i64>);

/// The countdowns there are: their words, and with each its parameters.
const COUNTDOWNS: &[(&str, (&str, &[Kwarg]))] = &[
    ("fixed", ("fixed", &[("seconds", 0, true, None)])),
    ("linear", ("linear", &[("base", 0, true, None), ("limit", 0, false, None)])),
    (
        "exponential",
        ("exponential", &[("base", 0, true, None), ("factor", 1, false, Some(1)), ("limit", 0, false, None)]),
    ),
    ("random", ("random", &[("min_value", 0, true, None), ("max_value", 0, true, None)])),
];

fn kwargs(reader: &mut Reader<'_>, keys: &[Kwarg]) -> Map<String, Value> {
    let mut kwargs = Map::new();
    for (name, least, is_required, default) in keys {
        if *is_required {
            reader.require(&[name]);
        }
        let range = *least..=i64::MAX;
        let given = if *is_required || default.is_some() {
            reader.integer(name, range).or(*default).map(Some)
        } else {
            reader.nullable_integer(name, range)
        };
        if let Some(number) = given {
            kwargs.insert((*name).to_owned(), json!(number));
        }
    }
    if let (Some(least), Some(most)) = (kwargs.get("min_value"), kwargs.get("max_value"))
        && least.as_i64() >= most.as_i64()
    {
        reader.wrong("non_field_errors", "'max_value' must be greater than 'min_value'.");
    }
    kwargs
}

/// `config`: an object. This server uses only its key `auth`.
fn config(reader: &mut Reader<'_>, stored: Option<&Value>, guard: &Guard) -> Map<String, Value> {
    let mut config = reader.all();
    if reader.value("auth").is_some_and(|auth| !auth.is_null()) {
        let password = stored.and_then(|stored| stored.pointer("/auth/password"));
        if let Some(auth) = reader.object("auth", |reader| target_auth(reader, password, guard)) {
            config.insert("auth".to_owned(), Value::Object(auth));
        }
    }
    config
}

/// What is read of a [`TargetAuth`], beside what else is given.
fn target_auth(reader: &mut Reader<'_>, stored: Option<&Value>, guard: &Guard) -> Map<String, Value> {
    let mut auth = reader.all();
    let kind = auth.get("auth_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (required, optional): (&[&str], &[&str]) = match kind.as_str() {
        "basic" => (&["username", "password"], &[]),
        "token" => {
            (&["url", "username", "password"], &["username_field", "password_field", "token_key", "header_format"])
        }
        _ => {
            reader.wrong("auth_type", "Choose basic or token.");
            return auth;
        }
    };
    reader.require(required);
    for name in required.iter().chain(optional).filter(|name| **name != "password") {
        if let Some(text) = reader.text_within(name, LONGEST_OBJECT) {
            auth.insert((*name).to_owned(), Value::from(text));
        }
    }
    // A password is kept with the blanks around it.
    match (auth.get("password"), stored) {
        (Some(Value::String(text)), Some(stored)) if text == MASK => {
            auth.insert("password".to_owned(), stored.clone());
        }
        (Some(Value::String(text)), _) if text == MASK => reader.wrong("password", "Send the password itself."),
        (None | Some(Value::String(_)), _) => {}
        (Some(_), _) => reader.wrong("password", "Not a valid string."),
    }
    let text = |name: &str| auth.get(name).and_then(Value::as_str);
    if kind == "token" {
        refuse_url(reader, "url", text("url"), guard);
    }
    if text("header_format").is_some_and(|format| !format.contains("{}") || HeaderValue::from_str(format).is_err()) {
        reader.wrong("header_format", "Write it like: Token {}");
    }
    if kind == "basic" && text("username").is_some_and(|name| name.contains(':')) {
        reader.wrong("username", "A user with a colon cannot log in by basic authentication.");
    }
    auth
}

/// A stored countdown. One that cannot be read becomes a minute.
#[must_use]
pub fn countdown(config: &Value) -> Countdown {
    serde_json::from_value(config.clone()).unwrap_or(Countdown::Fixed { seconds: 60 })
}
