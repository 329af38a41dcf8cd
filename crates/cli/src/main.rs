//! kubectl-podidentity
#![allow(dead_code)]
mod yaml;
fn main() {}
