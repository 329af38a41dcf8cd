//! Inputs derived from stored ones: cut, duplicated, spliced, and with insertions that break
//! parsers.
//!
//! The corpus of a parser is a folder of files. An input that breaks the parser is added there,
//! under a name that describes it. `PROPTEST_CASES` sets the number of inputs: `make test` tries a
//! few hundred, `make fuzz` many.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

/// Tokens that have broken parsers.
const TOKENS: &[&str] = &[
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\r",
    "\n",
    "\t",
    "\0",
    "\u{1b}[",
    "\u{202e}",
    "\u{1f600}",
    "\\u2028",
    "\\ud800",
    "%",
    "'",
    "\"",
    "\"\"",
    ",",
    ":",
    ": ",
    "- ",
    "---",
    "...",
    "#",
    " #",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!<x>",
    "|",
    ">",
    "?",
    "{",
    "}",
    "[",
    "]",
    "$(",
    ")",
    "$$",
    "$(A)",
    "null",
    "~",
    "true",
    "1e999",
    "-0",
    "0x",
    "99999999999999999999999",
    "..",
    "/",
    "//",
    "\\",
    "*",
    "arn:",
    "::",
    "metadata",
    "annotations",
    "env",
    "value",
    "valueFrom",
    "name",
];

#[derive(Clone, Debug)]
enum Change {
    Insert(Index, Index),
    Cut(Index, Index),
    Double(Index, Index),
    Repeat(Index, Index, u8),
    Replace(Index, char),
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), at()).prop_map(|(place, token)| Change::Insert(place, token)),
        2 => (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        1 => (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
        1 => (at(), at(), any::<u8>()).prop_map(|(place, token, times)| Change::Repeat(place, token, times)),
        2 => (at(), any::<char>()).prop_map(|(place, c)| Change::Replace(place, c)),
        1 => (at(), at(), at()).prop_map(|(other, from, to)| Change::Splice(other, from, to)),
    ]
}

/// A position in the text, on a character boundary.
fn place(text: &str, index: Index) -> usize {
    let mut place = index.index(text.len() + 1);
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

fn range(text: &str, from: Index, to: Index) -> std::ops::Range<usize> {
    let (from, to) = (place(text, from), place(text, to));
    from.min(to)..from.max(to)
}

fn changed(text: &mut String, change: &Change, corpus: &[String]) {
    match change {
        Change::Insert(at, token) => text.insert_str(place(text, *at), TOKENS[token.index(TOKENS.len())]),
        Change::Cut(from, to) => text.replace_range(range(text, *from, *to), ""),
        Change::Double(from, to) => {
            let range = range(text, *from, *to);
            let part = text[range.clone()].to_owned();
            text.insert_str(range.end, &part);
        }
        Change::Repeat(at, token, times) => {
            text.insert_str(place(text, *at), &TOKENS[token.index(TOKENS.len())].repeat(usize::from(*times)));
        }
        Change::Replace(at, c) => {
            let at = place(text, *at);
            if let Some(old) = text[at..].chars().next() {
                text.replace_range(at..at + old.len_utf8(), c.encode_utf8(&mut [0; 4]));
            }
        }
        Change::Splice(other, from, to) => {
            let other = other.get(corpus);
            let part = other[range(other, *from, *to)].to_owned();
            let at = place(text, *from);
            text.insert_str(at, &part);
        }
    }
}

/// The files of a corpus.
pub fn stored(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("no corpus").map(|entry| entry.expect("no entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|file| fs::read_to_string(file).expect("no text")).collect()
}

/// Inputs similar to those of the corpus.
pub fn like(corpus: Vec<String>) -> impl Strategy<Value = String> {
    (any::<Index>(), prop::collection::vec(change(), 0..8)).prop_map(move |(first, changes)| {
        let mut text = first.get(&corpus).clone();
        for change in &changes {
            changed(&mut text, change, &corpus);
            if text.len() > 200_000 {
                break;
            }
        }
        text
    })
}
