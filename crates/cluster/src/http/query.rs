//! The query of a request's URI, part by part.

use http::Uri;

/// The parts, for example `limit=100`.
pub(crate) fn parts(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().unwrap_or_default().split('&')
}

/// The same URI with other parts; `change` leaves out those for which it returns `None`.
pub(crate) fn with_parts(uri: &Uri, change: impl Fn(&str) -> Option<String>) -> Result<Uri, http::Error> {
    let query = parts(uri).filter_map(change).collect::<Vec<_>>().join("&");
    let mut changed = uri.clone().into_parts();
    changed.path_and_query = Some(format!("{}?{query}", uri.path()).parse()?);
    Ok(Uri::from_parts(changed)?)
}
