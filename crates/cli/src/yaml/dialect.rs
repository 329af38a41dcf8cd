//! What readers of YAML 1.1 (kubectl) and of YAML 1.2 (this one) read differently.
//!
//! A file that is two things at once can show one to a person or to `lint`, and the other to the cluster. So such a file
//! is refused. Texts that mean the same, or for which kubectl reports an error, are not looked for; nor are `yes`, `on`
//! and `0600`, which are read here as kubectl reads them.
//!
//! What kubectl reads was looked up in go.yaml.in/yaml/v2, of which it has a copy, and compared with it.

use std::ops::Range;

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};

/// A difference, and at which byte it is.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) message: String,
    pub(super) offset: usize,
}

/// Looks for differences in the events of a document.
pub(super) struct Dialects<'t> {
    text: &'t str,
    /// Whether each open collection is in flow style.
    open: Vec<bool>,
    /// Where the scalars in quotes and the block scalars are.
    texts: Vec<Range<usize>>,
}

impl<'t> Dialects<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, open: Vec::new(), texts: Vec::new() }
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event<'_>, span: Span) -> Result<(), Difference> {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                self.open.push(*style == StructureStyle::Flow);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Scalar(_, ScalarStyle::Plain, ..) if self.open.last() == Some(&true) => return self.flow(range),
            Event::Scalar(_, ScalarStyle::Plain, ..) => {}
            Event::Scalar(..) => self.texts.push(range),
            Event::Anchor(_, name) => return name_of_anchor(name, range.start),
            Event::Alias(_) => {
                let name = self.text.get(range.clone()).unwrap_or_default();
                return name_of_anchor(name.trim_start_matches('*'), range.start);
            }
            _ => {}
        }
        Ok(())
    }

    /// After the last event, or an error: characters before this byte that end a line, or do not count, for one of them
    /// only. What they do in texts in quotes and in block scalars is looked at in [`super::separators`].
    pub(super) fn finish(&self, end: usize) -> Result<(), Difference> {
        let mut texts = self.texts.iter().peekable();
        for (offset, c) in self.text.char_indices().take_while(|(offset, _)| *offset < end) {
            while texts.next_if(|range| range.end <= offset).is_some() {}
            let in_text = texts.peek().is_some_and(|range| range.contains(&offset));
            if !in_text && matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') {
                return Err(Difference { message: character(c), offset });
            }
        }
        Ok(())
    }

    /// A scalar without quotes in braces or brackets.
    fn flow(&self, range: Range<usize>) -> Result<(), Difference> {
        let offset = range.start;
        let scalar = self.text.get(range.clone()).unwrap_or_default();
        let mut after = self.text.get(range.end..).unwrap_or_default().chars();
        let touches = after.next() == Some(':') && after.next().is_some_and(|c| ",[]{}".contains(c));
        let problem = if scalar.starts_with('?') || scalar.starts_with(':') {
            "begins with ? or :"
        } else if !scalar.is_empty() && touches {
            "is followed by a colon and no space"
        } else {
            return Ok(());
        };
        let message = format!("a text in braces or brackets {problem}: put it into quotes");
        Err(Difference { message, offset })
    }
}

fn character(c: char) -> String {
    let code = u32::from(c);
    let does = if c == '\u{feff}' { "may not count" } else { "ends a line" };
    format!(
        "the character U+{code:04X} {does} outside of quotes, so that what follows may be another object than it seems; \
         remove it, or write it as \\u{code:04x} in double quotes"
    )
}

/// For kubectl a name ends where these characters do.
fn name_of_anchor(name: &str, offset: usize) -> Result<(), Difference> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Ok(());
    }
    let message = "the name of an anchor may only have letters, digits, - and _".to_owned();
    Err(Difference { message, offset })
}
