//! How a command reaches the server that runs on a state folder.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::{
    fs::{CWD, Mode, OFlags},
    process::geteuid,
};
use tokio::{net::UnixStream, time::timeout};

use super::socket::{self, within};
use crate::store::StateDir;

/// The way to the socket in a folder that is ours, or that root may trust.
#[derive(Debug)]
pub struct Client {
    folder: File,
    path: PathBuf,
}

/// Why a server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// What it said is no HTTP, or ended early.
    #[error("the server does not answer as it should")]
    Answer(#[from] hyper::Error),
    /// The folder is another user's, who could put a server of their own there.
    #[error("{}: belongs to user {owner}; run this as that user or as root", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its user.
        owner: u32,
    },
    /// What the system says.
    #[error("{}: cannot be used", path.display())]
    Io {
        /// The folder or the socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error("the server does not answer")]
    Silent,
}

impl Client {
    /// The server that runs on the state folder in `state_dir`. `None`: there is none.
    pub async fn find(state_dir: &Path) -> Result<Option<Self>, Unreachable> {
        let path = state_dir.join(StateDir::NAME);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match rustix::fs::openat(CWD, &path, flags, Mode::empty()) {
            Ok(folder) => File::from(folder),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(unusable(&path, error.into())),
        };
        trusted(&folder, state_dir, &path)?;
        let client = Self { folder, path };
        // Whether somebody listens shows only when one connects.
        Ok(client.connect().await?.map(|_| client))
    }

    /// Sends a request and waits for the head of the answer. `Ok(None)`: the server has ended.
    pub async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<Option<Response<Body>>, Unreachable> {
        let Some(stream) = self.connect().await? else {
            return Ok(None);
        };
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, host);
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Runs until the body is read; the command's runtime ends it.
            #[expect(
                clippy::disallowed_methods,
                reason = "in a command, whose end is its end"
            )]
            drop(tokio::spawn(connection));
            sender.send_request(request).await
        };
        let answered = timeout(PATIENCE, exchange).await;
        let response = answered.map_err(|_| Unreachable::Silent)??;
        Ok(Some(response.map(Body::new)))
    }

    async fn connect(&self) -> Result<Option<UnixStream>, Unreachable> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match UnixStream::connect(within(self.folder.as_fd(), &self.path)).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => Ok(None),
            Err(error) => Err(unusable(&self.path.join(socket::NAME), error)),
        }
    }
}

/// Only what its owner put there is believed: passwords go to whoever listens. Root may trust another
/// user's folder where nobody else could have put it.
fn trusted(folder: &File, state_dir: &Path, path: &Path) -> Result<(), Unreachable> {
    let found = folder.metadata().map_err(|error| unusable(path, error))?;
    let above = fs::metadata(state_dir).map_err(|error| unusable(state_dir, error))?;
    let (owner, us) = (found.uid(), geteuid().as_raw());
    if believes(us, owner, (above.uid(), above.mode())) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(Unreachable::Foreign { path, owner })
}

/// Whether user `us` believes a folder of `owner` in one with this owner and mode.
const fn believes(us: u32, owner: u32, above: (u32, u32)) -> bool {
    let theirs_alone = above.1 & 0o022 == 0 && (above.0 == ROOT || above.0 == owner);
    owner == us || (us == ROOT && theirs_alone)
}

fn unusable(path: &Path, source: io::Error) -> Unreachable {
    Unreachable::Io {
        path: path.to_owned(),
        source,
    }
}

const ROOT: u32 = 0;
/// A little longer than the server takes at most.
const PATIENCE: Duration = Duration::from_secs(socket::PATIENCE.as_secs() + 5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_believed_by_its_owner_and_by_root_where_nobody_else_could_put_it() {
        let (ana, eve) = (1000, 1001);
        assert!(believes(ana, ana, (ROOT, 0o1777)));
        assert!(!believes(ana, eve, (eve, 0o755)));
        assert!(!believes(ana, ROOT, (ROOT, 0o755)));
        assert!(believes(ROOT, ana, (ana, 0o750)));
        assert!(believes(ROOT, ana, (ROOT, 0o755)));
        for above in [(ROOT, 0o1777), (ROOT, 0o775), (eve, 0o755)] {
            assert!(!believes(ROOT, ana, above), "{above:?}");
        }
    }
}
