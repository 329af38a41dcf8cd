//! The only crate that owns a Kubernetes client.
//!
//! ```text
//! operator:  http ──► watch ──► index ──► Snapshot ──► (podidentity_core: plan) ──► write
//!                       │                                                            │
//!                       └──► queue (which identity is due)        index ◄────────────┘ what was written is known at once
//!
//! plugin:    http ──► read (once, page by page) ──► index ──► Snapshot ──► a command's judgement
//!
//! sts:       API server ──► token ──► AWS STS ──► (podidentity_core: sts::Answer)
//! ```
//!
//! Each folder is a room with one purpose, and imports only rooms above it in this file. `lease`
//! elects the active replica and opens the fence of `http`.

pub mod http;

pub mod lease;
pub mod queue;

pub mod index;

pub mod watch;

pub mod read;
pub mod sts;

pub mod preflight;
pub mod write;
