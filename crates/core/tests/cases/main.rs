//! Golden cases: `FAMILY/a-sentence/` with an `input.yaml` and the `expected.yaml` that the family makes of it. `UPDATE=1 cargo test -p podidentity-core --test cases` writes what was found as expected.
//!
//! - `inject`: Kubernetes documents -> the pod as the webhook makes it.
//! - `verify`: Kubernetes documents -> what is found in the pods.
//! - `plan`: Kubernetes documents at one moment -> the next writes, and what the statuses say.
//! - `sts`: answers of AWS STS -> what they mean; one file for each case.
//! - `trust`: trust policies -> what they make of a token; one file for each case.
//! - `timeline`: what users, controllers and time do, step by step -> what the operator does and says, step by step.

#![allow(clippy::unwrap_used, clippy::panic)]

mod input;
mod runner;
mod said;

mod inject;
mod plan;
mod sts;
mod timeline;
mod trust;
mod verify;

#[path = "../sim/mod.rs"]
mod sim;

#[test]
fn verify() {
    runner::run("verify", verify::case);
}

#[test]
fn inject() {
    runner::run("inject", inject::case);
}

#[test]
fn plan() {
    runner::run("plan", plan::case);
}

#[test]
fn timeline() {
    runner::run("timeline", timeline::case);
}

#[test]
fn sts() {
    runner::run_files("sts", sts::case);
}

#[test]
fn trust() {
    runner::run_files("trust", trust::case);
}

#[test]
fn every_folder_belongs_to_a_family() {
    runner::only_families(&["verify", "inject", "plan", "timeline", "trust", "sts"]);
}
