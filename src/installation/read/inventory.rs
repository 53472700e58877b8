//! `[inventory]`: the service that knows the stock.

use super::fields::Fields;
use super::problem::Place;
use crate::stock::service::{Auth, AuthType, Secret, Service, ServiceType, Settings, WhenDown};

/// The `[inventory]` table, of which an installation has one or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// What it says.
    pub settings: Settings,
    /// Where it stands.
    pub at: Place,
}

impl Inventory {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require(&["auth", "service"]);
        let settings = Settings {
            auth: fields.table("auth", auth).unwrap_or(Auth::Anonymous),
            service: fields.table("service", service).unwrap_or_else(|| Service {
                url: String::new(),
                kind: ServiceType::Multiple,
                sku_parameter: String::new(),
            }),
            stock_locations: fields.texts("stock_locations"),
            timeout_seconds: fields.number("timeout_seconds", 1..=25).unwrap_or(5),
            concurrency: fields.number("concurrency", 1..=64).unwrap_or(4),
            max_age_seconds: fields.number("max_age_seconds", 0..=86_400).unwrap_or(60),
            when_down: fields.choice("when_down").unwrap_or(WhenDown::LastKnown),
        };
        Self { settings, at: fields.finish() }
    }
}

fn auth(fields: &mut Fields<'_, '_>) -> Auth {
    fields.require(&["type"]);
    let unknown = || Secret::Plain(String::new());
    let auth = match fields.choice("type") {
        Some(AuthType::BasicAuth) => {
            fields.require(&["username"]);
            Auth::BasicAuth {
                username: fields.text("username").unwrap_or_default(),
                password: fields.secret("password", "password_env").unwrap_or_else(unknown),
            }
        }
        Some(AuthType::Token) => {
            fields.require(&["url", "username"]);
            Auth::Token {
                url: fields.web_address("url").unwrap_or_default(),
                username: fields.text("username").unwrap_or_default(),
                password: fields.secret("password", "password_env").unwrap_or_else(unknown),
                token_key: fields.text("token_key").unwrap_or_else(|| "key".to_owned()),
                header_format: fields.header_format("header_format").unwrap_or_else(|| "Token {}".to_owned()),
            }
        }
        Some(AuthType::Anonymous) => Auth::Anonymous,
        // What else it has belongs to the type that was meant.
        None => return Auth::Anonymous,
    };
    fields.finish();
    auth
}

fn service(fields: &mut Fields<'_, '_>) -> Service {
    fields.require(&["url", "type"]);
    let service = Service {
        url: fields.web_address("url").unwrap_or_default(),
        kind: fields.choice("type").unwrap_or(ServiceType::Multiple),
        sku_parameter: fields.slug("sku_parameter").unwrap_or_else(|| "sku".to_owned()),
    };
    fields.finish();
    service
}

#[cfg(test)]
mod tests {
    use crate::installation::read::Installation;

    fn complaints(text: &str) -> Vec<String> {
        match Installation::read(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    const SERVICE: &str = "service = { url = \"https://stock.example/query/\", type = \"multiple\" }\n";

    #[test]
    fn each_kind_of_auth_has_its_own_keys() {
        for auth in [
            r#"{ type = "anonymous" }"#,
            r#"{ type = "basic_auth", username = "oms", password = "geheim" }"#,
            r#"{ type = "basic_auth", username = "oms", password_env = "STOCK_PASSWORD" }"#,
            r#"{ type = "token", url = "https://stock.example/login/", username = "oms", password = "geheim" }"#,
            r#"{ type = "token", url = "http://10.0.0.7/login", username = "oms", password_env = "P", token_key = "token", header_format = "Bearer {}" }"#,
        ] {
            assert_eq!(complaints(&format!("[inventory]\nauth = {auth}\n{SERVICE}")), [""; 0], "{auth}");
        }
    }

    #[test]
    fn what_is_missing_wrong_or_not_its_own_is_told_with_the_line_and_the_remedy() {
        for (auth, complaint) in [
            ("{ }", "line 2: inventory.auth.type: is missing"),
            (r#"{ type = "oauth" }"#, "`oauth` is not one of its words"),
            (r#"{ type = "anonymous", username = "oms" }"#, "inventory.auth.username: there is no such key"),
            (r#"{ type = "basic_auth", username = "oms" }"#, "inventory.auth.password: is missing"),
            (
                r#"{ type = "basic_auth", username = "oms", password = "a", password_env = "B" }"#,
                "inventory.auth.password: is given twice",
            ),
            (
                r#"{ type = "token", url = "stock.example/login", username = "oms", password = "a" }"#,
                "inventory.auth.url: `stock.example/login` is no address",
            ),
            (
                r#"{ type = "token", url = "https://a.example", username = "oms", password = "a", header_format = "Bearer" }"#,
                "inventory.auth.header_format: does not say where the token goes",
            ),
        ] {
            let told = complaints(&format!("[inventory]\nauth = {auth}\n{SERVICE}"));
            assert!(told.len() == 1 && told[0].contains(complaint), "{auth}: {told:?}");
        }
        let told = complaints("[inventory]\ntimeout_seconds = 0\nauth = { type = \"anonymous\" }\nmax_age = 3\n");
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().any(|told| told.contains("inventory.service: is missing")), "{told:?}");
        assert!(told.iter().any(|told| told.contains("write a number from 1 to 25")), "{told:?}");
        assert!(told.iter().any(|told| told.contains("max_age_seconds")), "{told:?}");
    }
}
