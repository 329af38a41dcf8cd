//! The only crate that owns a Kubernetes client.
//!
//! ```text
//! watch ──► index ──► Snapshot ──► (podidentity_core: plan) ──► act ──► Outcome ──► report
//!             │                                                  │
//!             └──────────────► queue (which identity is due)     └──► index (what was written is known at once)
//! ```

pub mod client;
pub mod clock;
mod optional;
pub mod watch;

pub mod index;

pub mod queue;

pub mod act;

pub mod report;
