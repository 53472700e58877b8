//! The shipping label of a package, as PDF.
//!
//! [`render`] is pure: the same [`Label`] always gives the same bytes. A page is 100 × 150 mm, the usual sheet of a
//! thermal printer, and black only. The first page has everything that a courier needs. Items that do not fit continue
//! on further pages of the same size, so none is left out.
//!
//! This file defines a label and lays out its pages; `barcode` and `text` draw its parts; `letters` writes what the fonts
//! lack in Latin letters. Lengths are millimetres from
//! the upper left corner, font sizes are points.

use chrono::{DateTime, Utc};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};

use barcode::Barcode;
use letters::{Letters, with_texts};
use text::{DESCENT, Fonts, Line, SMALLEST_SIZE};

pub use letters::Replaced;

mod barcode;
mod letters;
mod text;

/// The content of a label.
#[derive(Clone, Debug)]
pub struct Label<'a> {
    /// The sender: small, at the top.
    pub sender: Party<'a>,
    /// The receiver: large.
    pub receiver: Party<'a>,
    /// The order number.
    pub order_number: &'a str,
    /// The number of the package.
    pub package_number: &'a str,
    /// The name of the carrier.
    pub cargo_company: &'a str,
    /// The carrier's number of the package; it becomes the barcode.
    pub tracking_number: &'a str,
    /// When the label was made.
    pub created: DateTime<Utc>,
    /// The contents.
    pub items: Vec<LabelItem<'a>>,
}

/// A name and an address.
#[derive(Clone, Debug)]
pub struct Party<'a> {
    /// The person or company.
    pub name: &'a str,
    /// Street, postcode and city, country, phone; empty ones are left out.
    pub lines: Vec<&'a str>,
}

/// A line of the list of contents.
#[derive(Clone, Debug)]
pub struct LabelItem<'a> {
    /// The stock keeping unit.
    pub sku: &'a str,
    /// The product's name.
    pub name: &'a str,
    /// The number of units.
    pub quantity: i64,
}

/// A label that is drawn.
#[derive(Debug)]
pub struct Drawn {
    /// The document.
    pub pdf: Vec<u8>,
    /// What became of the letters that the fonts lack.
    pub replaced: Replaced,
}

/// Why a label cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// There is no text for a barcode.
    #[error("the tracking number is empty: there is nothing to print as a barcode")]
    TrackingNumberEmpty,
    /// Code 128 holds printable ASCII here: letters, digits, the space and common signs.
    #[error("the tracking number contains {character:?}, which a Code 128 barcode cannot hold")]
    TrackingNumberUnprintable {
        /// The first such character.
        character: char,
    },
    /// Its bars would be narrower than a quarter of a millimetre, which scanners do not read reliably.
    #[error("the tracking number has {characters} characters, too many for a barcode that fits the label")]
    TrackingNumberTooLong {
        /// The number of characters.
        characters: usize,
    },
    /// The PDF could not be made: an error of this program, not of the label.
    #[error("the label could not be drawn: {0}")]
    Drawing(String),
}

// --- The pages ---

const POINTS_PER_MM: f32 = 72.0 / 25.4;
const PAGE_WIDTH: f32 = 100.0;
const PAGE_HEIGHT: f32 = 150.0;
const LEFT: f32 = 5.0;
const RIGHT: f32 = PAGE_WIDTH - LEFT;
const WIDTH: f32 = RIGHT - LEFT;
const CAPTION_SIZE: f32 = 5.5;
const ITEM_SIZE: f32 = 7.0;
/// The thickness of the rules between the parts.
const RULE: f32 = 0.3;
/// The distance between items.
const ITEM_PITCH: f32 = 3.5;
/// Baselines of the first item, on the first page and on the others, and the number of items down to the margin.
const FIRST_PAGE_ITEMS: (f32, usize) = (113.5, 10);
const NEXT_PAGE_ITEMS: (f32, usize) = (19.5, 37);

/// Draws a label.
///
/// # Errors
///
/// When scanners could not read the tracking number as a barcode, see [`LabelError`].
pub fn render(label: &Label<'_>) -> Result<Drawn, LabelError> {
    let barcode = Barcode::new(label.tracking_number)?;
    let fonts = Fonts::load()?;
    let mut letters = Letters::of(&fonts);
    let texts = letters.texts(label);
    let mut texts = texts.iter().map(String::as_str);
    let label = &with_texts(label, |_| texts.next().unwrap_or_default());
    let columns = Columns::of(&label.items, &fonts);
    let (first, rest) = label.items.split_at(label.items.len().min(FIRST_PAGE_ITEMS.1));
    let next: Vec<&[LabelItem<'_>]> = rest.chunks(NEXT_PAGE_ITEMS.1).collect();
    let pages = next.len() + 1;

    let settings = SerializeSettings { xmp_metadata: false, enable_tagging: false, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let title = format!("Label of package {}", label.package_number);
    document.set_metadata(Metadata::new().title(title).creator("oms".to_owned()));
    draw_page(&mut document, &fonts, |sheet| {
        draw_parties(sheet, label);
        draw_numbers(sheet, label);
        barcode.draw(sheet, label.tracking_number);
        draw_contents_heading(sheet, label, pages);
        columns.draw(sheet, first, FIRST_PAGE_ITEMS.0);
    })?;
    for (number, items) in (2..).zip(next) {
        draw_page(&mut document, &fonts, |sheet| {
            draw_next_heading(sheet, label, number, pages);
            columns.draw(sheet, items, NEXT_PAGE_ITEMS.0);
        })?;
    }
    let pdf = document.finish().map_err(|error| LabelError::Drawing(error.to_string()))?;
    Ok(Drawn { pdf, replaced: letters.replaced() })
}

fn draw_page(document: &mut Document, fonts: &Fonts, draw: impl FnOnce(&mut Sheet<'_>)) -> Result<(), LabelError> {
    let settings = PageSettings::from_wh(PAGE_WIDTH * POINTS_PER_MM, PAGE_HEIGHT * POINTS_PER_MM)
        .ok_or_else(|| LabelError::Drawing("the page has no size".to_owned()))?;
    let mut page = document.start_page_with(settings);
    let mut sheet = Sheet { surface: page.surface(), fonts };
    draw(&mut sheet);
    drop(sheet);
    page.finish();
    Ok(())
}

/// The sender with the carrier to the right, and the receiver below them.
fn draw_parties(sheet: &mut Sheet<'_>, label: &Label<'_>) {
    let fonts = sheet.fonts;
    sheet.caption("FROM", LEFT, 7.0);
    sheet.block(&fonts.block(&label.sender, (8.0, 7.0), 53.0, 15.5), |_| LEFT, 8.0);
    let company = Party { name: label.cargo_company, lines: Vec::new() };
    sheet.block(&fonts.block(&company, (14.0, 14.0), 33.0, 15.0), |line| RIGHT - line.width, 4.5);
    let created = label.created.format("%Y-%m-%d %H:%M UTC").to_string();
    sheet.right(&fonts.regular.fit(&created, (6.5, 6.5), 33.0), 22.5);
    sheet.rule(25.0);

    sheet.caption("TO", LEFT, 28.5);
    sheet.block(&fonts.block(&label.receiver, (16.0, 12.0), WIDTH, 31.5), |_| LEFT, 29.5);
}

/// The numbers of the order and of the package, in two cells.
fn draw_numbers(sheet: &mut Sheet<'_>, label: &Label<'_>) {
    let fonts = sheet.fonts;
    let middle = PAGE_WIDTH / 2.0;
    let cell = middle - LEFT - 2.0;
    sheet.rule(62.5);
    sheet.rectangle(middle, 62.5, RULE, 11.0);
    for (caption, number, x) in [("ORDER", label.order_number, LEFT), ("PACKAGE", label.package_number, middle + 2.0)] {
        sheet.caption(caption, x, 65.8);
        let number = Party { name: number, lines: Vec::new() };
        sheet.block(&fonts.block(&number, (12.0, 12.0), cell, 6.3), |_| x, 66.7);
    }
    sheet.rule(73.5);
}

fn draw_contents_heading(sheet: &mut Sheet<'_>, label: &Label<'_>, pages: usize) {
    sheet.rule(105.5);
    if label.items.is_empty() {
        return;
    }
    let pieces = label.items.iter().fold(0_i64, |sum, item| sum.saturating_add(item.quantity));
    let lines = label.items.len();
    let lines = format!("{lines} {}", if lines == 1 { "LINE" } else { "LINES" });
    let pieces = format!("{pieces} {}", if pieces == 1 { "PIECE" } else { "PIECES" });
    sheet.caption(&format!("CONTENTS: {lines}, {pieces}"), LEFT, 109.0);
    if pages > 1 {
        sheet.right(&sheet.fonts.bold.fit(&format!("Page 1 of {pages}"), (ITEM_SIZE, ITEM_SIZE), WIDTH), 109.0);
    }
}

/// The heading of a page after the first.
fn draw_next_heading(sheet: &mut Sheet<'_>, label: &Label<'_>, number: usize, pages: usize) {
    let fonts = sheet.fonts;
    let page = fonts.bold.fit(&format!("Page {number} of {pages}"), (9.0, 9.0), WIDTH);
    let package = format!("Package {}", label.package_number);
    sheet.text(&fonts.bold.fit(&package, (12.0, SMALLEST_SIZE), WIDTH - page.width - 4.0), LEFT, 9.0);
    sheet.right(&page, 9.0);
    let details = format!("Order {} · {} · {}", label.order_number, label.cargo_company, label.tracking_number);
    sheet.text(&fonts.regular.fit(&details, (8.0, SMALLEST_SIZE), WIDTH), LEFT, 13.0);
    sheet.rule(15.0);
}

/// The columns of the list of contents, as wide as the widest entry on any page: quantity, sku, name.
struct Columns {
    quantity_right: f32,
    name_left: f32,
}

impl Columns {
    const GAP: f32 = 2.0;
    /// A longer sku moves the name in its own line to the right, not in all lines.
    const WIDEST_SKU: f32 = 30.0;

    fn of(items: &[LabelItem<'_>], fonts: &Fonts) -> Self {
        let (mut quantity, mut sku) = (0.0_f32, 0.0_f32);
        for item in items {
            quantity = quantity.max(Self::quantity(item, fonts).width);
            let width = Self::sku(item, fonts).width;
            if width <= Self::WIDEST_SKU {
                sku = sku.max(width);
            }
        }
        let quantity_right = LEFT + quantity;
        Self { quantity_right, name_left: quantity_right + sku + 2.0 * Self::GAP }
    }

    fn quantity<'f>(item: &LabelItem<'_>, fonts: &'f Fonts) -> Line<'f> {
        fonts.bold.fit(&format!("{} ×", item.quantity), (ITEM_SIZE, ITEM_SIZE), WIDTH)
    }

    fn sku<'f>(item: &LabelItem<'_>, fonts: &'f Fonts) -> Line<'f> {
        fonts.bold.fit(item.sku, (ITEM_SIZE, SMALLEST_SIZE), WIDTH * 0.75)
    }

    fn draw(&self, sheet: &mut Sheet<'_>, items: &[LabelItem<'_>], first_baseline: f32) {
        let fonts = sheet.fonts;
        let mut baseline = first_baseline;
        for item in items {
            let quantity = Self::quantity(item, fonts);
            sheet.text(&quantity, self.quantity_right - quantity.width, baseline);
            let sku = Self::sku(item, fonts);
            let sku_left = self.quantity_right + Self::GAP;
            sheet.text(&sku, sku_left, baseline);
            let left = self.name_left.max(sku_left + sku.width + Self::GAP);
            sheet.text(&fonts.regular.fit(item.name, (ITEM_SIZE, ITEM_SIZE), RIGHT - left), left, baseline);
            baseline += ITEM_PITCH;
        }
    }
}

/// A page being drawn.
struct Sheet<'p> {
    surface: Surface<'p>,
    fonts: &'p Fonts,
}

impl Sheet<'_> {
    fn text(&mut self, line: &Line<'_>, x: f32, baseline: f32) {
        let start = Point::from_xy(x * POINTS_PER_MM, baseline * POINTS_PER_MM);
        self.surface.draw_glyphs(start, &line.glyphs, line.face.font.clone(), &line.text, line.size, false);
    }

    /// Text that ends at the right margin.
    fn right(&mut self, line: &Line<'_>, baseline: f32) {
        self.text(line, RIGHT - line.width, baseline);
    }

    fn caption(&mut self, text: &str, x: f32, baseline: f32) {
        self.text(&self.fonts.regular.fit(text, (CAPTION_SIZE, CAPTION_SIZE), WIDTH), x, baseline);
    }

    /// Lines below each other; `x` is the beginning of each.
    fn block(&mut self, lines: &[Line<'_>], x: impl Fn(&Line<'_>) -> f32, top: f32) {
        let mut bottom = top;
        for line in lines {
            bottom += line.height();
            self.text(line, x(line), bottom - DESCENT * line.height());
        }
    }

    fn rule(&mut self, y: f32) {
        self.rectangle(LEFT, y, WIDTH, RULE);
    }

    fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32) {
        let [x, y, width, height] = [x, y, width, height].map(|length| length * POINTS_PER_MM);
        let mut path = PathBuilder::new();
        if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
            path.push_rect(rectangle);
        }
        if let Some(path) = path.finish() {
            self.surface.draw_path(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label<'a>(tracking_number: &'a str, items: Vec<LabelItem<'a>>) -> Label<'a> {
        Label {
            sender: Party {
                name: "Örnek Giyim A.Ş.",
                lines: vec!["Büyükdere Caddesi 127", "34394 İstanbul", "", "Türkiye"],
            },
            receiver: Party {
                name: "Ayşegül Çağlar Işık", lines: vec!["Gül Sokağı 12", "35220 İzmir", "Türkiye"]
            },
            order_number: "4384418660812",
            package_number: "R4384418660812P1",
            cargo_company: "Aras Kargo",
            tracking_number,
            created: DateTime::UNIX_EPOCH,
            items,
        }
    }

    fn items(count: usize) -> Vec<LabelItem<'static>> {
        vec![LabelItem { sku: "MUG-1", name: "Mug, £4.99 or €5.49", quantity: 2 }; count]
    }

    fn page_count(pdf: &[u8]) -> usize {
        pdf.windows(11).filter(|bytes| *bytes == b"/Type/Page/").count()
    }

    #[test]
    fn the_same_label_gives_the_same_pdf() {
        let label = label("OMS0000000128", items(3));
        let first = render(&label).unwrap().pdf;
        assert!(first.starts_with(b"%PDF-"));
        assert!(first == render(&label).unwrap().pdf);
    }

    #[test]
    fn items_that_do_not_fit_go_on_to_further_pages() {
        for (count, pages) in [(0, 1), (10, 1), (11, 2), (47, 2), (48, 3), (500, 15), (700, 20)] {
            assert_eq!(page_count(&render(&label("OMS0000000128", items(count))).unwrap().pdf), pages, "{count} items");
        }
    }

    #[test]
    fn a_tracking_number_that_is_no_barcode_is_refused() {
        let refusal = |number: &str| render(&label(number, items(1))).unwrap_err().to_string();
        assert_eq!(refusal(""), "the tracking number is empty: there is nothing to print as a barcode");
        assert_eq!(refusal("TR-Ğ1"), "the tracking number contains 'Ğ', which a Code 128 barcode cannot hold");
        assert_eq!(refusal("A\nB"), "the tracking number contains '\\n', which a Code 128 barcode cannot hold");
        let many = "the tracking number has 30 characters, too many for a barcode that fits the label";
        assert_eq!(refusal(&"A".repeat(30)), many);
        assert!(render(&label(&"A".repeat(29), items(1))).is_ok());
    }

    #[test]
    fn an_address_of_any_length_stays_in_its_place() {
        let fonts = Fonts::load().unwrap();
        let street = "Cumhuriyet Mahallesi Kurtuluş Caddesi ".repeat(4);
        let long = Party { name: "Ayşegül Işık", lines: vec![&street; 3] };
        let block = fonts.block(&long, (16.0, 12.0), WIDTH, 31.5);
        assert!(text::total_height(&block) <= 31.5 && block.iter().all(|line| !line.text.contains('…')));

        let endless = "x".repeat(5000);
        let block = fonts.block(&Party { name: &endless, lines: vec![&endless; 2] }, (16.0, 12.0), WIDTH, 31.5);
        assert!(text::total_height(&block) <= 31.5 && block.iter().all(|line| line.width <= WIDTH + 0.01));
        assert!(block.last().unwrap().text.ends_with('…'));
        let mut label = label("1", vec![LabelItem { sku: &endless, name: &endless, quantity: i64::MAX }]);
        label.receiver.name = &endless;
        label.order_number = &endless;
        label.package_number = &endless;
        label.cargo_company = &endless;
        assert_eq!(page_count(&render(&label).unwrap().pdf), 1);
    }

    #[test]
    fn a_label_with_nothing_on_it_is_drawn() {
        let nobody = Party { name: "", lines: Vec::new() };
        let label = Label {
            sender: nobody.clone(),
            receiver: nobody,
            order_number: "",
            package_number: "",
            cargo_company: "",
            ..label("1", Vec::new())
        };
        assert_eq!(page_count(&render(&label).unwrap().pdf), 1);
    }
}
