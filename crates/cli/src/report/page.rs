//! The page: its frame, its totals, and the order of its sections.

use std::fmt::{self, Display};
use std::io::{self, Write};

use jiff::Timestamp;
use podidentity_core::foreign::Foreign;

use super::{list, matrix, roles};
use crate::view::{Totals, View};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("filter.js");

/// The number of table rows that are shown at first. More rows take a browser seconds to lay out,
/// and hundreds of sheets to print.
pub(super) const AT_ONCE: usize = 300;

/// What the page says about itself.
pub(crate) struct About {
    /// Address of the API server.
    pub(crate) server: String,
    /// For example `all namespaces`.
    pub(crate) place: String,
    pub(crate) now: Timestamp,
    /// Notes about what could not be read.
    pub(crate) notes: Vec<String>,
}

/// Text that is escaped for HTML, because names and messages come from the cluster.
pub(super) struct Text<'a>(pub(super) &'a str);

/// The maximum number of characters in a text of the page.
const LONGEST: usize = 4000;

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Foreign::new(self.0).up_to(LONGEST).html().fmt(f)
    }
}

/// The ARN of a role. A line may break after a colon or a slash, but not within the account number.
pub(super) struct Arn<'a>(pub(super) &'a str);

impl Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive([':', '/']) {
            let end = if part.ends_with([':', '/']) { "<wbr>" } else { "" };
            write!(f, "{}{end}", Text(part))?;
        }
        Ok(())
    }
}

/// The line below a table that says that there are more rows, with a button that shows them.
pub(super) struct More {
    /// The `id` attribute of the line, or an empty string.
    pub(super) id: &'static str,
    /// The total number of rows.
    pub(super) all: usize,
}

impl Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, all } = self;
        let hidden = if *all > AT_ONCE { "" } else { " hidden" };
        writeln!(
            f,
            "<p class=\"more\"{id}{hidden}><span>The first {AT_ONCE} of {all}</span> <button type=\"button\">Show all</button></p>"
        )
    }
}

/// Writes the page. `views` are sorted: views that need attention come first.
pub(crate) fn page(views: &[View], about: &About, out: &mut dyn Write) -> io::Result<()> {
    // The policy forbids the page to load anything.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{policy}\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>Pod identity \
         report</title>\n<style>\n{STYLE}</style>\n<noscript><style>tr[hidden] {{ display: table-row \
         !important; }} .more {{ display: none; }}</style></noscript>\n</head>\n<body>\n"
    )?;
    header(views, about, out)?;
    writeln!(out, "<main>")?;
    matrix::write(views, out)?;
    list::write(views, about.now, out)?;
    roles::write(views, out)?;
    writeln!(out, "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>")
}

fn header(views: &[View], about: &About, out: &mut dyn Write) -> io::Result<()> {
    let at = about.now.strftime("%Y-%m-%d %H:%M UTC");
    writeln!(out, "<header>\n<h1>Pod identity</h1>\n<p>{} of {}, {at}</p>", Text(&about.place), Text(&about.server))?;
    for note in &about.notes {
        writeln!(out, "<p class=\"note\">{}</p>", Text(note))?;
    }
    tiles(&Totals::of(views), out)?;
    writeln!(
        out,
        "<nav><a href=\"#findings\">Findings</a> <a href=\"#bindings\">Bindings</a> <a href=\"#roles\">Roles</a></nav>"
    )?;
    writeln!(out, "</header>")
}

fn tiles(totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<ul class=\"tiles\">")?;
    let tiles = [
        ("failing", totals.failing, "failing"),
        ("working", totals.working, "in progress"),
        ("verified", totals.verified, "verified"),
        ("idle", totals.idle, "without pods"),
    ];
    for (class, count, words) in tiles {
        let class = if count == 0 { "idle" } else { class };
        writeln!(out, "<li class=\"{class}\"><b>{count}</b> {words}</li>")?;
    }
    let (verified, pods) = (totals.pods_verified, totals.pods);
    let class = if verified == pods { "verified" } else { "failing" };
    writeln!(out, "<li class=\"{class}\"><b>{verified} / {pods}</b> pods with their role</li>")?;
    let (bindings, unbound) = (totals.bindings, totals.unbound);
    writeln!(out, "<li><b>{bindings}</b> bindings</li>\n<li><b>{unbound}</b> annotated without binding</li>\n</ul>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let text = r#"<script>alert("1" & '2')</script>é"#;
        let shown = Text(text).to_string();
        assert_eq!(shown, "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;é");
    }

    #[test]
    fn an_arn_breaks_between_its_parts() {
        let shown = Arn("arn:aws:iam::1:role/a<b").to_string();
        assert_eq!(shown, "arn:<wbr>aws:<wbr>iam:<wbr>:<wbr>1:<wbr>role/<wbr>a&lt;b");
    }

    #[test]
    fn the_page_loads_nothing() {
        let mut view = crate::view::sample();
        "</script><img src=x>".clone_into(&mut view.message);
        view.state = crate::view::State::Failing;
        let about = About {
            server: "https://example.com".to_owned(),
            place: "all namespaces".to_owned(),
            now: Timestamp::UNIX_EPOCH,
            notes: Vec::new(),
        };
        let mut out = Vec::new();
        page(&[view], &about, &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        for loading in ["src=", "<link", "@import", "url("] {
            let found = page.find(loading).map(|at| &page[at.saturating_sub(20)..(at + 20).min(page.len())]);
            assert!(found.is_none_or(|text| text.contains("&lt;img")), "{loading}: {found:?}");
        }
        assert_eq!(page.matches("</script>").count(), 1);
    }
}
