//! The TCP address of `[admin]`: metrics and health, and nothing that changes anything.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::Probes;

/// The bound socket.
#[derive(Debug)]
pub struct Admin {
    socket: TcpListener,
    /// Where it is bound, with the real port.
    pub address: SocketAddr,
}

impl Admin {
    /// Binds it. Must run inside a runtime.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Answers until the future is dropped.
    pub async fn serve(self, probes: Probes, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok((socket, _)) = self.socket.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // One too many is let go.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                continue;
            };
            let probes = probes.clone();
            tasks.spawn(async move {
                converse(socket, &probes).await;
                drop(place);
            });
        }
    }
}

/// One request, within [`PATIENCE`].
async fn converse(socket: TcpStream, probes: &Probes) {
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(probes.answer(&request).await)
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(socket), service);
    // Whoever is cut off or sends garbage is told nothing more.
    drop(timeout(PATIENCE, served).await);
}

const MAX_CONNECTIONS: usize = 32;
const MAX_HEAD: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
