//! kubectl's templates for `-o jsonpath=` and `-o custom-columns=`: text, and paths in braces.
//! jsonpath-rust (RFC 9535) evaluates the paths.
//!
//! ```text
//! {range .items[*]}{.binding}{"\t"}{.roleArn}{"\n"}{end}
//! ```

use jsonpath_rust::JsonPath as _;
use jsonpath_rust::parser::parse_json_path;
use podidentity_core::foreign::Foreign;
use serde_json::Value;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

/// A path in the syntax of RFC 9535.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(String);

impl Path {
    /// Parses a path in kubectl's syntax: `.a.b`, `a.b`, `$.a`, `@`, `.a\.b/c`, `.a[?(@.b=="c")]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let relative = text.strip_prefix(['$', '@']).unwrap_or(text);
        let dotted = if relative.is_empty() || relative.starts_with(['.', '[']) {
            relative.to_owned()
        } else {
            format!(".{relative}")
        };
        let path = format!("${}", quoted(&dotted));
        match parse_json_path(&path) {
            Ok(_) => Ok(Self(path)),
            Err(_) => Err(format!("{text:?} is not a path; write one such as .items[*].roleArn")),
        }
    }

    fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        // A path that was parsed can be queried.
        value.query(&self.0).unwrap_or_default()
    }

    /// The values at the path as text, separated by spaces. An empty string if there are none.
    pub(crate) fn text(&self, value: &Value) -> String {
        self.find(value).into_iter().map(text).collect::<Vec<_>>().join(" ")
    }
}

/// Puts keys with escaped dots, such as `.eks\.amazonaws\.com/role-arn`, in brackets.
fn quoted(path: &str) -> String {
    if !path.contains("\\.") {
        return path.to_owned();
    }
    let parts: Vec<String> = path.replace("\\.", "\0").split('.').map(|part| part.replace('\0', ".")).collect();
    let key = |part: &String| {
        let (name, rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() { rest.to_owned() } else { format!("['{name}']{rest}") }
    };
    parts.iter().map(key).collect()
}

/// A value as text. A value never ends a line: only the template's own text does.
fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Foreign::new(&text).up_to(usize::MAX).line().to_string()
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let parts = parts(&mut rest, false)?;
        Ok(Self(parts))
    }

    /// Fills in the values.
    pub(crate) fn fill(&self, value: &Value) -> String {
        let mut out = String::new();
        fill(&self.0, value, &mut out);
        out
    }
}

/// Reads up to the end, or up to `{end}` inside a range.
fn parts(rest: &mut &str, in_range: bool) -> Result<Vec<Part>, String> {
    let mut all = Vec::new();
    while let Some(open) = rest.find('{') {
        if open > 0 {
            all.push(Part::Text(rest[..open].to_owned()));
        }
        let inside = &rest[open + 1..];
        let close = close(inside).ok_or_else(|| format!("{:?} has no closing brace", &rest[open..]))?;
        let action = inside[..close].trim();
        *rest = &inside[close + 1..];
        if action == "end" {
            return if in_range { Ok(all) } else { Err("there is an {end} without a {range ...}".to_owned()) };
        }
        all.push(match action.strip_prefix("range ") {
            Some(path) => Part::Range(Path::parse(path)?, parts(rest, true)?),
            None if action.starts_with(['"', '\'']) => Part::Text(literal(action)?),
            None => Part::Path(Path::parse(action)?),
        });
    }
    if in_range {
        return Err("a {range ...} has no {end}".to_owned());
    }
    if !rest.is_empty() {
        all.push(Part::Text((*rest).to_owned()));
        *rest = "";
    }
    Ok(all)
}

/// The position of the closing brace. Ignores braces inside quotes.
fn close(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in inside.char_indices() {
        match (quote, character) {
            (None, '}') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

/// The text of a literal such as `"\n"`, without its quotes and escapes.
fn literal(action: &str) -> Result<String, String> {
    let wrong = || format!("{action} is not a text in quotes");
    let quote = action.chars().next().ok_or_else(wrong)?;
    let inner = action.get(1..action.len().saturating_sub(1)).filter(|_| action.len() > 1 && action.ends_with(quote));
    let inner = inner.ok_or_else(wrong)?;
    serde_json::from_str(&format!("\"{}\"", inner.replace('"', "\\\""))).map_err(|_| wrong())
}

fn fill(parts: &[Part], value: &Value, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => out.push_str(&path.text(value)),
            Part::Range(path, inner) => path.find(value).into_iter().for_each(|each| fill(inner, each, out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> String {
        let value = json!({
            "items": [
                {"name": "a", "pods": 2, "ready": true, "odd": "a\u{1b}[2J", "labels": {"app.kubernetes.io/name": "x"}},
                {"name": "b", "pods": 0, "ready": false},
            ],
            "totals": {"pods": 2},
        });
        Template::parse(template).unwrap().fill(&value)
    }

    #[test]
    fn templates_of_kubectl_are_filled_in() {
        for (template, wanted) in [
            ("{.items[*].name}", "a b"),
            ("{items[0].name}", "a"),
            ("{$.totals.pods} pods", "2 pods"),
            ("{.totals}", "{\"pods\":2}"),
            ("{.missing}", ""),
            (r#"{range .items[*]}{.name}{"\t"}{.pods}{"\n"}{end}"#, "a\t2\nb\t0\n"),
            ("{range .items[*]}{@.name},{end}", "a,b,"),
            (r#"{.items[?(@.name=="b")].pods}"#, "0"),
            (r"{.items[0].labels.app\.kubernetes\.io/name}", "x"),
            ("{.items[?(@.ready==true)].name}{'}'}", "a}"),
            ("plain", "plain"),
            ("{.items[0].odd}", "a\\u{1b}[2J"),
        ] {
            assert_eq!(filled(template), wanted, "{template}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_advice() {
        for (template, advice) in [
            ("{.items", "no closing brace"),
            ("{range .items[*]}{.name}", "has no {end}"),
            ("{.name}{end}", "without a {range"),
            ("{.items[}", "is not a path"),
            ("{\"a}", "no closing brace"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(advice), "{template}: {error}");
        }
    }
}
