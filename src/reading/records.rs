//! The records of a file of rows: which cells a line has, and where a record ends. No mark of one record takes the rows
//! after it away: what cannot be read costs the record in which it begins, and reading goes on with the next line.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Read as _},
};

/// Longest line and longest record, in bytes. A longer one is told and passed over, so that no file fills the memory.
const LONGEST: usize = 16 * 1024 * 1024;
/// Most lines of a cell in quotation marks: in one of more, a mark is not closed.
const MOST_LINES_OF_A_CELL: usize = 1_000;

/// Whether a cell in quotation marks may have line breaks in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// No: no field of the file can, so a record ends at its line.
    Never,
    /// Yes, as in notes and addresses.
    InQuotes,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Its cells; where it cannot be read, those before the mistake.
    pub cells: Vec<String>,
    /// Why it cannot be read.
    pub fault: Option<String>,
}

/// A file, record by record. An empty line is none.
pub(super) struct Records<F> {
    lines: Lines<F>,
    separator: char,
    breaks: Breaks,
    /// Cells of the first record, once it was read.
    width: Option<usize>,
}

impl<F: BufRead> Records<F> {
    pub(super) fn new(file: F, separator: char, breaks: Breaks) -> Self {
        Self { lines: Lines { file, next: VecDeque::new(), number: 0, bytes: 0 }, separator, breaks, width: None }
    }

    /// How much was read, in bytes.
    pub(super) fn bytes_read(&self) -> u64 {
        self.lines.bytes
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let record = self.read()?;
        if let Some(record) = &record {
            self.width.get_or_insert(record.cells.len());
        }
        Ok(record)
    }

    fn read(&mut self) -> io::Result<Option<Record>> {
        let mut first = self.lines.next()?;
        while first.as_ref().is_some_and(|line| line.text.trim().is_empty() && !line.is_cut) {
            first = self.lines.next()?;
        }
        let Some(first) = first else { return Ok(None) };
        let number = first.number;
        if first.is_cut {
            let fault = Some(format!("it is longer than {LONGEST} bytes"));
            return Ok(Some(Record { line: number, cells: Vec::new(), fault }));
        }
        let mut scan = Scan::new(self.separator);
        let mut seen = scan.line(&first.text);
        let mut read = vec![first];
        let fault = loop {
            let opened = read[scan.opened].number;
            match seen {
                Seen::Whole => break self.rows_in_a_cell(&scan, &read),
                Seen::LoneMark => break Some(scan.lone_mark(opened)),
                Seen::Open if self.breaks == Breaks::Never => break Some(scan.unclosed(opened, "on its line")),
                Seen::Open => {}
            }
            let bytes: usize = read.iter().map(|line| line.text.len()).sum();
            let is_too_long = read.len() - scan.opened > MOST_LINES_OF_A_CELL || bytes > LONGEST;
            let more = if is_too_long { None } else { self.lines.next()? };
            let Some(more) = more else {
                break Some(scan.unclosed(opened, "in what follows"));
            };
            scan.broken(read.last().map_or("\n", |line| line.end));
            seen = if more.is_cut { Seen::LoneMark } else { scan.line(&more.text) };
            read.push(more);
        };
        if fault.is_some() {
            // What follows the line of the mark is read as if it were not there.
            self.lines.unread(read.split_off(scan.opened + 1));
        }
        Ok(Some(Record { line: number, cells: scan.cells, fault }))
    }

    /// What is wrong where each line of a record is a row by itself: two marks that are letters have made a cell of the rows
    /// between them.
    fn rows_in_a_cell(&self, scan: &Scan, read: &[Line]) -> Option<String> {
        let width = self.width.filter(|width| *width > 1)?;
        let (first, rest) = read.split_first()?;
        let (last, middle) = rest.split_last()?;
        let broken = scan.broken.filter(|broken| broken.lines == read.len())?;
        let are_rows = broken.separators == broken.cell
            && Scan::new(self.separator).cells_alone(&first.text) == width
            && middle.iter().all(|line| line.text.matches(self.separator).count() + 1 == width);
        are_rows.then(|| {
            format!(
                "its cell {} begins with a quotation mark that another one closes on line {}, and the rows between them would \
                 be lost, so this record is not read: write a mark that is a letter twice, within quotation marks",
                broken.cell + 1,
                last.number
            )
        })
    }
}

/// How a record stands after one of its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It has all its cells.
    Whole,
    /// A cell in quotation marks goes on.
    Open,
    /// A cell in quotation marks has a single one in it.
    LoneMark,
}

/// A cell that has line breaks.
#[derive(Debug, Clone, Copy)]
struct Broken {
    /// Its place in the record.
    cell: usize,
    /// How many lines it has a part of.
    lines: usize,
    /// The separators in its last line.
    separators: usize,
}

/// The cells of a record, line by line.
#[derive(Debug)]
struct Scan {
    separator: char,
    cells: Vec<String>,
    /// The text of the cell in quotation marks that goes on.
    open: Option<String>,
    /// The line of the record that is read, from 0.
    line: usize,
    /// The one on which the last cell in quotation marks began.
    opened: usize,
    /// The first cell that has line breaks.
    broken: Option<Broken>,
}

impl Scan {
    fn new(separator: char) -> Self {
        Self { separator, cells: Vec::new(), open: None, line: 0, opened: 0, broken: None }
    }

    /// Reads a line of the record.
    fn line(&mut self, text: &str) -> Seen {
        let mut rest = text;
        loop {
            if let Some(quoted) = rest.strip_prefix('"').filter(|_| self.open.is_none()) {
                self.open = Some(String::new());
                self.opened = self.line;
                rest = quoted;
            }
            if let Some(cell) = self.open.take() {
                match self.quoted(cell, rest) {
                    Ok(Some(after)) => rest = after,
                    Ok(None) => return Seen::Whole,
                    Err(seen) => return seen,
                }
                continue;
            }
            let Some((cell, after)) = rest.split_once(self.separator) else {
                self.cells.push(rest.to_owned());
                return Seen::Whole;
            };
            self.cells.push(cell.to_owned());
            rest = after;
        }
    }

    /// Reads the rest of a cell in quotation marks: what follows its separator; none if it ends the line.
    fn quoted<'t>(&mut self, mut cell: String, text: &'t str) -> Result<Option<&'t str>, Seen> {
        let mut rest = text;
        loop {
            let Some((inside, after)) = rest.split_once('"') else {
                cell.push_str(rest);
                self.open = Some(cell);
                return Err(Seen::Open);
            };
            cell.push_str(inside);
            if let Some(after) = after.strip_prefix('"') {
                cell.push('"');
                rest = after;
                continue;
            }
            // Blanks after the closing mark are no text.
            let tail = after.trim_start_matches(' ');
            let next = tail.strip_prefix(self.separator);
            if next.is_none() && !tail.trim_start().is_empty() {
                cell.push_str(after);
                self.open = Some(cell);
                return Err(Seen::LoneMark);
            }
            if self.line > self.opened {
                let inside = &text[..text.len() - after.len()];
                self.broken.get_or_insert(Broken {
                    cell: self.cells.len(),
                    lines: self.line - self.opened + 1,
                    separators: inside.matches(self.separator).count(),
                });
            }
            self.cells.push(cell);
            return Ok(next);
        }
    }

    /// Adds the line break between two lines to the open cell.
    fn broken(&mut self, end: &str) {
        self.line += 1;
        if let Some(cell) = &mut self.open {
            cell.push_str(end);
        }
    }

    /// The cells of a line by itself, where a mark that is not closed is a letter.
    fn cells_alone(mut self, text: &str) -> usize {
        self.line(text);
        let open = self.open.map_or(0, |open| 1 + open.matches(self.separator).count());
        self.cells.len() + open
    }

    fn unclosed(&self, opened: u64, place: &str) -> String {
        format!(
            "its cell {} begins on line {opened} with a quotation mark that is not closed {place}, so this record is not read \
             and the next line begins another: take the mark away; one that is a letter is written twice, within quotation \
             marks",
            self.cells.len() + 1
        )
    }

    fn lone_mark(&self, opened: u64) -> String {
        format!(
            "its cell {} begins on line {opened} with a quotation mark and has another in its text, so this record is not \
             read and the next line begins another: write a mark that is a letter twice, within quotation marks",
            self.cells.len() + 1
        )
    }
}

/// A line.
struct Line {
    number: u64,
    /// Without its end.
    text: String,
    /// What ended it.
    end: &'static str,
    bytes: u64,
    /// True of a line that is too long: its text was passed over.
    is_cut: bool,
}

/// A file, line by line.
struct Lines<F> {
    file: F,
    /// Lines that were read, and not taken or given back.
    next: VecDeque<Line>,
    /// The last line that was read from the file.
    number: u64,
    bytes: u64,
}

impl<F: BufRead> Lines<F> {
    fn next(&mut self) -> io::Result<Option<Line>> {
        if self.next.is_empty() {
            self.fill()?;
        }
        let line = self.next.pop_front();
        self.bytes += line.as_ref().map_or(0, |line| line.bytes);
        Ok(line)
    }

    /// Gives lines back; they are the next ones.
    fn unread(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.bytes -= line.bytes;
            self.next.push_front(line);
        }
    }

    /// Reads up to the next line feed. Files of old Macintoshes have carriage returns alone.
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = Vec::new();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut piece)?;
        if read == 0 {
            return Ok(());
        }
        let mut bytes = read as u64;
        if read == LONGEST && piece.last() != Some(&b'\n') {
            bytes += self.file.skip_until(b'\n')? as u64;
            self.number += 1;
            let line = Line { number: self.number, text: String::new(), end: "\n", bytes, is_cut: true };
            self.next.push_back(line);
            return Ok(());
        }
        let text = String::from_utf8_lossy(&piece);
        let (text, end) = match (text.strip_suffix("\r\n"), text.strip_suffix('\n')) {
            (Some(text), _) => (text, "\r\n"),
            (None, Some(text)) => (text, "\n"),
            (None, None) => (&*text, "\n"),
        };
        let mut lines = text.split('\r').peekable();
        while let Some(text) = lines.next() {
            self.number += 1;
            let is_last = lines.peek().is_none();
            let end = if is_last { end } else { "\r" };
            let taken = if is_last { bytes } else { text.len() as u64 + 1 };
            bytes -= taken.min(bytes);
            self.next.push_back(Line { number: self.number, text: text.to_owned(), end, bytes: taken, is_cut: false });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a text: line, cells, and whether it has a fault.
    fn read(text: &str, breaks: Breaks) -> Vec<(u64, Vec<String>, bool)> {
        let mut records = Records::new(text.as_bytes(), ',', breaks);
        let mut read = Vec::new();
        while let Some(record) = records.next().expect("a record") {
            read.push((record.line, record.cells, record.fault.is_some()));
        }
        assert_eq!(records.bytes_read(), text.len() as u64, "{text}");
        read
    }

    fn record(line: u64, cells: &[&str], is_wrong: bool) -> (u64, Vec<String>, bool) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect(), is_wrong)
    }

    #[test]
    fn cells_are_read_with_and_without_marks_whatever_ends_a_line() {
        for (text, records) in [
            ("a,b\n1,2", vec![record(1, &["a", "b"], false), record(2, &["1", "2"], false)]),
            ("a,b\r\n\r\n1,\r\n", vec![record(1, &["a", "b"], false), record(3, &["1", ""], false)]),
            ("a,b\r1,2\r", vec![record(1, &["a", "b"], false), record(2, &["1", "2"], false)]),
            ("\"a\"\"\",\"\"\n", vec![record(1, &["a\"", ""], false)]),
            ("\"a,b\" ,c\n", vec![record(1, &["a,b", "c"], false)]),
            ("5\" a,b\"\n", vec![record(1, &["5\" a", "b\""], false)]),
            ("\n \n", vec![]),
        ] {
            for breaks in [Breaks::Never, Breaks::InQuotes] {
                assert_eq!(read(text, breaks), records, "{text:?}");
            }
        }
    }

    #[test]
    fn a_cell_may_have_lines_only_where_the_file_can() {
        let text = "a,b\n1,\"x\ny\"\n2,\"\r\n\"\r\n3,z\n";
        let read_all = read(text, Breaks::InQuotes);
        assert_eq!(
            read_all,
            [
                record(1, &["a", "b"], false),
                record(2, &["1", "x\ny"], false),
                record(4, &["2", "\r\n"], false),
                record(6, &["3", "z"], false)
            ]
        );
        let wrong: Vec<(u64, bool)> =
            read(text, Breaks::Never).into_iter().map(|(line, _, wrong)| (line, wrong)).collect();
        assert_eq!(wrong, [(1, false), (2, true), (3, false), (4, true), (5, true), (6, false)]);
    }

    #[test]
    fn no_mark_takes_the_rows_after_its_line_away() {
        for (row, cells) in [("\"1,x", 0), ("1,\"x", 1), ("1,\"x\"y", 1), ("1,\"\"x\"", 1)] {
            // To the end of the file; to marks of a later row; to a letter.
            for (after, count) in [("2,y\n3,z\n", 2), ("2,y\n3,\"z\"\n", 2), ("\"2\",\"y\"\n", 1), ("", 0)] {
                let text = format!("a,b\n{row}\n{after}");
                let records = read(&text, Breaks::InQuotes);
                assert_eq!(records.len(), 2 + count, "{text:?}: {records:?}");
                assert!(records[1].2 && records[1].0 == 2 && records[1].1.len() == cells, "{text:?}: {records:?}");
                assert!(
                    records[2..].iter().all(|(_, cells, wrong)| !wrong && cells.len() == 2),
                    "{text:?}: {records:?}"
                );
            }
        }
        // A mark that a letter seems to close: then each line is a row.
        let wrong = read("a,b,c\n1,\"x,1\n2,y,2\n3,z\",3\n4,w,4\n", Breaks::InQuotes);
        let lines: Vec<(u64, bool)> = wrong.iter().map(|(line, _, is_wrong)| (*line, *is_wrong)).collect();
        assert_eq!(lines, [(1, false), (2, true), (3, false), (4, false), (5, false)]);
    }

    #[test]
    fn a_line_and_a_cell_have_a_limit() {
        let long = "x".repeat(LONGEST + 10);
        let records = read(&format!("a,b\n{long}\n2,y\n"), Breaks::InQuotes);
        assert_eq!(records[1..], [record(2, &[], true), record(3, &["2", "y"], false)]);
        let rows = "2,y\n".repeat(MOST_LINES_OF_A_CELL * 2);
        let records = read(&format!("a,b\n1,\"x\n{rows}"), Breaks::InQuotes);
        assert_eq!(records.len(), 2 + MOST_LINES_OF_A_CELL * 2);
    }
}
