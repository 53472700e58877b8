//! The additional headers of a subscription: they cannot inject lines, nor change how the others are read.

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Most headers.
const MOST: usize = 32;
/// Longest value, in bytes.
const LONGEST: usize = 4096;

/// Headers that frame the request, address it, or show that it is ours.
const RESERVED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-whisperer-signature",
];
/// The prefix of this server's own headers.
const OWN: &str = "x-oms-";

/// Reads the headers.
///
/// # Errors
/// A sentence that names the header, and the remedy.
pub fn parse(headers: &Map<String, Value>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    if headers.len() > MOST {
        return Err(format!("Ensure there are no more than {MOST} headers."));
    }
    headers.iter().map(|(name, value)| one(name, value)).collect()
}

/// A name in a message.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_default).collect()
}

fn one(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), String> {
    let shown = shown(name);
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("\"{shown}\" is no name of a header; use letters, digits and hyphens."))?;
    if RESERVED.contains(&header.as_str()) || header.as_str().starts_with(OWN) {
        return Err(format!("{shown} is set by the server; leave it out."));
    }
    let text = value.as_str().ok_or_else(|| format!("{shown}: Not a valid string."))?;
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match HeaderValue::from_str(text) {
        Ok(mut value) if is_printable && text.len() <= LONGEST => {
            value.set_sensitive(true);
            Ok((header, value))
        }
        _ => Err(format!("{shown}: use printable ASCII in one line, at most {LONGEST} characters.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(headers: &Value) -> Result<usize, String> {
        parse(headers.as_object().expect("an object")).map(|headers| headers.len())
    }

    #[test]
    fn lines_cannot_be_smuggled_and_what_is_ours_cannot_be_set() {
        assert_eq!(
            read_json(&json!({ "X-Shop": "one", "Authorization": "Token a", "Content-Type": "text/plain" })),
            Ok(3)
        );
        for (name, value, why) in [
            ("X-Shop", json!("a\r\nX-Whisperer-Signature: sha256=0"), "one line"),
            ("X-Shop", json!("a\u{0}"), "one line"),
            ("X-Shop", json!("a\tb"), "one line"),
            ("X-Shop", json!("ş"), "one line"),
            ("X-Shop", json!("a".repeat(LONGEST + 1)), "one line"),
            ("X-Shop", json!(1), "Not a valid string"),
            ("X-Shop\r\nHost", json!("a"), "no name of a header"),
            ("X Shop", json!("a"), "no name of a header"),
            ("", json!("a"), "no name of a header"),
            ("x-whisperer-SIGNATURE", json!("a"), "leave it out"),
            ("Host", json!("a"), "leave it out"),
            ("Content-Length", json!("1"), "leave it out"),
            ("Transfer-Encoding", json!("chunked"), "leave it out"),
            ("X-Oms-Event-Id", json!("1"), "leave it out"),
        ] {
            let mut headers = Map::new();
            headers.insert(name.to_owned(), value);
            assert!(parse(&headers).is_err_and(|said| said.contains(why)), "{name}");
        }
        let many: Map<String, Value> = (0..=MOST).map(|n| (format!("X-{n}"), json!("a"))).collect();
        assert!(parse(&many).is_err());
    }
}
