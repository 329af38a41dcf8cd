//! One write request: server-side apply, or a merge patch where apply is impossible.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use podidentity_api::names;
use podidentity_core::objects::{ObservedBinding, WorkloadId};
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::step::Target;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::http::error::{Meaning, conflicts};
use crate::index::Object;

/// A write that takes longer has failed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Which part of an object a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything but the status.
    Object,
    /// The subresource `status`.
    Status,
}

/// How to treat a field that another field manager owns with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// The request fails with a conflict.
    Shared,
    /// The operator takes over the field.
    Taken,
}

/// Why a write failed.
#[derive(Clone, Debug)]
pub(super) struct WriteError {
    /// The workload, if the write was a restart.
    pub(super) workload: Option<WorkloadId>,
    /// Kind and name of the object.
    pub(super) what: String,
    pub(super) meaning: Meaning,
    pub(super) kind: ProblemKind,
    pub(super) message: String,
}

impl WriteError {
    fn of(what: String, error: &kube::Error) -> Self {
        let meaning = Meaning::of(error);
        if meaning == Meaning::FieldConflict {
            let (kind, message) = (ProblemKind::Conflict, conflicts(error));
            return Self { workload: None, what, meaning, kind, message };
        }
        let message = match error {
            kube::Error::Api(status) => status.message.clone(),
            error => error.to_string(),
        };
        Self { workload: None, what, meaning, kind: kind(Meaning::of_answer(error)), message }
    }
}

/// How to treat a write with this answer.
fn kind(answer: Meaning) -> ProblemKind {
    match answer {
        Meaning::NotFound | Meaning::Changed | Meaning::Expired => ProblemKind::Stale,
        Meaning::BadRequest | Meaning::Unauthorized | Meaning::Forbidden | Meaning::Refused | Meaning::Undeclared => {
            ProblemKind::Refused
        }
        Meaning::FieldConflict => ProblemKind::Conflict,
        Meaning::NoCredentials
        | Meaning::Overloaded
        | Meaning::TimedOut
        | Meaning::StoredInvalid
        | Meaning::TooLarge
        | Meaning::Unreachable
        | Meaning::Other => ProblemKind::Failed,
    }
}

impl From<WriteError> for Problem {
    fn from(WriteError { workload, what, meaning: _, kind, message }: WriteError) -> Self {
        Self { workload, what, kind, message }
    }
}

/// Requests in one namespace.
#[derive(Clone, Copy)]
pub(super) struct Requests<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
}

impl Requests<'_> {
    /// Applies `body` after adding type, name and preconditions. Returns the resulting object.
    pub(super) async fn apply<K>(
        &self,
        target: &Target,
        mut body: Value,
        ownership: Ownership,
        part: Part,
    ) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        body["apiVersion"] = json!(K::api_version(&()));
        body["kind"] = json!(K::kind(&()));
        body["metadata"]["name"] = json!(target.name);
        body["metadata"]["namespace"] = json!(self.namespace);
        let force = ownership == Ownership::Taken;
        let params = PatchParams { force, ..PatchParams::apply(names::FIELD_MANAGER) };
        self.patch(target, body, Patch::Apply, &params, part).await
    }

    /// Merges `body` into a binding that apply cannot change, if the binding is still as observed.
    pub(super) async fn merge(&self, binding: &Target, body: Value, part: Part) -> Result<Object, WriteError> {
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.patch::<ObservedBinding>(binding, body, Patch::Merge, &params, part).await.map(Object::binding)
    }

    /// Sends a patch that applies only if the object is still as observed.
    async fn patch<K>(
        &self,
        target: &Target,
        mut body: Value,
        patch: fn(Value) -> Patch<Value>,
        params: &PatchParams,
        part: Part,
    ) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        body["metadata"]["uid"] = json!(target.uid);
        body["metadata"]["resourceVersion"] = json!(target.resource_version);
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        let patch = patch(body);
        let request = async {
            match part {
                Part::Object => api.patch(&target.name, params, &patch).await,
                Part::Status => api.patch_status(&target.name, params, &patch).await,
            }
        };
        self.within_time(|| self.name_of::<K>(&target.name), request).await
    }

    /// Kind and name of an object, for messages.
    pub(super) fn name_of<K: Resource<DynamicType = ()>>(&self, name: &str) -> String {
        format!("{} {}/{name}", K::kind(&()), self.namespace)
    }

    /// Waits for the API server's answer within the time limit of a write.
    pub(super) async fn within_time<T>(
        &self,
        what: impl Fn() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, WriteError> {
        match tokio::time::timeout(WRITE_TIMEOUT, request).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(WriteError::of(what(), &error)),
            Err(_) => {
                let message = format!("no answer within {} s", WRITE_TIMEOUT.as_secs());
                let (meaning, kind) = (Meaning::TimedOut, ProblemKind::Failed);
                Err(WriteError { workload: None, what: what(), meaning, kind, message })
            }
        }
    }
}

/// Selects the object of this name in a list, which does not need the right to get it.
pub(super) fn only(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}
