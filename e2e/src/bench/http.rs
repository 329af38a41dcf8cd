//! Requests without decoding of the responses: the least work for a client.

use anyhow::{Context, Result};
use http::{Method, Request};
use kube::Client;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The path of an object or, with an empty name, of its collection.
pub fn path(resource: &str, namespace: &str, name: &str) -> String {
    let group = match resource {
        "pods" | "serviceaccounts" => "/api/v1",
        "deployments" => "/apis/apps/v1",
        _ => "/apis/podidentity.dev/v1alpha1",
    };
    let slash = if name.is_empty() { "" } else { "/" };
    format!("{group}/namespaces/{namespace}/{resource}{slash}{name}")
}

/// Creates an object.
pub async fn create(client: &Client, collection: &str, object: &Value) -> Result<()> {
    send(client, Method::POST, collection, "application/json", object).await
}

/// Changes an object by a merge patch, as a user would.
pub async fn merge(client: &Client, object: &str, patch: &Value) -> Result<()> {
    let uri = format!("{object}?fieldManager=bench-user");
    send(client, Method::PATCH, &uri, "application/merge-patch+json", patch).await
}

/// Applies fields with server-side apply, by force.
pub async fn apply(client: &Client, object: &str, manager: &str, fields: &Value) -> Result<()> {
    let uri = format!("{object}?fieldManager={manager}&force=true");
    send(client, Method::PATCH, &uri, "application/apply-patch+yaml", fields).await
}

/// Deletes an object at once.
pub async fn delete(client: &Client, object: &str) -> Result<()> {
    let uri = format!("{object}?gracePeriodSeconds=0");
    send(client, Method::DELETE, &uri, "application/json", &Value::Null).await
}

async fn send(client: &Client, method: Method, uri: &str, content: &str, body: &Value) -> Result<()> {
    let what = format!("{method} {uri}");
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
    let request = Request::builder().method(method).uri(uri).header("Content-Type", content).body(body)?;
    client.request::<IgnoredAny>(request).await.with_context(|| format!("{what} failed"))?;
    Ok(())
}
