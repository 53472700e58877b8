//! The bars of a tracking number, in Code 128.

use barcoders::sym::code128::Code128;

use super::text::SMALLEST_SIZE;
use super::{LabelError, PAGE_WIDTH, Sheet, WIDTH};

/// Possible widths of the narrowest bar, best first: 4, 3 and 2 dots of a 203 dpi printer, and before the last the
/// third of a millimetre that is 4 dots of a 300 dpi printer.
const MODULE_WIDTHS: [f32; 4] = [0.5, 0.375, 0.333, 0.25];
/// Modules that must stay white on both sides of the bars.
const QUIET_MODULES: u16 = 10;
/// Bars and quiet zones together. Most printers do not reach the edge of the paper.
const BARCODE_WIDTH: f32 = PAGE_WIDTH - 4.0;

/// The bars of a tracking number.
pub(super) struct Barcode {
    modules: Vec<u8>,
    module_width: f32,
}

impl Barcode {
    pub(super) fn new(tracking_number: &str) -> Result<Self, LabelError> {
        if tracking_number.is_empty() {
            return Err(LabelError::TrackingNumberEmpty);
        }
        if let Some(character) = tracking_number.chars().find(|c| !matches!(c, ' '..='~')) {
            return Err(LabelError::TrackingNumberUnprintable { character });
        }
        let modules = Code128::new(with_code_sets(tracking_number))
            .map_err(|error| LabelError::Drawing(error.to_string()))?
            .encode();
        let width = u16::try_from(modules.len()).unwrap_or(u16::MAX).saturating_add(2 * QUIET_MODULES);
        let fits = |module: &f32| f32::from(width) * module <= BARCODE_WIDTH;
        match MODULE_WIDTHS.into_iter().find(fits) {
            Some(module_width) => Ok(Self { modules, module_width }),
            None => Err(LabelError::TrackingNumberTooLong { characters: tracking_number.len() }),
        }
    }

    /// Draws the bars in the middle of the page, and below them the number as text.
    pub(super) fn draw(&self, sheet: &mut Sheet<'_>, tracking_number: &str) {
        let length = |modules: &[u8]| f32::from(u16::try_from(modules.len()).unwrap_or(u16::MAX)) * self.module_width;
        // A whole number of dots from the edge, so that all bars of a width print equally wide.
        let mut x = ((PAGE_WIDTH - length(&self.modules)) / 2.0 * 8.0).round() / 8.0;
        for run in self.modules.chunk_by(|left, right| left == right) {
            if run.first() == Some(&1) {
                sheet.rectangle(x, 77.0, length(run), 20.5);
            }
            x += length(run);
        }
        let number = sheet.fonts.bold.fit(tracking_number, (12.0, SMALLEST_SIZE), WIDTH);
        sheet.text(&number, (PAGE_WIDTH - number.width) / 2.0, 102.5);
    }
}

/// Adds code sets to a tracking number, in the form that [`Code128`] expects: `Ɓ` before characters of set B (a symbol
/// each), `Ć` before digits of set C (a symbol for two). C is used if it makes the barcode shorter: changing to it and
/// back costs two symbols, one at an end, none if there is nothing else.
fn with_code_sets(tracking_number: &str) -> String {
    let mut marked = String::new();
    let mut current = None;
    let mut rest = tracking_number;
    while let Some(first) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (at_start, at_end) = (current.is_none(), digits == rest.len());
        let worth_it = match (at_start, at_end) {
            (true, true) => 2,
            (true, false) | (false, true) => 4,
            (false, false) => 6,
        };
        // Of an odd number of digits one stays in B: the last at the start, otherwise the first.
        let pairs = if digits % 2 == 0 || at_start { digits / 2 * 2 } else { 0 };
        let (set, length) = if pairs >= worth_it { ('Ć', pairs) } else { ('Ɓ', first.len_utf8()) };
        if current != Some(set) {
            marked.push(set);
            current = Some(set);
        }
        let (taken, left) = rest.split_at(length);
        marked.push_str(taken);
        rest = left;
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_set_in_pairs_where_that_is_shorter() {
        for (tracking_number, marked) in [
            ("7", "Ɓ7"),
            ("12", "Ć12"),
            ("123456789012", "Ć123456789012"),
            ("1234567", "Ć123456Ɓ7"),
            ("OMS0000000128", "ƁOMSĆ0000000128"),
            ("R4384418660812P1", "ƁR4Ć384418660812ƁP1"),
            ("A1234B", "ƁA1234B"),
            ("1234AB", "Ć1234ƁAB"),
            ("1Z999AA10123456784", "Ɓ1Z999AA1Ć0123456784"),
        ] {
            assert_eq!(with_code_sets(tracking_number), marked);
        }
    }

    #[test]
    fn a_barcode_is_as_wide_as_fits_the_page_with_its_quiet_zones() {
        // Start, 6 pairs and checksum of 11 modules each, 13 for the stop.
        let barcode = Barcode::new("123456789012").unwrap();
        assert_eq!(barcode.modules.len(), 8 * 11 + 13);
        for (tracking_number, width) in [
            ("123456789012", "0.5"),
            ("A-B-C-D-E-F-G-H", "0.375"),
            ("A-B-C-D-E-F-G-H-I-J-K", "0.333"),
            ("A-B-C-D-E-F-G-H-I-J-K-", "0.25"),
        ] {
            assert_eq!(Barcode::new(tracking_number).unwrap().module_width.to_string(), width, "{tracking_number}");
        }
    }
}
