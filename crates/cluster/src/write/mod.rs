//! Writes. Each write applies only if the object is still as observed.
//!
//! ```text
//! Step ──► request ──► outcome: steps      Report ──► status      Transition ──► events (beside the reconciles)
//! edit: the few writes of the plugin
//! ```

pub mod edit;
pub mod events;
mod request;
pub mod status;
pub mod steps;
