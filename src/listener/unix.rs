//! Unix sockets that we listen on: their files, made and taken away (unix(7)).
//!
//! The file of a process that is gone stays behind and keeps others from binding. It is known by a
//! connection to it being refused; then, and only then, it is removed.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net,
    },
    path::{Path, PathBuf},
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// The file of a socket; removed when dropped, unless it is another's by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove our socket");
        }
    }
}

/// Listens on a socket file that its owner and group may use (0660). Must run inside a runtime.
///
/// `AddrInUse`: somebody listens there; `AlreadyExists`: there is something that is no socket.
pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    clear(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let found = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (found.dev(), found.ino()),
    };
    // Nobody can connect before we listen, so nobody can before this.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    rustix::net::listen(&socket, BACKLOG)?;
    let listener = UnixListener::from_std(net::UnixListener::from(socket))?;
    Ok((listener, file))
}

/// Takes away what a dead process left.
fn clear(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Its queue is full, so there is somebody.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::ErrorKind::AddrInUse.into())
        }
        Err(error) => Err(error),
    }
}

const MODE: u32 = 0o660;
/// As many as the standard library lets wait on TCP.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_for_owner_and_group_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.sock");
        let bound = bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o660);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_process_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.sock");
        let dead = net::UnixListener::bind(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(dead);
        assert!(path.exists(), "the file outlives its listener");
        let _live = bind(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(net::UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.sock");
        fs::write(&path, "precious").unwrap();
        assert_eq!(
            bind(&path).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert_eq!(
            bind(&link).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }

    #[tokio::test]
    async fn a_file_that_took_the_place_of_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.sock");
        let bound = bind(&path).unwrap();
        fs::rename(&path, folder.path().join("old")).unwrap();
        let _other = net::UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
    }
}
