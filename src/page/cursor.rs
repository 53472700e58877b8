//! Cursors: where a client goes on in a list that is too long for numbered pages.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// The parameter.
pub(super) const PARAMETER: &str = "cursor";
/// What asks for the first page.
const FIRST: &str = "*";

/// The last row of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// How many rows there were at the first page; none: this is the first.
    pub count: Option<usize>,
    /// What the list is ordered by, of that row; empty: before the first.
    pub keys: Vec<String>,
}

impl Cursor {
    /// Reads what a client sends: `*` for the first page, else what a `next` has.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        if text == FIRST {
            return Ok(Self::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        if cursor.count.is_none() || cursor.keys.is_empty() || cursor.keys.iter().any(|key| key.contains('\0')) {
            return Err(wrong());
        }
        Ok(cursor)
    }

    /// As clients send it.
    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The refusal of what is no cursor.
pub(super) fn wrong() -> Refusal {
    Refusal::field(PARAMETER, "Invalid cursor: begin with *, and go on with the address in next.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        let cursor = Cursor { count: Some(3), keys: vec!["ÇAY, 1".to_owned(), "7".to_owned()] };
        assert_eq!(Cursor::read(&cursor.text()).expect("a cursor"), cursor);
        assert_eq!(Cursor::read("*").expect("a cursor"), Cursor::default());
        let text = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let nul = text(r#"{"count":1,"keys":["\u0000"]}"#);
        for wrong in
            ["x", "**", "e30", &text("[]"), &text(r#"{"count":1,"keys":[]}"#), &text(r#"{"keys":["a"]}"#), &nul]
        {
            assert!(Cursor::read(wrong).is_err(), "{wrong}");
        }
    }
}
