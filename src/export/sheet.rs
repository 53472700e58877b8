//! Collects rows and makes a file of them.

use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write};

use rust_xlsxwriter::{Format as CellFormat, Workbook, Worksheet};
use serde::Serialize;
use serde_json::Value;
use tempfile::{SpooledTempFile, spooled_tempfile};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    File, Format,
    columns::{Cells, Columns, text},
};
use crate::error::{Error, Result};

/// Bytes that are kept in memory. Longer rows and files are on disk.
const MOST_IN_MEMORY: usize = 4 * 1024 * 1024;
/// Bytes read from disk at a time.
const CHUNK: usize = 64 * 1024;
/// Files made at once. Others wait, until the request times out.
static FILES_AT_ONCE: Semaphore = Semaphore::const_new(2);
/// Most characters in a cell of a workbook.
const LONGEST_CELL: usize = 32_767;
/// Above this, the floating numbers of a workbook are not exact.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A file that is collected row by row.
#[derive(Debug)]
pub struct Sheet {
    format: Format,
    columns: Columns,
    rows: SpooledTempFile,
    _turn: SemaphorePermit<'static>,
}

impl Sheet {
    /// Waits for a slot. Take it before a database connection, so that no connection is held while waiting.
    ///
    /// # Errors
    /// Never in practice: the semaphore is not closed.
    pub async fn begin(format: Format) -> Result<Self> {
        let turn = FILES_AT_ONCE.acquire().await.map_err(|_| Error::Overloaded)?;
        Ok(Self { format, columns: Columns::default(), rows: spooled_tempfile(MOST_IN_MEMORY), _turn: turn })
    }

    /// Adds rows, on a blocking thread.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub async fn add<T: Serialize + Send + 'static>(mut self, rows: Vec<T>) -> Result<Self> {
        blocking(move || {
            let mut lines = Vec::new();
            for row in &rows {
                let cells = self.columns.row(&serde_json::to_value(row)?);
                serde_json::to_writer(&mut lines, &cells.into_iter().collect::<Vec<_>>())?;
                lines.push(b'\n');
            }
            self.rows.write_all(&lines)?;
            Ok(self)
        })
        .await
    }

    /// Makes the file, with this name plus the ending.
    ///
    /// # Errors
    /// When the temporary file cannot be read or written.
    pub async fn finish(self, name: &str) -> Result<File> {
        let format = self.format;
        let (content, length) = blocking(move || {
            let mut file = spooled_tempfile(MOST_IN_MEMORY);
            match format {
                Format::Xlsx => self.write_xlsx(&mut file)?,
                Format::Csv => self.write_csv(&mut file, b',')?,
                Format::CsvOfSemicolons => {
                    file.write_all("\u{feff}".as_bytes())?;
                    self.write_csv(&mut file, b';')?;
                }
            }
            let length = file.stream_position()?;
            file.seek(SeekFrom::Start(0))?;
            Ok((file.into_inner(), length))
        })
        .await?;
        let name = format!("{name}.{}", format.extension());
        Ok(File { name, media_type: format.media_type(), length, content })
    }

    /// Calls `write` for each row, in order, with the columns of the file.
    fn each(
        mut rows: SpooledTempFile,
        layout: &[(usize, String)],
        mut write: impl FnMut(usize, &[Option<Value>]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        rows.seek(SeekFrom::Start(0))?;
        for (number, line) in BufReader::with_capacity(CHUNK, rows).lines().enumerate() {
            let mut cells: Cells = serde_json::from_str::<Vec<(usize, Value)>>(&line?)?.into_iter().collect();
            let row: Vec<Option<Value>> = layout.iter().map(|(index, _)| cells.remove(index)).collect();
            write(number, &row)?;
        }
        Ok(())
    }

    fn write_csv(self, file: impl Write, separator: u8) -> Result<(), Failure> {
        let layout = self.columns.layout();
        let mut writer =
            csv::WriterBuilder::new().delimiter(separator).terminator(csv::Terminator::CRLF).from_writer(file);
        if !layout.is_empty() {
            writer.write_record(layout.iter().map(|(_, name)| harmless(name.clone())))?;
        }
        Self::each(self.rows, &layout, |_, row| {
            let texts = row.iter().map(|cell| match cell {
                Some(Value::String(text)) => harmless(text.clone()),
                Some(other) => text(other),
                None => String::new(),
            });
            Ok(writer.write_record(texts)?)
        })?;
        Ok(writer.flush()?)
    }

    fn write_xlsx(self, file: impl Write + Send) -> Result<(), Failure> {
        let layout = self.columns.layout();
        let mut workbook = Workbook::new();
        let worksheet = workbook.add_worksheet_with_constant_memory()?;
        worksheet.set_freeze_panes(1, 0)?;
        let bold = CellFormat::new().set_bold();
        for (place, (_, name)) in layout.iter().enumerate() {
            worksheet.write_string_with_format(0, column(place), fitting(name), &bold)?;
        }
        Self::each(self.rows, &layout, |number, row| {
            let line = u32::try_from(number + 1).unwrap_or(u32::MAX);
            for (place, cell) in row.iter().enumerate() {
                if let Some(cell) = cell {
                    write_cell(worksheet, line, column(place), cell)?;
                }
            }
            Ok(())
        })?;
        Ok(workbook.save_to_writer(file)?)
    }
}

fn column(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// Texts stay texts: each cell of a workbook has a type, so no text becomes a formula and no order number loses its
/// zeros.
fn write_cell(worksheet: &mut Worksheet, line: u32, column: u16, cell: &Value) -> Result<(), Failure> {
    match cell {
        Value::Bool(flag) => worksheet.write_boolean(line, column, *flag)?,
        Value::Number(number) => match number.as_f64().filter(|number| number.abs() < LARGEST_EXACT) {
            Some(number) => worksheet.write_number(line, column, number)?,
            None => worksheet.write_string(line, column, number.to_string())?,
        },
        other => worksheet.write_string(line, column, fitting(&text(other)))?,
    };
    Ok(())
}

/// A text cut to the length of a cell, with a mark.
fn fitting(text: &str) -> String {
    // Workbooks count UTF-16 units.
    if text.encode_utf16().count() <= LONGEST_CELL {
        return text.to_owned();
    }
    let mut units = 0;
    let mut cut: String = text
        .chars()
        .take_while(|letter| {
            units += letter.len_utf16();
            units < LONGEST_CELL
        })
        .collect();
    cut.push('…');
    cut
}

/// A text that no spreadsheet reads as a formula, whether it divides lines at `,`, at `;` or at tabs: an apostrophe is
/// put before what would begin a formula at the beginning of the text and after each `;`, tab and end of line. A text
/// that is a negative number begins none. Blanks and quotes are passed over, as spreadsheets may do.
///
/// Who reads the file by program takes one apostrophe away at these places. So one is also put before apostrophes there,
/// and every text comes back as it was.
fn harmless(text: String) -> String {
    if !text.contains(BEGINS_FORMULA) && !text.starts_with(['\'', '\t', '\r']) || is_negative_number(&text) {
        return text;
    }
    let mut written = String::with_capacity(text.len() + 8);
    // Some programs drop these at the beginning, and look at what is behind them.
    if text.trim_start_matches('\'').starts_with(['\t', '\r']) {
        written.push('\'');
    }
    // Where the apostrophe goes, while a formula may begin.
    let mut place = Some(0);
    let mut has_apostrophe = false;
    for letter in text.chars() {
        match letter {
            ';' | '\t' | '\r' | '\n' => (place, has_apostrophe) = (Some(written.len() + 1), false),
            '\'' => has_apostrophe = true,
            _ if is_passed_over(letter) => {
                place = place.filter(|_| !has_apostrophe).map(|_| written.len() + letter.len_utf8());
            }
            _ => {
                if let Some(place) = place.take().filter(|_| BEGINS_FORMULA.contains(&letter)) {
                    written.insert(place, '\'');
                }
            }
        }
        written.push(letter);
    }
    written
}

/// What begins a formula. Spreadsheets for East Asian writing take the wide forms, too.
const BEGINS_FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// What may be dropped before a formula: blanks and what is not seen, and quotes, of which one pair is none in a line
/// that is divided elsewhere.
fn is_passed_over(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '\u{200b}' | '\u{feff}')
}

/// True of `-5` and `-5.00`.
fn is_negative_number(text: &str) -> bool {
    let mut parts = text.strip_prefix('-').unwrap_or_default().splitn(2, '.');
    parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An error in making a file.
type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Fault(format!("export task: {error}")))?
        .map_err(|error| Error::Fault(format!("export: {error}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_made_a_text() {
        for (given, written) in [
            ("=1+1", "'=1+1"),
            ("+90 216 000 0001", "'+90 216 000 0001"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
            ("-", "'-"),
            ("-5.", "'-5."),
            ("-5;", "'-5;"),
            ("\t=1", "'\t'=1"),
            ("\r\n-1", "'\r\n'-1"),
            ("\tx", "'\tx"),
            (" =1", " '=1"),
            ("a;=1+1", "a;'=1+1"),
            ("a; =1+1", "a; '=1+1"),
            ("a;;\"=1\";b", "a;;\"'=1\";b"),
            ("a\t@x\n+1", "a\t'@x\n'+1"),
            ("1; -5", "1; '-5"),
            ("＝1;－2", "'＝1;'－2"),
            ("'=1", "''=1"),
            ("a;''=1", "a;'''=1"),
            ("' =1", "' =1"),
            ("-5.00", "-5.00"),
            ("-7", "-7"),
            ("a=b", "a=b"),
            ("a;b=c", "a;b=c"),
            ("d'Artagnan; l'an", "d'Artagnan; l'an"),
            ("", ""),
        ] {
            assert_eq!(harmless(given.to_owned()), written);
        }
    }

    /// What a program makes of a text of a file: see [`harmless`].
    fn read(written: &str) -> String {
        let (mut text, mut rest, mut may_begin) = (String::new(), written, true);
        while let Some(letter) = rest.chars().next() {
            let behind = rest.trim_start_matches('\'');
            let is_guarded = behind.starts_with(BEGINS_FORMULA) || text.is_empty() && behind.starts_with(['\t', '\r']);
            if letter == '\'' && may_begin && is_guarded {
                text.push_str(&rest[1..rest.len() - behind.len()]);
                (rest, may_begin) = (behind, false);
                continue;
            }
            text.push(letter);
            may_begin = matches!(letter, ';' | '\t' | '\r' | '\n') || may_begin && is_passed_over(letter);
            rest = &rest[letter.len_utf8()..];
        }
        text
    }

    /// The cells of a file for a spreadsheet that divides lines at `separator`, with and without a regard for quotes.
    fn cells(file: &str, separator: char) -> Vec<String> {
        let by_quotes = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(separator).expect("a byte"))
            .has_headers(false)
            .flexible(true)
            .from_reader(file.as_bytes())
            .records()
            .flat_map(|record| record.expect("a record").iter().map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>();
        // Our own separator is never one within quotes.
        let all = file.split([separator, '\r', '\n']).filter(|_| separator != ',').map(str::to_owned);
        by_quotes.into_iter().chain(all).collect()
    }

    fn texts() -> impl Strategy<Value = String> {
        let letters = prop::sample::select("=+-@＝;;,\t\r\n\"\"'' a1.\u{a0}".chars().collect::<Vec<_>>());
        prop::collection::vec(letters, 0..12).prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn no_spreadsheet_sees_a_formula_and_programs_read_what_was_there(text in texts()) {
            let written = harmless(text.clone());
            prop_assert_eq!(read(&written), text);
            let mut file = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            file.write_record(["1", &written, "end"]).expect("written");
            let file = String::from_utf8(file.into_inner().expect("written")).expect("UTF-8");
            for separator in [',', ';', '\t'] {
                for cell in cells(&file, separator) {
                    let is_formula = cell.trim_start_matches(is_passed_over).starts_with(BEGINS_FORMULA);
                    prop_assert!(!is_formula || is_negative_number(&cell), "{:?} of {:?}", cell, file);
                }
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_to_what_a_cell_holds() {
        assert_eq!(fitting(&"a".repeat(LONGEST_CELL)).len(), LONGEST_CELL);
        let cut = fitting(&"😀".repeat(LONGEST_CELL));
        assert!(cut.encode_utf16().count() <= LONGEST_CELL && cut.ends_with('…'));
    }
}
