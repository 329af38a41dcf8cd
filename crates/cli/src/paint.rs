//! Colours and marks for output on a terminal. [`crate::terminal_text`] writes the painted text.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use podidentity_core::finding::Severity;

use crate::view::State;

/// The start or end of a colour within a text: a character that no other text contains.
/// [`crate::terminal_text`] replaces it with the terminal's code, and escapes every other character that
/// acts on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    End,
    Green,
    Red,
    Yellow,
    Cyan,
    Dim,
    Bold,
}

impl Marker {
    const ALL: [Self; 7] = [Self::End, Self::Green, Self::Red, Self::Yellow, Self::Cyan, Self::Dim, Self::Bold];

    /// The marker that a character stands for.
    pub(crate) fn of(c: char) -> Option<Self> {
        Self::ALL.into_iter().find(|marker| marker.character() == c)
    }

    /// The character of the marker: a Unicode noncharacter.
    fn character(self) -> char {
        match self {
            Self::End => '\u{fdd0}',
            Self::Green => '\u{fdd1}',
            Self::Red => '\u{fdd2}',
            Self::Yellow => '\u{fdd3}',
            Self::Cyan => '\u{fdd4}',
            Self::Dim => '\u{fdd5}',
            Self::Bold => '\u{fdd6}',
        }
    }

    pub(crate) fn style(self) -> Style {
        match self {
            Self::End => Style::new(),
            Self::Green => AnsiColor::Green.on_default(),
            Self::Red => AnsiColor::Red.on_default(),
            Self::Yellow => AnsiColor::Yellow.on_default(),
            Self::Cyan => AnsiColor::Cyan.on_default(),
            Self::Dim => Style::new().dimmed(),
            Self::Bold => Style::new().bold(),
        }
    }
}

/// The look of the output: its colours and its width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
    /// The width in columns.
    pub(crate) width: usize,
}

/// The width without a terminal: comfortable to read.
const WIDTH: usize = 110;
/// The minimum width. Lines are not wrapped for narrower terminals.
const NARROWEST: usize = 60;

impl Paint {
    /// For standard output.
    pub(crate) fn of_stdout() -> Self {
        let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        // As in other programs, COLUMNS sets the width if there is no terminal.
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let seen = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self { colour, width: seen.or(said).unwrap_or(WIDTH).max(NARROWEST) }
    }

    /// A paint without colours, for tests.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { colour: false, width: WIDTH }
    }

    fn paint(self, colour: Marker, text: impl Display) -> String {
        if self.colour { format!("{}{text}{}", colour.character(), Marker::End.character()) } else { text.to_string() }
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.paint(Marker::Bold, text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.paint(Marker::Dim, text)
    }

    pub(crate) fn mark(self, mark: Mark) -> String {
        self.paint(mark.colour(), mark.sign())
    }

    /// A text in the colour of a mark.
    pub(crate) fn like(self, mark: Mark, text: impl Display) -> String {
        self.paint(mark.colour(), text)
    }

    /// The text, cut to the width of a line.
    pub(crate) fn cut(self, text: &str) -> String {
        if text.chars().count() <= self.width {
            return text.to_owned();
        }
        text.chars().take(self.width.saturating_sub(1)).chain(['\u{2026}']).collect()
    }

    /// Wraps the text into lines. `taken` is the number of columns before each line that other text
    /// takes.
    pub(crate) fn wrap(self, text: &str, taken: usize) -> Vec<String> {
        let options = textwrap::Options::new(self.width.saturating_sub(taken).max(NARROWEST / 2)).break_words(false);
        let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
        let options = options.word_separator(textwrap::WordSeparator::AsciiSpace);
        textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
    }
}

/// The mark at the start of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Right,
    Wrong,
    Warning,
    Note,
    Working,
    Idle,
}

impl Mark {
    fn sign(self) -> &'static str {
        match self {
            Self::Right => "\u{2714}",
            Self::Wrong => "\u{2718}",
            Self::Warning => "!",
            Self::Note => "i",
            Self::Working => "\u{25cf}",
            Self::Idle => "\u{25cb}",
        }
    }

    fn colour(self) -> Marker {
        match self {
            Self::Right => Marker::Green,
            Self::Wrong => Marker::Red,
            Self::Warning => Marker::Yellow,
            Self::Note | Self::Working => Marker::Cyan,
            Self::Idle => Marker::Dim,
        }
    }
}

impl From<State> for Mark {
    fn from(state: State) -> Self {
        match state {
            State::Failing => Self::Wrong,
            State::Working => Self::Working,
            State::Idle => Self::Idle,
            State::Verified => Self::Right,
        }
    }
}

/// `None` means that nothing was found.
impl From<Option<Severity>> for Mark {
    fn from(severity: Option<Severity>) -> Self {
        match severity {
            Some(Severity::Error) => Self::Wrong,
            Some(Severity::Warning) => Self::Warning,
            Some(Severity::Info) => Self::Note,
            None => Self::Right,
        }
    }
}
