//! `[inventory]`: the service that knows the stock.

use std::ops::RangeInclusive;

use url::Url;

use crate::reading::{Place, Reader};
use crate::stock::service::{Auth, AuthType, Password, Service, ServiceType, Settings, WhenDown};

/// The `[inventory]` table, of which an installation has one or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// What it says.
    pub settings: Settings,
    /// Where it stands.
    pub at: Place,
}

impl Inventory {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["auth", "service"]);
        let settings = Settings {
            auth: reader.object("auth", auth).unwrap_or(Auth::Anonymous),
            service: reader.object("service", service).unwrap_or_else(|| Service {
                url: String::new(),
                kind: ServiceType::Multiple,
                sku_parameter: String::new(),
            }),
            stock_locations: reader.texts("stock_locations"),
            timeout_seconds: number(reader, "timeout_seconds", 1..=25).unwrap_or(5),
            concurrency: number(reader, "concurrency", 1..=64).unwrap_or(4),
            max_age_seconds: number(reader, "max_age_seconds", 0..=86_400).unwrap_or(60),
            when_down: reader.choice("when_down").unwrap_or(WhenDown::LastKnown),
        };
        Self { settings, at: reader.finish() }
    }
}

fn auth(reader: &mut Reader<'_>) -> Auth {
    reader.require(&["type"]);
    let unknown = || Password::Plain("".into());
    let auth = match reader.choice("type") {
        Some(AuthType::BasicAuth) => {
            reader.require(&["username"]);
            Auth::BasicAuth {
                username: reader.text("username").unwrap_or_default(),
                password: secret(reader, "password", "password_env").unwrap_or_else(unknown),
            }
        }
        Some(AuthType::Token) => {
            reader.require(&["url", "username"]);
            Auth::Token {
                url: web_address(reader, "url").unwrap_or_default(),
                username: reader.text("username").unwrap_or_default(),
                password: secret(reader, "password", "password_env").unwrap_or_else(unknown),
                token_key: reader.text("token_key").unwrap_or_else(|| "key".to_owned()),
                header_format: header_format(reader).unwrap_or_else(|| "Token {}".to_owned()),
            }
        }
        Some(AuthType::Anonymous) => Auth::Anonymous,
        // What else it has belongs to the type that was meant.
        None => return Auth::Anonymous,
    };
    reader.finish();
    auth
}

fn service(reader: &mut Reader<'_>) -> Service {
    reader.require(&["url", "type"]);
    let service = Service {
        url: web_address(reader, "url").unwrap_or_default(),
        kind: reader.choice("type").unwrap_or(ServiceType::Multiple),
        sku_parameter: reader.slug("sku_parameter").unwrap_or_else(|| "sku".to_owned()),
    };
    reader.finish();
    service
}

/// `http://…` or `https://…`.
pub(super) fn web_address(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    let text = reader.text(key)?;
    let is_address = text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_address {
        return Some(text);
    }
    reader.refuse(key, format!("`{text}` is no address"), "write it with `https://` before it");
    None
}

/// A password or token, or the environment variable that holds it: one of the two.
pub(super) fn secret(reader: &mut Reader<'_>, key: &'static str, variable_key: &'static str) -> Option<Password> {
    let is_given = reader.has(key);
    let has_both_or_none = is_given == reader.has(variable_key);
    let (plain, variable) = (reader.verbatim(key), reader.slug(variable_key));
    if has_both_or_none {
        let message = if is_given { "is given twice" } else { "is missing" };
        let remedy = format!("add `{key} = …`, or `{variable_key} = …` with the name of an environment variable");
        reader.refuse(key, message, remedy);
        return None;
    }
    plain.map(|text| Password::Plain(text.into())).or(variable.map(Password::Variable))
}

/// The value of a header, with `{}` for what is filled in.
fn header_format(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text("header_format")?;
    if text.contains("{}") && text.is_ascii() {
        return Some(text);
    }
    reader.refuse("header_format", "does not say where the token goes", "write it like `Bearer {}`");
    None
}

/// A number within bounds.
pub(super) fn number(reader: &mut Reader<'_>, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
    let (from, to) = range.into_inner();
    reader.integer(key, i64::from(from)..=i64::from(to)).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use crate::installation::read::Installation;

    fn complaints(text: &str) -> Vec<String> {
        match Installation::parse(text) {
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
