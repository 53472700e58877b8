//! Suggestions for misspelled keys and words, and the check of short texts.

/// Words with more differences are not compared.
const MAX_COMPARED_CHARS: usize = 80;

/// The remedy for a word that is not allowed.
pub(crate) fn suggestion(word: &str, allowed: &[&str]) -> String {
    let all = format!("one of {}", allowed.join(", "));
    match nearest(word, allowed.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? ({all})"),
        None => format!("write {all}"),
    }
}

/// The candidate nearest to the word, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if word.len() > MAX_COMPARED_CHARS {
        return None;
    }
    let slips = word.len().div_ceil(3).min(4);
    candidates
        .into_iter()
        .map(|candidate| (edits(&word, &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= slips)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The candidate that somebody means by a word: the nearest, or the first that it is short for, as `qty` is for `quantity`.
pub(crate) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    nearest(word, candidates.clone()).or_else(|| candidates.into_iter().find(|candidate| is_short_for(word, candidate)))
}

/// True if a word has some of the letters of another, in their order and from the first on.
fn is_short_for(word: &str, candidate: &str) -> bool {
    let (word, candidate) = (word.to_lowercase(), candidate.to_lowercase());
    let mut letters = candidate.chars();
    word.chars().count() >= 3
        && candidate.chars().next() == word.chars().next()
        && word.chars().all(|letter| letters.any(|other| other == letter))
}

/// The number of letters to insert, delete or replace (Levenshtein), one row at a time.
fn edits(word: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (candidate_index, candidate_char) in candidate.chars().enumerate() {
        let mut diagonal = candidate_index;
        let mut left = candidate_index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, word_char) in row.iter_mut().skip(1).zip(word) {
            let replaced = diagonal + usize::from(candidate_char != *word_char);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The longest text of one line, in characters: for names and labels.
pub(crate) const MOST_IN_A_LINE: usize = 500;

/// The defect of a text that is to be fit for one line, and the remedy. Blanks around it were taken away.
pub(crate) fn unsound(text: &str) -> Option<(&'static str, &'static str)> {
    if text.is_empty() {
        Some(("is empty", "write a text, or leave the key out"))
    } else if text.chars().any(char::is_control) {
        Some(("has a line break in it", "write it on one line"))
    } else if text.chars().count() > MOST_IN_A_LINE {
        Some(("is longer than 500 characters", "shorten it"))
    } else {
        None
    }
}

/// True if a text looks like `tr` or `tr-tr`, in lower case.
pub(crate) fn is_language_code(text: &str) -> bool {
    let is_part = |part: &str| {
        (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.split('-').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_slip_of_the_hand_and_nothing_further() {
        assert_eq!(nearest("lable", ["label", "slug"]), Some("label"));
        assert_eq!(nearest("LABEL", ["slug", "label"]), Some("label"));
        assert_eq!(nearest("colour", ["label", "slug"]), None);
        assert_eq!(edits(&['a', 'b', 'c'], "abc"), 0);
        assert_eq!(edits(&[], "abc"), 3);
        assert_eq!(edits(&['k', 'i', 't', 't', 'e', 'n'], "sitting"), 3);
    }

    #[test]
    fn knows_what_a_short_word_means() {
        assert_eq!(meant("qty", ["erp_code", "sku", "quantity"]), Some("quantity"));
        assert_eq!(meant("date", ["quantity", "date_placed"]), Some("date_placed"));
        assert_eq!(meant("slag", ["slaughtering", "slug"]), Some("slug"));
        assert_eq!(meant("note", ["token", "number"]), None);
        assert_eq!(meant("qt", ["quantity"]), None);
    }

    #[test]
    fn knows_a_language_code() {
        assert!(is_language_code("tr") && is_language_code("tr-tr"));
        assert!(!is_language_code("tr-TR") && !is_language_code("") && !is_language_code("t"));
    }
}
