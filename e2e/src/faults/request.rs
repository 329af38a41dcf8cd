//! The meaning of a request to the API server, derived from its method and path.

use std::fmt;

use http::Method;

/// A request in Kubernetes terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// Group and version as in the path: `api/v1`, `apis/apps/v1`.
    pub group_version: String,
    /// Plural of the kind, with the subresource after a dot: `deployments`,
    /// `podidentitybindings.status`. For other paths (`/version`), the path.
    pub resource: String,
    /// Namespace, empty for cluster-wide requests.
    pub namespace: String,
    /// Name, empty for requests about collections.
    pub name: String,
}

impl Asked {
    /// Parses method, path and query.
    pub fn of(method: &Method, path: &str, query: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group_version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => (format!("api/{version}"), rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (format!("apis/{group}/{version}"), rest),
            _ => return Self { verb: "get", resource: path.to_owned(), ..Self::default() },
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let (resource, name, subresource) = match rest {
            [resource, name, subresource, ..] => (*resource, *name, *subresource),
            [resource, name] => (*resource, *name, ""),
            [resource] => (*resource, "", ""),
            [] => ("", "", ""),
        };
        let dot = if subresource.is_empty() { "" } else { "." };
        Self {
            verb: verb(method, name, query),
            group_version,
            resource: format!("{resource}{dot}{subresource}"),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether it can change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }

    /// Whether the request is about an event, which is no state. The writer makes up an event's
    /// name.
    pub fn is_event(&self) -> bool {
        self.resource == "events"
    }
}

fn verb(method: &Method, name: &str, query: &str) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ if query.split('&').any(|part| part == "watch=true" || part == "watch=1") => "watch",
        _ if name.is_empty() => "list",
        _ => "get",
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.name.is_empty() || self.is_event() { Ok(()) } else { write!(f, "/{}", self.name) }
    }
}

/// The path and query that show one namespace to an operator that watches the whole cluster: every
/// list and watch of a namespaced kind is narrowed to the namespace.
pub fn narrowed(asked: &Asked, path: &str, query: &str, namespace: &str) -> String {
    let join = |path: &str, query: &str| if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let about_many = matches!(asked.verb, "list" | "watch") && asked.namespace.is_empty();
    if !about_many || asked.group_version.is_empty() || asked.group_version.starts_with("apis/apiextensions.k8s.io") {
        return join(path, query);
    }
    if asked.resource == "namespaces" {
        let only = format!("fieldSelector=metadata.name%3D{namespace}");
        return join(path, &if query.is_empty() { only } else { format!("{query}&{only}") });
    }
    join(&format!("/{}/namespaces/{namespace}/{}", asked.group_version, asked.resource), query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, uri: &str) -> Asked {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        Asked::of(method, path, query)
    }

    #[test]
    fn requests_are_read_as_kubernetes_reads_them() {
        let of = |method: Method, uri| asked(&method, uri).to_string();
        assert_eq!(of(Method::GET, "/api/v1/pods?limit=500"), "list pods");
        assert_eq!(of(Method::GET, "/api/v1/namespaces?watch=true&resourceVersion=1"), "watch namespaces");
        assert_eq!(of(Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/app?force=true"), "patch deployments/app");
        let status = "/apis/podidentity.dev/v1alpha1/namespaces/a/podidentitybindings/app/status";
        assert_eq!(of(Method::PATCH, status), "patch podidentitybindings.status/app");
        assert_eq!(of(Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events"), "create events");
        assert_eq!(of(Method::GET, "/.well-known/openid-configuration"), "get /.well-known/openid-configuration");
    }

    #[test]
    fn lists_of_the_cluster_are_narrowed_to_a_namespace() {
        let of = |uri: &str| {
            let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
            narrowed(&Asked::of(&Method::GET, path, query), path, query, "mine")
        };
        assert_eq!(of("/api/v1/pods?limit=500"), "/api/v1/namespaces/mine/pods?limit=500");
        assert_eq!(of("/apis/apps/v1/deployments"), "/apis/apps/v1/namespaces/mine/deployments");
        assert_eq!(of("/api/v1/namespaces?limit=5"), "/api/v1/namespaces?limit=5&fieldSelector=metadata.name%3Dmine");
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=5";
        assert_eq!(of(definitions), definitions);
        assert_eq!(of("/version"), "/version");
    }
}
