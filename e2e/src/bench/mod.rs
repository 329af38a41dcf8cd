//! The operator's costs, measured on a real API server and compared with a client that knows what
//! to write.
//!
//! ```text
//! world (etcd, API server, load) ─► population ─► rounds: raw client, operator, raw client
//!                                              └► start, silence, scrape, churn, storm, kubectl ─► results ─► table, plots
//! ```
//!
//! [`replicas`] plays controllers and kubelets: the real ones would use more of the machine than
//! the measured processes.

#![allow(clippy::cast_precision_loss)] // counts are far below 2^52

pub mod http;
pub mod load;
pub mod objects;
pub mod process;
pub mod ready;
pub mod replicas;
pub mod world;

mod churn;
pub mod compare;
mod drift;
mod kubectl;
pub mod phases;
pub mod plugin;
mod raw;
mod rounds;
mod scrape;
mod single;
mod startup;

pub mod requests;
pub mod results;

pub mod checks;
pub mod curves;
pub mod plots;
pub mod table;
