//! Letters that the fonts lack: written in Latin ones (Běi Jīng is `Bei Jing`, an emoji its name), or counted as missing. A
//! courier cannot read an empty box, and nobody would know what had been there.

use std::{
    collections::{BTreeSet, HashMap},
    mem::take,
};

use super::{Label, LabelItem, Party, text::Fonts};

/// What stands for a letter that cannot be written otherwise.
const MISSING: char = '?';
/// From here on signs are words: of Chinese, and pictures. They are written apart.
const WORDS: std::ops::RangeInclusive<char> = '\u{2600}'..='\u{27bf}';
const PICTURES: char = '\u{1f000}';

/// What became of the letters that the fonts lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced {
    /// How many are written in Latin letters.
    pub transliterated: u64,
    /// How many stand as `?`.
    pub missing: u64,
    /// Which these are, each once.
    pub missing_letters: BTreeSet<char>,
}

/// Makes texts legible, and knows which letters the fonts have.
pub(super) struct Letters<'f> {
    fonts: &'f Fonts,
    known: HashMap<char, bool>,
    pub(super) replaced: Replaced,
}

impl<'f> Letters<'f> {
    pub(super) fn of(fonts: &'f Fonts) -> Self {
        Self { fonts, known: HashMap::new(), replaced: Replaced::default() }
    }

    /// The texts of a label, in the order of [`with_texts`], as they can be printed.
    pub(super) fn texts(&mut self, label: &Label<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        with_texts(label, |text| {
            texts.push(text.to_owned());
            text
        });
        texts.iter().map(|text| self.legible(text)).collect()
    }

    fn legible(&mut self, text: &str) -> String {
        if text.is_ascii() {
            return text.to_owned();
        }
        let mut legible = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter.is_whitespace() || letter.is_control() || self.has(letter) {
                legible.push(letter);
                continue;
            }
            match deunicode::deunicode_char(letter) {
                // It only joins others, or says how they look.
                Some("") => {}
                Some(latin) => {
                    let is_word = letter >= PICTURES || WORDS.contains(&letter);
                    legible.push_str(if is_word { " " } else { "" });
                    legible.push_str(latin);
                    legible.push_str(if is_word { " " } else { "" });
                    self.replaced.transliterated += 1;
                }
                None if is_invisible(letter) => {}
                None => {
                    legible.push(MISSING);
                    self.replaced.missing += 1;
                    self.replaced.missing_letters.insert(letter);
                }
            }
        }
        legible
    }

    fn has(&mut self, letter: char) -> bool {
        let fonts = self.fonts;
        *self.known.entry(letter).or_insert_with(|| fonts.have(letter))
    }

    pub(super) fn replaced(&mut self) -> Replaced {
        take(&mut self.replaced)
    }
}

/// Selectors of forms, colours of skin, tags of flags: they say how the sign before them looks.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e01ef}')
}

/// The same label with other texts, which are asked for one after the other.
pub(super) fn with_texts<'t, 'l: 't>(label: &'l Label<'_>, mut text: impl FnMut(&'l str) -> &'t str) -> Label<'t> {
    let mut party = |party: &'l Party<'_>| Party {
        name: text(party.name),
        lines: party.lines.iter().map(|line| text(line)).collect(),
    };
    let (sender, receiver) = (party(&label.sender), party(&label.receiver));
    Label {
        sender,
        receiver,
        order_number: text(label.order_number),
        package_number: text(label.package_number),
        cargo_company: text(label.cargo_company),
        tracking_number: label.tracking_number,
        created: label.created,
        items: label
            .items
            .iter()
            .map(|item| LabelItem { sku: text(item.sku), name: text(item.name), quantity: item.quantity })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fonts_lack_is_in_latin_letters_or_counted() {
        let fonts = Fonts::load().unwrap();
        for (text, legible, transliterated, missing) in [
            ("Ayşegül Işık, Ñandú, Łódź, Đặng", "Ayşegül Işık, Ñandú, Łódź, Đặng", 0, ""),
            ("Παπαδόπουλος Щукин محمد", "Παπαδόπουλος Щукин محمد", 0, ""),
            ("北京市 王伟", "Bei Jing Shi  Wang Wei ", 5, ""),
            ("カメラ", "kamera", 3, ""),
            ("Gift🎁box", "Gift gift  box", 1, ""),
            ("👩🏽\u{200d}🚀", " woman  \u{200d} rocket  ", 2, ""),
            ("a\u{f8ff}b\u{10ffff}\u{f8ff}", "a?b??", 0, "\u{f8ff}\u{10ffff}"),
        ] {
            let mut letters = Letters::of(&fonts);
            assert_eq!(letters.legible(text), legible, "{text}");
            let count = text.chars().filter(|letter| missing.contains(*letter)).count() as u64;
            let missing_letters = missing.chars().collect();
            assert_eq!(letters.replaced(), Replaced { transliterated, missing: count, missing_letters }, "{text}");
        }
    }
}
