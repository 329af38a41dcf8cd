//! Statuses of bindings.

use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client};
use podidentity_api::PodIdentityBindingStatus;
use podidentity_core::objects::ObservedBinding;
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::status::Report;
use podidentity_core::step::Target;
use serde_json::{Value, json};
use tracing::{debug, warn};

use super::request::{Ownership, Part, Requests, WriteError, only};
use crate::http::clock::Clock;
use crate::http::error::{Meaning, undeclared_status_fields};
use crate::index::{Index, Object};

/// The results of status writes.
#[derive(Debug, Default)]
pub struct WrittenStatuses<'a> {
    /// The reports whose status was written.
    pub written: Vec<&'a Report>,
    /// Whether the API server stored anything new. It does not if only fields differ that an older
    /// definition lacks: these differ in each reconcile.
    pub changed: bool,
    /// How many statuses the API server refuses.
    pub refused: usize,
    /// The first problem.
    pub problem: Option<Problem>,
}

/// Writes statuses of bindings of one namespace, and puts the returned objects into the index.
#[derive(Clone, Copy)]
pub struct StatusWriter<'a> {
    /// The client.
    pub client: &'a Client,
    /// The API server's clock.
    pub clock: &'a Clock,
    /// Receives the returned objects.
    pub index: &'a Index,
    /// The namespace.
    pub namespace: &'a str,
}

impl StatusWriter<'_> {
    /// Writes statuses. Replaces a refused status by a minimal one.
    pub async fn write<'r>(&self, reports: &'r [Report]) -> WrittenStatuses<'r> {
        let mut statuses = WrittenStatuses::default();
        for report in reports {
            let (namespace, binding) = (self.namespace, &report.binding);
            match self.write_one(binding, &report.status).await {
                Ok(changed) => {
                    statuses.changed |= changed;
                    statuses.written.push(report);
                }
                Err(error) => {
                    if error.kind == ProblemKind::Stale {
                        debug!(namespace, binding = binding.name, "status not written: the binding has changed");
                    } else {
                        warn!(namespace, binding = binding.name, error = error.message, "status not written");
                    }
                    if is_refusal(&error) {
                        statuses.refused += 1;
                        self.write_minimal(report, &error).await;
                    }
                    statuses.problem.get_or_insert(error.into());
                }
            }
        }
        statuses
    }

    async fn write_minimal(&self, report: &Report, refusal: &WriteError) {
        if report.refusal_recorded {
            return;
        }
        let minimal = report.minimal(&refusal.message, self.clock.now());
        if let Err(error) = self.write_one(&report.binding, &minimal).await {
            let (namespace, binding) = (self.namespace, &report.binding.name);
            warn!(namespace, binding, error = error.message, "minimal status not written");
        }
    }

    /// Writes the status of a binding. Returns whether the API server stored anything new.
    async fn write_one(&self, binding: &Target, status: &PodIdentityBindingStatus) -> Result<bool, WriteError> {
        let requests = Requests { client: self.client, namespace: self.namespace };
        let body = json!({"status": status});
        // The operator owns the whole status, but the default from the schema belongs to whoever
        // created the binding.
        let applied = requests.apply::<ObservedBinding>(binding, body, Ownership::Taken, Part::Status).await;
        let mut declared = None;
        let applied = match applied {
            Err(error) if error.meaning == Meaning::Undeclared => {
                let (body, status) = without_undeclared(status, &error)?;
                declared = Some(status);
                requests.apply::<ObservedBinding>(binding, body, Ownership::Taken, Part::Status).await
            }
            applied => applied,
        };
        let status = declared.as_ref().unwrap_or(status);
        let stored = match applied {
            Err(error) if error.meaning == Meaning::StoredInvalid => self.replace(requests, binding, status).await,
            applied => applied.map(Object::binding),
        }?;
        if let Object::Binding(stored) = &stored
            && stored.status.clone().unwrap_or_default() != *status
        {
            return Err(WriteError {
                workload: None,
                what: format!("status of {}", requests.name_of::<ObservedBinding>(&binding.name)),
                meaning: Meaning::Refused,
                kind: ProblemKind::Refused,
                message: "the API server stores only part of it, because its definition of PodIdentityBinding is of \
                          another version than the operator: apply the definition that belongs to this operator \
                          (config/crd)"
                    .to_owned(),
            });
        }
        let seen = Some(&binding.resource_version);
        let changed = matches!(&stored, Object::Binding(stored) if stored.metadata.resource_version.as_ref() != seen);
        self.index.refresh(stored);
        Ok(changed)
    }

    /// Writes the status of a binding that apply cannot change: a merge patch of all fields, with
    /// null for stored fields that are no longer set.
    async fn replace(
        &self,
        requests: Requests<'_>,
        binding: &Target,
        status: &PodIdentityBindingStatus,
    ) -> Result<Object, WriteError> {
        let what = || requests.name_of::<ObservedBinding>(&binding.name);
        let stored = Api::<DynamicObject>::namespaced_with(
            self.client.clone(),
            self.namespace,
            &ApiResource::erase::<ObservedBinding>(&()),
        );
        let found = requests.within_time(what, stored.list(&only(&binding.name))).await?;
        let mut body = json!(status);
        let before = found.items.first().and_then(|found| found.data["status"].as_object());
        for key in before.into_iter().flat_map(|before| before.keys()) {
            if body[key].is_null() {
                body[key] = Value::Null;
            }
        }
        requests.merge(binding, json!({"metadata": {}, "status": body}), Part::Status).await
    }
}

/// Removes the fields that the installed CRD does not declare yet. An operator that is newer than
/// the CRD keeps working, and logs the fields that it cannot report.
fn without_undeclared(
    status: &PodIdentityBindingStatus,
    error: &WriteError,
) -> Result<(Value, PodIdentityBindingStatus), WriteError> {
    let fields = undeclared_status_fields(&error.message);
    let mut body = json!(status);
    for field in &fields {
        remove(&mut body, field);
    }
    let known = serde_json::from_value(body.clone()).ok().filter(|_| !fields.is_empty());
    let known = known.ok_or_else(|| error.clone())?;
    warn!(
        ?fields,
        "the definition of PodIdentityBinding is older than the operator and has no such fields of the status: apply the \
         definition that belongs to this operator (config/crd)"
    );
    Ok((json!({"status": body}), known))
}

/// Removes the field at this path, for example `restarts[0].failed`, from this and all other items of
/// its list.
fn remove(value: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = first.split('[').next().unwrap_or_default();
    let Some(fields) = value.as_object_mut() else { return };
    match fields.get_mut(name) {
        Some(Value::Array(items)) if !rest.is_empty() => items.iter_mut().for_each(|item| remove(item, rest)),
        Some(field) if !rest.is_empty() => remove(field, rest),
        _ => drop(fields.remove(name)),
    }
}

/// Whether the API server refuses the status itself. A status that is too large for the store fails
/// with an error that is otherwise temporary.
fn is_refusal(error: &WriteError) -> bool {
    error.kind == ProblemKind::Refused || error.meaning == Meaning::TooLarge
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::remove;

    #[test]
    fn a_field_that_an_older_definition_lacks_goes_and_nothing_else() {
        let mut status = json!({
            "restarts": [{"mark": "a", "failed": "t"}, {"mark": "b", "failed": "t"}],
            "reverted": {"count": 1, "workloads": ["Deployment/web"]},
            "declaredRoleArn": "arn", "subject": "s",
        });
        for path in ["restarts[0].failed", "reverted.workloads", "declaredRoleArn", "unknown.field"] {
            remove(&mut status, path);
        }
        let left = json!({"restarts": [{"mark": "a"}, {"mark": "b"}], "reverted": {"count": 1}, "subject": "s"});
        assert_eq!(status, left);
    }
}
