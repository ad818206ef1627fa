//! What a reload leaves as it is: what is bound, opened or started once.

use std::{net::SocketAddr, path::PathBuf};

use crate::config::{Config, Listener};

/// The part of a configuration that a server is started with and keeps.
#[derive(Debug)]
pub(super) struct Fixed {
    state_dir: PathBuf,
    workers: Option<usize>,
    listeners: Vec<Listener>,
    admin: Option<SocketAddr>,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            state_dir: config.server.state_dir.clone(),
            workers: config.server.workers,
            listeners: config.listeners.clone(),
            admin: config.admin.address,
        }
    }

    /// The keys in which another configuration differs.
    pub(super) fn differences(&self, config: &Config) -> Vec<&'static str> {
        let other = Self::of(config);
        let keys = [
            ("[[listener]]", self.listeners != other.listeners),
            ("admin.address", self.admin != other.admin),
            ("server.state_dir", self.state_dir != other.state_dir),
            ("server.workers", self.workers != other.workers),
        ];
        let differs = keys.into_iter().filter(|(_, differs)| *differs);
        differs.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::parse_str;

    #[test]
    fn what_is_bound_or_opened_at_start_differs_by_key() {
        let config = |text: &str| parse_str(text).unwrap();
        let fixed = Fixed::of(&config("session.idle = \"1h\""));
        let other = "session.idle = \"2h\"\nui.title = \"x\"";
        assert!(fixed.differences(&config(other)).is_empty());
        for (text, key) in [
            ("server.workers = 3", "server.workers"),
            ("server.state_dir = \"/elsewhere\"", "server.state_dir"),
            ("admin.address = \"127.0.0.1:8001\"", "admin.address"),
            (
                "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:1\"",
                "[[listener]]",
            ),
        ] {
            assert_eq!(fixed.differences(&config(text)), [key]);
        }
    }
}
