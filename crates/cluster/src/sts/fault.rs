//! Why there is no answer: errors of the operating system, of TLS and of proxies, told apart by their types.

use std::error::Error;
use std::io;
use std::time::Duration;

use podidentity_core::sts::{Unavailable, Unreachable};
use tower::BoxError;

use crate::read::chain;

/// The name of a host has no address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAddress(pub(super) io::Error);

/// The proxy cannot be reached, or lets nothing through.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ProxyFault(#[source] pub(super) BoxError);

/// What an error of the client means.
pub(super) fn of(error: &(dyn Error + 'static)) -> Unavailable {
    let found = Some(error).into_iter().flat_map(causes).find_map(why).unwrap_or(Unreachable::BrokenOff);
    Unavailable::new(found, &chain(error))
}

/// Not sent: there is something in it that no request may have.
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

/// The error and what caused it, the outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        // An error of I/O is silent about the error that it wraps: its source is that of the other.
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}
