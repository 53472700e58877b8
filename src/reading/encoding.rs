//! Text files as spreadsheets and ERPs write them: UTF-8 with or without its mark, UTF-16 with its mark, and windows-1254
//! (Turkish, a superset of ISO 8859-9) where somebody says so. They are turned into UTF-8 piece by piece.

use std::io::{self, Read};

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// How the letters of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Encoding {
    /// UTF-8; UTF-16 if the file begins with its mark, as spreadsheets write "Unicode text".
    #[default]
    #[value(name = "utf-8")]
    Utf8,
    /// The Turkish letters of Windows; ISO 8859-9 is a part of it.
    #[value(name = "windows-1254", aliases = ["cp1254", "iso-8859-9", "latin5"])]
    Windows1254,
}

/// How a file turned out to be written.
#[derive(Clone, Copy)]
enum Form {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
    Windows1254,
}

/// A file as UTF-8, without its mark.
pub struct Decoded<R> {
    file: R,
    form: Form,
    /// Bytes of the file that are not decoded yet: half a letter.
    undecoded: Vec<u8>,
    utf8: Vec<u8>,
    /// How many of the decoded bytes were read.
    read: usize,
    is_at_end: bool,
}

impl<R: Read> Decoded<R> {
    /// Looks at the beginning of a file. Its mark, where it has one, says more than `encoding`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn begin(mut file: R, encoding: Encoding) -> io::Result<Self> {
        let mut beginning = Vec::new();
        (&mut file).take(3).read_to_end(&mut beginning)?;
        let (form, mark) = match (beginning.as_slice(), encoding) {
            ([0xef, 0xbb, 0xbf], _) => (Form::Utf8, 3),
            ([0xff, 0xfe, ..], _) => (Form::Utf16(u16::from_le_bytes), 2),
            ([0xfe, 0xff, ..], _) => (Form::Utf16(u16::from_be_bytes), 2),
            (_, Encoding::Utf8) => (Form::Utf8, 0),
            (_, Encoding::Windows1254) => (Form::Windows1254, 0),
        };
        beginning.drain(..mark);
        Ok(Self { file, form, undecoded: beginning, utf8: Vec::new(), read: 0, is_at_end: false })
    }

    /// Decodes the next piece.
    fn fill(&mut self) -> io::Result<()> {
        self.utf8.clear();
        self.read = 0;
        let before = self.undecoded.len();
        self.undecoded.resize(before + PIECE, 0);
        let more = self.file.read(self.undecoded.get_mut(before..).unwrap_or_default())?;
        self.undecoded.truncate(before + more);
        self.is_at_end = more == 0;
        match self.form {
            Form::Utf8 => self.utf8.append(&mut self.undecoded),
            Form::Windows1254 => {
                let text: String = self.undecoded.drain(..).map(of_windows_1254).collect();
                self.utf8.extend_from_slice(text.as_bytes());
            }
            Form::Utf16(unit) => self.decode_utf16(unit)?,
        }
        Ok(())
    }

    fn decode_utf16(&mut self, unit: fn([u8; 2]) -> u16) -> io::Result<()> {
        let (pairs, _) = self.undecoded.as_chunks::<2>();
        let mut units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        // The first half of a letter of two units waits for the second.
        if !self.is_at_end && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        self.undecoded.drain(..units.len() * 2);
        let text = String::from_utf16(&units).ok().filter(|_| !self.is_at_end || self.undecoded.is_empty());
        let text = text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its letters are no UTF-16"))?;
        self.utf8.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.utf8.len() && !self.is_at_end {
            self.fill()?;
        }
        let mut ready = self.utf8.get(self.read..).unwrap_or_default();
        let count = ready.read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

/// The letter of a byte: that of Latin 1, but for six Turkish letters, and signs in the place of control characters.
fn of_windows_1254(byte: u8) -> char {
    const SIGNS: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', '\u{8e}', '\u{8f}', '\u{90}',
        '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', '\u{9e}', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => SIGNS.get(usize::from(byte - 0x80)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        0xd0 => 'Ğ',
        0xdd => 'İ',
        0xde => 'Ş',
        0xf0 => 'ğ',
        0xfd => 'ı',
        0xfe => 'ş',
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that gives a few bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(buffer.get_mut(..count).unwrap_or_default())
        }
    }

    fn text(bytes: &[u8], encoding: Encoding) -> io::Result<String> {
        let mut text = String::new();
        Decoded::begin(Slow(bytes), encoding)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn files_of_spreadsheets_are_read_with_their_marks_and_without() {
        let written = "sku;quantity\r\nIŞIK-ğ😀;5\r\n";
        let units: Vec<u16> = written.encode_utf16().collect();
        let with = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
        for bytes in [
            with(b"", written.into()),
            with(b"\xef\xbb\xbf", written.into()),
            with(b"\xff\xfe", units.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
            with(b"\xfe\xff", units.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ] {
            assert_eq!(text(&bytes, Encoding::Utf8).expect("a text"), written);
        }
        let turkish = b"\xdd\xde\xd0\xfd\xfe\xf0\xc7\xfc \x80";
        assert_eq!(text(turkish, Encoding::Windows1254).expect("a text"), "İŞĞışğÇü €");
        assert_eq!(text(b"", Encoding::Utf8).expect("a text"), "");
    }

    #[test]
    fn half_a_letter_is_no_text() {
        for bytes in [b"\xff\xfea".as_slice(), b"\xff\xfe\x3d\xd8", b"\xff\xfe\x00\xdc\x00\x00"] {
            assert!(text(bytes, Encoding::Utf8).is_err(), "{bytes:?}");
        }
    }
}
