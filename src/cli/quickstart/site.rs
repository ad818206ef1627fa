//! The configuration that quickstart serves by: one route, one user, this machine only.

use std::{
    net::{Ipv6Addr, TcpListener},
    path::Path,
};

use crate::{
    config::{Config, Upstream, load, problem::Problems},
    identity::UserName,
};

/// Makes it. `jupyter` is the socket, `state` the folder for the store.
pub(super) fn configuration(
    port: u16,
    user: &UserName,
    state: &Path,
    jupyter: &Path,
) -> Result<Config, Problems> {
    // Browsers try either address of localhost; a machine may lack the second one.
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let second = if has_v6 { V6_LISTENER } else { "" };
    let text = format!("{TEXT}{second}")
        .replace("PORT", &port.to_string())
        .replace("USER", user.as_str());
    let mut config = load::parse_str(&text)?;
    // Not by way of the text, where paths would need quoting, and could not hold all bytes.
    state.clone_into(&mut config.server.state_dir);
    for route in &mut config.routes {
        route.upstreams = vec![Upstream::Unix(jupyter.to_owned())];
    }
    Ok(config)
}

/// The host of `JupyterLab`'s route.
pub(super) const JUPYTER_HOST: &str = "jupyter.localhost";

/// A user name holds nothing that needs quoting.
const TEXT: &str = r#"
[server]
public_url = "http://localhost:PORT"

[admin]
users = ["USER"]

[limits]
drain_timeout = "2s"

[[route]]
name = "jupyter"
title = "JupyterLab"
host = "jupyter.localhost"
upstream = "unix:/set-below"
app = "jupyter"
access = { users = ["USER"] }

[[listener]]
name = "localhost"
address = "127.0.0.1:PORT"
"#;

const V6_LISTENER: &str = r#"
[[listener]]
name = "localhost-v6"
address = "[::1]:PORT"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Access, App, HostPattern};

    #[test]
    fn it_serves_one_user_on_this_machine_alone() {
        let user = "ana@example.org".parse().unwrap();
        let socket = Path::new("/run/it's \"here\"/jupyter.sock");
        let config = configuration(8123, &user, Path::new("/state"), socket).unwrap();
        assert_eq!(config.server.public_url.origin(), "http://localhost:8123");
        assert_eq!(config.server.state_dir, Path::new("/state"));
        assert!(
            config.listeners.iter().all(|listener| listener
                .address
                .tcp()
                .unwrap()
                .ip()
                .is_loopback())
        );
        assert!(
            config
                .listeners
                .iter()
                .all(|listener| listener.address.tcp().unwrap().port() == 8123)
        );
        assert_eq!(config.admin.users, ["ana@example.org"]);
        let [route] = &config.routes[..] else {
            panic!("one route")
        };
        assert_eq!(route.upstreams, [Upstream::Unix(socket.into())]);
        assert_eq!(
            route.host,
            Some(HostPattern::Exact(JUPYTER_HOST.parse().unwrap()))
        );
        assert_eq!(
            (route.app, route.title.as_str()),
            (App::Jupyter, "JupyterLab")
        );
        let Access::AnyOf(rules) = &route.access else {
            panic!("named users only")
        };
        assert_eq!(rules[0].users, ["ana@example.org"]);
    }
}
