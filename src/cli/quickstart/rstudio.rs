//! Notices an `RStudio` Server on this machine, and says how to serve it too.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{net::TcpStream, time::timeout};

/// Lines about the `RStudio` Server that seems to listen on its usual port, if one does.
pub(super) async fn hint() -> Option<&'static str> {
    listens(USUAL_PORT).await.then_some(HINT)
}

async fn listens(port: u16) -> bool {
    let connected = timeout(PATIENCE, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await;
    matches!(connected, Ok(Ok(_)))
}

const HINT: &str = "\
RStudio Server seems to run here too (127.0.0.1:8787). To serve it as well, write a
labgate.toml with a route for it, and run labgate serve:

    [[route]]
    name = \"rstudio\"
    host = \"rstudio.localhost\"
    upstream = \"http://127.0.0.1:8787\"
    access = \"signed-in\"
";
const USUAL_PORT: u16 = 8787;
const PATIENCE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_listens_is_told_from_one_that_does_not() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port).await);
        drop(listener);
        assert!(!listens(port).await);
    }

    #[test]
    fn the_route_of_the_hint_loads() {
        let route: String = HINT
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .collect::<Vec<_>>()
            .join("\n");
        let config = crate::config::load::parse_str(&route).unwrap();
        assert_eq!(config.routes[0].name, "rstudio");
    }
}
