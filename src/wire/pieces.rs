//! The pieces of a JSON text, found without reading them: so one that cannot be read costs nothing but itself.

use std::borrow::Cow;

use serde_json::Value;

/// A piece, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text.
    pub text: &'a [u8],
    /// Bytes before it.
    pub position: usize,
}

/// An entry of a list that was read by itself.
pub type Entry = Result<Value, Unread>;

/// Longest text that is kept of what cannot be read, in bytes.
const LONGEST_KEPT: usize = 256 * 1024;

/// A piece that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What it says, in letters; of a very long one the beginning.
    pub text: String,
    /// Why, with the place.
    pub why: String,
}

impl Unread {
    /// A piece, and what is wrong with it.
    #[must_use]
    pub fn of(piece: Piece<'_>, why: &serde_json::Error) -> Self {
        let why = match piece.position {
            0 => why.to_string(),
            position => format!("{why}, in what begins at byte {position}"),
        };
        Self::of_body(piece.text, why)
    }
}

impl Unread {
    /// A body that cannot be read, and what is said of it.
    #[must_use]
    pub fn of_body(body: &[u8], why: String) -> Self {
        let kept = body.get(..LONGEST_KEPT).unwrap_or(body);
        Self { text: String::from_utf8_lossy(kept).into_owned(), why }
    }

    /// What can be read of it all the same: the value of a key.
    #[must_use]
    pub fn value_of(&self, key: &str) -> Option<Value> {
        serde_json::from_slice(&with_whole_letters(member_so_far(self.text.as_bytes(), key)?)).ok()
    }

    /// The same as a text.
    #[must_use]
    pub fn text_of(&self, key: &str) -> Option<String> {
        self.value_of(key)?.as_str().map(str::to_owned)
    }
}

/// The entries of a list; none if the text is not a list to its end.
#[must_use]
pub fn entries(text: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut walk = Walk { text, at: 0 };
    let mut entries = Vec::new();
    walk.open(b'[')?;
    while !walk.closes(b']', entries.is_empty())? {
        entries.push(walk.value()?);
    }
    walk.ends().then_some(entries)
}

/// The values of an object, by key as it is written; none if the text is not an object to its end.
#[must_use]
pub fn members(text: &[u8]) -> Option<Vec<(&[u8], Piece<'_>)>> {
    let mut walk = Walk { text, at: 0 };
    let mut members = Vec::new();
    walk.open(b'{')?;
    while !walk.closes(b'}', members.is_empty())? {
        let key = walk.key()?;
        walk.open(b':')?;
        members.push((key, walk.value()?));
    }
    walk.ends().then_some(members)
}

/// From the first entry on of a list under a key of an object, whose text may be cut.
#[must_use]
pub fn beginning_of_first<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut walk = Walk::to(object, key)?;
    walk.open(b'[')?;
    walk.next()?;
    object.get(walk.at..)
}

/// The value of a key of an object, as far as its text goes.
fn member_so_far<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    Some(Walk::to(object, key)?.value()?.text)
}

/// The value of a key of an object, if it is one.
#[must_use]
pub fn member<'a>(text: &'a [u8], key: &str) -> Option<Piece<'a>> {
    members(text)?.into_iter().rev().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
}

/// A text in which half a surrogate, as cut emoji have it, is written as the letter that stands for what cannot be read. It
/// is as long as before.
#[must_use]
pub fn with_whole_letters(text: &[u8]) -> Cow<'_, [u8]> {
    let mut whole = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        match escaped(text, at) {
            Some(0xd800..=0xdbff) if matches!(escaped(text, at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => {
                whole.to_mut()[at..at + 6].copy_from_slice(b"\\ufffd");
                at += 6;
            }
            Some(_) => at += 6,
            // What is escaped may be a backslash.
            None => at += 2,
        }
    }
    whole
}

/// The number of a letter that is written as `\u0000`.
fn escaped(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let number = |number: u32, digit: &u8| Some(number << 4 | char::from(*digit).to_digit(16)?);
    digits.iter().try_fold(0, number)
}

/// Goes through a text.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// Before the value of a key of an object, whose text may be cut after it.
    fn to(object: &'a [u8], key: &str) -> Option<Self> {
        let mut walk = Self { text: object, at: 0 };
        walk.open(b'{')?;
        let mut is_first = true;
        while !walk.closes(b'}', is_first)? {
            is_first = false;
            let is_it = walk.key()? == key.as_bytes();
            walk.open(b':')?;
            if is_it {
                return Some(walk);
            }
            walk.value()?;
        }
        None
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.text.get(self.at).copied()
    }

    fn open(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then(|| self.at += 1)
    }

    /// Whether the end comes next; else, but before the first, a comma is passed.
    fn closes(&mut self, end: u8, is_first: bool) -> Option<bool> {
        match self.next()? {
            byte if byte == end => {
                self.at += 1;
                return Some(true);
            }
            b',' if !is_first => self.at += 1,
            _ if is_first => {}
            _ => return None,
        }
        Some(false)
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.value()?.text.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    /// Passes a value: a text, what stands between brackets, or anything up to the next comma or bracket.
    fn value(&mut self) -> Option<Piece<'a>> {
        self.next()?;
        let (from, mut open) = (self.at, Vec::new());
        loop {
            match self.text.get(self.at)? {
                b'"' => self.pass_text()?,
                b'[' => open.push(b']'),
                b'{' => open.push(b'}'),
                byte @ (b']' | b'}') if open.last() == Some(byte) => drop(open.pop()),
                // The end of what it stands in.
                b',' | b']' | b'}' | b':' if open.is_empty() => break,
                b']' | b'}' => return None,
                _ => {}
            }
            self.at += 1;
            if open.is_empty() && matches!(self.text.get(self.at - 1), Some(b'"' | b']' | b'}')) {
                break;
            }
        }
        let text = self.text.get(from..self.at)?.trim_ascii_end();
        (!text.is_empty()).then_some(Piece { text, position: from })
    }

    /// From the first quotation mark of a text to its last.
    fn pass_text(&mut self) -> Option<()> {
        loop {
            self.at += 1;
            match self.text.get(self.at)? {
                b'\\' => self.at += 1,
                b'"' => return Some(()),
                _ => {}
            }
        }
    }

    fn ends(&mut self) -> bool {
        self.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn texts(list: &str) -> Option<Vec<String>> {
        let text = |piece: Piece<'_>| {
            assert_eq!(&list.as_bytes()[piece.position..][..piece.text.len()], piece.text);
            String::from_utf8(piece.text.to_vec()).expect("UTF-8")
        };
        Some(entries(list.as_bytes())?.into_iter().map(text).collect())
    }

    #[test]
    fn a_piece_is_found_whatever_stands_in_it() {
        for (list, pieces) in [
            ("[]", &[][..]),
            (" [ 1 , NaN,-Infinity ]\n", &["1", "NaN", "-Infinity"]),
            (
                r#"[{"a":NaN,"b":[1e999,"]"]},"\"],[",{"\ud83d":{}}]"#,
                &[r#"{"a":NaN,"b":[1e999,"]"]}"#, r#""\"],[""#, r#"{"\ud83d":{}}"#],
            ),
        ] {
            assert_eq!(texts(list).expect(list), pieces, "{list}");
        }
        for list in
            ["", "[", "[1", "[1,]", "[,1]", "[1 2", "[{]}", "[\"a]", "[1]]", "{}", "[1]1", "[\"a\\\"]", "[1,,2]"]
        {
            assert_eq!(texts(list), None, "{list}");
        }
        let page = br#"{"next": null, "results" : [NaN], "count":1}"#;
        assert_eq!(member(page, "results").expect("results").text, b"[NaN]");
        assert_eq!(member(page, "previous"), None);
        let cut = br#"{"next": {"a": 1}, "results" : [ {"number": "7", "notes": "xx"#;
        let first = beginning_of_first(cut, "results").expect("its beginning");
        assert_eq!(first, br#"{"number": "7", "notes": "xx"#);
        assert_eq!(member_so_far(first, "number"), Some(&b"\"7\""[..]));
        assert_eq!(member_so_far(first, "notes"), None);
    }

    #[test]
    fn half_a_surrogate_becomes_the_letter_that_stands_for_none() {
        for (text, whole) in [
            (r#""\ud83d\ude00 \\ud83d \u00e7""#, r#""\ud83d\ude00 \\ud83d \u00e7""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00\ud83dx\uD83D\uD83D\uDE00""#, r#""\ufffd\ufffdx\ufffd\uD83D\uDE00""#),
            (r#""\\\ud83d\n\"\u12""#, r#""\\\ufffd\n\"\u12""#),
        ] {
            assert_eq!(String::from_utf8_lossy(&with_whole_letters(text.as_bytes())), whole, "{text}");
        }
        assert!(matches!(with_whole_letters(br#""\ud83d\ude00""#), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn the_pieces_of_a_list_are_its_entries(
            texts in prop::collection::vec("[a-c\\\\\"\\[\\]{},: ]{0,6}", 0..6), blanks in "[ \n]{0,2}",
        ) {
            let values: Vec<Value> = texts.iter().map(|text| json!({ text.as_str(): [text, { "a": text }] })).collect();
            let list = format!("{blanks}[{}]{blanks}", values.iter().map(|value| format!("{blanks}{value}{blanks}"))
                .collect::<Vec<_>>().join(","));
            let pieces: Vec<Value> = entries(list.as_bytes()).expect("a list").into_iter()
                .map(|piece| serde_json::from_slice(piece.text).expect("JSON")).collect();
            prop_assert_eq!(pieces, values);
        }

        #[test]
        fn nothing_makes_it_fall_over(text in prop::collection::vec(any::<u8>(), 0..40), brackets in "[\\[\\]{}\",:\\\\u d8]{0,30}") {
            for text in [text.as_slice(), brackets.as_bytes()] {
                let _ = (entries(text), members(text), with_whole_letters(text));
            }
        }
    }
}
