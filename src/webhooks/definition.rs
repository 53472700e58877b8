//! A subscription as clients send it: fields, limits and messages of dj-whisperer.

use http::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::ToSchema;

use super::{
    countdown::Countdown,
    headers,
    masks::{GOES_ELSEWHERE, Kept, STANDS_FOR_NOTHING},
    view,
};
use crate::{
    error::Refusal,
    events,
    outbound::guard::Guard,
    reading::{self, Defect, Reader},
    secret::{MASK, Secret},
    wire,
};

/// Longest `target_url`, `event_type`, `secret_key` and `callback`, in characters.
const LONGEST: [usize; 4] = [255, 124, 124, 64];
/// Longest `additional_headers` and `config`, in bytes of JSON.
const LONGEST_OBJECT: usize = 16 * 1024;

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
    /// Signs each body: `X-Whisperer-Signature: sha256=<hex>`. `********`, here or for another secret, keeps the one there
    /// is, as long as `target_url` stays.
    #[schema(value_type = Option<String>, max_length = 124)]
    pub secret_key: Option<Option<Secret>>,
    /// Kept for the client; this server calls nothing.
    #[schema(value_type = Option<String>, max_length = 64)]
    pub callback: Option<Option<String>>,
    /// Sent with each request; they may replace those of the server but not sign, frame or number it.
    #[schema(value_type = HashMap<String, String>, required = false)]
    pub additional_headers: Option<Secret<Value>>,
    /// `auth`: how to log in. `{"auth_type": "basic", "username", "password"}`, or `{"auth_type": "token", "url",
    /// "username", "password"}` with `username_field`, `password_field`, `token_key` and `header_format`.
    #[schema(schema_with = view::config, required = false)]
    pub config: Option<Secret<Value>>,
}

/// `config.auth`: how to log in at the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(tag = "auth_type", rename_all = "lowercase")]
pub enum TargetAuth {
    /// User and password with every request.
    Basic {
        /// The user.
        username: String,
        /// The password.
        #[schema(value_type = String)]
        password: Secret,
    },
    /// A token that a login gives.
    Token {
        /// The address of the login.
        url: String,
        /// The user.
        username: String,
        /// The password.
        #[schema(value_type = String)]
        password: Secret,
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
    /// Reads a body. A mask in it keeps a secret of the stored subscription.
    ///
    /// # Errors
    /// 400 that names every field that is wrong.
    pub fn of_body(body: &[u8], purpose: Purpose, guard: &Guard, stored: Option<&Kept>) -> Result<Self, Refusal> {
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
            let definition = Self::read_from(reader, guard, stored);
            reader.refuse_slips(|_| false);
            definition
        })
    }

    fn read_from(reader: &mut Reader<'_>, guard: &Guard, stored: Option<&Kept>) -> Self {
        let retry_countdown_config = object(reader, "retry_countdown_config", countdown_config).flatten();
        let target_url = reader.text_within("target_url", LONGEST[0]);
        refuse_url(reader, "target_url", target_url.as_deref(), guard);
        let is_elsewhere = target_url.as_ref().zip(stored).is_some_and(|(url, stored)| stored.is_elsewhere(url));
        let keeping = Keeping { stored, is_elsewhere };
        let additional_headers = object(reader, "additional_headers", |reader| reader.all());
        let additional_headers = additional_headers.map(|sent| additional(reader, sent, keeping));
        let config = object(reader, "config", |reader| config(reader, keeping, guard));
        let event_type = reader.text_within("event_type", LONGEST[1]);
        if let Some(name) = event_type.as_deref().filter(|name| !events::TYPES.contains(name)) {
            reader.wrong("event_type", format!("\"{name}\" is not a valid choice."));
        }
        let is_active = reader.flag("is_active");
        let secret_key = reader.nullable_prose("secret_key", LONGEST[2]);
        let callback = reader.nullable_prose("callback", LONGEST[3]);
        let is_masked = secret_key.as_ref().and_then(Option::as_deref) == Some(MASK);
        if is_masked && let Err(why) = keeping.allows(stored.is_some_and(|stored| stored.has("secret_key"))) {
            reader.wrong("secret_key", why);
        }
        keeping.refuse_what_is_left_out(reader);
        Self {
            target_url,
            event_type,
            is_active,
            secret_key: secret_key.filter(|_| !is_masked).map(|text| text.map(Secret::from)),
            callback,
            retry_countdown_config,
            additional_headers: additional_headers.map(|headers| Secret::new(Value::Object(headers))),
            config: config.map(|config| Secret::new(Value::Object(config))),
        }
    }
}

/// What of a subscription may be kept: nothing of a new one, nothing that would go to another address.
#[derive(Clone, Copy)]
struct Keeping<'a> {
    stored: Option<&'a Kept>,
    is_elsewhere: bool,
}

impl Keeping<'_> {
    /// Whether a mask may stand for what is stored, if there is something.
    fn allows(self, is_stored: bool) -> Result<(), &'static str> {
        match (is_stored, self.is_elsewhere) {
            (false, _) => Err(STANDS_FOR_NOTHING),
            (true, true) => Err(GOES_ELSEWHERE),
            (true, false) => Ok(()),
        }
    }

    /// Where the address changes, no secret comes along by being left out.
    fn refuse_what_is_left_out(self, reader: &mut Reader<'_>) {
        let Some(stored) = self.stored.filter(|_| self.is_elsewhere) else { return };
        for field in ["secret_key", "additional_headers", "config"] {
            if stored.has(field) && !reader.has(field) {
                reader.wrong(field, GOES_ELSEWHERE);
            }
        }
    }
}

/// The additional headers, with the stored values of those that are masked.
fn additional(reader: &mut Reader<'_>, mut sent: Map<String, Value>, keeping: Keeping<'_>) -> Map<String, Value> {
    for (name, value) in sent.iter_mut().filter(|(_, value)| **value == MASK) {
        let stored = keeping.stored.and_then(|stored| stored.header(name));
        match keeping.allows(stored.is_some()) {
            Ok(()) => *value = stored.cloned().unwrap_or_default(),
            Err(why) => reader.wrong("additional_headers", format!("{}: {why}", headers::shown(name))),
        }
    }
    if let Err(why) = headers::parse(&sent) {
        reader.wrong("additional_headers", why);
    }
    sent
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
fn config(reader: &mut Reader<'_>, keeping: Keeping<'_>, guard: &Guard) -> Map<String, Value> {
    let mut config = reader.all();
    for (key, value) in config.iter_mut().filter(|(key, value)| *key != "auth" && **value == MASK) {
        let stored = keeping.stored.and_then(|stored| stored.config.reveal().get(key));
        match keeping.allows(stored.is_some()) {
            Ok(()) => *value = stored.cloned().unwrap_or_default(),
            Err(why) => reader.wrong(key, why),
        }
    }
    if reader.value("auth").is_some_and(|auth| !auth.is_null())
        && let Some(auth) = reader.object("auth", |reader| target_auth(reader, keeping, guard))
    {
        config.insert("auth".to_owned(), Value::Object(auth));
    }
    config
}

/// What is read of a [`TargetAuth`]. Other keys are passed over.
fn target_auth(reader: &mut Reader<'_>, keeping: Keeping<'_>, guard: &Guard) -> Map<String, Value> {
    let sent = reader.all();
    let kind = sent.get("auth_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut auth = Map::from_iter([("auth_type".to_owned(), Value::from(kind.as_str()))]);
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
    if let Some(password) = sent.get("password") {
        let password = password_of(reader, password, &auth, keeping);
        auth.insert("password".to_owned(), password);
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

/// The password of a login: as it is sent, with the blanks around it, or the stored one.
fn password_of(reader: &mut Reader<'_>, sent: &Value, auth: &Map<String, Value>, keeping: Keeping<'_>) -> Value {
    if *sent != MASK {
        if !sent.is_string() {
            reader.wrong("password", "Not a valid string.");
        }
        return sent.clone();
    }
    let stored = keeping.stored.and_then(|stored| stored.config.reveal().pointer("/auth/password"));
    let is_elsewhere = keeping.is_elsewhere || keeping.stored.is_some_and(|stored| !stored.logs_in_at(auth));
    if let Err(why) = (Keeping { is_elsewhere, ..keeping }).allows(stored.is_some()) {
        reader.wrong("password", why);
    }
    stored.cloned().unwrap_or_default()
}

/// A stored countdown. One that cannot be read becomes a minute.
#[must_use]
pub fn countdown(config: &Value) -> Countdown {
    serde_json::from_value(config.clone()).unwrap_or(Countdown::Fixed { seconds: 60 })
}
