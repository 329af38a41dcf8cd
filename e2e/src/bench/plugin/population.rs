//! A large cluster as the operator would have left it, but for some pods that are wrong.

use std::collections::BTreeSet;

use anyhow::Result;
use kube::Client;
use serde_json::json;

use crate::bench::http::{self, path};
use crate::bench::load::for_each;
use crate::bench::objects::{self, Identity};
use crate::bench::world::MANAGER;

/// Of so many bindings one has pods that are wrong: without the role and with another one, in turn.
pub const WRONG_EVERY: usize = 20;
/// So many service accounts use the same role.
const PER_ROLE: usize = 3;

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// Bindings, each with a service account and a Deployment of its own.
    pub bindings: usize,
    /// Pods of each.
    pub replicas: usize,
}

impl Population {
    /// All pods.
    pub fn pods(&self) -> usize {
        self.bindings * self.replicas
    }

    /// Bindings whose pods are wrong.
    pub fn wrong(&self) -> usize {
        self.bindings / WRONG_EVERY
    }

    /// Creates it all.
    pub(super) async fn create(&self, client: &Client) -> Result<()> {
        let namespaces: BTreeSet<String> = (0..self.bindings).map(|number| Identity::of(number).namespace).collect();
        for_each(namespaces, |namespace| async move {
            http::create(client, "/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await
        })
        .await?;
        for_each(0..self.bindings, |number| self.identity(client, number)).await
    }

    async fn identity(&self, client: &Client, number: usize) -> Result<()> {
        let Identity { namespace, name } = Identity::of(number);
        let role = format!("arn:aws:iam::111122223333:role/teams/platform/app-{:05}", number / PER_ROLE);
        http::create(client, &path("serviceaccounts", &namespace, ""), &objects::service_account(&name)).await?;
        let account = path("serviceaccounts", &namespace, &name);
        http::apply(client, &account, MANAGER, &objects::annotation(&role)).await?;
        let mut binding = objects::binding(&name, 0, 0);
        binding["spec"]["roleArn"] = json!(role);
        http::create(client, &path("podidentitybindings", &namespace, ""), &binding).await?;
        let workload = format!("{name}-0");
        let deployment = objects::deployment(&workload, &name, self.replicas);
        http::create(client, &path("deployments", &namespace, ""), &deployment).await?;
        let role = match number % (2 * WRONG_EVERY) {
            it if it == WRONG_EVERY - 1 => None,
            it if it == 2 * WRONG_EVERY - 1 => Some("arn:aws:iam::111122223333:role/teams/platform/former"),
            _ => Some(role.as_str()),
        };
        let pods = path("pods", &namespace, "");
        for replica in 0..self.replicas {
            http::create(client, &pods, &objects::pod(&workload, 1, replica, &name, role)).await?;
            let pod = path("pods", &namespace, &objects::pod_name(&workload, 1, replica));
            http::merge(client, &format!("{pod}/status"), &objects::pod_status(0)).await?;
        }
        let status = format!("{}/status", path("deployments", &namespace, &workload));
        http::merge(client, &status, &objects::deployment_status(1, self.replicas)).await
    }
}
