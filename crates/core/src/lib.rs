//! Pure decisions: no client, no clock, no I/O.
//!
//! ```text
//! Snapshot ──► claim ──► grants ──► account ──► verify (by injection) ──► rollout ──► schedule ──► plan ──► status
//!              └───────────────────── assess ─────────────────────────────┘
//! ```
//!
//! A [`snapshot`] holds everything that is known about one identity, that is, about one service
//! account. Every decision is a function of the snapshot. The modules are listed in the order of
//! their imports: each uses only those before it, as `tests/floors.rs` checks.

pub mod kubernetes;
pub mod likeness;
pub mod message;
mod step_counter;
mod time;
pub mod windows;

pub mod aws_partition;

pub mod arn;
mod webhook_config;

pub mod settings;

pub mod finding;
pub mod foreign;
pub mod objects;

pub mod trust;

pub mod sts;

pub mod injection;
pub mod injector;
pub mod selector;

pub mod desired_identity;
pub mod expectation;
pub mod field_manager;
pub mod restart_mark;

pub mod provenance;
pub mod step;

pub mod role;
pub mod snapshot;

pub mod slip;

pub mod claim;
pub mod grants;
mod invalid;

pub mod account;

pub mod preflight;

pub mod verify;

mod slim;

mod restart_record;
pub mod rollout;

mod reverts;
pub mod schedule;

mod revoke;

pub mod assess;

pub mod plan;

pub mod outcome;
pub mod status;

pub mod forecast;

pub mod unbound;

#[cfg(test)]
mod largest_objects;
