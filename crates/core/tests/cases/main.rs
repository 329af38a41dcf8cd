//! Golden cases: `FAMILY/a-sentence/` with an `input.yaml` of Kubernetes documents and the `expected.yaml` that the
//! family makes of it. `UPDATE=1 cargo test -p podidentity-core --test cases` writes what was found as expected.
//!
//! To add a family, give it a function from documents to YAML, and a test below.

#![allow(clippy::unwrap_used, clippy::panic)]

mod input;
mod runner;

mod inject;
mod verify;

#[test]
fn verify() {
    runner::run("verify", verify::case);
}

#[test]
fn inject() {
    runner::run("inject", inject::case);
}

#[test]
fn every_folder_belongs_to_a_family() {
    runner::only_families(&["verify", "inject"]);
}
