//! A TCP proxy that can stop forwarding without closing connections, like a network that drops
//! packets.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy in front of a server on the loopback address. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    flows: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Starts to forward to the server at this port.
    pub async fn start(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for the proxy")?;
        let address = listener.local_addr()?;
        let (flows, flowing) = watch::channel(true);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, flowing.clone()));
            }
        });
        Ok(Self { address, flows, serving })
    }

    /// Its own address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops or resumes forwarding.
    pub fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn forward(client: TcpStream, server: u16, flowing: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(copy(from_client, to_server, flowing.clone()), copy(from_server, to_client, flowing));
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut flowing: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        // While forwarding is stopped, data and the end of the stream are held back.
        if flowing.wait_for(|flows| *flows).await.is_err()
            || count == 0
            || to.write_all(&buffer[..count]).await.is_err()
        {
            break;
        }
    }
    // The other side may already be gone.
    let _ = to.shutdown().await;
}
