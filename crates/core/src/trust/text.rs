//! A text that is encoded inside another text, with the place of each of its bytes in the outer
//! text.

use std::fmt;

use serde::Serialize;

/// A place in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why an input cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadError {
    /// The place in the input.
    #[serde(flatten)]
    pub at: Place,
    /// What was found, and what was expected.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// The input, with the offsets of its lines for finding places.
#[derive(Clone, Debug)]
pub(super) struct Input<'a> {
    text: &'a str,
    /// The offsets at which lines begin.
    lines: Vec<usize>,
    ascii: bool,
}

impl<'a> Input<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines, ascii: text.is_ascii() }
    }

    /// The place of a byte.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines[line - 1];
        let before = &self.text.as_bytes()[start..offset];
        // Continuation bytes of UTF-8 do not begin a character.
        let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
        let characters = if self.ascii { before.len() } else { before.iter().filter(begins).count() };
        Place { line, column: characters + 1 }
    }
}

/// A decoded text, with the offset of each of its bytes in the input.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) decoded: String,
    origins: Vec<usize>,
    end: usize,
}

impl Text {
    /// The input itself.
    pub(super) fn of(input: &str) -> Self {
        Self { decoded: input.to_owned(), origins: (0..input.len()).collect(), end: input.len() }
    }

    /// The offset in the input of a byte of the text.
    pub(super) fn origin(&self, offset: usize) -> usize {
        self.origins.get(offset).copied().unwrap_or(self.end)
    }

    /// The text from this byte on.
    pub(super) fn from(&self, start: usize) -> Self {
        let decoded = self.decoded.get(start..).unwrap_or_default().to_owned();
        Self { decoded, origins: self.origins.get(start..).unwrap_or_default().to_vec(), end: self.end }
    }

    fn empty_like(&self) -> Self {
        Self { decoded: String::new(), origins: Vec::new(), end: self.end }
    }

    fn push(&mut self, c: char, origin: usize) {
        self.decoded.push(c);
        self.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
    }

    /// The text with its percent-encoding decoded, which IAM's API uses for documents (RFC 3986: a
    /// `+` is a plus). `Err`: the offset in the input of an invalid encoding.
    pub(super) fn percent_decoded(&self) -> Result<Self, usize> {
        let (bytes, mut decoded, mut origins) = (self.decoded.as_bytes(), Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            origins.push(self.origin(at));
            if byte != b'%' {
                decoded.push(byte);
                at += 1;
                continue;
            }
            let digits =
                self.decoded.get(at + 1..at + 3).filter(|it| it.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            decoded.push(value.ok_or(self.origin(at))?);
            at += 3;
        }
        match String::from_utf8(decoded) {
            Ok(decoded) => Ok(Self { decoded, origins, end: self.end }),
            Err(error) => Err(origins.get(error.utf8_error().valid_up_to()).copied().unwrap_or(self.end)),
        }
    }

    /// The content of the JSON string at this range, which includes the quotes. A parser must have
    /// accepted the string.
    pub(super) fn unescaped(&self, start: usize, end: usize) -> Self {
        let mut inner = self.empty_like();
        inner.end = self.origin(end.saturating_sub(1));
        let literal = self.decoded.get(start + 1..end.saturating_sub(1)).unwrap_or_default();
        let mut chars = literal.char_indices().peekable();
        let mut high = None;
        while let Some((at, c)) = chars.next() {
            let origin = self.origin(start + 1 + at);
            if c != '\\' {
                inner.push(c, origin);
                continue;
            }
            let Some((_, escape)) = chars.next() else { break };
            match escape {
                'u' => {
                    let digits: String = (0..4).filter_map(|_| chars.next()).map(|(_, digit)| digit).collect();
                    let unit = u32::from_str_radix(&digits, 16).unwrap_or_default();
                    match (high.take(), unit) {
                        (None, 0xd800..=0xdbff) => high = Some((unit, origin)),
                        (Some((first, first_origin)), _) => {
                            let code = 0x1_0000 + ((first - 0xd800) << 10) + unit.saturating_sub(0xdc00);
                            inner.push(char::from_u32(code).unwrap_or('\u{fffd}'), first_origin);
                        }
                        (None, _) => inner.push(char::from_u32(unit).unwrap_or('\u{fffd}'), origin),
                    }
                }
                'n' => inner.push('\n', origin),
                'r' => inner.push('\r', origin),
                't' => inner.push('\t', origin),
                'b' => inner.push('\u{8}', origin),
                'f' => inner.push('\u{c}', origin),
                other => inner.push(other, origin),
            }
        }
        inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let input = Input::new("ab\nä{\r\n}");
        assert_eq!(input.place(0).to_string(), "1:1");
        assert_eq!(input.place(5).to_string(), "2:2");
        assert_eq!(input.place(8).to_string(), "3:1");
        assert_eq!(input.place(99).to_string(), "3:2");
    }

    #[test]
    fn decoded_bytes_know_where_they_stood() {
        let text = Text::of("%7B%22a%22+%7D").percent_decoded().unwrap();
        assert_eq!(text.decoded, "{\"a\"+}");
        assert_eq!((text.origin(0), text.origin(2), text.origin(5), text.origin(6)), (0, 6, 11, 14));
        assert_eq!(Text::of("{%2").percent_decoded().unwrap_err(), 1);
        assert_eq!(Text::of("%zz").percent_decoded().unwrap_err(), 0);
        assert_eq!(Text::of("a%ff").percent_decoded().unwrap_err(), 1);
    }

    #[test]
    fn strings_in_strings_keep_their_places() {
        let text = Text::of(r#"x"{\"a\":\n\u00e4\ud83d\ude00}""#);
        let inner = text.unescaped(1, text.decoded.len());
        assert_eq!(inner.decoded, "{\"a\":\nä😀}");
        assert_eq!((inner.origin(0), inner.origin(1), inner.origin(5)), (2, 3, 9));
    }
}
