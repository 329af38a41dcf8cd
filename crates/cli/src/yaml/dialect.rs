//! Finds what readers of YAML 1.1 (kubectl) and of YAML 1.2 (this program) read differently.
//!
//! An ambiguous file can show one document to a person or to `lint`, and another to the cluster. So
//! such a file is refused. This module does not look for differences that keep the meaning, or for
//! which kubectl reports an error. It also ignores `yes`, `on` and `0600`, which this program reads
//! as kubectl does.
//!
//! kubectl's behaviour is that of its copy of go.yaml.in/yaml/v2.

use std::ops::Range;

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};

/// A difference and its byte offset.
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
    /// The byte ranges of quoted scalars and block scalars.
    texts: Vec<Range<usize>>,
}

impl<'t> Dialects<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, open: Vec::new(), texts: Vec::new() }
    }

    /// Processes an event.
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

    /// Call this after the last event, or after an error. Finds characters before the byte `end`
    /// that end a line, or do not count, for only one of the two readers. [`super::separators`]
    /// checks what they do in quoted scalars and block scalars.
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

    /// Checks a scalar without quotes inside braces or brackets.
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

/// Checks the name of an anchor. For kubectl, a name ends at the first character of another kind.
fn name_of_anchor(name: &str, offset: usize) -> Result<(), Difference> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Ok(());
    }
    let message = "the name of an anchor may only have letters, digits, - and _".to_owned();
    Err(Difference { message, offset })
}
