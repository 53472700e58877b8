//! What an installation says of its stock service: `[inventory]`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// `[inventory]`: where stock is asked for, and how. Its `auth` and `service` are those of the original's engine
/// (reference 5); the rest is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How the service knows us.
    pub auth: Auth,
    /// Where it is.
    pub service: Service,
    /// ERP codes of the locations whose stock it knows; empty: all.
    pub stock_locations: Vec<String>,
    /// Seconds after which a request is given up.
    pub timeout_seconds: u32,
    /// Most requests at once, of each server.
    pub concurrency: u32,
    /// Seconds for which an answer about a SKU is good; 0: every plan asks anew.
    pub max_age_seconds: u32,
    /// What happens to orders when it does not answer.
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
}

/// `[inventory.auth]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// It asks nobody who they are.
    Anonymous,
    /// HTTP Basic with every request.
    BasicAuth {
        /// Our name there.
        username: String,
        /// And its password.
        password: Secret,
    },
    /// A token from a login, used until it is refused with 401.
    Token {
        /// Where `{"username", "password"}` is posted.
        url: String,
        /// Our name there.
        username: String,
        /// And its password.
        password: Secret,
        /// The key of the login's answer that holds the token.
        token_key: String,
        /// The `Authorization` header; `{}` is the token.
        header_format: String,
    },
}

/// `[inventory.service]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Where SKUs are asked for, by GET.
    pub url: String,
    /// How many SKUs a request names.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// The parameter of the query that names a SKU; of several SKUs it is repeated.
    pub sku_parameter: String,
}

/// How many SKUs a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceType {
    /// One.
    Single,
    /// All of an order.
    Multiple,
}

/// What happens to orders when the service does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDown {
    /// They are not taken: 503, and whoever sent them sends them again.
    Wait,
    /// They are planned on what was counted last.
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

/// A password: itself, or the name of the server's environment variable that holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// In the installation file, and so in the database.
    Plain(String),
    /// In the environment of each server.
    Variable(String),
}

impl Secret {
    /// The password.
    ///
    /// # Errors
    /// The remedy, where the variable is not set.
    pub fn reveal(&self) -> Result<String, String> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Variable(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} holds no password; set it for the server")),
        }
    }
}

/// Shows no password.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => formatter.write_str("Plain(…)"),
            Self::Variable(name) => write!(formatter, "Variable({name:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_and_one_that_is_not_set_is_named() {
        assert!(!format!("{:?}", Secret::Plain("geheim".to_owned())).contains("geheim"));
        let missing = Secret::Variable("OMS_NO_SUCH_VARIABLE".to_owned());
        assert!(missing.reveal().expect_err("not set").contains("OMS_NO_SUCH_VARIABLE"));
    }
}
