//! Reads what `kubectl podidentity check` judges: what is installed besides the bindings, and who
//! may do what.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::ReadError;
use crate::http::error::{Meaning, continue_token, message};
use crate::http::page_size::READ_PAGE;

/// The result of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// The object exists.
    Found(T),
    /// The object does not exist.
    Absent,
    /// The user lacks this right, for example `list deployments.apps`.
    Forbidden(String),
    /// The lookup failed.
    Failed(String),
}

/// A resource to look up.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    /// API group, empty for the core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural, lower case.
    pub plural: &'static str,
}

const DEPLOYMENTS: Resource = Resource { group: "apps", version: "v1", kind: "Deployment", plural: "deployments" };
const NAMESPACES: Resource = Resource { group: "", version: "v1", kind: "Namespace", plural: "namespaces" };

/// A right, as it stands in a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group, empty for the core.
    pub group: String,
    /// Plural, with the subresource after a slash.
    pub resource: String,
    /// Verb.
    pub verb: String,
}

impl<T> Seen<T> {
    /// The value, where it was found.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            _ => None,
        }
    }

    /// Maps the value, where it was found.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Found(found) => Seen::Found(of(found)),
            Self::Absent => Seen::Absent,
            Self::Forbidden(right) => Seen::Forbidden(right),
            Self::Failed(why) => Seen::Failed(why),
        }
    }

    fn of_error(error: &kube::Error, right: String) -> Self {
        match Meaning::of(error) {
            Meaning::NotFound => Self::Absent,
            Meaning::Forbidden => Self::Forbidden(right),
            _ => Self::Failed(message(error)),
        }
    }
}

impl Resource {
    fn described(self) -> ApiResource {
        let slash = if self.group.is_empty() { "" } else { "/" };
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: format!("{}{slash}{}", self.group, self.version),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    fn right(self, verb: &str) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{verb} {}{dot}{}", self.plural, self.group)
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let dot = if self.group.is_empty() { "" } else { "." };
        let slash = if subresource.is_empty() { "" } else { "/" };
        write!(f, "{} {resource}{dot}{}{slash}{subresource}", self.verb, self.group)
    }
}

/// The API server's version, for example `v1.37.2`.
pub async fn version(client: &Client) -> Result<String, ReadError> {
    let version = client.apiserver_version().await;
    version.map(|it| it.git_version).map_err(|error| ReadError::of(&error, "get", "/version", None))
}

/// All objects of a resource with these labels, in all namespaces or in one, read page by page.
pub async fn objects(client: &Client, resource: Resource, namespace: Option<&str>, labels: &str) -> Seen<Vec<Value>> {
    let described = resource.described();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &described),
        None => Api::all_with(client.clone(), &described),
    };
    let mut params = ListParams::default().labels(labels).limit(READ_PAGE);
    let mut found = Vec::new();
    loop {
        let more = match api.list(&params).await {
            Ok(page) => {
                found.extend(page.items.iter().map(document));
                page.metadata.continue_.filter(|token| !token.is_empty())
            }
            // An expired list continues after the same object, at the current version.
            Err(error) => match continue_token(&error) {
                Some(token) => Some(token),
                None => return Seen::of_error(&error, resource.right("list")),
            },
        };
        let Some(token) = more else { return Seen::Found(found) };
        params = params.continue_token(&token);
    }
}

/// The operator's Deployments, in all namespaces.
pub async fn operators(client: &Client) -> Seen<Vec<Value>> {
    objects(client, DEPLOYMENTS, None, "app.kubernetes.io/name=podidentity-operator").await
}

/// All namespaces.
pub async fn namespaces(client: &Client) -> Seen<Vec<Value>> {
    objects(client, NAMESPACES, None, "").await
}

/// The image of an operator's Deployment.
pub fn image(deployment: &Value) -> &str {
    deployment.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default()
}

/// One object.
pub async fn object(client: &Client, resource: Resource, namespace: Option<&str>, name: &str) -> Seen<Value> {
    let described = resource.described();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &described),
        None => Api::all_with(client.clone(), &described),
    };
    match api.get(name).await {
        Ok(found) => Seen::Found(document(&found)),
        Err(error) => Seen::of_error(&error, resource.right("get")),
    }
}

fn document(object: &DynamicObject) -> Value {
    let mut document = object.data.clone();
    document["metadata"] = serde_json::to_value(&object.metadata).unwrap_or_default();
    document
}

/// Whether the user has the right, in a namespace or everywhere.
pub async fn may(client: &Client, right: &Right, namespace: Option<&str>) -> Result<bool, ReadError> {
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes(right, namespace)),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| ReadError::of(&error, "create", "selfsubjectaccessreviews", None))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Whether another user has the right.
pub async fn may_another(client: &Client, user: &str, right: &Right, namespace: Option<&str>) -> Seen<bool> {
    let spec = SubjectAccessReviewSpec {
        user: Some(user.to_owned()),
        resource_attributes: Some(attributes(right, namespace)),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    match Api::<SubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await {
        Ok(answer) => Seen::Found(answer.status.is_some_and(|status| status.allowed)),
        Err(error) => Seen::of_error(&error, "create subjectaccessreviews.authorization.k8s.io".to_owned()),
    }
}

fn attributes(right: &Right, namespace: Option<&str>) -> ResourceAttributes {
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    ResourceAttributes {
        group: Some(right.group.clone()),
        resource: Some(resource.to_owned()),
        subresource: (!subresource.is_empty()).then(|| subresource.to_owned()),
        verb: Some(right.verb.clone()),
        namespace: namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    }
}

/// Dry-runs the creation of a pod and returns the pod as admission left it.
pub async fn tried_pod(client: &Client, namespace: &str, pod: &Pod) -> Seen<Value> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match Api::<Pod>::namespaced(client.clone(), namespace).create(&params, pod).await {
        Ok(created) => Seen::Found(serde_json::to_value(&created).unwrap_or_default()),
        Err(error) if message(&error).contains(" cannot create resource ") => {
            Seen::Forbidden(format!("create pods in {namespace}"))
        }
        Err(error) => Seen::Failed(format!("{} is refused: {}", pod.name_any(), message(&error))),
    }
}
