//! Requests for the lease. Every write is conditional on the state that the decision was based on.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use podidentity_api::names;
use serde_json::{Value, json};

use super::{Candidacy, Next, Record};

pub(super) struct Requests {
    pub(super) api: Api<Lease>,
    pub(super) candidacy: Candidacy,
}

impl Requests {
    pub(super) async fn get(&self) -> kube::Result<Option<Record>> {
        let lease = self.api.get_opt(&self.candidacy.name).await?;
        Ok(lease.map(|lease| record(&lease)))
    }

    /// Writes the decision and returns the resulting lease.
    pub(super) async fn send(&self, next: &Next) -> kube::Result<Record> {
        let now = MicroTime(Timestamp::now());
        let Candidacy { identity, timing, .. } = &self.candidacy;
        let seconds = i32::try_from(timing.duration.as_secs()).unwrap_or(i32::MAX);
        match next {
            Next::Create | Next::Wait(_) => {
                let spec = LeaseSpec {
                    holder_identity: Some(identity.clone()),
                    lease_duration_seconds: Some(seconds),
                    acquire_time: Some(now.clone()),
                    renew_time: Some(now),
                    lease_transitions: Some(1),
                    ..LeaseSpec::default()
                };
                self.create(spec).await
            }
            Next::Take(record) => {
                let spec = json!({
                    "holderIdentity": identity,
                    "leaseDurationSeconds": seconds,
                    "acquireTime": now,
                    "renewTime": now,
                    "leaseTransitions": record.transitions.saturating_add(1),
                });
                self.patch(record, &spec).await
            }
            Next::Renew(record) => {
                let spec = json!({"holderIdentity": identity, "leaseDurationSeconds": seconds, "renewTime": now});
                self.patch(record, &spec).await
            }
        }
    }

    pub(super) async fn give_up(&self, held: &Record) -> kube::Result<Record> {
        let spec = json!({"holderIdentity": null, "renewTime": MicroTime(Timestamp::now())});
        self.patch(held, &spec).await
    }

    async fn create(&self, spec: LeaseSpec) -> kube::Result<Record> {
        let mut lease = Lease { spec: Some(spec), ..Lease::default() };
        lease.metadata.name = Some(self.candidacy.name.clone());
        let params = PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() };
        Ok(record(&self.api.create(&params, &lease).await?))
    }

    async fn patch(&self, seen: &Record, spec: &Value) -> kube::Result<Record> {
        let metadata = json!({"uid": seen.uid, "resourceVersion": seen.version});
        let patch = Patch::Merge(json!({"metadata": metadata, "spec": spec}));
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        Ok(record(&self.api.patch(&self.candidacy.name, &params, &patch).await?))
    }
}

pub(super) fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: seconds.map(Duration::from_secs),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}
