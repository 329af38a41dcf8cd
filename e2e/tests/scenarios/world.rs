//! The environment of scenarios.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use e2e::injection::Injector;
use e2e::{ControlPlane, Namespace, Operator, fixtures, repository, statuses};
use futures::future::BoxFuture;
use tokio::sync::{Mutex, OnceCell};

/// A control plane and its operator.
pub(crate) struct World {
    pub(crate) control_plane: ControlPlane,
    pub(crate) operator: Operator,
}

/// Properties of the API servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// What injects.
    pub(crate) injector: Injector,
    /// The minor version of Kubernetes.
    pub(crate) minor: u32,
}

/// A scenario gets the world and a fresh namespace.
pub(crate) type Scenario = fn(Arc<World>, Namespace) -> BoxFuture<'static, Result<()>>;

/// The shared world, and five others for scenarios that need the operator for themselves or another
/// operator. These start at first use.
#[derive(Default)]
pub(crate) struct Worlds {
    shared: OnceCell<Arc<World>>,
    exclusive: Mutex<Option<Arc<World>>>,
    narrow: Mutex<Option<Arc<World>>>,
    guarded: OnceCell<Arc<World>>,
    referring: OnceCell<Arc<World>>,
    associated: OnceCell<Arc<World>>,
}

/// The world of a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Together with many others.
    Shared,
    /// Alone, in the second world.
    Exclusive,
    /// Alone, in the third world, whose operator may roll [`NARROW`] workloads at once.
    Narrow,
    /// Together with some others, in the fourth world, whose operator requires grants.
    Guarded,
    /// Together with some others, in the fifth world, whose operator has an AWS account and watches what `roleRef` may
    /// refer to.
    Referring,
    /// Together with some others, in the sixth world. It is like the fifth one, but its webhook
    /// supports EKS Pod Identity associations.
    Associated,
}

/// The limit on rollouts across all bindings in the narrow world.
pub(crate) const NARROW: usize = 2;

/// The kinds that `roleRef` may refer to, as in the flag and the folders of
/// `config/role-references`.
const REFERENCES: [&str; 6] = ["configmap", "ack", "ack-association", "upbound", "upbound-namespaced", "crossplane"];

impl Worlds {
    /// Starts the shared world. Returns the properties that the API servers of all worlds have.
    pub(crate) async fn start(&self) -> Result<Server> {
        let control_plane = &self.shared.get_or_try_init(|| World::start(&[])).await?.control_plane;
        Ok(Server { injector: control_plane.injector().await?, minor: control_plane.minor().await? })
    }

    /// Runs a scenario in its world.
    pub(crate) async fn run(&self, place: Place, scenario: Scenario) -> Result<()> {
        match place {
            Place::Shared => {
                self.shared.get().context("the control plane was not started")?.clone().run(scenario).await
            }
            Place::Exclusive => alone(&self.exclusive, &[], scenario).await,
            Place::Guarded => {
                let world = self.guarded.get_or_try_init(|| World::start(&["--require-grants"])).await?;
                world.clone().run(scenario).await
            }
            Place::Referring => {
                let world = self.referring.get_or_try_init(|| World::start_referring(fixtures::ACCOUNT)).await?;
                world.clone().run(scenario).await
            }
            Place::Associated => {
                let world = self.associated.get_or_try_init(World::start_associated).await?;
                world.clone().run(scenario).await
            }
            Place::Narrow => alone(&self.narrow, &[&format!("--max-concurrent-rollouts={NARROW}")], scenario).await,
        }
    }

    /// Ends all worlds. Keeps and names the logs if something failed.
    pub(crate) async fn end(&self, failed: bool) {
        let (exclusive, narrow) = (self.exclusive.lock().await.take(), self.narrow.lock().await.take());
        for world in self
            .shared
            .get()
            .into_iter()
            .chain(self.guarded.get())
            .chain(self.referring.get())
            .chain(self.associated.get())
            .chain(&exclusive)
            .chain(&narrow)
        {
            world.operator.kill();
            if failed {
                world.control_plane.keep_logs();
                println!("logs: {}", world.control_plane.logs().display());
            }
        }
    }
}

async fn alone(world: &Mutex<Option<Arc<World>>>, args: &[&str], scenario: Scenario) -> Result<()> {
    let mut world = world.lock().await;
    let world = match &*world {
        Some(world) => world.clone(),
        None => world.insert(World::start(args).await?).clone(),
    };
    world.run(scenario).await
}

impl World {
    /// A world whose operator has this AWS account and watches what `roleRef` may refer to.
    pub(crate) async fn start_referring(account: &str) -> Result<Arc<Self>> {
        let control_plane = ControlPlane::start().await?;
        for kind in REFERENCES {
            for file in ["cluster_role", "cluster_role_binding"] {
                let file = repository().join(format!("config/role-references/{kind}/{file}.yaml"));
                control_plane.kubectl(&["apply", "-f", &file.display().to_string()]).await?;
            }
        }
        let references = format!("--role-references={}", REFERENCES.join(","));
        Self::start_on(control_plane, &[&format!("--aws-account={account}"), &references]).await
    }

    /// The same with a webhook that injects, as on EKS.
    async fn start_associated() -> Result<Arc<Self>> {
        let world = Self::start_referring(fixtures::ACCOUNT).await?;
        world.control_plane.inject_by_webhook().await?;
        Ok(world)
    }

    pub(crate) async fn start(args: &[&str]) -> Result<Arc<Self>> {
        Self::start_on(ControlPlane::start().await?, args).await
    }

    async fn start_on(control_plane: ControlPlane, args: &[&str]) -> Result<Arc<Self>> {
        let started = Operator::start(&control_plane, args).await;
        match started.and_then(|operator| statuses::record(&control_plane).map(|()| operator)) {
            Ok(operator) => Ok(Arc::new(Self { control_plane, operator })),
            Err(error) => {
                control_plane.keep_logs();
                Err(error.context(format!("logs: {}", control_plane.logs().display())))
            }
        }
    }

    async fn run(self: Arc<Self>, scenario: Scenario) -> Result<()> {
        let namespace = self.control_plane.namespace("scenario").await?;
        let name = namespace.name.clone();
        let work = scenario(self.clone(), namespace);
        let Err(error) = self.operator.while_alive(&self.control_plane, work).await else { return Ok(()) };
        let log = self.operator.log_about(&name);
        bail!("{error:#}\nin namespace {name}\nthe operator's log about it:\n{log}")
    }
}
