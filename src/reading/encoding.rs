//! Text files as spreadsheets and ERPs write them: UTF-8 with or without its mark, UTF-16 with its mark, and windows-1254
//! (Turkish, a superset of ISO 8859-9) where somebody says so. They are turned into UTF-8 piece by piece.

use std::io::{self, Read};

use encoding_rs::{Decoder, UTF_8, WINDOWS_1254};

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// Stands where bytes are no letter of their encoding.
pub const NO_LETTER: char = char::REPLACEMENT_CHARACTER;

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

/// A file as UTF-8, without its mark. Bytes that are no letter become [`NO_LETTER`], so that they cost their line only.
pub struct Decoded<R> {
    file: R,
    decoder: Decoder,
    utf8: String,
    /// How many bytes of the decoded ones were read.
    read: usize,
    is_at_end: bool,
}

impl<R: Read> Decoded<R> {
    /// A file, written as `encoding` says. Its mark, where it has one, says more.
    pub fn new(file: R, encoding: Encoding) -> Self {
        let encoding = match encoding {
            Encoding::Utf8 => UTF_8,
            Encoding::Windows1254 => WINDOWS_1254,
        };
        Self { file, decoder: encoding.new_decoder(), utf8: String::new(), read: 0, is_at_end: false }
    }

    /// Decodes the next piece.
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = Vec::new();
        let most = u64::try_from(PIECE).unwrap_or(u64::MAX);
        (&mut self.file).take(most).read_to_end(&mut piece)?;
        self.is_at_end = piece.is_empty();
        self.utf8.clear();
        self.read = 0;
        // So much that all of the piece finds room.
        self.utf8.reserve(self.decoder.max_utf8_buffer_length(piece.len()).unwrap_or_default());
        let _ = self.decoder.decode_to_string(&piece, &mut self.utf8, self.is_at_end);
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.utf8.len() && !self.is_at_end {
            self.fill()?;
        }
        let mut ready = self.utf8.as_bytes().get(self.read..).unwrap_or_default();
        let count = ready.read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], encoding: Encoding) -> String {
        let mut text = String::new();
        Decoded::new(bytes, encoding).read_to_string(&mut text).expect("a text");
        text
    }

    #[test]
    fn files_of_spreadsheets_are_read_with_their_marks_and_without() {
        // Longer than a piece, so that letters stand across its end.
        let written = "sku;quantity\r\nIŞIK-ğ😀;5\r\n".repeat(5_000);
        let units: Vec<u16> = written.encode_utf16().collect();
        let with = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
        for bytes in [
            with(b"", written.clone().into()),
            with(b"\xef\xbb\xbf", written.clone().into()),
            with(b"\xff\xfe", units.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
            with(b"\xfe\xff", units.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ] {
            assert!(text(&bytes, Encoding::Utf8) == written, "{:?}", bytes.get(..4));
        }
        let turkish = b"\xdd\xde\xd0\xfd\xfe\xf0\xc7\xfc \x80";
        assert_eq!(text(turkish, Encoding::Windows1254), "İŞĞışğÇü €");
        assert_eq!(text(b"", Encoding::Utf8), "");
    }

    #[test]
    fn what_is_no_letter_is_seen() {
        for bytes in [b"a\xffb".as_slice(), b"a\xc3", b"\xff\xfea", b"\xff\xfe\x3d\xd8", b"\xff\xfe\x00\xdc\x00\x00"] {
            assert!(text(bytes, Encoding::Utf8).contains(NO_LETTER), "{bytes:?}");
        }
    }
}
