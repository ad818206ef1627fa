//! Unix sockets that we listen on: their files, made and taken away (unix(7)).
//!
//! The file of a process that is gone stays behind and keeps others from binding. It is known by a
//! connection to it being refused; then, and only then, it is removed.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net,
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

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

/// Listens on a socket file that its owner and group may use (0660).
///
/// `AddrInUse`: somebody listens there; `AlreadyExists`: there is something that is no socket.
pub(super) fn bind(path: &Path) -> io::Result<(net::UnixListener, SocketFile)> {
    check_folder(path);
    clear(path)?;
    let socket = stream_socket()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Nobody can connect before we listen, so nobody can before this.
    let file = let_group_in(path)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket.into(), file))
}

/// Neither waits, for a connection or for a place in somebody's queue.
fn stream_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Gives a socket its mode. Where others may write to its folder, a link may stand in its place by
/// now: that is not followed.
fn let_group_in(path: &Path) -> io::Result<SocketFile> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = place.metadata()?;
    if !found.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let file = SocketFile {
        path: path.to_owned(),
        identity: (found.dev(), found.ino()),
    };
    // A handle of this kind has no other way to its mode (open(2), O_PATH).
    let handle = format!("/proc/self/fd/{}", place.as_raw_fd());
    fs::set_permissions(handle, Permissions::from_mode(MODE))?;
    Ok(file)
}

/// Warns where anybody could put a socket of their own in the place of ours.
fn check_folder(path: &Path) {
    const STICKY: u32 = 0o1000;
    let folder = path.parent().unwrap_or(path);
    let mode = fs::metadata(folder).map_or(0, |found| found.mode());
    if mode & 0o002 != 0 && mode & STICKY == 0 {
        tracing::warn!(
            folder = %folder.display(),
            "everybody may write to the folder of our socket, so anybody could take its place"
        );
    }
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
    let probe = stream_socket()?;
    match rustix::net::connect(&probe, &SocketAddrUnix::new(path)?) {
        // Where its queue is full there is somebody, too.
        Ok(()) | Err(Errno::AGAIN) => Err(io::ErrorKind::AddrInUse.into()),
        Err(Errno::CONNREFUSED) => fs::remove_file(path),
        Err(error) => Err(error.into()),
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
    async fn somebody_who_is_too_busy_to_accept_is_somebody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.sock");
        let busy = stream_socket().unwrap();
        rustix::net::bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&busy, 0).unwrap();
        let _waits = net::UnixStream::connect(&path).unwrap();
        let (bound, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || bound.send(clear(&path).unwrap_err().kind()));
        let deadline = std::time::Duration::from_secs(20);
        assert_eq!(done.recv_timeout(deadline), Ok(io::ErrorKind::AddrInUse));
    }

    #[test]
    fn a_link_that_took_the_place_of_ours_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, precious] = ["lab.sock", "precious"].map(|name| folder.path().join(name));
        fs::write(&precious, "").unwrap();
        fs::set_permissions(&precious, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        assert_eq!(
            let_group_in(&path).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::metadata(&precious).unwrap().mode() & 0o7777, 0o600);
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
