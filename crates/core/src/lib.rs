//! Pure decisions: no client, no clock, no I/O.
//!
//! ```text
//! Snapshot ──► claim ──► grants ──► account ──► verify (by injection) ──► rollout ──► plan ──► status
//!              └───────────────────── assess ─────────────────────────────────┘
//! ```
//!
//! A [`snapshot`] holds all that is known of one identity, that is, of one service account. Everything that happens is
//! a function of it.

pub mod arn;
pub mod finding;
pub mod injection;
pub mod injector;
pub mod likeness;
pub mod objects;
pub mod selector;
pub mod settings;
pub mod wanted;

pub mod slip;
pub mod snapshot;

pub mod claim;
pub mod grants;

pub mod account;

pub mod verify;

mod reverts;
pub mod rollout;

pub mod assess;
mod invalid;

mod revoke;

pub mod plan;

pub mod outcome;
pub mod status;

pub mod forecast;
pub mod owners;
pub mod trust;
pub mod unbound;
