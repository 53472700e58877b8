//! Lines of text: shaped into glyphs, measured, wrapped and cut, for all scripts of the fonts and both directions.

use harfrust::{Direction, Feature, FontRef, GlyphInfo, ShaperData, Tag, UnicodeBuffer};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use unicode_bidi::BidiInfo;

use super::{LabelError, POINTS_PER_MM, Party};

/// The smallest font size: 14 dots on a thermal printer of 203 dpi.
pub(super) const SMALLEST_SIZE: f32 = 5.0;
/// Characters used of a line; more never fit on the page.
const LONGEST_LINE: usize = 256;
/// Most lines of a text; no block has room for more.
const MOST_LINES: usize = 20;
/// The distance between lines of a block, in font sizes.
const LEADING: f32 = 1.18;
/// The share of a line's height below its baseline.
pub(super) const DESCENT: f32 = 0.22;

/// The two typefaces of a label, `DejaVu` Sans Condensed. They cover Latin, Greek, Cyrillic and Arabic letters; others
/// would print as an empty box, and are replaced before (`letters`).
pub(super) struct Fonts {
    pub(super) regular: Typeface,
    pub(super) bold: Typeface,
}

impl Fonts {
    pub(super) fn load() -> Result<Self, LabelError> {
        let parse = |data| Typeface::parse(data).ok_or_else(|| LabelError::Drawing("a font is broken".to_owned()));
        Ok(Self {
            regular: parse(include_bytes!("../../../assets/fonts/DejaVuSansCondensed.ttf"))?,
            bold: parse(include_bytes!("../../../assets/fonts/DejaVuSansCondensed-Bold.ttf"))?,
        })
    }

    /// True if both can print a letter.
    pub(super) fn have(&self, letter: char) -> bool {
        let text = letter.to_string();
        [&self.regular, &self.bold]
            .iter()
            .all(|face| face.set(&text, SMALLEST_SIZE).glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0))
    }

    /// A name and an address as a block of text, in the given font sizes, or in smaller ones if the block would be too
    /// high. If it is too high in the smallest, the last lines are dropped, and an ellipsis says so.
    pub(super) fn block(
        &self,
        party: &Party<'_>,
        (name_size, line_size): (f32, f32),
        width: f32,
        height: f32,
    ) -> Vec<Line<'_>> {
        let mut block = Vec::new();
        for step in 0..16_u8 {
            let scale = 1.0 - 0.04 * f32::from(step);
            block = self.bold.wrap(party.name, (name_size * scale).max(SMALLEST_SIZE), width);
            for line in &party.lines {
                block.extend(self.regular.wrap(line, (line_size * scale).max(SMALLEST_SIZE), width));
            }
            if total_height(&block) <= height {
                return block;
            }
        }
        while total_height(&block) > height {
            block.pop();
        }
        if let Some(last) = block.pop() {
            block.push(last.face.cut(&format!("{} …", last.text), last.size, width));
        }
        block
    }
}

pub(super) fn total_height(block: &[Line<'_>]) -> f32 {
    block.iter().map(Line::height).sum()
}

/// A line of text: its glyphs, in print order.
pub(super) struct Line<'f> {
    pub(super) face: &'f Typeface,
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
    pub(super) size: f32,
    pub(super) width: f32,
}

impl Line<'_> {
    pub(super) fn height(&self) -> f32 {
        self.size * LEADING / POINTS_PER_MM
    }
}

/// A font, in the forms for the shaper and for the PDF.
pub(super) struct Typeface {
    shaped: (FontRef<'static>, ShaperData),
    pub(super) font: Font,
}

impl Typeface {
    fn parse(data: &'static [u8]) -> Option<Self> {
        let face = FontRef::new(data).ok()?;
        let shaper_data = ShaperData::new(&face);
        Some(Self { shaped: (face, shaper_data), font: Font::new(data.into(), 0)? })
    }

    /// A line in the first of two sizes if it fits the width, else in the largest that fits, down to the second; if
    /// none fits, it is cut with an ellipsis.
    pub(super) fn fit(&self, text: &str, (largest, smallest): (f32, f32), width: f32) -> Line<'_> {
        let text = clean(text);
        let line = self.set(&text, largest);
        if line.width <= width {
            return line;
        }
        self.cut(&text, (largest * width / line.width).max(smallest), width)
    }

    fn cut(&self, text: &str, size: f32, width: f32) -> Line<'_> {
        let line = self.set(text, size);
        // A hundredth of a millimetre for rounding errors.
        if line.width <= width + 0.01 {
            return line;
        }
        let (head, _) = text.split_at(self.fitting(text, size, width - self.set("…", size).width));
        self.set(&format!("{}…", head.trim_end_matches([' ', '…'])), size)
    }

    /// A text in as many lines as needed. Lines end between words; a word longer than a line is broken.
    fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<Line<'_>> {
        let text = clean(text);
        let mut lines = Vec::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next().filter(|_| lines.len() < MOST_LINES) {
            let (head, tail) = rest.split_at(self.fitting(rest, size, width).max(first.len_utf8()));
            let end = match head.rfind(' ') {
                Some(space) if !tail.is_empty() && !tail.starts_with(' ') => space,
                _ => head.len(),
            };
            let (head, tail) = rest.split_at(end);
            lines.push(self.set(head, size));
            rest = tail.trim_start();
        }
        lines
    }

    /// The number of bytes, from the start of a text, that fit a width.
    fn fitting(&self, text: &str, size: f32, width: f32) -> usize {
        let line = self.set(text, size);
        let mut glyphs: Vec<_> = line.glyphs.iter().map(|glyph| (glyph.text_range.start, glyph.x_advance)).collect();
        glyphs.sort_by_key(|(start, _)| *start);
        let mut left = width * POINTS_PER_MM / size;
        for (start, advance) in glyphs {
            left -= advance;
            if left < 0.0 {
                return start;
            }
        }
        line.text.len()
    }

    /// Shapes a text into glyphs.
    fn set(&self, text: &str, size: f32) -> Line<'_> {
        let text: String = text.chars().take(LONGEST_LINE).collect();
        let bidi = BidiInfo::new(&text, None);
        let mut glyphs = Vec::new();
        for paragraph in &bidi.paragraphs {
            let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for run in runs {
                let backwards = levels.get(run.start).is_some_and(unicode_bidi::Level::is_rtl);
                self.set_run(&text, run, backwards, &mut glyphs);
            }
        }
        let width = glyphs.iter().map(|glyph| glyph.x_advance).sum::<f32>() * size / POINTS_PER_MM;
        Line { face: self, text, glyphs, size, width }
    }

    /// Shapes a part of a text with one direction into glyphs.
    fn set_run(&self, text: &str, run: std::ops::Range<usize>, backwards: bool, glyphs: &mut Vec<KrillaGlyph>) {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text.get(run.clone()).unwrap_or_default());
        buffer.set_direction(if backwards { Direction::RightToLeft } else { Direction::LeftToRight });
        buffer.guess_segment_properties();
        // Ligatures look no better at these sizes, and text search needs single letters.
        let features = [Feature::new(Tag::new(b"liga"), 0, ..)];
        let (face, shaper_data) = &self.shaped;
        let shaped = shaper_data.shaper(face).build().shape(buffer, &features);

        let start_of = |info: &GlyphInfo| run.start + usize::try_from(info.cluster).unwrap_or(0);
        let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(start_of).collect();
        starts.sort_unstable();
        let em = |units: i32| f32::from(i16::try_from(units).unwrap_or(0)) / self.font.units_per_em();
        for (info, position) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
            let start = start_of(info);
            let end = starts.get(starts.partition_point(|other| *other <= start)).copied().unwrap_or(run.end);
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                em(position.x_advance),
                em(position.x_offset),
                em(position.y_offset),
                em(position.y_advance),
                start..end,
                None,
            ));
        }
    }
}

/// A text as one line: line ends, tabs and repeated spaces become single spaces.
fn clean(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_have_what_turkish_and_prices_need() {
        let fonts = Fonts::load().unwrap();
        for face in [&fonts.regular, &fonts.bold] {
            let line = face.set("ğşıçöüĞŞİÇÖÜ£€×…·", 10.0);
            assert_eq!(line.glyphs.len(), 17);
            assert!(line.glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0));
        }
    }

    #[test]
    fn letters_keep_their_place_in_a_line_that_reads_both_ways() {
        let fonts = Fonts::load().unwrap();
        let text = "شارع 123";
        let starts: Vec<usize> =
            fonts.regular.set(text, 10.0).glyphs.iter().map(|glyph| glyph.text_range.start).collect();
        assert_eq!(starts, [9, 10, 11, 8, 6, 4, 2, 0], "digits first, and from left to right");
    }

    #[test]
    fn long_lines_are_wrapped_between_words_and_nothing_is_lost() {
        let fonts = Fonts::load().unwrap();
        let text = format!("Cumhuriyet Mahallesi\tKurtuluş  Caddesi\n{} Daire 48", "Öğretmen".repeat(9));
        let lines = fonts.regular.wrap(&text, 12.0, 90.0);
        assert!(lines.len() > 2);
        assert!(lines.iter().all(|line| line.width <= 90.0));
        let printed: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(printed.concat().replace(' ', ""), clean(&text).replace(' ', ""));
        assert_eq!(printed.first(), Some(&"Cumhuriyet Mahallesi Kurtuluş Caddesi"));
    }

    #[test]
    fn a_name_that_is_too_long_is_made_smaller_and_then_cut() {
        let fonts = Fonts::load().unwrap();
        let name = "Kışlık yün atkı ve bere takımı";
        let smaller = fonts.regular.fit(name, (12.0, SMALLEST_SIZE), 40.0);
        assert!(smaller.text == name && smaller.size < 12.0 && smaller.width <= 40.02);
        let cut = fonts.regular.fit(name, (12.0, 12.0), 40.0);
        assert_eq!((cut.text.as_str(), cut.size), ("Kışlık yün atkı ve b…", 12.0));
        assert!(cut.width <= 40.0);
    }
}
