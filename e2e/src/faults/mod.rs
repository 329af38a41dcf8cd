//! The fault campaign: the operator as a real process behind a proxy that breaks things on purpose.
//!
//! ```text
//! cases ─► reference runs, free of faults ─► plans (generate, fixed) ─► run each behind the proxy ─► oracles ─► report
//! ```

pub mod rules;

pub mod journal;
pub mod proxy;
#[cfg(test)]
mod proxy_tests;
pub mod request;
mod stream;

pub mod campaign;
pub mod case;
pub mod cases;
pub mod disasters;
pub mod endstate;
pub mod fixed;
pub mod generate;
pub mod hostile;
pub mod leases;
pub mod malformed;
pub mod many;
pub mod observer;
pub mod oracles;
pub mod overload;
pub mod plan;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod progress;
pub mod report;
pub mod run;
pub mod specs;
pub mod store;
mod story;
