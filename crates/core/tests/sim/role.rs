//! Resolves `spec.role` and `spec.roleRef`: the operator's AWS account, and the one object that
//! bindings refer to.

use std::sync::Arc;

use podidentity_api::{PodIdentityBinding, RoleRef};
use podidentity_core::objects::{RoleObject, RoleObjectKind};
use podidentity_core::role::{self, Referred};
use podidentity_core::settings::AwsAccount;

/// Name of the object.
const OBJECT: &str = "app-role";

#[derive(Clone, Debug)]
pub struct Roles {
    /// The operator's `--aws-account`.
    pub account: Option<AwsAccount>,
    /// Whether the operator's `--role-references` names the object's kind.
    pub watched: bool,
    object: Option<RoleObject>,
}

impl Default for Roles {
    fn default() -> Self {
        Self { account: None, watched: true, object: None }
    }
}

impl Roles {
    /// Creates or changes the object.
    pub fn set(&mut self, arn: Option<&str>, problem: Option<&str>) {
        let arns = arn.map(|arn| (String::new(), arn.to_owned())).into_iter().collect();
        let metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta::default();
        let problem = problem.map(str::to_owned);
        self.object = Some(RoleObject { kind: RoleObjectKind::Ack, metadata, arns, problem, service_account: None });
    }

    /// Deletes the object.
    pub fn delete(&mut self) {
        self.object = None;
    }

    /// The binding as the operator sees it.
    pub fn resolved(&self, binding: &PodIdentityBinding) -> Arc<PodIdentityBinding> {
        let mut binding = binding.clone();
        let referred = if self.watched { Referred::Watched(self.object.as_ref()) } else { Referred::NotWatched };
        role::resolve(&mut binding, self.account.as_ref(), referred);
        Arc::new(binding)
    }
}

/// A reference to the object.
pub fn reference() -> RoleRef {
    let kind = RoleObjectKind::Ack;
    RoleRef { api_version: kind.api_version().into(), kind: kind.kind().into(), name: OBJECT.into(), key: None }
}
