//! What a whole configuration gives: values, or problems in words that are pinned here.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{
    load::{Loaded, Sources, load, load_effective, parse_str},
    problem::Problems,
    *,
};

mod examples;
mod golden;
mod layers;
mod properties;

/// A current directory with files, and an environment.
struct Place {
    folder: TempDir,
    sources: Sources,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources {
            current_dir: folder.path().into(),
            ..Sources::default()
        };
        Self { folder, sources }
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn argument(mut self, file: &str) -> Self {
        self.sources.files.push(file.into());
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(&self.sources)
    }

    fn config(&self) -> Config {
        match self.load() {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{problems}"),
        }
    }

    fn problems(&self) -> String {
        self.load().map(|_| ()).unwrap_err().to_string()
    }
}

/// The problems of one file.
fn problems(content: &str) -> String {
    Place::new().file("labgate.toml", content).problems()
}

/// The one route of a configuration.
fn route(config: &Config) -> &Route {
    match config.routes.as_slice() {
        [route] => route,
        routes => panic!("{} routes", routes.len()),
    }
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = Place::new().variable("HOME", "/home/ana").config();
    assert_eq!(config.server.public_url.origin(), "http://localhost:8000");
    assert_eq!(
        config.server.state_dir,
        Path::new("/home/ana/.local/state/labgate")
    );
    let [listener] = config.listeners.as_slice() else {
        panic!()
    };
    assert_eq!(listener.name, "public");
    assert_eq!(listener.address.to_string(), "127.0.0.1:8000");
    assert!(config.routes.is_empty());
    assert!(config.trust.proxies.is_empty());
    assert_eq!(config.admin, Admin::default());
}

#[test]
fn the_state_folder_follows_the_environment() {
    let state_dir = |place: Place| place.config().server.state_dir;
    let given = Place::new()
        .variable("HOME", "/home/ana")
        .variable("XDG_STATE_HOME", "/state");
    assert_eq!(state_dir(given), Path::new("/state/labgate"));
    assert_eq!(state_dir(Place::new()), Path::new("/var/lib/labgate"));
    let relative = Place::new().file("labgate.toml", "server.state_dir = \"here\"");
    let here = relative.folder.path().join("here");
    assert_eq!(state_dir(relative), here);
}

#[test]
fn without_listeners_the_port_is_that_of_a_plain_public_url() {
    let port = |url: &str| {
        let config = parse_str(&format!("server.public_url = \"{url}\"")).unwrap();
        let address = config.listeners.first().unwrap().address.tcp();
        address.unwrap().port()
    };
    assert_eq!(port("http://lab.example.org:9000"), 9000);
    assert_eq!(port("http://lab.example.org"), 80);
    assert_eq!(port("https://lab.example.org"), 8000, "TLS ends elsewhere");
    assert_eq!(port("https://lab.example.org:8443"), 8000);
}

#[test]
fn a_route_takes_its_defaults_from_elsewhere() {
    let config = parse_str(
        r#"
        server.public_url = "http://lab.example.org:8000"
        limits.connect_timeout = "2s"
        limits.response_timeout = "90s"

        [[route]]
        name = "lab"
        upstream = "http://[::1]/"
        access = "public"
        stall_timeout = "1h"
        response_timeout = "none"
        "#,
    )
    .unwrap();
    let route = route(&config);
    assert_eq!(route.title, "lab");
    assert_eq!(route.host, None, "every main host");
    assert_eq!(route.path, "/");
    assert_eq!(
        route.upstreams,
        [Upstream::Http {
            host: "::1".into(),
            port: 80
        }]
    );
    assert_eq!(route.connect_timeout, Duration::from_secs(2));
    assert_eq!(route.response_timeout, None);
    assert_eq!(route.stall_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(route.identity_headers, IdentityHeaders::Standard);
    assert!(!route.strip_prefix);
}

#[test]
fn secrets_come_from_text_variable_or_file() {
    let place = Place::new()
        .file(
            "labgate.toml",
            r#"
            [identity.local]
            user = [
                { name = "ana", password = { env = "ANAS" } },
                { name = "bo", password = { file = "secrets/bo" } },
                { name = "cy", password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA" },
            ]
            "#,
        )
        .file("secrets/bo", "of bo\r\n")
        .variable("ANAS", "of ana");
    let loaded = place.load().unwrap();
    let passwords: Vec<&str> = loaded
        .config
        .local_users
        .iter()
        .map(|user| user.password.expose().as_str())
        .collect();
    assert_eq!(passwords[..2], ["of ana", "of bo"]);
    assert!(passwords[2].starts_with("$argon2id$"));
    let read = [
        place.folder.path().join("labgate.toml"),
        place.folder.path().join("secrets/bo"),
    ];
    assert_eq!(
        loaded.files, read,
        "a changed secret is a changed configuration"
    );
}

#[test]
fn header_rules_are_read_and_their_values_never_shown() {
    let place = Place::new()
        .file(
            "labgate.toml",
            r#"
            [[route]]
            name = "lab"
            upstream = "http://lab"
            access = "public"
            request_headers = { X-WebAuth-User = "admin", X-Api-Key = { env = "KEY" }, A_b = { file = "b" } }
            allow_headers = ["X_Hub_Signature", "tool.version"]
            upstream_host = "upstream"
            embed = ["https://Portal.example.org:443"]
            cors = ["http://localhost:3000"]
            "#,
        )
        .file("b", "of b\n")
        .variable("KEY", "of key");
    let (loaded, effective) = load_effective(&place.sources).unwrap();
    let rules = &route(&loaded.config).headers;
    let set: Vec<_> = rules
        .set
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose().as_str()))
        .collect();
    let expected = [
        ("a_b", "of b"),
        ("x-api-key", "of key"),
        ("x-webauth-user", "admin"),
    ];
    assert_eq!(set, expected, "a plain text may be any word");
    assert_eq!(rules.allowed, ["x_hub_signature", "tool.version"]);
    assert_eq!(rules.upstream_host, UpstreamHost::Upstream);
    assert_eq!(rules.embed, ["https://portal.example.org"]);
    assert_eq!(rules.cors, ["http://localhost:3000"]);
    let shown = effective.to_string();
    let masked =
        r#"request_headers = { "a_b" = "***", "x-api-key" = "***", "x-webauth-user" = "***" }"#;
    assert!(shown.contains(masked), "{shown}");
    assert!(!shown.contains("\"admin\"") && !format!("{rules:?}").contains("admin"));
}

#[test]
fn a_higher_layer_replaces_all_request_headers() {
    let config = Place::new()
        .file(
            "labgate.toml",
            "[[route]]\nname = \"lab\"\nupstream = \"http://lab\"\naccess = \"public\"\n\
             request_headers = { X-Key = { file = \"absent\" }, X-Old = \"1\" }",
        )
        .file(
            "config-overrides/a.toml",
            "[[route]]\nname = \"lab\"\nrequest_headers = { x-key = \"one\" }",
        )
        .config();
    let [(name, value)] = route(&config).headers.set.as_slice() else {
        panic!("{:?}", route(&config).headers)
    };
    assert_eq!((name.as_str(), value.expose().as_str()), ("x-key", "one"));
}

#[test]
fn the_audit_log_goes_to_stderr_to_a_file_or_nowhere() {
    let place = |value: &str| {
        let content = format!("log.audit = {value}");
        Place::new()
            .file("labgate.toml", &content)
            .config()
            .log
            .audit
    };
    assert_eq!(Place::new().config().log.audit, AuditLog::Stderr);
    assert_eq!(place("\"stderr\""), AuditLog::Stderr);
    assert_eq!(place("\"off\""), AuditLog::Off);
    assert_eq!(place("\"/log/a\""), AuditLog::File("/log/a".into()));
    for wrong in ["\"audit.log\"", "\"stdout\"", "\"/log/\"", "\"\"", "true"] {
        let told = problems(&format!("log.audit = {wrong}"));
        assert!(told.contains("labgate.toml:1:1"), "{wrong}: {told}");
    }
}

#[test]
fn warnings_name_what_is_probably_not_meant() {
    let warnings = |content: &str| {
        let loaded = Place::new().file("labgate.toml", content).load().unwrap();
        Problems(loaded.warnings).to_string()
    };
    insta::assert_snapshot!(warnings(
        r#"
[server]
public_url = "https://lab.example.org"
[trust]
client_ip_header = "CF-Connecting-IP"
"#
    ));
    insta::assert_snapshot!(warnings(
        r#"
[trust]
proxies = ["0.0.0.0/0"]
[[route]]
name = "lab"
upstream = "http://lab:8888"
access = { networks = ["::/0"] }
"#
    ));
    insta::assert_snapshot!(warnings(
        "server.public_url = \"http://lab.example.org\"\nserver.aliases = [\"http://nas.local\", \
         \"http://192.168.1.20\", \"http://203.0.113.7\", \"https://a.b\"]"
    ));
    let admin = |address: &str| warnings(&format!("admin.address = \"{address}:8001\""));
    assert!(admin("0.0.0.0").contains("reads the metrics"));
    assert_eq!(admin("[::1]"), "");
    assert_eq!(
        warnings("server.public_url = \"https://a.b\"\ntrust.proxies = [\"10.0.0.1\"]"),
        ""
    );
}
