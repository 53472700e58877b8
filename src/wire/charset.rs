//! Character sets of bodies: UTF-8, or what the content type says. Systems that are older than UTF-8 send names of
//! customers in windows-1254.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use http::StatusCode;

use crate::error::Refusal;

/// The character set that a content type names; UTF-8 where it names none.
///
/// # Errors
/// 415 for one that nobody knows.
pub fn of(content_type: &str) -> Result<&'static Encoding, Refusal> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let named_so = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    named_so.map_or(Ok(UTF_8), |(_, name)| named(name.trim().trim_matches('"')))
}

/// The character set of a name.
///
/// # Errors
/// 415 for a name that nobody knows.
pub fn named(name: &str) -> Result<&'static Encoding, Refusal> {
    Encoding::for_label_no_replacement(name.as_bytes()).ok_or_else(|| {
        let detail = format!("Unsupported charset \"{name}\" in request. Send UTF-8.");
        Refusal::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    })
}

/// A text in UTF-8. A byte order mark at its beginning says more than the content type, and is left out.
///
/// # Errors
/// 400 for bytes that are none of this character set.
pub fn decode(bytes: &[u8], charset: &'static Encoding) -> Result<String, Refusal> {
    match charset.decode(bytes) {
        (text, _, false) => Ok(Cow::into_owned(text)),
        (_, used, true) => {
            let remedy =
                "say in which character set it is, like `Content-Type: application/json; charset=windows-1254`";
            Err(Refusal::non_field(&format!("The body is not in {}; {remedy}.", used.name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_set_is_a_parameter_in_any_spelling() {
        for (kind, expected) in [
            ("application/json", "UTF-8"),
            ("", "UTF-8"),
            ("application/json; charset=utf-8", "UTF-8"),
            ("application/json;CHARSET=\"ISO-8859-9\"", "windows-1254"),
            ("application/json; profile=x; charset = windows-1254", "windows-1254"),
            ("application/json; charset=utf-16", "UTF-16LE"),
        ] {
            assert_eq!(of(kind).expect(kind).name(), expected, "{kind}");
        }
        for kind in ["application/json; charset=klingon", "application/json; charset=", "a/b; charset=iso-2022-kr"] {
            assert_eq!(of(kind).expect_err(kind).status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        }
    }
}
