//! A large cluster as the operator would have left it, except for some wrong pods.

use anyhow::Result;
use kube::Client;

use crate::bench::http::{self, path};
use crate::bench::load::{for_each, namespaces, running};
use crate::bench::objects::{self, Identity};
use crate::bench::world::MANAGER;

/// One in this many bindings has wrong pods: alternately without the role and with another one.
pub const WRONG_EVERY: usize = 20;
/// This many service accounts share a role.
const PER_ROLE: usize = 3;

/// The number of objects.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// Bindings, each with a service account and a Deployment of its own.
    pub bindings: usize,
    /// Pods of each Deployment.
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

    /// Creates all objects.
    pub(super) async fn create(&self, client: &Client) -> Result<()> {
        namespaces(client, self.bindings).await?;
        for_each(0..self.bindings, |number| self.identity(client, number)).await
    }

    async fn identity(&self, client: &Client, number: usize) -> Result<()> {
        let identity = Identity::of(number);
        let Identity { namespace, name } = &identity;
        let role = format!("arn:aws:iam::111122223333:role/teams/platform/app-{:05}", number / PER_ROLE);
        http::create(client, &path("serviceaccounts", namespace, ""), &objects::service_account(name)).await?;
        let account = path("serviceaccounts", namespace, name);
        http::apply(client, &account, MANAGER, &objects::annotation(&role)).await?;
        let binding = objects::binding(name, &role, 0);
        http::create(client, &path("podidentitybindings", namespace, ""), &binding).await?;
        let role = match number % (2 * WRONG_EVERY) {
            it if it == WRONG_EVERY - 1 => None,
            it if it == 2 * WRONG_EVERY - 1 => Some("arn:aws:iam::111122223333:role/teams/platform/former"),
            _ => Some(role.as_str()),
        };
        running(client, &identity, &format!("{name}-0"), self.replicas, role).await
    }
}
