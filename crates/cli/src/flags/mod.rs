//! Flags that several commands share.

pub(crate) mod completion;
mod connection;
mod input;
pub(crate) mod order;
pub(crate) mod target;
mod webhook;

pub(crate) use connection::{ConnectionArgs, ScopeArgs, USER_AGENT, duration};
pub(crate) use input::InputArgs;
pub(crate) use target::{Target, TargetKind};
pub(crate) use webhook::WebhookArgs;
