//! The text of a label selector, as `kubectl -l` takes it: requirements separated by commas, all of
//! which have to hold.
//!
//! ```text
//! key = value    key == value    key != value    key in (a, b)    key notin (a, b)    key    !key
//! ```

use podidentity_api::{LabelSelector, SelectorOperator, SelectorRequirement};

/// A part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// One of `=`, `==`, `!=`, `!`, `(`, `)`, `,`, `<`, `>`.
    Sign(&'a str),
    End,
}

/// Parses a selector with at least one requirement. The error says what is wrong with the text.
pub(super) fn parse(text: &str) -> Result<LabelSelector, String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    let mut parser = Parser { rest: text };
    let mut all = Vec::new();
    loop {
        all.push(parser.requirement()?);
        match parser.take() {
            Token::End => break,
            Token::Sign(",") => {}
            other => return Err(format!("{} stands where a comma or the end is expected", shown(other))),
        }
    }
    Ok(LabelSelector { match_expressions: all, ..LabelSelector::default() })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The next token, and the text after it.
    fn look(&self) -> (Token<'a>, &'a str) {
        let text = self.rest.trim_start();
        let sign = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"].into_iter().find(|sign| text.starts_with(sign));
        let length = match sign {
            Some(sign) => sign.len(),
            None => text.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c)).unwrap_or(text.len()),
        };
        let (token, rest) = text.split_at(length);
        let token = match sign {
            _ if token.is_empty() => Token::End,
            Some(_) => Token::Sign(token),
            None => Token::Word(token),
        };
        (token, rest)
    }

    fn peek(&self) -> Token<'a> {
        self.look().0
    }

    fn take(&mut self) -> Token<'a> {
        let (token, rest) = self.look();
        self.rest = rest;
        token
    }

    fn requirement(&mut self) -> Result<SelectorRequirement, String> {
        let absent = self.peek() == Token::Sign("!");
        if absent {
            self.take();
        }
        let key = match self.take() {
            Token::Word(key) => key_of(key)?,
            other => return Err(format!("{} stands where a label's key is expected", shown(other))),
        };
        let (operator, values) = match self.peek() {
            _ if absent => (SelectorOperator::DoesNotExist, Vec::new()),
            Token::End | Token::Sign(",") => (SelectorOperator::Exists, Vec::new()),
            _ => self.comparison(&key)?,
        };
        Ok(SelectorRequirement { key, operator, values })
    }

    fn comparison(&mut self, key: &str) -> Result<(SelectorOperator, Vec<String>), String> {
        Ok(match self.take() {
            Token::Sign("=" | "==") => (SelectorOperator::In, vec![self.value()?]),
            Token::Sign("!=") => (SelectorOperator::NotIn, vec![self.value()?]),
            Token::Word("in") => (SelectorOperator::In, self.values()?),
            Token::Word("notin") => (SelectorOperator::NotIn, self.values()?),
            Token::Sign(sign @ ("<" | ">")) => {
                return Err(format!(
                    "{key}: {sign} compares numbers, which labels of namespaces are not; use =, != or in"
                ));
            }
            other => return Err(format!("{key} is followed by {}; use =, !=, in or notin", shown(other))),
        })
    }

    /// Parses a value. No text is the empty value.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::Word(value) => {
                self.take();
                value_of(value)
            }
            Token::End | Token::Sign("," | ")") => Ok(String::new()),
            other @ Token::Sign(_) => Err(format!("{} stands where a label's value is expected", shown(other))),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != Token::Sign("(") {
            return Err(format!("in and notin take values in parentheses, as in (a,b); {} is there", shown(open)));
        }
        let mut all = Vec::new();
        loop {
            all.push(self.value()?);
            match self.take() {
                Token::Sign(")") => return Ok(all),
                Token::Sign(",") => {}
                other => return Err(format!("{} stands where a comma or ) is expected", shown(other))),
            }
        }
    }
}

fn shown(token: Token<'_>) -> String {
    match token {
        Token::Word(text) | Token::Sign(text) => format!("{text:?}"),
        Token::End => "the end".to_owned(),
    }
}

/// `name`, or `domain/name`.
fn key_of(text: &str) -> Result<String, String> {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if prefix.is_none_or(is_domain) && is_name(name) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is no key of a label; one is a name such as env, or a domain and a name such as example.com/env, with at \
         most 63 characters in the name"
    ))
}

fn value_of(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is no value of a label; one has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a \
         letter or a digit"
    ))
}

fn is_name(text: &str) -> bool {
    let inner = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    inner && (1..=63).contains(&text.len()) && !text.starts_with(['-', '_', '.']) && !text.ends_with(['-', '_', '.'])
}

fn is_domain(text: &str) -> bool {
    let is_part = |part: &str| {
        let inner = part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        inner && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one line: key, operator, values.
    fn read(text: &str) -> String {
        let shown = |it: &SelectorRequirement| format!("{} {:?} {:?}", it.key, it.operator, it.values);
        match parse(text) {
            Ok(selector) => selector.match_expressions.iter().map(shown).collect::<Vec<_>>().join("; "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn every_kind_of_requirement_is_read() {
        for (text, expected) in [
            ("env=prod", r#"env In ["prod"]"#),
            ("env==prod", r#"env In ["prod"]"#),
            (" env  =  prod ", r#"env In ["prod"]"#),
            ("env!=prod", r#"env NotIn ["prod"]"#),
            ("team in (a,b)", r#"team In ["a", "b"]"#),
            ("team in(a , b )", r#"team In ["a", "b"]"#),
            ("team notin (a)", r#"team NotIn ["a"]"#),
            ("env", "env Exists []"),
            ("!legacy", "legacy DoesNotExist []"),
            ("! legacy", "legacy DoesNotExist []"),
            ("example.com/env=1.0_a-B", r#"example.com/env In ["1.0_a-B"]"#),
            ("env=prod,!legacy", r#"env In ["prod"]; legacy DoesNotExist []"#),
            // As kubectl reads them: the empty value, and keys that are named like operators.
            ("env=", r#"env In [""]"#),
            ("env=,team", r#"env In [""]; team Exists []"#),
            ("env in ()", r#"env In [""]"#),
            ("env in (a,)", r#"env In ["a", ""]"#),
            ("in in (in)", r#"in In ["in"]"#),
            ("notin", "notin Exists []"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_kubectl_refuses_is_refused_with_advice() {
        for (text, advice) in [
            ("", "is empty"),
            ("  ", "is empty"),
            (",", "a label's key is expected"),
            ("env=prod,", "the end stands where a label's key is expected"),
            ("env,,team", "a label's key is expected"),
            ("=prod", "a label's key is expected"),
            ("env prod", "use =, !=, in or notin"),
            ("env=prod stage", "a comma or the end"),
            ("!env=prod", "a comma or the end"),
            ("env===prod", "a label's value is expected"),
            ("env in prod", "in parentheses"),
            ("env in (a", "a comma or )"),
            ("env in (a b)", "a comma or )"),
            ("env in (a))", "a comma or the end"),
            ("env=(a)", "a label's value is expected"),
            ("env>1", "compares numbers"),
            ("-env=prod", "no key of a label"),
            ("a/b/c", "no key of a label"),
            ("Example.com/env", "no key of a label"),
            ("/env", "no key of a label"),
            ("env=-prod", "no value of a label"),
            ("env=\"prod\"", "no value of a label"),
            ("{env: prod}", "no key of a label"),
        ] {
            let said = read(text);
            assert!(said.starts_with("error: ") && said.contains(advice), "{text}: {said}");
        }
        let long = "a".repeat(64);
        assert!(read(&long).contains("no key"));
        assert!(read(&format!("env={long}")).contains("no value"));
        assert_eq!(read(&long[1..]), format!("{} Exists []", &long[1..]));
    }
}
