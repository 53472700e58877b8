//! Names as they are compared: what people read as the same is the same.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// A name or a code in the form in which it is kept and compared: letters are put together (Unicode NFC), marks that nobody
/// sees are left out, every kind of blank is a blank, and there is none at the ends. Small and capital letters stay two.
#[must_use]
pub fn name(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() || is_nfc(text) && !text.chars().any(|letter| is_unseen(letter) || is_odd_blank(letter)) {
        return Cow::Borrowed(text);
    }
    let seen = text.chars().filter(|letter| !is_unseen(*letter));
    let name: String = seen.map(|letter| if is_odd_blank(letter) { ' ' } else { letter }).nfc().collect();
    // Behind a mark there may have been a blank.
    Cow::Owned(name.trim().to_owned())
}

/// True of two names of one place or channel: besides what [`name`] leaves out, capital and small letters make no difference.
/// The Turkish dotted and dotless i count as one letter, because systems lower them differently.
#[must_use]
pub fn is_same_in_any_case(a: &str, b: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> {
        let letters = name.chars().flat_map(char::to_lowercase);
        letters.filter(|letter| *letter != '\u{307}').map(|letter| if letter == 'ı' { 'i' } else { letter })
    }
    folded(&name(a)).eq(folded(&name(b)))
}

/// True of what takes no room: soft hyphens, marks of direction and of joining, the mark at the beginning of files.
const fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// True of blanks besides the usual one: that do not break, that are narrow or wide. Ends of lines are none.
fn is_odd_blank(letter: char) -> bool {
    !letter.is_ascii() && letter.is_whitespace() && !matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_reads_the_same_is_the_same() {
        for text in [
            "ÇAY 1",
            "C\u{327}AY 1",
            "\u{feff}ÇAY 1\u{200b}",
            " ÇAY\u{a0}1 ",
            "\u{202a}ÇAY 1\u{202c}",
            "\u{2003}ÇA\u{ad}Y\u{202f}1\u{3000}",
            "C\u{200d}\u{327}AY 1\u{2060} \u{200e}",
            "\u{2066}ÇAY 1\u{2069}\t",
        ] {
            assert_eq!(name(text), "ÇAY 1", "{text:?}");
        }
        assert_eq!(name("\u{200b} \u{feff}"), "");
    }

    #[test]
    fn what_reads_otherwise_is_another() {
        for text in ["çay 1", "ÇAY  1", "CAY 1", "ÇAY-1", "①", "ﬁ", "Ａ"] {
            assert_eq!(name(text), text);
        }
    }

    #[test]
    fn places_and_channels_are_the_same_whatever_the_case() {
        for (a, b) in [
            ("İstanbul", "istanbul"),
            ("ISTANBUL", "istanbul"),
            ("IZMIR ", "İzmir"),
            ("Ağrı", "AĞRI"),
            ("Web\u{200b}", "\u{a0}web"),
            ("C\u{327}ankiri", "ÇANKIRI"),
        ] {
            assert!(is_same_in_any_case(a, b), "{a} {b}");
        }
        assert!(!is_same_in_any_case("Ankara", "Istanbul"));
    }

    proptest! {
        #[test]
        fn a_name_is_its_own_name(text in "[a-zç\u{327}\u{200b}\u{a0} \u{1100}\u{1161}\u{ad}]{0,12}|.{0,12}") {
            let once = name(&text).into_owned();
            prop_assert_eq!(name(&once), once.as_str());
        }
    }
}
