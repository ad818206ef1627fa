//! How every TCP socket of ours is set, on either side.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::net::sockopt;

/// Small writes leave at once; a peer that is gone without a word is noticed after about a minute,
/// so that a silent stream is held only while there is somebody (tcp(7)).
///
/// Set on a listening socket, all of it is inherited by the sockets that it accepts.
pub fn tune(socket: &impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(socket, KEEP_ALIVE)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
}

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_inherits_what_its_listener_has() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        tune(&listener).unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (accepted, _) = accepted.unwrap();
        assert!(sockopt::tcp_nodelay(&accepted).unwrap());
        assert!(sockopt::socket_keepalive(&accepted).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap(), KEEP_ALIVE);
        drop(client);
    }
}
