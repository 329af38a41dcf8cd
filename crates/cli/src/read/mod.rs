//! Reads files, folders and standard input, and splits them into documents.
//!
//! An unreadable document does not keep the other documents from being handled.

mod folder;
mod split;

use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;
use std::rc::Rc;

use crate::yaml::{self, Node, Position};

/// The file name that stands for standard input.
pub(crate) const STDIN: &str = "-";

/// The maximum size of a file, in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Everything that was read.
#[derive(Default)]
pub(crate) struct Input {
    pub(crate) files: Vec<File>,
    /// Files that could not be read at all, and documents that are not valid YAML.
    pub(crate) problems: Vec<Problem>,
    /// Notes about what was left out on purpose.
    pub(crate) notes: Vec<String>,
}

/// A file's documents.
pub(crate) struct File {
    pub(crate) documents: Vec<Document>,
}

/// One document of a file.
pub(crate) struct Document {
    pub(crate) place: Place,
    /// The original text, without the line `---`.
    pub(crate) text: String,
    /// `None` if the document contains only comments or is not valid YAML.
    pub(crate) root: Option<Node>,
    /// Whether the document is JSON, which is printed as YAML.
    pub(crate) json: bool,
}

/// Where something was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) file: Rc<str>,
    /// The number of the document in its file, from 1. The value 0 stands for the file as a whole.
    pub(crate) document: usize,
    /// The line at which the document begins, from 1.
    pub(crate) document_line: usize,
    /// The exact position.
    pub(crate) at: Position,
}

impl Place {
    fn of_file(file: &str) -> Self {
        Self { file: Rc::from(file), document: 0, document_line: 1, at: Position { line: 1, column: 1 } }
    }

    /// Another position in the same document. A node that is not in the file has no position. For
    /// such a node, the position stays as it is.
    pub(crate) fn with(&self, at: Position) -> Self {
        Self { at: if at.line == 0 { self.at } else { at }, ..self.clone() }
    }

    /// The number and line of the document, for messages.
    pub(crate) fn document_name(&self) -> String {
        match self.document {
            0 => String::new(),
            number => format!("document {number} (line {})", self.document_line),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document == 0 {
            return f.write_str(&self.file);
        }
        write!(f, "{}:{}:{}", self.file, self.at.line, self.at.column)
    }
}

/// Input that could not be read, or is not what Kubernetes accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Problem {
    /// The message with the number of the document.
    pub(crate) fn in_document(&self) -> String {
        match self.place.document_name() {
            name if name.is_empty() => self.message.clone(),
            name => format!("{name}: {}", self.message),
        }
    }
}

/// Reads files, folders and `-`.
pub(crate) fn read(names: &[String]) -> Input {
    let mut input = Input::default();
    for name in names {
        if name == STDIN {
            input.add("stdin", all_of(std::io::stdin().lock()));
        } else if Path::new(name).is_dir() {
            let found = folder::manifests(Path::new(name), &mut input.notes);
            if found.is_empty() {
                input.fail(name, "no *.yaml, *.yml or *.json in this folder".to_owned());
            }
            for file in found {
                match file {
                    Ok(path) => input.add(&shown(&path), bytes_of(&path)),
                    Err(error) => input.fail(name, error.to_string()),
                }
            }
        } else {
            input.add(&shown(Path::new(name)), bytes_of(Path::new(name)));
        }
    }
    input
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    all_of(std::fs::File::open(path)?)
}

/// Reads all bytes, up to a limit, because some files never end.
fn all_of(file: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("has more than {} MiB: split it", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

/// The path as the user would write it: without `./`, and with slashes on every system.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}

impl Input {
    /// The documents of all files in their order.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Document> {
        self.files.iter().flat_map(|file| &file.documents)
    }

    /// Reads the text as if it were standard input.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        let mut input = Self::default();
        input.add("stdin", Ok(text.as_bytes().to_vec()));
        input
    }

    fn fail(&mut self, file: &str, message: String) {
        self.problems.push(Problem { place: Place::of_file(file), message });
    }

    fn add(&mut self, name: &str, bytes: std::io::Result<Vec<u8>>) {
        let text = match bytes.map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return self.fail(name, "is not text in UTF-8".to_owned()),
            Err(error) => return self.fail(name, error.to_string()),
        };
        let file: Rc<str> = Rc::from(name);
        let mut documents = Vec::new();
        let mut number = 0;
        for piece in split::split(&text) {
            number += usize::from(piece.has_content);
            let at = Position { line: piece.first_line, column: 1 };
            let place = Place { file: Rc::clone(&file), document: number, document_line: piece.first_line, at };
            let parse = if piece.json { yaml::parse_json } else { yaml::parse };
            let root = parse(piece.text, piece.lines_before).unwrap_or_else(|error| {
                self.problems.push(Problem { place: place.with(error.at), message: explained(&error, &piece) });
                None
            });
            documents.push(Document { place, text: piece.text.to_owned(), root, json: piece.json });
        }
        self.files.push(File { documents });
    }
}

/// The parser's message, and another possible cause.
fn explained(error: &yaml::ParseError, piece: &split::Piece<'_>) -> String {
    let message = &error.message;
    if error.ambiguous {
        return format!("is another document to kubectl: {message}");
    }
    let kind = if piece.json { "JSON" } else { "YAML" };
    if piece.text.contains("{{") {
        format!("is not {kind}: {message}; it looks like a template: render it first, for example with `helm template`")
    } else {
        format!("is not {kind}: {message}")
    }
}
