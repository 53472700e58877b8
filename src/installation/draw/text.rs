//! The texts of the picture: content, width, and escaping for XML.

use crate::installation::read::{State, Transition};

/// The size of a label's letters; names are a little larger.
const LABEL_SIZE: i32 = 11;

/// Longer labels are cut in the picture; the tooltip has the whole text.
const MAX_LABEL_CHARS: usize = 48;

/// The label of a transition's line.
pub(super) fn label(transition: &Transition, is_otherwise: bool) -> String {
    let label = shorten(&transition.label);
    if is_otherwise { format!("{label} (otherwise)") } else { label }
}

/// The estimated width of a label: rather too much, because fonts differ.
pub(super) fn text_width(text: &str) -> i32 {
    let tenths: i32 = text.chars().map(tenths_of_em).sum();
    tenths * LABEL_SIZE / 10 + 4
}

/// The width of a state's box, for its longest line.
pub(super) fn box_text_width(state: &State) -> i32 {
    let name = text_width(&shorten(&state.name)) * 13 / 10;
    let padding = 36;
    name.max(text_width(&slug_line(state))) + padding
}

fn tenths_of_em(char: char) -> i32 {
    match char {
        'i' | 'j' | 'l' | 'ı' | '.' | ',' | '\'' | '|' | ':' | ';' | ' ' => 4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 10,
        _ if char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-' => 6,
        _ if u32::from(char) < 0x2000 => 8,
        // Full-width scripts.
        _ => 11,
    }
}

/// A text, cut for the picture.
pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= MAX_LABEL_CHARS {
        return text.to_owned();
    }
    text.chars().take(MAX_LABEL_CHARS - 1).chain(['…']).collect()
}

/// The second line of a state's box.
pub(super) fn slug_line(state: &State) -> String {
    let slug = shorten(&state.slug);
    if state.enum_value == state.slug {
        return slug;
    }
    format!("{} · {slug}", shorten(&state.enum_value))
}

/// A text as XML. Characters that XML 1.0 cannot hold are left out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if char.is_control() => {}
            _ => escaped.push(char),
        }
    }
    escaped
}
