//! Decimals: money and rates, read to the digit. What computers add to a sum (19.990000000000002) is taken away; what would
//! be rounded is refused.

/// Digits that a number of 64 bits has right, also after a long sum; of one below 1 the zeros after its point count too, so
/// that what a difference leaves of nothing is 0.
const EXACT_DIGITS: usize = 13;
/// The greatest exponent of a number of 64 bits, and a little more.
const GREATEST_EXPONENT: i64 = 400;

/// What a column of decimals holds. A test compares it with the schema.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// `table.column`.
    pub column: &'static str,
    /// Most digits in all, where at least two stand after the point.
    pub digits: usize,
    /// Most digits after the point.
    pub places: usize,
}

/// Digits after the point that every decimal has.
const LEAST_PLACES: usize = 2;

impl Decimal {
    /// The number as the column keeps it, with at least so many places.
    ///
    /// # Errors
    /// A message in the words of Django REST framework.
    pub(super) fn read(self, text: &str, least_places: usize) -> Result<String, String> {
        let number = Digits::of(text).ok_or("A valid number is required.")?;
        let most_whole = self.digits - LEAST_PLACES;
        if number.point > most_whole {
            return Err(format!("Ensure that there are no more than {most_whole} digits before the decimal point."));
        }
        let number = number.without_noise(self.places);
        let number = number.ok_or(format!("Ensure that there are no more than {} decimal places.", self.places))?;
        if number.point + number.places().max(LEAST_PLACES) > self.digits {
            return Err(format!("Ensure that there are no more than {} digits in total.", self.digits));
        }
        Ok(number.to_text(least_places.max(LEAST_PLACES)))
    }
}

/// A number in digits: neither its first nor the last after its point is a 0.
struct Digits {
    is_negative: bool,
    figures: Vec<u8>,
    /// How many of the digits stand before the point.
    point: usize,
}

impl Digits {
    /// Digits with a sign, a point and an exponent, as programs write numbers.
    fn of(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let shift = usize::try_from(exponent.unsigned_abs()).ok()?;
        if exponent.abs() > GREATEST_EXPONENT {
            return None;
        }
        let mut point = whole.len();
        if exponent < 0 {
            let zeros = shift.saturating_sub(point);
            digits.splice(0..0, std::iter::repeat_n(b'0', zeros));
            point = point + zeros - shift;
        } else {
            point += shift;
            digits.resize(digits.len().max(point), b'0');
        }
        Some(Self { is_negative, figures: digits, point }.trimmed())
    }

    fn trimmed(mut self) -> Self {
        while self.figures.len() > self.point && self.figures.last() == Some(&b'0') {
            self.figures.pop();
        }
        let zeros = self.figures.iter().take(self.point).take_while(|digit| **digit == b'0').count();
        self.figures.drain(..zeros);
        self.point -= zeros;
        self
    }

    fn places(&self) -> usize {
        self.figures.len() - self.point
    }

    /// The number with at most so many places, if what is beyond them is nothing but noise.
    fn without_noise(self, most: usize) -> Option<Self> {
        if self.places() <= most {
            return Some(self);
        }
        (0..=most).find_map(|places| {
            let (kept, rest) = self.figures.split_at(self.point + places);
            let exact = EXACT_DIGITS.max(kept.len() + 1);
            let seen = rest.get(..exact - kept.len()).filter(|seen| seen.len() < rest.len())?;
            let is_up = seen.iter().all(|digit| *digit == b'9');
            if !is_up && !seen.iter().all(|digit| *digit == b'0') {
                return None;
            }
            let kept = Self { is_negative: self.is_negative, figures: kept.to_vec(), point: self.point };
            Some(if is_up { kept.one_more() } else { kept }.trimmed())
        })
    }

    /// With one more in its last digit.
    fn one_more(mut self) -> Self {
        for digit in self.figures.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return self;
            }
            *digit = b'0';
        }
        self.figures.insert(0, b'1');
        self.point += 1;
        self
    }

    fn to_text(&self, least_places: usize) -> String {
        let mut text = String::with_capacity(self.figures.len() + least_places + 3);
        text.push_str(if self.is_negative { "-" } else { "" });
        let (whole, fraction) = self.figures.split_at(self.point);
        text.push_str(if whole.is_empty() { "0" } else { "" });
        text.extend(whole.iter().map(|digit| char::from(*digit)));
        text.push('.');
        text.extend(fraction.iter().map(|digit| char::from(*digit)));
        text.extend(std::iter::repeat_n('0', least_places.saturating_sub(fraction.len())));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Decimal = Decimal { column: "order_items.price", digits: 14, places: 4 };

    #[test]
    fn noise_of_sums_is_taken_away_and_nothing_else_is_rounded() {
        for (given, kept) in [
            ("19.99", Ok("19.99")),
            ("19.990000000000002", Ok("19.99")),
            ("0.30000000000000004", Ok("0.30")),
            ("0.7999999999999999", Ok("0.80")),
            ("1998.9999999999986", Ok("1999.00")),
            ("-0.10000000000000009", Ok("-0.10")),
            ("99.99999999999999", Ok("100.00")),
            ("5.551115123125783e-17", Ok("0.00")),
            ("12.3456", Ok("12.3456")),
            ("19.99000000", Ok("19.99")),
            ("007.5", Ok("7.50")),
            ("1e3", Ok("1000.00")),
            ("1.5E+1", Ok("15.00")),
            (".5", Ok("0.50")),
            ("5.", Ok("5.00")),
            ("0", Ok("0.00")),
            ("999999999999.99", Ok("999999999999.99")),
            ("12.34567", Err("no more than 4 decimal places")),
            ("0.00001", Err("no more than 4 decimal places")),
            ("3.3333333333333335", Err("no more than 4 decimal places")),
            ("999999999999.999", Err("no more than 14 digits in total")),
            ("1000000000000", Err("no more than 12 digits before")),
            ("1e300", Err("no more than 12 digits before")),
            ("1e999999999", Err("valid number")),
            ("1,5", Err("valid number")),
            ("", Err("valid number")),
            (".", Err("valid number")),
            ("-", Err("valid number")),
            ("NaN", Err("valid number")),
            ("1_000", Err("valid number")),
            ("٣", Err("valid number")),
        ] {
            match (PRICE.read(given, 2), kept) {
                (Ok(read), Ok(kept)) => assert_eq!(read, kept, "{given}"),
                (Err(said), Err(part)) => assert!(said.contains(part), "{given}: {said}"),
                (read, kept) => panic!("{given}: {read:?}, not {kept:?}"),
            }
        }
    }

    #[test]
    fn a_number_has_the_places_that_its_currency_has() {
        assert_eq!(PRICE.read("1.5", 3).as_deref(), Ok("1.500"));
        assert_eq!(PRICE.read("1.2345", 3).as_deref(), Ok("1.2345"));
    }
}
