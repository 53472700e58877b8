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
                Format::Csv => self.write_csv(&mut file)?,
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

    fn write_csv(self, file: impl Write) -> Result<(), Failure> {
        let layout = self.columns.layout();
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
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

/// A text that no spreadsheet reads as a formula: an apostrophe is put before a text that begins like one. A negative
/// number does not.
fn harmless(text: String) -> String {
    let suspicious = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_number = |text: &str| {
        let mut parts = text.strip_prefix('-').unwrap_or_default().splitn(2, '.');
        parts.clone().next().is_some_and(|whole| !whole.is_empty())
            && parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if suspicious && !is_number(&text) { format!("'{text}") } else { text }
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
            ("\t=1", "'\t=1"),
            ("-5.00", "-5.00"),
            ("-7", "-7"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(harmless(given.to_owned()), written);
        }
    }

    #[test]
    fn a_long_text_is_cut_to_what_a_cell_holds() {
        assert_eq!(fitting(&"a".repeat(LONGEST_CELL)).len(), LONGEST_CELL);
        let cut = fitting(&"😀".repeat(LONGEST_CELL));
        assert!(cut.encode_utf16().count() <= LONGEST_CELL && cut.ends_with('…'));
    }
}
