//! The connection to the API server: one client for operator and plugin, and the layers that its
//! requests pass through.
//!
//! ```text
//! connection (kubeconfig, service account) ──► (Client, Clock)
//! Client ──► streamed_list, retry, page_size ──► heartbeat ──► fence ──► telemetry ──► API server
//! ```
//!
//! [`error`] classifies the API server's errors; no other module inspects status codes.

pub mod clock;
pub mod connection;
pub mod discovery;
pub mod error;
pub mod fence;
pub mod heartbeat;
pub mod layers;
pub mod overrides;
pub mod page_size;
mod query;
pub mod retry;
pub(crate) mod streamed_list;
pub mod telemetry;
