//! The installation's settings of its stock service: `[inventory]`.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    db::PgConnection,
    error::{Error, Result},
    secret::Secret,
};

/// `[inventory]`: the stock service. `auth` and `service` have the keys of the Akinon OMS; the other keys are ours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Settings {
    /// How to log in.
    pub auth: Auth,
    /// The address and the form of requests.
    pub service: Service,
    /// ERP codes of the locations whose stock it knows; empty: all.
    pub stock_locations: Vec<String>,
    /// The timeout of a request, in seconds.
    pub timeout_seconds: u32,
    /// Most requests at once, per server.
    pub concurrency: u32,
    /// Seconds for which an answer about a SKU is valid; 0: every plan asks.
    pub max_age_seconds: u32,
    /// How orders are planned when it does not answer.
    pub when_down: WhenDown,
}

impl Settings {
    /// [`timeout_seconds`](Self::timeout_seconds).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }

    /// [`max_age_seconds`](Self::max_age_seconds).
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::from_secs(u64::from(self.max_age_seconds))
    }

    /// As they are stored, with the password if it is theirs: what [`load`] reads.
    #[must_use]
    pub fn stored(&self) -> Secret<Value> {
        Secret::new(json!({
            "auth": self.auth.stored(),
            "service": self.service,
            "stock_locations": self.stock_locations,
            "timeout_seconds": self.timeout_seconds,
            "concurrency": self.concurrency,
            "max_age_seconds": self.max_age_seconds,
            "when_down": self.when_down,
        }))
    }
}

/// Reads the settings of the installation; none if it names no service.
///
/// # Errors
/// When the database fails, or has settings that this version does not know.
pub async fn load(connection: &mut PgConnection) -> Result<Option<Arc<Settings>>> {
    let Some(settings) =
        sqlx::query_scalar!("select settings from inventory_engine").fetch_optional(connection).await?
    else {
        return Ok(None);
    };
    serde_json::from_value(settings)
        .map(|settings| Some(Arc::new(settings)))
        .map_err(|error| Error::Fault(format!("this version does not know the inventory's settings: {error}")))
}

/// `[inventory.auth]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// Without a login.
    Anonymous,
    /// HTTP Basic with every request.
    BasicAuth {
        /// The user name.
        username: String,
        /// The password.
        password: Password,
    },
    /// A token from a login, used until the service refuses it with 401.
    Token {
        /// The address to which `{"username", "password"}` is posted.
        url: String,
        /// The user name.
        username: String,
        /// The password.
        password: Password,
        /// The key of the token in the login's answer.
        token_key: String,
        /// The `Authorization` header; `{}` stands for the token.
        header_format: String,
    },
}

impl Auth {
    /// As it is stored.
    fn stored(&self) -> Value {
        match self {
            Self::Anonymous => json!({ "type": "anonymous" }),
            Self::BasicAuth { username, password } => {
                json!({ "type": "basic_auth", "username": username, "password": password.stored() })
            }
            Self::Token { url, username, password, token_key, header_format } => json!({
                "type": "token", "url": url, "username": username, "password": password.stored(),
                "token_key": token_key, "header_format": header_format,
            }),
        }
    }
}

/// `[inventory.service]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The address of the GET.
    pub url: String,
    /// How many SKUs a request has.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// The name of the query parameter for a SKU; it is repeated for several.
    pub sku_parameter: String,
}

/// How many SKUs a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceType {
    /// One.
    Single,
    /// All of an order.
    Multiple,
}

/// How orders are planned when the service does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDown {
    /// Not at all: they are refused with 503, and the client sends them again.
    Wait,
    /// On the last known counts.
    LastKnown,
}

/// The kinds of `auth`, as words of the installation file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// [`Auth::Anonymous`]
    Anonymous,
    /// [`Auth::BasicAuth`]
    BasicAuth,
    /// [`Auth::Token`]
    Token,
}

/// A password or token, or the name of the environment variable that holds it on each server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// In the installation file, and so in the database.
    Plain(Secret),
    /// In the environment of each server.
    Variable(String),
}

impl Password {
    /// The password.
    ///
    /// # Errors
    /// The remedy, if the variable is not set.
    pub fn get(&self) -> Result<Secret, String> {
        match self {
            Self::Plain(secret) => Ok(secret.clone()),
            Self::Variable(name) => std::env::var(name)
                .map(Secret::from)
                .map_err(|_| format!("the environment variable {name} is not set; set it for the server")),
        }
    }

    /// As it is stored.
    pub(crate) fn stored(&self) -> Value {
        match self {
            Self::Plain(secret) => json!({ "plain": secret.reveal() }),
            Self::Variable(name) => json!({ "variable": name }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_and_one_that_is_not_set_is_named() {
        assert!(!format!("{:?}", Password::Plain("geheim".into())).contains("geheim"));
        let missing = Password::Variable("OMS_NO_SUCH_VARIABLE".to_owned());
        assert!(missing.get().expect_err("not set").contains("OMS_NO_SUCH_VARIABLE"));
    }
    #[test]
    fn what_is_stored_is_read_as_it_was() {
        let service =
            Service { url: "https://a.example".to_owned(), kind: ServiceType::Single, sku_parameter: "s".to_owned() };
        let (url, username) = ("https://b.example".to_owned(), "oms".to_owned());
        let (token_key, header_format) = ("key".to_owned(), "Token {}".to_owned());
        for auth in [
            Auth::Anonymous,
            Auth::BasicAuth { username: username.clone(), password: Password::Variable("P".to_owned()) },
            Auth::Token { url, username, password: Password::Plain("geheim".into()), token_key, header_format },
        ] {
            let settings = Settings {
                auth,
                service: service.clone(),
                stock_locations: vec!["A".to_owned()],
                timeout_seconds: 1,
                concurrency: 2,
                max_age_seconds: 3,
                when_down: WhenDown::Wait,
            };
            let read: Settings = serde_json::from_value(settings.stored().reveal().clone()).expect("settings");
            assert_eq!(read, settings);
        }
    }
}
