//! Operator and plugin reach the API server through real proxies, as in a corporate network.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::ports::Port;
use e2e::{ControlPlane, Namespace, Operator, expect, program, wait};

use crate::world::World;

const HTTP: &str = "tinyproxy";
const SOCKS: &str = "microsocks";

/// Whether both proxies are installed, from Debian packages of these names.
pub(crate) fn are_there() -> bool {
    let found = |name: &str| Command::new(name).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    found(HTTP) && found(SOCKS)
}

/// A proxy on the loopback address. It ends when it is dropped.
struct Proxy {
    url: String,
    log: std::path::PathBuf,
    child: Child,
    _port: Port,
}

impl Proxy {
    /// `host`: an address as in a URL.
    async fn start(name: &str, host: &str, folder: &Path) -> Result<Self> {
        let port = Port::reserve()?;
        let bare = host.trim_matches(['[', ']']);
        let log = folder.join(format!("{name}-{}.log", port.number()));
        let output = std::fs::File::create(&log)?;
        let mut command = Command::new(name);
        if name == HTTP {
            let config = folder.join(format!("{name}-{}.conf", port.number()));
            let text = format!("Port {}\nListen {bare}\nTimeout 600\nLogLevel Connect\n", port.number());
            std::fs::write(&config, text)?;
            command.arg("-d").arg("-c").arg(config);
        } else {
            command.args(["-i", bare, "-p", &port.number().to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        let scheme = if name == HTTP { "http" } else { "socks5" };
        let address = format!("{host}:{}", port.number());
        wait::until("the proxy listens", async || {
            tokio::net::TcpStream::connect(&address).await.map(drop).map_err(|error| error.to_string())
        })
        .await?;
        Ok(Self { url: format!("{scheme}://{address}"), log, child, _port: port })
    }

    /// How often the proxy was asked to connect to this port.
    fn connections_to(&self, server: &str) -> Result<usize> {
        let port = server.rsplit(':').next().context("the server has a port")?;
        let log = std::fs::read_to_string(&self.log)?;
        Ok(log.lines().filter(|line| line.contains(&format!(":{port}"))).count())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The proxy may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `HTTPS_PROXY` names an HTTP proxy on IPv4 and IPv6, and a SOCKS proxy. Hosts in `NO_PROXY` are
/// reached directly.
pub(crate) async fn of_the_operator(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    control_plane.install().await?;
    for (name, program, host) in
        [("http", HTTP, "127.0.0.1"), ("http-ipv6", HTTP, "[::1]"), ("socks", SOCKS, "127.0.0.1")]
    {
        let proxy = Proxy::start(program, host, control_plane.folder()).await?;
        works(&control_plane, name, &[("HTTPS_PROXY", &proxy.url)]).await?;
        ensure!(proxy.connections_to(control_plane.server())? > 0, "{name} was not used: {}", proxy.log.display());
    }
    // Nothing listens on the discard port.
    let nowhere = [("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "127.0.0.1,.svc")];
    works(&control_plane, "no-proxy", &nowhere).await
}

/// Checks that an operator with these variables works.
async fn works(control_plane: &ControlPlane, name: &str, env: &[(&str, &str)]) -> Result<()> {
    let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let operator = Operator::start_with(name, control_plane, control_plane.server(), &[], env).await?;
    let namespace = control_plane.namespace(name).await?;
    let work = async {
        namespace.create(fixtures::service_account("app")?).await?;
        namespace.create(fixtures::deployment("app", "app", 1)?).await?;
        namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
        expect::ready(&namespace, "app").await.map(drop)
    };
    operator.while_alive(control_plane, Box::pin(work)).await.with_context(|| format!("through {name}"))?;
    operator.terminate().await
}

/// The field `proxy-url` of a kubeconfig, and the error about an unreachable proxy.
pub(crate) async fn of_the_plugin(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let control_plane = &world.control_plane;
    namespace.create(fixtures::annotated_service_account("app", ROLE)?).await?;
    let original = std::fs::read_to_string(control_plane.kubeconfig())?;
    let with_proxy = |url: &str| -> Result<String> {
        let mut config: serde_json::Value = serde_json::from_str(&original)?;
        config["clusters"][0]["cluster"]["proxy-url"] = url.into();
        Ok(config.to_string())
    };
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let plugin = || -> Result<std::process::Output> {
        let mut command = Command::new(program("kubectl-podidentity", "kubectl-podidentity")?);
        command.args(["explain", "sa/app", "-n", &namespace.name]).env("KUBECONFIG", &kubeconfig);
        Ok(command.output()?)
    };
    for (program, host) in [(HTTP, "127.0.0.1"), (HTTP, "[::1]"), (SOCKS, "127.0.0.1")] {
        let proxy = Proxy::start(program, host, folder.path()).await?;
        std::fs::write(&kubeconfig, with_proxy(&proxy.url)?)?;
        let output = plugin()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains(ROLE), "through {}: {said}", proxy.url);
        ensure!(proxy.connections_to(control_plane.server())? > 0, "{} was not used", proxy.url);
    }
    std::fs::write(&kubeconfig, with_proxy("http://127.0.0.1:9")?)?;
    let output = plugin()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && said.contains("proxy http://127.0.0.1:9"), "{said}");
    Ok(())
}
