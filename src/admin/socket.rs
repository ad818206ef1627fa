//! The admin socket: `admin.sock` in our 0700 folder, 0600, for its owner and root.
//!
//! Who connects is asked of the kernel (`SO_PEERCRED`, unix(7)). Nobody else's process is let in, nor
//! is our own: no route that leads here, by whatever path or link, reaches anything (SECURITY T54).
//! The file is named through a descriptor of its folder, so that a long path of the folder works
//! (`sun_path` has 107 bytes) and nobody can put another folder in between.

use std::{
    convert::Infallible,
    io,
    os::fd::{AsRawFd, BorrowedFd},
    os::{fd::AsFd, unix::net},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::{
    fs::{AtFlags, Mode, chmodat, unlinkat},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
    process::geteuid,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::probes::{Probes, check};
use crate::store::StateDir;

/// The bound socket; its file goes with it.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    _file: SocketFile,
}

impl AdminSocket {
    /// Binds it, over what a dead server may have left. The caller holds the lock of the store in
    /// this folder, so no other server lives here. Must run inside a runtime.
    pub fn bind(folder: &StateDir) -> io::Result<Self> {
        let held = folder.try_clone().map_err(io::Error::other)?;
        match unlinkat(&held, NAME, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let path = within(held.as_fd(), held.path());
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path)?)?;
        let file = SocketFile(held);
        // Nobody can connect before we listen, so nobody can before this.
        chmodat(&file.0, NAME, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
        rustix::net::listen(&socket, BACKLOG)?;
        let listener = UnixListener::from_std(net::UnixListener::from(socket))?;
        Ok(Self {
            listener,
            _file: file,
        })
    }

    /// Answers until the future is dropped. What a request asks for is done to its end on `tasks`,
    /// also when whoever asked does not wait for it.
    pub async fn serve(self, probes: Probes, api: Router, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let us = Ourselves::now();
        loop {
            let Ok((socket, _)) = self.listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let peer = socket.peer_cred();
            if !peer.is_ok_and(|peer| us.admits(peer.uid(), peer.pid())) {
                tracing::warn!("the admin socket: a connection of somebody else was refused");
                continue;
            }
            // One too many is let go.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                continue;
            };
            let conversation = Conversation {
                probes: probes.clone(),
                api: api.clone(),
                tasks: tasks.clone(),
                place: Arc::new(place),
            };
            tasks.spawn(conversation.hold(socket));
        }
    }
}

/// The file of the socket in its folder; removed when dropped.
#[derive(Debug)]
struct SocketFile(StateDir);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = unlinkat(&self.0, NAME, AtFlags::empty()) {
            tracing::warn!(%error, "cannot remove the admin socket");
        }
    }
}

/// By whom a connection is judged.
#[derive(Clone, Copy, Debug)]
struct Ourselves {
    user: u32,
    process: i32,
}

impl Ourselves {
    fn now() -> Self {
        Self {
            user: geteuid().as_raw(),
            process: rustix::process::getpid().as_raw_nonzero().get(),
        }
    }

    /// Whether a process of this user and number is let in.
    fn admits(self, user: u32, process: Option<i32>) -> bool {
        (user == self.user || user == ROOT) && process.is_some_and(|other| other != self.process)
    }
}

/// One connection.
struct Conversation {
    probes: Probes,
    api: Router,
    tasks: TaskTracker,
    /// Held by what is still done, too.
    place: Arc<OwnedSemaphorePermit>,
}

impl Conversation {
    /// One request, within [`PATIENCE`].
    async fn hold(self, socket: UnixStream) {
        let service = service_fn(|request: Request<Incoming>| {
            // Here, not in the future: hyper may drop that unpolled when its client has gone.
            let answer = self.begin(request);
            async {
                let failed = |_| status_only(StatusCode::INTERNAL_SERVER_ERROR);
                Ok::<_, Infallible>(answer.await.unwrap_or_else(failed))
            }
        });
        let served = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(MAX_HEAD)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .serve_connection(TokioIo::new(socket), service);
        // Whoever is cut off or sends garbage is told nothing more.
        drop(timeout(PATIENCE, served).await);
    }

    /// Begins what is asked for, which then goes on by itself.
    fn begin(&self, request: Request<Incoming>) -> JoinHandle<Response<Body>> {
        let (probes, api) = (self.probes.clone(), self.api.clone());
        let place = Arc::clone(&self.place);
        self.tasks.spawn(async move {
            let _place = place;
            if !request.uri().path().starts_with("/api/") {
                return probes.answer(&request).await.map(Body::new);
            }
            if let Err(status) = check(&request) {
                return status_only(status);
            }
            let Ok(response) = api.oneshot(request.map(Body::new)).await;
            response
        })
    }
}

fn status_only(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The path by which the socket in an open folder is bound and connected to.
pub(super) fn within(folder: BorrowedFd<'_>, path: &Path) -> PathBuf {
    let held = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    // Where there is no /proc, paths have to be short.
    let folder = if held.exists() { &held } else { path };
    folder.join(NAME)
}

/// The file's name within our folder.
pub const NAME: &str = "admin.sock";
const ROOT: u32 = 0;
const BACKLOG: i32 = 64;
const MAX_CONNECTIONS: usize = 32;
const MAX_HEAD: usize = 16 * 1024;
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// A backup is read within this, and every act is done.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn our_user_and_root_are_let_in_and_neither_others_nor_we_ourselves() {
        let us = Ourselves {
            user: 1000,
            process: 7,
        };
        assert!(us.admits(1000, Some(8)));
        assert!(us.admits(ROOT, Some(8)));
        assert!(!us.admits(1001, Some(8)));
        assert!(!us.admits(1000, Some(7)), "a route of ours leads here");
        assert!(!us.admits(ROOT, Some(7)));
        assert!(!us.admits(1000, None));
    }

    #[tokio::test]
    async fn it_is_private_replaces_a_dead_one_and_goes_with_its_server() {
        let state = tempfile::tempdir().unwrap();
        let dir = StateDir::open(state.path()).unwrap();
        let path = dir.path().join(NAME);
        drop(net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the file outlives its listener");
        let socket = AdminSocket::bind(&dir).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert!(net::UnixStream::connect(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_long_path_is_no_obstacle() {
        let base = tempfile::tempdir().unwrap();
        let state = base.path().join("a".repeat(100)).join("b".repeat(100));
        let dir = StateDir::open(&state).unwrap();
        assert!(SocketAddrUnix::new(dir.path().join(NAME)).is_err());
        let _socket = AdminSocket::bind(&dir).unwrap();
        let path = within(dir.as_fd(), dir.path());
        assert!(net::UnixStream::connect(path).is_ok());
    }
}
