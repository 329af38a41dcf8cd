//! What scenarios run in.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use e2e::{ControlPlane, Namespace, Operator};
use futures::future::BoxFuture;
use tokio::sync::{Mutex, OnceCell};

/// A control plane and the operator in front of it.
pub(crate) struct World {
    pub(crate) control_plane: ControlPlane,
    pub(crate) operator: Operator,
}

/// A scenario gets the world and a fresh namespace.
pub(crate) type Scenario = fn(Arc<World>, Namespace) -> BoxFuture<'static, Result<()>>;

/// The shared world, and a second one for scenarios that need the operator for themselves; started at first use.
#[derive(Default)]
pub(crate) struct Worlds {
    shared: OnceCell<Arc<World>>,
    exclusive: Mutex<Option<Arc<World>>>,
}

impl Worlds {
    /// Starts the shared world.
    pub(crate) async fn start(&self) -> Result<()> {
        self.shared.get_or_try_init(World::start).await?;
        Ok(())
    }

    /// Runs a scenario in the shared world.
    pub(crate) async fn shared(&self, scenario: Scenario) -> Result<()> {
        let world = self.shared.get().context("the control plane was not started")?.clone();
        world.run(scenario).await
    }

    /// Runs a scenario alone in the second world.
    pub(crate) async fn exclusive(&self, scenario: Scenario) -> Result<()> {
        let mut exclusive = self.exclusive.lock().await;
        let world = match &*exclusive {
            Some(world) => world.clone(),
            None => exclusive.insert(World::start().await?).clone(),
        };
        world.run(scenario).await
    }

    /// Ends everything; keeps and names the logs if something failed.
    pub(crate) async fn end(&self, failed: bool) {
        let exclusive = self.exclusive.lock().await.take();
        for world in self.shared.get().into_iter().chain(&exclusive) {
            world.operator.kill();
            if failed {
                world.control_plane.keep_logs();
                println!("logs: {}", world.control_plane.logs().display());
            }
        }
    }
}

impl World {
    async fn start() -> Result<Arc<Self>> {
        let control_plane = ControlPlane::start().await?;
        match Operator::start(&control_plane, &[]).await {
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
