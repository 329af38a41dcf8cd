//! Why there is no answer. Types distinguish errors of the operating system, of TLS and of proxies.

use std::error::Error;
use std::io;
use std::time::Duration;

use podidentity_core::sts::{Unavailable, Unreachable};
use tower::BoxError;

use crate::http::error::chain;

/// The host name has no address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAddress(pub(super) io::Error);

/// The proxy is unreachable or refuses the connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ProxyFault(#[source] pub(super) BoxError);

/// What an error of the client means.
pub(super) fn of(error: &(dyn Error + 'static)) -> Unavailable {
    let found = Some(error).into_iter().flat_map(causes).find_map(why).unwrap_or(Unreachable::BrokenOff);
    Unavailable::new(found, &chain(error))
}

/// The request was not sent because its content is invalid.
pub(super) fn invalid(error: &http::Error) -> Unavailable {
    Unavailable::new(Unreachable::BrokenOff, &error.to_string())
}

pub(super) fn too_late(limit: Duration) -> Unavailable {
    Unavailable::new(Unreachable::TimedOut, &format!("no answer within {limit:?}"))
}

fn why(error: &(dyn Error + 'static)) -> Option<Unreachable> {
    if error.is::<ProxyFault>() {
        Some(Unreachable::Proxy)
    } else if error.is::<NoAddress>() {
        Some(Unreachable::NoAddress)
    } else if error.is::<rustls::Error>() {
        Some(Unreachable::NoTls)
    } else {
        match error.downcast_ref::<io::Error>()?.kind() {
            io::ErrorKind::TimedOut => Some(Unreachable::TimedOut),
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => Some(Unreachable::NoConnection),
            _ => None,
        }
    }
}

/// The error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        // An `io::Error` hides the error that it wraps: its `source` is the source of the wrapped
        // error.
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}
