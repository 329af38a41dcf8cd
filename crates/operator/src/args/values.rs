//! Values of flags, and what is said of bad ones.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use jiff::SignedDuration;
use podidentity_cluster::http::heartbeat::SILENCE;
use podidentity_core::objects::RoleObjectKind;
use podidentity_core::selector::NamespaceSelector;

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "must be a duration of more than zero with its unit, for example 15s or 2m".to_owned())
}

/// How long a watch may be silent.
pub(crate) fn silence(text: &str) -> Result<Duration, String> {
    let Ok(silence) = duration(text) else {
        return Err("must be a duration with its unit, for example 3m or 300s".to_owned());
    };
    if silence < SILENCE {
        return Err(format!(
            "must be at least {}s: an API server with nothing to tell may be silent for two minutes",
            SILENCE.as_secs()
        ));
    }
    Ok(silence)
}

pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "must be an IP address and a port, for example [::]:8080, 0.0.0.0:8080 or 127.0.0.1:8080".to_owned()
    })
}

/// An `http(s)://` URL; of an issuer, and of whatever is sent data to.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => Err("must be a URL that begins with https:// (or http://)".to_owned()),
    }
}

/// A name that the API server accepts for an object.
pub(crate) fn object_name(text: &str) -> Result<String, String> {
    domain(text).map_err(|_| {
        "must be a name as Kubernetes objects have it: lower case letters, digits, '-' and '.', at most 253".to_owned()
    })
}

/// A kind of object that `spec.roleRef` may name.
pub(crate) fn role_object() -> impl TypedValueParser<Value = RoleObjectKind> {
    let named = |kind: RoleObjectKind| PossibleValue::new(kind.flag()).help(kind.qualified());
    PossibleValuesParser::new(RoleObjectKind::ALL.map(named)).try_map(|flag| {
        let kind = RoleObjectKind::ALL.into_iter().find(|kind| kind.flag() == flag);
        kind.ok_or_else(|| format!("{flag} is no kind of object"))
    })
}

/// The name of a namespace.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    match domain(text) {
        Ok(name) if !name.contains('.') && name.len() <= 63 => Ok(name),
        _ => {
            Err("is not the name of a namespace; for the whole cluster leave the flag, or the variable, out".to_owned())
        }
    }
}

/// A label selector of namespaces.
pub(crate) fn namespace_selector(text: &str) -> Result<NamespaceSelector, String> {
    text.parse().map_err(|problem| {
        format!(
            "{problem}; write it as kubectl -l takes it, for example env=prod,team in (a,b),!legacy, and for all namespaces \
             leave the flag, or the variable, out"
        )
    })
}

pub(crate) fn domain(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err("must be a domain such as eks.amazonaws.com, without a slash".to_owned())
}

pub(crate) fn absolute_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("must be an absolute path".to_owned()) }
}

pub(crate) fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("must not be empty: leave it out (the environment variable, too) for the default".to_owned());
    }
    Ok(text.to_owned())
}
