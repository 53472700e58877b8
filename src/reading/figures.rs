//! Numbers in files, as spreadsheets and ERPs of many countries write them. What may be two numbers is refused: `1.000` is one
//! thousand to one writer and 1 to another.

/// What three digits after the only point or comma of a number are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thousandths {
    /// It may be meant as thousands, so it is refused.
    Ambiguous,
    /// A fraction, as of a currency that is divided into a thousand.
    Plain,
}

/// Blanks that divide thousands.
const BLANKS: [char; 4] = [' ', '\u{a0}', '\u{2009}', '\u{202f}'];

/// A number as a request would have it: without marks between thousands, and with a point. What is no number stays as it is,
/// for its reader to refuse.
///
/// # Errors
/// Why it may be two numbers, and the remedy.
pub fn figures(text: &str, thousandths: Thousandths) -> Result<String, String> {
    let text = text.trim();
    if let Some(why) = shortened(text) {
        return Err(why);
    }
    let unsigned = text.trim_start_matches(['-', '+']);
    let sign = if text.starts_with('-') { "-" } else { "" };
    let as_it_is = Ok(text.to_owned());
    if text.len() > unsigned.len() + 1 || !unsigned.bytes().any(|byte| byte.is_ascii_digit()) {
        return as_it_is;
    }
    let marks: Vec<char> = unsigned.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    // Of two kinds of marks the last one is the decimal point; of one kind, if it stands there once.
    let decimal = marks
        .last()
        .copied()
        .filter(|mark| matches!(mark, '.' | ',') && marks.iter().filter(|other| *other == mark).count() == 1);
    let (whole, fraction) = decimal.and_then(|mark| unsigned.split_once(mark)).unwrap_or((unsigned, ""));
    let Some(digits) = without_thousands(whole) else { return as_it_is };
    if decimal.is_none() {
        return Ok(format!("{sign}{digits}"));
    }
    let is_ambiguous = marks.len() == 1
        && fraction.len() == 3
        && (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && thousandths == Thousandths::Ambiguous;
    if is_ambiguous {
        return Err(format!(
            "{text} may be {digits}{fraction} or {digits} and a fraction: write {sign}{digits}{fraction} or \
             {sign}{digits}.{}",
            two_places(fraction)
        ));
    }
    Ok(if fraction.is_empty() { format!("{sign}{digits}") } else { format!("{sign}{digits}.{fraction}") })
}

/// A fraction of three digits as no writer takes it for thousands.
fn two_places(fraction: &str) -> String {
    fraction.strip_suffix('0').map_or_else(|| format!("{fraction}0"), str::to_owned)
}

/// The digits of a whole number with one kind of marks between its thousands, or with none.
fn without_thousands(whole: &str) -> Option<String> {
    let mark = whole.chars().find(|letter| !letter.is_ascii_digit());
    let Some(mark) = mark else { return Some(if whole.is_empty() { "0".to_owned() } else { whole.to_owned() }) };
    let mut groups = whole.split(mark);
    let first = groups.next().unwrap_or_default();
    let is_grouped = (mark == '.' || mark == ',' || BLANKS.contains(&mark))
        && (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    is_grouped.then(|| whole.chars().filter(char::is_ascii_digit).collect())
}

/// Why a cell is not what it was: a spreadsheet took its digits for a number, and wrote it as `8.69E+12`. The other digits are
/// lost.
#[must_use]
pub fn shortened(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.trim().split_once(['e', 'E'])?;
    let exponent = exponent.strip_prefix('+').filter(|exponent| (2..=3).contains(&exponent.len()))?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    let is_shortened = whole.len() == 1 && is_number(whole) && is_number(fraction) && is_number(exponent);
    is_shortened.then(|| {
        format!(
            "{} is what a spreadsheet made of a number, and digits are lost: format the column as text, and write it anew",
            text.trim()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written_in_many_countries() {
        for (text, number) in [
            ("12", "12"),
            ("+12", "12"),
            ("-3", "-3"),
            ("1.0", "1.0"),
            ("2,00", "2.00"),
            ("2.0000", "2.0000"),
            ("0.500", "0.500"),
            ("1234.500", "1234.500"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1.234,50", "1234.50"),
            ("1,234.5", "1234.5"),
            ("1,234.567", "1234.567"),
            ("1 234", "1234"),
            ("1\u{202f}234,500", "1234.500"),
            ("1.000.000", "1000000"),
            ("1,000,000.25", "1000000.25"),
            // No numbers, or none of a writer who means it.
            ("1,00,000", "1,00,000"),
            ("1.2.3", "1.2.3"),
            ("1 2", "1 2"),
            ("many", "many"),
            ("--1", "--1"),
            ("", ""),
            (".", "."),
            ("1_000", "1_000"),
        ] {
            assert_eq!(figures(text, Thousandths::Ambiguous).as_deref(), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_may_be_a_thousand_or_one_is_refused_with_the_remedy() {
        for (text, remedy) in [
            ("1.000", "write 1000 or 1.00"),
            ("1,000", "write 1000 or 1.00"),
            ("-12.345", "write -12345 or -12.3450"),
            ("999,990", "write 999990 or 999.99"),
        ] {
            let why = figures(text, Thousandths::Ambiguous).expect_err(text);
            assert!(why.ends_with(remedy), "{why}");
        }
        assert_eq!(figures("1,234", Thousandths::Plain).as_deref(), Ok("1.234"));
        assert_eq!(figures("1.000.000", Thousandths::Plain).as_deref(), Ok("1000000"));
    }

    #[test]
    fn what_a_spreadsheet_shortened_is_known() {
        for text in ["8.69E+12", "8,69E+12", "1E+15", "5e+05", " 9.05551E+11 ", "-1.5E+100"] {
            assert!(shortened(text).is_some() && figures(text, Thousandths::Plain).is_err(), "{text}");
        }
        for text in
            ["8690000000000", "1E5", "12E+3", "E+03", "5E-05", "1E+3", "A8.69E+12", "8.69E+12B", "ÇE+1", "1.E+1", "3e"]
        {
            assert_eq!(shortened(text), None, "{text}");
        }
    }
}
