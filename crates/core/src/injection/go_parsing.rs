//! Go's parsing rules, for the texts that the webhook parses with Go's standard library.
//!
//! The `csv` crate is not used, because it does not follow Go. It takes a quote inside an unquoted
//! field, an unclosed quote or a lone carriage return as data or as the end of a line, where Go
//! reports an error or keeps the character. Each of these cases decides whether a container gets
//! its role. The tables in the tests hold the results of Go 1.26.

/// `strconv.ParseBool`; `None` is Go's error.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt(text, 10, 64)`; `None` is Go's error.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The first record that `encoding/csv` reads with its default settings; `None` is Go's error or end of file.
pub(super) fn first_csv_record(text: &str) -> Option<Vec<String>> {
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix('\r').unwrap_or(&text).trim_start_matches('\n');
    if text.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => bare_field(rest)?,
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(fields),
        }
    }
}

/// An unquoted field up to a comma, the end of the line or the end of the text, and the rest.
fn bare_field(text: &str) -> Option<(String, &str)> {
    let (field, after) = text.split_at(text.find([',', '\n']).unwrap_or(text.len()));
    (!field.contains('"')).then(|| (field.to_owned(), after))
}

/// A field after its opening quote, and the rest after the closing quote. The rest begins with a
/// comma or the end of a line, or is empty.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.chars().next() {
            Some('"') => field.push('"'),
            None | Some(',' | '\n') => return Some((field, after)),
            Some(_) => return None,
        }
        rest = &after[1..];
    }
}

/// `filepath.Join(directory, file)` on Linux: the joined path without empty, `.` and inner `..` elements.
pub(super) fn join(directory: &str, file: &str) -> String {
    let rooted = directory.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain([file]) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    format!("{}{}", if rooted { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_go() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(text), Some(true), "{text:?}");
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(text), Some(false), "{text:?}");
        }
        for text in ["", "tRUE", "TrUe", "yes", "no", "on", "y", " true", "true ", "2", "-1"] {
            assert_eq!(parse_bool(text), None, "{text:?}");
        }
    }

    #[test]
    fn integers_are_those_of_go() {
        for (text, number) in [
            ("+5", 5),
            ("-5", -5),
            ("-0", 0),
            ("0600", 600),
            ("00000000000000000000000000000001", 1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_int(text), Some(number), "{text:?}");
        }
        for text in ["", "+", "-", "1_000", "0x10", " 5", "5 ", "1e3", "600.0", "\u{661}", "9223372036854775808"] {
            assert_eq!(parse_int(text), None, "{text:?}");
        }
    }

    /// Every text with the record that Go reads from it.
    const RECORDS: &[(&str, Option<&[&str]>)] = &[
        ("", None),
        ("a", Some(&["a"])),
        ("a,b", Some(&["a", "b"])),
        // Fields are not trimmed.
        ("a, b", Some(&["a", " b"])),
        (" a,b ", Some(&[" a", "b "])),
        ("  ", Some(&["  "])),
        ("\t", Some(&["\t"])),
        (",", Some(&["", ""])),
        ("a,", Some(&["a", ""])),
        ("a;b", Some(&["a;b"])),
        ("#a", Some(&["#a"])),
        ("'a','b'", Some(&["'a'", "'b'"])),
        ("\u{e9},\u{fc}", Some(&["\u{e9}", "\u{fc}"])),
        // Empty lines are skipped; only the first record is read.
        ("\n", None),
        ("\n\na,b", Some(&["a", "b"])),
        ("\r\n\r\nx,y\r\n", Some(&["x", "y"])),
        ("a,b\nc,d", Some(&["a", "b"])),
        ("a\n\nb", Some(&["a"])),
        ("a\n\"", Some(&["a"])),
        ("a,\"b\"\nc\"d", Some(&["a", "b"])),
        // A carriage return ends a line only before a newline or at the very end.
        ("\r", None),
        ("\r\na", Some(&["a"])),
        ("\r\r\n", Some(&["\r"])),
        ("a\r", Some(&["a"])),
        ("a\r\r", Some(&["a\r"])),
        ("a\r\nb", Some(&["a"])),
        ("a\rb", Some(&["a\rb"])),
        // Quotes.
        ("\"\"", Some(&[""])),
        ("\"\",a", Some(&["", "a"])),
        ("\"a\"", Some(&["a"])),
        ("\"a\",b", Some(&["a", "b"])),
        ("\"a,b\",c", Some(&["a,b", "c"])),
        ("\"a\"\"b\"", Some(&["a\"b"])),
        ("\"\"\"\"", Some(&["\""])),
        ("\"\"\"a\"\"\"", Some(&["\"a\""])),
        ("\"a\nb\"", Some(&["a\nb"])),
        ("\"a\r\nb\"", Some(&["a\nb"])),
        ("\"a\rb\"", Some(&["a\rb"])),
        ("\"\r\n\",z", Some(&["\n", "z"])),
        ("\"a\"\r", Some(&["a"])),
        ("\"a\"\r\n", Some(&["a"])),
        // Quotes that Go refuses.
        ("\"", None),
        ("\"a", None),
        ("\"a\r", None),
        ("\"a\"\"", None),
        ("a,\"b", None),
        ("a\"b", None),
        ("\"a\"b", None),
        ("\"\u{e9}\"x", None),
        ("\"a\" ,b", None),
        (" \"a\"", None),
    ];

    #[test]
    fn records_are_those_of_go() {
        for (text, record) in RECORDS {
            let read = first_csv_record(text);
            let read = read.as_ref().map(|fields| fields.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(read.as_deref(), *record, "{text:?}");
        }
    }

    #[test]
    fn paths_are_joined_as_in_go() {
        for (directory, path) in [
            ("", "token"),
            ("/", "/token"),
            ("//", "/token"),
            ("/a/", "/a/token"),
            ("/a//b/", "/a/b/token"),
            ("/a/./b", "/a/b/token"),
            ("/a/../b", "/b/token"),
            ("/../a", "/a/token"),
            ("/a/b/../../..", "/token"),
            ("a", "a/token"),
            ("./a", "a/token"),
            ("a/..", "token"),
            ("..", "../token"),
            ("../a", "../a/token"),
        ] {
            assert_eq!(join(directory, "token"), path, "{directory:?}");
        }
    }
}
