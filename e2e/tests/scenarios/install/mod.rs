//! Install, upgrade and uninstall the operator with only the shipped files.
//!
//! ```text
//! kustomize ─┐                     ┌─► rendering: the same objects
//!            ├─► objects, compared ┤
//! helm ──────┘                     └─► applied to a control plane of its own: kubectl, chart, upgrade, namespaced
//! ```

pub(crate) mod helm;
mod objects;

pub(crate) mod rendering;
pub(crate) mod values;

pub(crate) mod chart;
pub(crate) mod image;
pub(crate) mod kubectl;
pub(crate) mod namespaced;
pub(crate) mod upgrade;
mod user;
