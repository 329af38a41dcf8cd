//! The output formats of `status` (`-o`).

use std::io::Write;
use std::str::FromStr;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Detail, tree};
use crate::cluster::Failure;
use crate::output::document;
use crate::output::jsonpath::{Path, Template};
use crate::paint::Paint;
use crate::table::Table;
use crate::terminal_text::Sheet;
use crate::view::{Totals, View};

/// The output format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Form(Form),
    /// kubectl's `jsonpath=TEMPLATE`.
    JsonPath(Template),
    /// kubectl's `custom-columns=HEADING:PATH,...`.
    CustomColumns(Vec<(String, Path)>),
}

/// The forms that have a name only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// To read
    Tree,
    /// One line for each, with role and message
    Wide,
    /// All that is known
    Json,
    /// The same as YAML
    Yaml,
    /// Names only, as kubectl takes them
    Name,
}

/// The formats, for the help text.
pub(crate) const FORMS: &str = "tree|wide|json|yaml|name|jsonpath=TEMPLATE|custom-columns=SPEC";

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("jsonpath", template)) => Template::parse(template).map(Self::JsonPath),
            Some(("custom-columns", columns)) => {
                columns.split(',').map(column).collect::<Result<_, _>>().map(Self::CustomColumns)
            }
            _ => Form::from_str(text, false).map(Self::Form).map_err(|_| format!("write one of {FORMS}")),
        }
    }
}

fn column(text: &str) -> Result<(String, Path), String> {
    let (heading, path) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is no column; write HEADING:PATH, for example ROLE:.roleArn"))?;
    let path = path.trim();
    let path = path.strip_prefix('{').and_then(|path| path.strip_suffix('}')).unwrap_or(path);
    Ok((heading.to_owned(), Path::parse(path)?))
}

pub(crate) fn write(
    views: &[View],
    output: &Output,
    detail: Detail,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match output {
        Output::Form(Form::Tree) => tree(views, detail, paint).print(out)?,
        Output::Form(Form::Wide) => wide(views, detail).render(paint).print(out)?,
        Output::Form(Form::Json) => document::json(&of(views), out)?,
        Output::Form(Form::Yaml) => document::yaml(&of(views), out)?,
        Output::Form(Form::Name) => {
            let mut names = Sheet::new();
            for view in views {
                names.line(view.title());
            }
            names.print(out)?;
        }
        Output::JsonPath(template) => {
            let mut value = of(views);
            // Users expect `items`, as in kubectl's lists.
            value["items"] = value["identities"].clone();
            document::template(&template.fill(&value), out)?;
        }
        Output::CustomColumns(columns) => custom(views, columns).render(paint).print(out)?,
    }
    Ok(())
}

/// The document for programs.
pub(crate) fn of(views: &[View]) -> Value {
    json!({"identities": views, "totals": Totals::of(views)})
}

fn wide(views: &[View], detail: Detail) -> Table {
    let headings = ["NAMESPACE", "NAME", "STATE", "REASON", "SERVICEACCOUNT", "ROLLED", "VERIFIED", "ROLE", "MESSAGE"];
    let mut table = Table::new(&headings);
    for view in views {
        table.row(vec![
            view.namespace.clone(),
            view.title(),
            format!("{:?}", view.state),
            view.reason.clone(),
            view.service_account.clone(),
            format!("{}/{}", view.workloads_current, view.workloads_total),
            format!("{}/{}", view.pods_verified, view.pods_total),
            view.role_arn.clone(),
            view.message.clone(),
        ]);
    }
    if detail.namespaces { table } else { table.without(0) }
}

fn custom(views: &[View], columns: &[(String, Path)]) -> Table {
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| heading.as_str()).collect();
    let mut table = Table::new(&headings);
    for view in views {
        let value = json!(view);
        // kubectl also shows `<none>` for a missing value.
        let cell = |path: &Path| {
            Some(path.text(&value)).filter(|text| !text.is_empty()).unwrap_or_else(|| "<none>".to_owned())
        };
        table.row(columns.iter().map(|(_, path)| cell(path)).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_and_mistakes_refused() {
        assert_eq!(Output::from_str("wide"), Ok(Output::Form(Form::Wide)));
        assert!(matches!(Output::from_str("jsonpath={.items[*].binding}"), Ok(Output::JsonPath(_))));
        assert!(matches!(
            Output::from_str("custom-columns=ROLE:.roleArn,SA:{.serviceAccount}"),
            Ok(Output::CustomColumns(_))
        ));
        for (wrong, advice) in [
            ("wite", "write one of tree|wide"),
            ("jsonpath={.items", "no closing brace"),
            ("custom-columns=ROLE", "write HEADING:PATH"),
            ("go-template={{.items}}", "write one of tree|wide"),
        ] {
            let error = Output::from_str(wrong).unwrap_err();
            assert!(error.contains(advice), "{wrong}: {error}");
        }
    }
}
