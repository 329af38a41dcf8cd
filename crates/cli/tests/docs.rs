//! The examples of `docs/cli.md` and `docs/trust.md` are what the tool prints. `UPDATE=1` rewrites them.

mod run;

use std::fs;
use std::path::Path;

use run::run;

/// What follows a line `$ kubectl podidentity ...` of a console block is replaced by what the command prints.
fn with_output(page: &str, examples: &Path) -> String {
    let mut result = String::new();
    let mut in_console = false;
    for line in page.split_inclusive('\n') {
        if line.starts_with("```") {
            in_console = line.starts_with("```console");
            result.push_str(line);
        } else if !in_console {
            result.push_str(line);
        } else if let Some(command) = line.strip_prefix("$ kubectl podidentity ") {
            let args: Vec<&str> = command.split_whitespace().collect();
            let outcome = run(&args, examples, "");
            result.extend([line, &outcome.stdout, &outcome.stderr]);
        }
    }
    result
}

#[test]
fn examples_are_what_the_tool_prints() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for name in ["cli.md", "trust.md"] {
        let path = docs.join(name);
        let page = fs::read_to_string(&path).unwrap();
        let expected = with_output(&page, &docs.join("examples"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(path, expected).unwrap();
        } else {
            assert!(page == expected, "docs/{name} is stale: UPDATE=1 cargo test -p kubectl-podidentity --test docs");
        }
    }
}
