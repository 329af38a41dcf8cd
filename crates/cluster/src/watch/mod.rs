//! Watch streams that keep the index up to date.
//!
//! ```text
//! scope (whole cluster, some namespaces) ──► streams, one for each kind ──► decode (one bad object spoils no list) ──► index
//!                                       └──► optional: custom resources of other tools, while their definition is installed
//! ```

pub mod decode;
mod optional_kinds;
mod pace;
mod role_objects;
pub mod scope;
mod streams;

pub use self::scope::WatchScope;
pub use self::streams::{Listeners, Notify, streams};
