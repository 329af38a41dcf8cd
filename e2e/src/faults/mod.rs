//! The fault campaign: the operator as a real process behind a proxy that breaks things on purpose.
//!
//! ```text
//! cases ─► reference runs, free of faults ─► plans (generate, fixed) ─► run each behind the proxy ─► oracles ─► report
//! ```

pub mod rules;

pub mod journal;
pub mod proxy;
pub mod request;
mod stream;

pub mod campaign;
pub mod case;
pub mod cases;
pub mod endstate;
pub mod generate;
pub mod observer;
pub mod oracles;
pub mod plan;
pub mod report;
pub mod run;
pub mod store;
