//! Golden cases: `FAMILY/a-sentence/` has an `input.yaml`, and the `expected.yaml` that the family
//! produces from it. `UPDATE=1 cargo test -p podidentity-core --test cases` stores the found output
//! as the expected one.
//!
//! - `inject`: Kubernetes documents -> the pod that the webhook produces.
//! - `verify`: Kubernetes documents -> the findings in the pods.
//! - `container`: Kubernetes documents -> what each container has, and what its template sets wrong.
//! - `plan`: Kubernetes documents at one moment -> the next writes and the statuses. `status.yaml`, where a case has
//!   it, is the whole status and its events, as users read them.
//! - `sts`: answers of AWS STS -> their meaning; one file per case.
//! - `trust`: trust policies -> their verdict on a token; one file per case.
//! - `timeline`: actions of users and controllers, and time, step by step -> the operator's actions
//!   and reports, step by step. `status.yaml`, where a case has it, has the whole statuses at the end.

#![allow(clippy::unwrap_used, clippy::panic)]

mod entry;
mod input;
mod runner;
mod said;

mod container;
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
fn container() {
    runner::run("container", container::case);
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
fn whole_statuses() {
    runner::run_with("plan", "status.yaml", plan::whole_statuses);
    runner::run_with("timeline", "status.yaml", timeline::whole_statuses);
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
    runner::only_families(&["verify", "container", "inject", "plan", "timeline", "trust", "sts"]);
}
