//! The harness's implementation of the EKS pod identity webhook, for API servers without
//! MutatingAdmissionPolicy and for EKS Pod Identity associations, which only the webhook supports.
//!
//! ```text
//! API server ──AdmissionReview──► webhook: GET service account ──► core::injection ──► JSON patch ──► API server
//! ```
//!
//! It reads the service account from the API server each time, so it has no cache that lags.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use podidentity_core::injection::Given;
use podidentity_core::settings::Settings;
use podidentity_core::{injection, objects};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certs::{Authority, Identity};
use crate::serve;

/// The name of its configuration, as in AWS's installation.
pub(crate) const NAME: &str = "pod-identity-webhook";

/// The API server accepts objects of at most 3 MiB, and a review has at most two of them.
const MAX_REVIEW: usize = 8 * 1024 * 1024;

/// Namespace and name of the service accounts that have an association of EKS Pod Identity.
pub(crate) type Associations = Arc<Mutex<BTreeSet<(String, String)>>>;

/// The sources of the webhook's decision.
#[derive(Clone)]
struct Known {
    client: Client,
    associations: Associations,
}

/// A running webhook. It ends when it is dropped.
pub(crate) struct Webhook {
    address: SocketAddr,
    authority: PathBuf,
    accepting: JoinHandle<()>,
}

impl Webhook {
    /// Starts it on the loopback address with a certificate of the authority.
    pub(crate) async fn start(client: Client, authority: &Authority, associations: Associations) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(&authority.server(NAME)?)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for the webhook")?;
        let address = listener.local_addr()?;
        let known = Known { client, associations };
        let serve = move |stream| serve(stream, acceptor.clone(), known.clone());
        let accepting = tokio::spawn(serve::each(listener, serve));
        Ok(Self { address, authority: authority.cert(), accepting })
    }

    /// The configuration that makes the API server call it, with the values that AWS publishes.
    pub(crate) fn configuration(&self) -> Result<Value> {
        let bundle = BASE64_STANDARD.encode(std::fs::read(&self.authority)?);
        Ok(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": NAME},
            "webhooks": [{
                "name": "pod-identity-webhook.amazonaws.com",
                "failurePolicy": "Ignore",
                "reinvocationPolicy": "IfNeeded",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("https://{}/mutate", self.address), "caBundle": bundle},
                "objectSelector": {"matchExpressions": [{"key": injection::SKIP_LABEL, "operator": "DoesNotExist"}]},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }],
        }))
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn tls(identity: &Identity) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&identity.cert)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?)
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, known: Known) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| answer(known.clone(), request));
    // An API server that disconnects is no error of the webhook.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(known: Known, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match review(known, request).await {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        // With `failurePolicy: Ignore`, the pod is stored without a role, which the test notices.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn review(known: Known, request: Request<Incoming>) -> Result<Value> {
    let body = Limited::new(request.into_body(), MAX_REVIEW).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the review cannot be read: {error}"))?.to_bytes();
    let review: Value = serde_json::from_slice(&body).context("the review is not JSON")?;
    let request = &review["request"];
    let patch = patch(known, request).await?;
    let mut response = json!({"uid": request["uid"], "allowed": true});
    if let Some(patch) = patch {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(BASE64_STANDARD.encode(patch.to_string()));
    }
    Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

/// The patch that injects; `None`: no injection.
async fn patch(known: Known, request: &Value) -> Result<Option<Value>> {
    let object = &request["object"];
    let pod: objects::Pod = serde_json::from_value(object.clone()).context("the pod cannot be read")?;
    // Mirror pods have no service account.
    let Some(name) = object["spec"]["serviceAccountName"].as_str() else { return Ok(None) };
    let namespace = request["namespace"].as_str().context("a review without a namespace")?;
    let accounts: Api<ServiceAccount> = Api::namespaced(known.client, namespace);
    let account = accounts.get_opt(name).await.with_context(|| format!("cannot read service account {name}"))?;
    let annotations: objects::Map =
        account.and_then(|it| it.metadata.annotations).unwrap_or_default().into_iter().collect();
    let account = (namespace.to_owned(), name.to_owned());
    let is_associated = known.associations.lock().unwrap_or_else(PoisonError::into_inner).contains(&account);
    let given = if is_associated { Given::Association(&annotations) } else { Given::Annotations(&annotations) };
    let injection = injection::inject(&pod, given, &Settings::default());
    if injection.is_empty() {
        return Ok(None);
    }
    let mut spec = object["spec"].clone();
    injection.apply_to_value(&mut spec)?;
    let mut patch = vec![json!({"op": "replace", "path": "/spec", "value": spec})];
    if let Some((key, value)) = injection.label {
        let mut labels = object["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(key.to_owned(), json!(value));
        patch.push(json!({"op": "add", "path": "/metadata/labels", "value": labels}));
    }
    Ok(Some(json!(patch)))
}
