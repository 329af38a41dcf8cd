//! Tests that a parsed document still says the same after it is printed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::value::to_value;
use super::*;

fn read(text: &str) -> Node {
    parse(text, 0).unwrap_or_else(|error| panic!("{error} at {:?} in:\n{text}", error.at)).unwrap()
}

#[track_caller]
fn round_trip(text: &str) {
    let node = read(text);
    let printed = emit(&node);
    assert_eq!(read(&printed), node, "printed as:\n{printed}");
    assert_eq!(emit(&read(&printed)), printed);
}

#[test]
fn scalars_that_look_like_others_keep_their_quotes() {
    let text = "\
a: \"yes\"
b: yes
c: '1e3'
d: 1e3
e: \"0o7\"
f: 0o7
g: 123456789012345678901234567890
h: 1.10
i: 'null'
j: null
k: ~
l: \"\"
m: 2001-12-14
n: '0x10'
o: 0x10
p: 1_000
q: !!str 12
r: ! 12
s: !custom thing
t: !!binary aGk=
u: [1, '2', \"3\", {a: b, c: }]
v: {}
w: []
x: 12:30:45
y: .inf
z: =
";
    round_trip(text);
    let printed = emit(&read(text));
    for line in text.lines().filter(|line| !line.starts_with('u')) {
        assert!(printed.contains(&format!("{line}\n")), "{line} in:\n{printed}");
    }
}

#[test]
fn nothing_at_all_is_null() {
    assert_eq!(emit(&read("a:\nb:\n- \n- x\n")), "a: null\nb:\n- null\n- x\n");
}

#[test]
fn keys_keep_their_order_and_their_quotes() {
    let text = "z: 1\na: 2\n\"on\": 3\n'1': 4\nm.n/o: 5\n\"\": 6\n\"a: b\": 7\n";
    assert_eq!(emit(&read(text)), text);
}

#[test]
fn texts_of_several_lines_keep_every_character() {
    for text in [
        "a: |\n  one\n  two\n",
        "a: |-\n  one\n",
        "a: |+\n  one\n\n\n",
        "a: |2\n    indented\n  less\n",
        "a: |\n\n\n  late\n",
        "a: |\n  \ttab\n",
        "a: |\n  with trailing  \n  spaces\n",
        "a: >\n  folded\n  text\n\n  more\n",
        "a: >-\n   x\n\n    y\n",
        "a: \"x\\n  y\\n\"\n",
        "a: 'it''s\n  two'\n",
        "a: plain\n  goes on\n",
        "a: |\n  # no comment\n  --- \n  key: value\n",
        "- |2\n    x\n- - |2-\n      x\n",
        "a:\n- b: |2\n      x\n",
        "a: \"\\t\\0\\e\\u263a\\U0001F600\\x85\\u2028\\ufeff\"\n",
        "a: \"\\n  \\x85x\\n\"\n",
        "a: \"\\n\"\n",
        "a: \"\\n\\n  \\n x\"\n",
    ] {
        round_trip(text);
    }
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let node = read(
        "base: &b {x: 1, v: 2}\nmore: &m {v: 3, z: 4}\none: *b\nmerged: {<<: *b, v: 9}\nboth:\n  <<: [*b, *m]\n  w: 0\nquoted: {\"<<\": 1}\n",
    );
    let value = to_value(&node).unwrap();
    assert_eq!(value["one"], json!({"x": 1, "v": 2}));
    assert_eq!(value["merged"], json!({"x": 1, "v": 9}));
    assert_eq!(value["both"], json!({"x": 1, "v": 2, "z": 4, "w": 0}));
    assert_eq!(value["quoted"], json!({"<<": 1}));
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &before, "]\n"]);
    }
    assert!(parse(&text, 0).unwrap_err().message.contains("too large"));
    assert!(parse("a: &a [*a]\n", 0).unwrap_err().message.contains("itself"));
}

#[test]
fn aliases_that_multiply_bytes_are_refused() {
    let text = format!("a: &a \"{}\"\nb:\n{}", "x".repeat(1_000_000), "- *a\n".repeat(100));
    assert!(parse(&text, 0).unwrap_err().message.contains("too large"));
    // Anchors within anchors count as copies, too.
    let nested: Vec<String> = (0..200).map(|n| format!("&n{n} [")).collect();
    let nested = nested.concat();
    let text = format!("a: {nested}\"{}\"{}\n", "x".repeat(1_000_000), "]".repeat(200));
    assert!(parse(&text, 0).unwrap_err().message.contains("too large"));
    let text = format!("a: &a \"{}\"\nb: [*a, *a]\n", "x".repeat(1_000_000));
    assert!(parse(&text, 0).is_ok());
}

/// The parser limits what is nested in the text, and aliases nest more than the text shows.
#[test]
fn aliases_that_nest_are_refused() {
    let nested = |levels: usize| {
        let levels = (1..levels).map(|level| format!("a{level}: &a{level} {{x: *a{}}}\n", level - 1));
        format!("a0: &a0 {{x: 1}}\n{}", levels.collect::<String>())
    };
    assert!(parse(&nested(200), 0).is_ok());
    assert!(parse(&nested(300), 0).unwrap_err().message.contains("too large"));
}

#[test]
fn merge_keys_of_many_entries_are_merged_one_by_one() {
    let entries: Vec<String> = (0..30_000).map(|n| format!("k{n}: 1")).collect();
    let node = read(&format!("base: &b {{{}}}\nx:\n  <<: *b\n  k7: 2\n", entries.join(", ")));
    let value = to_value(&node).unwrap();
    assert_eq!((&value["x"]["k7"], value["x"].as_object().unwrap().len()), (&json!(2), 30_000));
}

#[test]
fn errors_tell_the_place() {
    let error = parse("a: 1\nb: [1, 2\nc: 3\n", 0).unwrap_err();
    assert!(error.at.line >= 2, "{error:?}");
    let error = parse("a: *nowhere\n", 10).unwrap_err();
    assert_eq!(error.at, Position { line: 11, column: 4 });
}

#[test]
fn values_are_those_that_kubectl_reads() {
    for (text, value) in [
        ("yes", json!(true)),
        ("off", json!(false)),
        ("0600", json!(384)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("1_000", json!(1000)),
        ("-5", json!(-5)),
        ("1e3", json!(1000)),
        ("08", json!(8)),
        ("{on: 1, 'on': 2, 0600: 3}", json!({"true": 1, "on": 2, "384": 3})),
        ("1.5", json!(1.5)),
        ("1.2.3", json!("1.2.3")),
        ("10-20", json!("10-20")),
        ("111122223333", json!(111_122_223_333_u64)),
        ("'1'", json!("1")),
        ("!!str 1", json!("1")),
        ("-", Value::Array(vec![Value::Null])),
        ("100m", json!("100m")),
        ("0xyz", json!("0xyz")),
        ("+-1", json!("+-1")),
    ] {
        assert_eq!(to_value(&read(text)).unwrap(), value, "{text}");
    }
}

#[test]
fn json_is_read_with_its_escapes_and_tabs() {
    let node = read("{\n\t\"a\": \"\\ud83d\\ude00\\/\",\n\t\"b\": [1, null, true],\n\t\"c\":{\"d\":1.0}\n}");
    let value = to_value(&node).unwrap();
    assert_eq!(value, json!({"a": "\u{1f600}/", "b": [1, null, true], "c": {"d": 1}}));
    assert!(emit(&node).contains("\"d\": 1.0\n"));
}

fn arbitrary_node() -> impl Strategy<Value = Node> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "[a-z \\n\\t#:'\"\\\\-]{0,16}",
        any::<String>(),
        Just("yes".to_owned()),
        Just("1e3".to_owned()),
    ];
    let quoted = (text, prop_oneof![Just(Style::SingleQuoted), Just(Style::DoubleQuoted), Just(Style::Block)])
        .prop_map(|(text, style)| Node::new(Kind::Scalar { text, style }));
    let plain = prop_oneof!["[a-z][a-z0-9 ]{0,6}[a-z]", "[0-9]{1,30}", Just("null".to_owned())]
        .prop_map(|text| Node::new(Kind::Scalar { text, style: Style::Plain }));
    let scalar = prop_oneof![quoted, plain];
    let key = scalar.clone();
    scalar.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| Node::new(Kind::Sequence(items))),
            prop::collection::vec((key.clone(), inner), 0..4).prop_map(|entries| Node::new(Kind::Mapping(entries))),
        ]
    })
}

fn as_json(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { text, style } => json!([text, *style == Style::Plain]),
        Kind::Sequence(items) => items.iter().map(as_json).collect(),
        Kind::Mapping(entries) => entries.iter().map(|(key, value)| json!([as_json(key), as_json(value)])).collect(),
    }
}

proptest! {
    #[test]
    fn any_tree_reads_as_it_was_printed(node in arbitrary_node()) {
        // A document that is a single scalar is not a manifest.
        let node = Node::new(Kind::Mapping(vec![(Node::string("root"), node)]));
        let printed = emit(&node);
        let read = parse(&printed, 0);
        prop_assert!(read.is_ok(), "{:?}\n{}", read, printed);
        let read = read.unwrap().unwrap();
        prop_assert_eq!(as_json(&read), as_json(&node), "{}", printed);
    }

    /// Another reader reads our own strings as strings, too.
    #[test]
    fn our_strings_are_strings_to_others(text in any::<String>()) {
        let printed = emit(&Node::new(Kind::Mapping(vec![(Node::string("a"), Node::string(&text))])));
        let value: Value = serde_saphyr::from_str(&printed).unwrap();
        prop_assert_eq!(value, json!({"a": text}), "{}", printed);
    }
}

/// The refused texts, with the line and column of each error.
#[test]
fn documents_that_kubectl_reads_differently_are_refused() {
    let refused = [
        ("# x\u{2028}{kind: Evil}\u{2028}---\u{2028}#\nkind: ConfigMap\n", 1, 4),
        ("# x\u{2029}{kind: Evil}\nkind: ConfigMap\n", 1, 4),
        ("# x\u{85}{kind: Evil}\nkind: ConfigMap\n", 1, 4),
        ("a: b\n# \u{e9}\u{85}kind: Evil\n", 2, 4),
        ("a: b\u{2028}kind: Evil\n", 1, 5),
        ("a: |\n  text\u{2028}kind: Evil\n", 2, 7),
        ("a: >\n  text\u{85}kind: Evil\n", 2, 7),
        ("a: 'b' \u{85}kind: Evil\n", 1, 8),
        ("a: \"b\"\n\u{feff}kind: Evil\n", 2, 1),
        ("{a: b, ?kind: Evil}\n", 1, 8),
        ("[:a]\n", 1, 2),
        ("{kind:}\n", 1, 2),
        ("{a: b, kind:, c: d}\n", 1, 8),
        ("a: &x: {b: c}\n", 1, 4),
    ];
    for (text, line, column) in refused {
        let error = parse(text, 0).expect_err(text);
        assert_eq!((error.at.line, error.at.column), (line, column), "{text:?}: {error}");
    }
}

#[test]
fn what_only_looks_ambiguous_is_read() {
    for text in [
        "a: \"\u{2028}\u{85}\"\n",
        "a: '\u{2029}'\n",
        "a: \"\\u2028\"\n",
        "a: yes\nb: 0600\nc: on\n",
        "a: x?y\nb: :x\nc: ?x\nd: kind:}\n",
        "{\"a\":1, b: [\"c\":d]}\n",
        "a: &x-1_Y b\nc: *x-1_Y\n",
        "a: |\n  x &y:z *w\n",
        "a: \u{e9}\u{a0}\u{1f600} # \u{a0}\n",
    ] {
        assert!(parse(text, 0).is_ok(), "{text:?}: {:?}", parse(text, 0));
    }
    // kubectl does not read JSON as YAML.
    assert!(parse_json("{\"a\": \"\u{7f}\u{9f}\u{85}\u{2028}\"}", 0).is_ok());
}

#[test]
fn documents_of_others_are_written_with_escapes() {
    let text = "{\n  \"a\": \"x\u{202e}\u{9b}\u{1f600}\u{e0041}\"\n}";
    let raw = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let written = encode_json(&raw).unwrap();
    assert_eq!(written, "{\n  \"a\": \"x\\u202e\\u009b\u{1f600}\\udb40\\udc41\"\n}");
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn what_kubectl_decodes_is_refused_where_it_is_read() {
    assert!(to_value(&read("a: !!binary aGk=\n")).unwrap_err().message.contains("!!binary"));
}

#[test]
fn a_tag_cannot_end_its_line() {
    let printed = emit(&read("a: !<tag:evil%0akind:x> b\n"));
    assert_eq!(printed.lines().count(), 1, "{printed}");
}

/// The value that a YAML 1.1 reader reads from the text.
fn yaml_1_1(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
}

proptest! {
    #[test]
    fn our_documents_are_the_same_to_yaml_1_1(text in any::<String>(), key in "[ -~\\u{80}-\\u{a0}\\u{2020}-\\u{2030}\\u{feff}]{0,9}") {
        let document = json!({"key": text, key: [text, {"a": text}], "number": 1.5, "null": null, "yes": true});
        let encoded = encode(&document).unwrap();
        prop_assert_eq!(yaml_1_1(&encoded), document.clone(), "{}", encoded);
        prop_assert!(encoded.chars().all(|c| c == '\n' || !podidentity_core::foreign::is_active(c)), "{encoded:?}");
        prop_assert_eq!(json(&read(&encoded)).unwrap(), document.clone());
        let encoded = encode_json(&document).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&encoded).unwrap(), document);
        prop_assert!(encoded.chars().all(|c| c == '\n' || !podidentity_core::foreign::is_active(c)), "{encoded:?}");
    }
}
