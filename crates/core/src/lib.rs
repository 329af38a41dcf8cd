//! Pure decisions: no client, no clock, no I/O.
//!
//! ```text
//! Snapshot ──► claim ──► verify (by injection) ──► rollout ──► plan ──► status
//! ```
//!
//! A [`snapshot`] holds all that is known of one identity, that is, of one service account. Everything that happens is
//! a function of it.

pub mod arn;
pub mod finding;
pub mod objects;
pub mod settings;
pub mod wanted;
