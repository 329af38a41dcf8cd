//! The only crate that owns a Kubernetes client.
//!
//! ```text
//! watch ──► index ──► Snapshot ──► (podidentity_core: plan) ──► act ──► Outcome ──► report, news
//!             │                                                  │
//!             └──────────────► queue (which identity is due)     └──► index (what was written is known at once)
//!
//! read (once, page by page) ──► Snapshot ──► a caller's judgement, for commands that look at a cluster and end
//!
//! sts: API server ──► token ──► AWS STS ──► (podidentity_core: sts::Answer)
//! ```

pub mod client;
pub mod clock;
pub mod connect;
pub mod fence;
pub mod layers;
pub mod lease;
pub mod observe;
pub mod page_size;
pub mod pages;

pub mod guard;
mod optional;
pub mod pulse;
pub mod scope;
pub mod watch;

mod filed;
mod identity;
pub mod index;
mod packed;
mod packers;
mod places;
mod sorted;
pub mod tally;

pub mod load;

pub mod injectors;
pub mod read;

pub mod edit;

pub mod sts;

pub mod queue;

pub mod preflight;

pub mod act;

pub mod report;

pub mod news;
