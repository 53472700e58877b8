//! `[[invoice_services]]`: the services that make invoices.

use serde::Deserialize;

use super::inventory::{number, secret, web_address};
use crate::{
    invoicing::{Auth, Service},
    reading::{Place, Reader},
    stock::service::Password,
};

/// A service that commands name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceService {
    /// Its name in commands.
    pub slug: String,
    /// What it says.
    pub service: Service,
    /// Where it stands.
    pub at: Place,
}

/// The kinds of `auth`, as words of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthType {
    Anonymous,
    BasicAuth,
    Token,
}

impl InvoiceService {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["slug", "url", "auth"]);
        let slug = reader.slug("slug").unwrap_or_default();
        let service = Service {
            url: web_address(reader, "url").unwrap_or_default(),
            auth: reader.object("auth", auth).unwrap_or(Auth::Anonymous),
            timeout_seconds: number(reader, "timeout_seconds", 1..=30).unwrap_or(10),
        };
        Self { slug, service, at: reader.finish() }
    }
}

fn auth(reader: &mut Reader<'_>) -> Auth {
    reader.require(&["type"]);
    let unknown = || Password::Plain(String::new().into());
    let auth = match reader.choice("type") {
        Some(AuthType::BasicAuth) => {
            reader.require(&["username"]);
            Auth::BasicAuth {
                username: reader.text("username").unwrap_or_default(),
                password: secret(reader, "password", "password_env").unwrap_or_else(unknown),
            }
        }
        Some(AuthType::Token) => Auth::Token {
            token: secret(reader, "token", "token_env").unwrap_or_else(unknown),
            token_prefix: reader.text("token_prefix").unwrap_or_else(|| "Bearer".to_owned()),
        },
        Some(AuthType::Anonymous) => Auth::Anonymous,
        // What else it has belongs to the type that was meant.
        None => return Auth::Anonymous,
    };
    reader.finish();
    auth
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

    #[test]
    fn each_kind_of_auth_has_its_own_keys() {
        for (auth, complaint) in [
            (r#"{ type = "anonymous" }"#, None),
            (r#"{ type = "basic_auth", username = "oms", password_env = "TILL_PASSWORD" }"#, None),
            (r#"{ type = "token", token_env = "TILL_TOKEN", token_prefix = "Key" }"#, None),
            (r#"{ type = "token" }"#, Some("invoice_services.auth.token: is missing")),
            (r#"{ type = "anonymous", token = "x" }"#, Some("invoice_services.auth.token: there is no such key")),
        ] {
            let text =
                format!("[[invoice_services]]\nslug = \"till\"\nurl = \"https://erp.example/\"\nauth = {auth}\n");
            let told = complaints(&text);
            match complaint {
                None => assert_eq!(told, [""; 0], "{auth}"),
                Some(complaint) => assert!(told.len() == 1 && told[0].contains(complaint), "{auth}: {told:?}"),
            }
        }
        let told = complaints("[[invoice_services]]\nslug = \"till\"\nurl = \"erp.example\"\ntimeout_seconds = 31\n");
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
