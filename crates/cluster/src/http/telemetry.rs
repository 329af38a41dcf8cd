//! Reports of the traffic with the API server. The operator counts them as metrics; this crate
//! knows nothing about metrics.

use std::time::Duration;

use super::query;

/// Receives reports of API traffic. The default methods do nothing.
pub trait Telemetry: Send + Sync {
    /// Reports a request with its status code, or `None` if it failed without an answer. A watch
    /// counts when it opens.
    fn request(&self, request: &RequestKind, code: Option<u16>, took: Duration) {
        let _ = (request, code, took);
    }

    /// Reports that a watch of this kind broke. The watcher retries it.
    fn watch_failed(&self, kind: &'static str) {
        let _ = kind;
    }

    /// Reports a complete list of this kind: at startup, and whenever a watch cannot resume.
    fn listed(&self, kind: &'static str) {
        let _ = kind;
    }

    /// Reports how many objects of this kind cannot be decoded now and are left out.
    fn undecodable(&self, kind: &'static str, objects: usize) {
        let _ = (kind, objects);
    }
}

/// Ignores all traffic.
#[derive(Clone, Copy, Debug)]
pub struct NoTelemetry;

impl Telemetry for NoTelemetry {}

/// Verb and resource of a request, as the API server names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestKind {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// For example `pods` or `podidentitybindings/status`; empty for paths that name no resource.
    pub resource: String,
}

impl RequestKind {
    /// Derives verb and resource from a request.
    pub fn of<B>(request: &http::Request<B>) -> Self {
        let (resource, named) = resource(request.uri().path());
        let watches = query::parts(request.uri()).any(|part| part == "watch=true");
        let verb = match request.method().as_str() {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ if watches => "watch",
            _ if named || resource.is_empty() => "get",
            _ => "list",
        };
        Self { verb, resource }
    }

    /// Whether it can change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }
}

/// The resource of a path, with its subresource, and whether the path names one object.
fn resource(path: &str) -> (String, bool) {
    let mut parts = path.trim_matches('/').split('/');
    let prefix = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return (String::new(), false),
    };
    let mut parts: Vec<&str> = parts.skip(prefix).collect();
    if parts.len() > 2 && parts[0] == "namespaces" {
        parts.drain(..2);
    }
    match parts[..] {
        [] => (String::new(), false),
        [resource] => (resource.to_owned(), false),
        [resource, _] => (resource.to_owned(), true),
        [resource, _, sub, ..] => (format!("{resource}/{sub}"), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(method: &str, uri: &str) -> String {
        let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
        let RequestKind { verb, resource } = RequestKind::of(&request);
        format!("{verb} {resource}")
    }

    #[test]
    fn requests_are_named_as_the_api_server_names_them() {
        assert_eq!(kind("GET", "/api/v1/pods?&limit=500"), "list pods");
        assert_eq!(kind("GET", "/api/v1/pods?&watch=true&timeoutSeconds=290"), "watch pods");
        assert_eq!(kind("GET", "/api/v1/namespaces"), "list namespaces");
        assert_eq!(kind("GET", "/api/v1/namespaces/shop"), "get namespaces");
        assert_eq!(kind("PATCH", "/api/v1/namespaces/shop/serviceaccounts/app?force=true"), "patch serviceaccounts");
        assert_eq!(kind("GET", "/apis/apps/v1/namespaces/shop/deployments"), "list deployments");
        assert_eq!(
            kind("PATCH", "/apis/podidentity.dev/v1alpha1/namespaces/shop/podidentitybindings/app/status"),
            "patch podidentitybindings/status"
        );
        assert_eq!(kind("POST", "/apis/events.k8s.io/v1/namespaces/shop/events"), "create events");
        assert_eq!(kind("GET", "/.well-known/openid-configuration"), "get ");
    }
}
