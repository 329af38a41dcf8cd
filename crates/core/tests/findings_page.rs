//! Checks that the reference pages of findings and slips match the code.

#![allow(clippy::unwrap_used)]

use std::path::Path;

fn is_up_to_date(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == page,
        "docs/reference/{name} is stale: run UPDATE=1 cargo test -p podidentity-core --test findings_page"
    );
}

#[test]
fn the_page_of_findings_is_up_to_date() {
    is_up_to_date("findings.md", &podidentity_core::finding::reference());
}

#[test]
fn the_page_of_slips_is_up_to_date() {
    is_up_to_date("slips.md", &podidentity_core::slip::reference());
}
