//! Pure decisions: no client, no clock, no I/O.
//!
//! ```text
//! Snapshot ──► claim ──► grants ──► account ──► verify (by injection) ──► rollout ──► schedule ──► plan ──► status
//!              └───────────────────── assess ─────────────────────────────┘
//! ```
//!
//! A [`snapshot`] holds all that is known of one identity, that is, of one service account. Everything that happens is
//! a function of it. Modules stand in the order of their imports: each uses only those before it, which a test holds.

pub mod settings;
mod time;

pub mod arn;
pub mod finding;
pub mod objects;

pub mod injection;
pub mod selector;

pub mod mark;
pub mod wanted;

pub mod provenance;
pub mod step;

pub mod snapshot;

pub mod claim;
pub mod grants;
mod invalid;

pub mod account;

pub mod verify;

mod record;
mod reverts;
pub mod rollout;
pub mod schedule;

mod revoke;

pub mod assess;

pub mod plan;

pub mod outcome;
pub mod status;

pub mod forecast;
pub mod owners;
pub mod trust;
pub mod unbound;
