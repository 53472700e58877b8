//! Where invoices are asked for (`remote_invoice_call`): services that the installation defines, and addresses that a
//! command brings, as far as the settings allow them.
//!
//! A service is the operator's: it may be private, and its credentials never leave the server. An address that a command
//! brings is called with credentials that the command chose, so it is allowed only where `OMS_INVOICE_URLS` says so, and
//! only if it is public (or `OMS_INVOICE_ALLOW_PRIVATE` has it). Both are checked when the command is run and again at
//! each attempt.

use std::{collections::BTreeMap, str::FromStr, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use url::{Origin, Url};

use crate::{
    db::PgConnection,
    error::{Error, Result},
    outbound::guard::{AllowPrivate, Guard},
    secret::Secret,
    stock::service::Password,
};

/// Longest time of an attempt, from the DNS lookup to the last byte of the answer.
pub const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);

/// A service of the installation: `[[invoice_services]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// Where the package is posted to.
    pub url: String,
    /// How to log in.
    pub auth: Auth,
    /// The timeout of a request, in seconds.
    pub timeout_seconds: u32,
}

impl Service {
    /// As it is stored.
    #[must_use]
    pub fn stored(&self) -> Secret<Value> {
        let auth = match &self.auth {
            Auth::Anonymous => json!({ "type": "anonymous" }),
            Auth::BasicAuth { username, password } => {
                json!({ "type": "basic_auth", "username": username, "password": password.stored() })
            }
            Auth::Token { token, token_prefix } => {
                json!({ "type": "token", "token": token.stored(), "token_prefix": token_prefix })
            }
        };
        Secret::new(json!({ "url": self.url, "auth": auth, "timeout_seconds": self.timeout_seconds }))
    }
}

/// How to log in at a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// Without a login.
    Anonymous,
    /// HTTP Basic.
    BasicAuth {
        /// The user name.
        username: String,
        /// The password.
        password: Password,
    },
    /// A token in `Authorization`.
    Token {
        /// The token.
        token: Password,
        /// The word before it.
        token_prefix: String,
    },
}

/// `OMS_INVOICE_URLS`: which addresses commands may bring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Urls {
    /// None: commands name a service of the installation.
    #[default]
    Nothing,
    /// Any.
    Any,
    /// Those with one of these schemes, hosts and ports.
    Of(Vec<Origin>),
}

impl FromStr for Urls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" | "none" => Ok(Self::Nothing),
            "any" => Ok(Self::Any),
            list => list.split(',').map(|entry| origin(entry.trim())).collect::<Result<_, _>>().map(Self::Of),
        }
    }
}

fn origin(text: &str) -> Result<Origin, String> {
    let url = text.parse::<Url>().ok().filter(|url| {
        let is_whole = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && is_whole
    });
    url.map(|url| url.origin()).ok_or_else(|| {
        format!("`{text}` is not the beginning of an address; write scheme and host: https://erp.example")
    })
}

/// What the settings say of addresses that commands bring.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `OMS_INVOICE_URLS`.
    pub urls: Urls,
    /// `OMS_INVOICE_ALLOW_PRIVATE`.
    pub guard: Guard,
}

impl Rules {
    /// The rules of these settings.
    #[must_use]
    pub fn new(urls: Urls, allow_private: AllowPrivate) -> Self {
        Self { urls, guard: Guard::new(allow_private, "OMS_INVOICE_ALLOW_PRIVATE") }
    }

    /// Checks an address as far as that is possible without a DNS lookup.
    fn check(&self, url: &Url) -> Result<(), String> {
        let origin = url.origin();
        let is_allowed = match &self.urls {
            Urls::Nothing => false,
            Urls::Any => true,
            Urls::Of(origins) => origins.contains(&origin),
        };
        if !is_allowed {
            let origin = origin.ascii_serialization();
            return Err(format!(
                "This server calls no address of {origin} for a command. Name a service of the installation (service), or \
                 ask whoever runs the server to allow it: OMS_INVOICE_URLS."
            ));
        }
        self.guard.check(url)
    }
}

/// Nothing is allowed.
impl Default for Rules {
    fn default() -> Self {
        Self::new(Urls::Nothing, AllowPrivate::Nothing)
    }
}

/// The services of the installation, and the rules for other addresses.
#[derive(Debug, Clone, Default)]
pub struct Invoicing {
    /// The services, by slug.
    pub services: Arc<BTreeMap<String, Service>>,
    /// What the settings allow besides.
    pub rules: Rules,
}

/// Where a call goes, and how.
#[derive(Debug)]
pub struct Target {
    /// The address.
    pub url: Url,
    /// The credentials.
    pub credentials: Credentials,
    /// The timeout of the whole attempt.
    pub timeout: Duration,
    /// True if the operator chose the address; false: the guard decides.
    pub is_trusted: bool,
}

/// The credentials of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials {
    /// None.
    Anonymous,
    /// HTTP Basic: user and password.
    Basic(String, Secret),
    /// A token in `Authorization`.
    Token {
        /// The word before it.
        prefix: String,
        /// The token.
        token: Secret,
    },
}

impl Invoicing {
    /// Checks a call that a request brings, completed by [`invoice_call`](crate::kinds::common::invoice_call).
    ///
    /// # Errors
    /// A sentence that names the key, with the remedy.
    pub fn check(&self, call: &Value) -> Result<(), String> {
        if let Some(slug) = call["service"].as_str() {
            return self.service(slug).map(|_| ()).map_err(|why| format!("service: {why}"));
        }
        let url = address(call).map_err(|why| format!("remote_url: {why}"))?;
        self.rules.check(&url).map_err(|why| format!("remote_url: {why}"))
    }

    /// Where a recorded call goes, by the installation and the settings as they are now.
    ///
    /// # Errors
    /// The reason why it may not be made, with the remedy.
    pub fn target(&self, call: &Value) -> Result<Target, String> {
        if let Some(slug) = call["service"].as_str() {
            let service = self.service(slug)?;
            return Ok(Target {
                url: service.url.parse().map_err(|error| format!("its address is none: {error}"))?,
                credentials: service.auth.credentials()?,
                timeout: Duration::from_secs(u64::from(service.timeout_seconds)).min(LONGEST_ATTEMPT),
                is_trusted: true,
            });
        }
        let url = address(call)?;
        let is_trusted = is_installed(call);
        if !is_trusted {
            self.rules.check(&url)?;
        }
        let seconds = |name: &str, default: f64| {
            call["timeouts"][name].as_f64().unwrap_or(default).clamp(0.001, LONGEST_ATTEMPT.as_secs_f64())
        };
        let timeout = Duration::from_secs_f64(seconds("read", 10.0) + seconds("connect", 60.0)).min(LONGEST_ATTEMPT);
        Ok(Target { url, credentials: credentials(&call["auth"]), timeout, is_trusted })
    }

    fn service(&self, slug: &str) -> Result<&Service, String> {
        self.services.get(slug).ok_or_else(|| {
            let known: Vec<&str> = self.services.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("The installation has no invoice service {slug}. It has: {known}.")
        })
    }
}

/// Marks a call that a transition of the installation has as its default. No request can: a request's call has only
/// the keys that are documented.
pub fn mark_installed(call: &mut Value) {
    call["from_installation"] = Value::Bool(true);
}

fn is_installed(call: &Value) -> bool {
    call["from_installation"] == true
}

/// What a call shares with others that go to the same place: the service, or host and port.
#[must_use]
pub fn lane(call: &Value) -> String {
    if let Some(slug) = call["service"].as_str() {
        return format!("service {slug}");
    }
    let place = address(call).ok().and_then(|url| {
        let host = url.host_str()?.trim_end_matches('.').to_owned();
        Some(format!("{host}:{}", url.port_or_known_default()?))
    });
    place.unwrap_or_else(|| "unknown".to_owned())
}

/// What may be shown of a call: the service, or the address without what may be secret in it: user, password, query.
#[must_use]
pub fn shown(call: &Value) -> Value {
    if let Some(slug) = call["service"].as_str() {
        return json!({ "service": slug });
    }
    let url = address(call).ok().map(|mut url| {
        // Addresses with a host have both, so neither fails.
        url.set_username("").ok();
        url.set_password(None).ok();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    });
    json!({ "remote_url": url })
}

fn address(call: &Value) -> Result<Url, String> {
    let url = call["remote_url"].as_str().unwrap_or_default();
    url.parse().map_err(|error| format!("It is no address: {error}."))
}

fn credentials(auth: &Value) -> Credentials {
    let text = |name: &str| auth[name].as_str().unwrap_or_default().to_owned();
    match auth["request_type"].as_str() {
        Some("basic_auth") => Credentials::Basic(text("username"), text("password").into()),
        Some("token") => Credentials::Token { prefix: text("token_prefix"), token: text("token").into() },
        _ => Credentials::Anonymous,
    }
}

impl Auth {
    fn credentials(&self) -> Result<Credentials, String> {
        Ok(match self {
            Self::Anonymous => Credentials::Anonymous,
            Self::BasicAuth { username, password } => Credentials::Basic(username.clone(), password.get()?),
            Self::Token { token, token_prefix } => {
                Credentials::Token { prefix: token_prefix.clone(), token: token.get()? }
            }
        })
    }
}

/// Reads the services of the installation.
///
/// # Errors
/// When the database fails, or has settings that this version does not know.
pub async fn load(connection: &mut PgConnection) -> Result<BTreeMap<String, Service>> {
    let rows = sqlx::query!("select slug, settings from invoice_services").fetch_all(connection).await?;
    let services = rows.into_iter().map(|row| Ok((row.slug, serde_json::from_value(row.settings)?)));
    services.collect::<serde_json::Result<_>>().map_err(|error| {
        Error::Fault(format!("this version does not know the settings of an invoice service: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(url: &str) -> Value {
        json!({ "auth": { "request_type": "token", "token": "t", "token_prefix": "Bearer" },
                "timeouts": { "read": 1.0, "connect": 2.0 }, "remote_url": url })
    }

    fn invoicing(urls: &str, allow_private: &str) -> Invoicing {
        let till = Service {
            url: "http://10.0.0.9/invoices/".to_owned(),
            auth: Auth::Token { token: Password::Plain("geheim".into()), token_prefix: "Key".to_owned() },
            timeout_seconds: 5,
        };
        Invoicing {
            services: Arc::new(BTreeMap::from([("till".to_owned(), till)])),
            rules: Rules::new(urls.parse().expect(urls), allow_private.parse().expect(allow_private)),
        }
    }

    #[test]
    fn no_address_of_a_command_is_called_unless_a_setting_says_so() {
        for (urls, allow_private, url, why) in [
            ("", "false", "https://erp.example/i", Some("OMS_INVOICE_URLS")),
            ("", "true", "http://127.0.0.1/i", Some("OMS_INVOICE_URLS")),
            ("any", "false", "https://erp.example/i", None),
            ("any", "false", "http://127.0.0.1:5432/", Some("OMS_INVOICE_ALLOW_PRIVATE")),
            ("any", "false", "http://[::ffff:0:127.0.0.1]/", Some("OMS_INVOICE_ALLOW_PRIVATE")),
            ("any", "10.0.0.0/8", "http://10.1.2.3/", None),
            ("https://erp.example, http://10.0.0.7:8080", "false", "https://ERP.example:443/x", None),
            ("https://erp.example", "false", "http://erp.example/x", Some("OMS_INVOICE_URLS")),
            ("https://erp.example", "false", "https://erp.example.evil.example/", Some("OMS_INVOICE_URLS")),
            ("https://erp.example", "false", "https://erp.example@evil.example/", Some("OMS_INVOICE_URLS")),
            // To be named is not to be trusted: a name can lead anywhere.
            ("http://10.0.0.7:8080", "false", "http://10.0.0.7:8080/", Some("OMS_INVOICE_ALLOW_PRIVATE")),
        ] {
            let invoicing = invoicing(urls, allow_private);
            let checked = invoicing.check(&call(url));
            match why {
                None => assert_eq!(checked, Ok(()), "{urls} {url}"),
                Some(why) => {
                    let said = checked.expect_err(url);
                    assert!(said.starts_with("remote_url: ") && said.contains(why), "{urls} {url}: {said}");
                }
            }
            // It is checked again when the call is made, unless the installation has it.
            assert_eq!(invoicing.target(&call(url)).is_ok(), why.is_none(), "{urls} {url}");
            let mut installed = call(url);
            mark_installed(&mut installed);
            assert!(invoicing.target(&installed).is_ok_and(|target| target.is_trusted));
        }
    }

    #[test]
    fn a_service_is_named_and_its_credentials_are_the_servers() {
        let invoicing = invoicing("", "false");
        let named = json!({ "service": "till" });
        assert_eq!(invoicing.check(&named), Ok(()));
        let target = invoicing.target(&named).expect("a target");
        let token = Credentials::Token { prefix: "Key".to_owned(), token: "geheim".into() };
        assert!(target.is_trusted && target.credentials == token);
        assert!(!format!("{target:?}").contains("geheim"));
        let unknown = invoicing.check(&json!({ "service": "tills" })).expect_err("refused");
        assert_eq!(unknown, "service: The installation has no invoice service tills. It has: till.");
    }

    #[test]
    fn calls_to_one_place_share_a_lane_however_it_is_written() {
        for url in ["https://erp.example/a", "https://ERP.example:443/b?c", "https://erp.example./"] {
            assert_eq!(lane(&call(url)), "erp.example:443");
        }
        assert_eq!(lane(&call("http://0x7f.1:80/")), "127.0.0.1:80");
        assert_eq!(lane(&json!({ "service": "till" })), "service till");
        assert_eq!(
            shown(&call("https://oms:geheim@erp.example/a?key=geheim#x")),
            json!({ "remote_url": "https://erp.example/a" })
        );
    }

    #[test]
    fn what_is_stored_of_a_service_is_read_as_it_was() {
        let secret = Password::Variable("TILL".to_owned());
        for auth in [
            Auth::Anonymous,
            Auth::BasicAuth { username: "oms".to_owned(), password: secret },
            Auth::Token { token: Password::Plain("geheim".into()), token_prefix: "Key".to_owned() },
        ] {
            let service = Service { url: "https://erp.example/".to_owned(), auth, timeout_seconds: 3 };
            let read: Service = serde_json::from_value(service.stored().reveal().clone()).expect("a service");
            assert_eq!(read, service);
        }
    }

    #[test]
    fn an_entry_is_a_scheme_and_a_host() {
        for text in
            ["erp.example", "https://erp.example/invoices", "ftp://erp.example", "https://u@erp.example", "any,"]
        {
            assert!(text.parse::<Urls>().is_err_and(|why| why.contains("write scheme and host")), "{text}");
        }
        assert_eq!("none".parse(), Ok(Urls::Nothing));
    }
}
