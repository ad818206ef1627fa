//! Who is measured, and how each is told to do the same job.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use labgate::{
    clock::Clock,
    config::{Config, load::parse_str},
    session::{Device, Sessions, User},
    store::{StateDir, Store},
};
use tempfile::TempDir;

use super::{
    cases::{Case, Field},
    certificate::Certificate,
    process::{LOAD_CORE, Process, TARGET_CORE},
    upstream,
};

/// The host that everybody answers on.
pub(crate) const HOST: &str = "lab.test";
/// Routes and sessions of a large installation.
pub(crate) const MANY: usize = 10_000;

/// Where a target is reached, and what opens it.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// HTTP/2 without TLS.
    pub(crate) h2: SocketAddr,
    prefix: &'static str,
    /// `name=value`
    pub(crate) cookie: String,
    /// More of them, where there are many.
    pub(crate) cookies: Arc<Vec<String>>,
    /// How many routes there are besides the one at [`Door::path`].
    pub(crate) routes: usize,
}

impl Door {
    /// The path of a request for the upstream's `path`.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

/// Somebody who is measured.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) door: Door,
    pub(crate) process: Process,
    fields: &'static [Field],
}

impl Target {
    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.process.cpu()
    }
}

/// Everybody, and the upstream of all.
#[derive(Debug)]
pub(crate) struct Fleet {
    targets: Vec<Target>,
    _upstream: Process,
    pub(crate) certificate: Certificate,
    _folder: TempDir,
}

impl Fleet {
    /// Starts them all.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::new(folder.path());
        let (upstream, addresses) = upstream_on(&LOAD_CORE.to_string(), folder.path());
        let set_up = SetUp {
            folder: folder.path(),
            upstream: addresses.0,
        };
        let both = format!("{TARGET_CORE},{LOAD_CORE}");
        let one = TARGET_CORE.to_string();
        let targets = vec![
            set_up
                .labgate(
                    "labgate",
                    &one,
                    1,
                    0,
                    &[Field::All, Field::Bulk, Field::Many],
                )
                .await,
            set_up.nginx("nginx", &one, 1, 64, &[Field::All, Field::Bulk]),
            set_up.haproxy("haproxy", &one, 1, "", &[Field::All, Field::Bulk]),
            set_up.direct("direct", &one, &[Field::All, Field::Bulk]),
            set_up.nginx("nginx, 256 KiB buffers", &one, 1, 256, &[Field::Bulk]),
            set_up.haproxy("haproxy, splice", &one, 1, SPLICE, &[Field::Bulk]),
            set_up
                .labgate("labgate, 10,000", &one, 1, MANY, &[Field::Many])
                .await,
            set_up
                .labgate("labgate, 2 workers", &both, 2, 0, &[Field::Two])
                .await,
            set_up.nginx("nginx, 2 workers", &both, 2, 64, &[Field::Two]),
            set_up.haproxy("haproxy, 2 threads", &both, 2, "", &[Field::Two]),
        ];
        Self {
            targets,
            _upstream: upstream,
            certificate,
            _folder: folder,
        }
    }

    /// Those that a case compares.
    pub(crate) fn of(&self, case: &Case) -> Vec<&Target> {
        let field = |target: &&Target| target.fields.contains(&case.field);
        let can = |target: &&Target| !(case.is_h2() && target.name == "direct");
        self.targets.iter().filter(field).filter(can).collect()
    }

    /// Those that everything is compared of.
    pub(crate) fn main(&self) -> impl Iterator<Item = &Target> {
        let main = |target: &&Target| target.fields.contains(&Field::All);
        self.targets.iter().filter(main)
    }

    /// What was measured.
    pub(crate) fn versions() -> Vec<String> {
        let first_line = |program: &str| {
            let output = Command::new(program).arg("-v").output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().next().unwrap_or_default().to_owned()
        };
        let labgate = format!("labgate {}", env!("CARGO_PKG_VERSION"));
        vec![labgate, first_line("nginx"), first_line("haproxy")]
    }
}

/// What all configurations have in common.
struct SetUp<'a> {
    folder: &'a Path,
    upstream: SocketAddr,
}

impl SetUp<'_> {
    fn file(&self, target: &str, name: &str, text: &str) -> PathBuf {
        let folder = self.folder.join(target.replace([',', ' '], "_"));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn direct(&self, name: &'static str, cores: &str, fields: &'static [Field]) -> Target {
        let (process, (plain, tls)) = upstream_on(cores, self.folder);
        let door = Door {
            plain,
            tls,
            h2: plain,
            prefix: "",
            cookie: "labgate=none".into(),
            cookies: Arc::default(),
            routes: 0,
        };
        Target {
            name,
            door,
            process,
            fields,
        }
    }

    async fn labgate(
        &self,
        name: &'static str,
        cores: &str,
        workers: usize,
        many: usize,
        fields: &'static [Field],
    ) -> Target {
        let state = self.file(name, "config.toml", "").with_file_name("state");
        let text = self.labgate_config(&state, workers, many);
        let config = parse_str(&text).unwrap();
        let cookies = sessions(&config, many.max(1)).await;
        let path = self.file(name, "config.toml", &text);
        let binary = std::env::var("LABGATE_BIN");
        let binary = binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_labgate").to_owned());
        let log = fs::File::create(path.with_file_name("log")).unwrap();
        let mut command = Command::new("taskset");
        command
            .args(["-c", cores, &binary, "serve", "-c"])
            .arg(&path)
            .env("LABGATE_LOG", "info")
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = Process::spawn(command);
        let lines = BufReader::new(process.child().stdout.take().unwrap()).lines();
        let addresses = lines.map_while(Result::ok).filter_map(|line| {
            let address = line.split("://").nth(1)?.split(' ').next()?;
            address.parse::<SocketAddr>().ok()
        });
        let addresses: Vec<_> = addresses.take(2).collect();
        let [plain, tls] = addresses[..] else {
            panic!("labgate does not start: {}", path.display());
        };
        let door = Door {
            plain,
            tls,
            h2: plain,
            prefix: "/app",
            cookie: cookies[0].clone(),
            cookies: Arc::new(cookies),
            routes: many,
        };
        Target {
            name,
            door,
            process,
            fields,
        }
    }

    fn labgate_config(&self, state: &Path, workers: usize, many: usize) -> String {
        let Self { folder, upstream } = self;
        let (state, folder) = (state.display(), folder.display());
        let mut text = format!(
            r#"
[server]
public_url = "http://{HOST}"
state_dir = "{state}"
workers = {workers}
[limits]
max_connections_per_client = 10000
[[listener]]
name = "plain"
address = "127.0.0.1:0"
[[listener]]
name = "tls"
address = "127.0.0.1:0"
tls = {{ certificate = "{folder}/lab.crt", key = "{folder}/lab.key" }}
[[route]]
name = "app"
path = "/app/"
upstream = "http://{upstream}"
strip_prefix = true
access = "signed-in"
"#
        );
        for number in 0..many {
            write!(
                text,
                "[[route]]\nname = \"r{number}\"\npath = \"/r{number}/\"\nstrip_prefix = true\n\
                 upstream = \"http://{upstream}\"\naccess = \"signed-in\"\n"
            )
            .unwrap();
        }
        text += "[identity.local]\nuser = [\n";
        for number in 0..many.max(1) {
            writeln!(
                text,
                "{{ name = \"user{number}\", password = \"{HASH}\" }},"
            )
            .unwrap();
        }
        text + "]\n"
    }

    fn nginx(
        &self,
        name: &'static str,
        cores: &str,
        workers: usize,
        buffers_kib: usize,
        fields: &'static [Field],
    ) -> Target {
        let [plain, tls, h2] = free_ports();
        let Self { folder, upstream } = self;
        let folder = folder.display();
        let buffer = buffers_kib * 1024;
        let text = format!(
            r#"
worker_processes {workers};
daemon off;
pid nginx.pid;
error_log error.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 120s;
    client_max_body_size 0;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    map $cookie_labgate $user {{ default ""; "{SECRET}" "ana"; }}
    map $http_upgrade $connection_upgrade {{ default ""; websocket "upgrade"; }}
    upstream tool {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen {plain} backlog=4096;
        listen {tls} ssl backlog=4096;
        listen {h2} http2 backlog=4096;
        ssl_certificate {folder}/lab.crt;
        ssl_certificate_key {folder}/lab.key;
        ssl_session_cache shared:s:10m;
        ssl_protocols TLSv1.2 TLSv1.3;
        location /app/ {{
            if ($user = "") {{ return 401; }}
            proxy_pass http://tool/;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_read_timeout 1h;
            proxy_buffer_size {buffer};
            proxy_buffers 4 {buffer};
            proxy_busy_buffers_size {busy};
            client_body_buffer_size {buffer};
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Prefix /app;
            proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Forwarded-User $user;
        }}
    }}
}}
"#,
            busy = buffer * 2,
        );
        let path = self.file(name, "nginx.conf", &text);
        let home = path.parent().unwrap().display().to_string() + "/";
        let path = path.display().to_string();
        let process = Process::start(cores, "nginx", &["-p", &home, "-c", &path]);
        let cookie = format!("labgate={SECRET}");
        peer(name, process, [plain, tls, h2], cookie, fields)
    }

    fn haproxy(
        &self,
        name: &'static str,
        cores: &str,
        threads: usize,
        more: &str,
        fields: &'static [Field],
    ) -> Target {
        let [plain, tls, h2] = free_ports();
        let Self { folder, upstream } = self;
        let folder = folder.display();
        let text = format!(
            r#"
global
    nbthread {threads}
    maxconn 6000
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    option http-keep-alive
    {more}
frontend public
    bind {plain} backlog 4096
    bind {tls} ssl crt {folder}/lab.pem backlog 4096
    bind {h2} proto h2 backlog 4096
    http-request set-var(txn.jwt) req.cook(labgate)
    http-request deny deny_status 401 unless {{ var(txn.jwt),jwt_header_query('$.alg') -m str HS256 }}
    http-request deny deny_status 401 unless {{ var(txn.jwt),jwt_verify("HS256","{SECRET}") -m int 1 }}
    http-request set-var(txn.exp) var(txn.jwt),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request set-header X-Forwarded-User %[var(txn.jwt),jwt_payload_query('$.sub')]
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Prefix /app
    http-request replace-path /app(/.*) \1
    default_backend tool
backend tool
    http-reuse always
    server tool {upstream} pool-max-conn -1
"#
        );
        let path = self.file(name, "haproxy.cfg", &text);
        let path = path.display().to_string();
        let process = Process::start(cores, "haproxy", &["-db", "-f", &path]);
        let cookie = format!("labgate={}", jwt());
        peer(name, process, [plain, tls, h2], cookie, fields)
    }
}

fn peer(
    name: &'static str,
    process: Process,
    [plain, tls, h2]: [SocketAddr; 3],
    cookie: String,
    fields: &'static [Field],
) -> Target {
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(plain).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{name} does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let door = Door {
        plain,
        tls,
        h2,
        prefix: "/app",
        cookie,
        cookies: Arc::default(),
        routes: 0,
    };
    Target {
        name,
        door,
        process,
        fields,
    }
}

fn upstream_on(cores: &str, folder: &Path) -> (Process, (SocketAddr, SocketAddr)) {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(own).arg(upstream::ARGUMENT);
    command.arg(folder).stdout(Stdio::piped());
    let mut process = Process::spawn(command);
    let lines = BufReader::new(process.child().stdout.take().unwrap()).lines();
    let addresses: Vec<SocketAddr> = lines
        .take(2)
        .map(|line| line.unwrap().parse().unwrap())
        .collect();
    (process, (addresses[0], addresses[1]))
}

/// Cookies of so many users' sessions, which the server finds in its store.
async fn sessions(config: &Config, count: usize) -> Vec<String> {
    fs::create_dir_all(&config.server.state_dir).unwrap();
    let store = Store::open(&StateDir::open(&config.server.state_dir).unwrap()).unwrap();
    let sessions = Sessions::open(Arc::clone(&store), Clock::default(), &config.session).unwrap();
    let host = &config.server.public_url.host;
    let device = Device::new([127, 0, 0, 1].into(), "bench");
    let mut cookies = Vec::new();
    for batch in (0..count).collect::<Vec<_>>().chunks(500) {
        let signed = batch.iter().map(|number| {
            let name = format!("user{number}");
            let user = User {
                provider: "bench".to_owned(),
                subject: name.clone(),
                name,
                email: None,
                groups: Vec::new(),
                voucher: None,
            };
            sessions.sign_in(user, host, device.clone())
        });
        for token in futures_util::future::join_all(signed).await {
            cookies.push(format!("labgate={}", token.unwrap().expose()));
        }
    }
    drop(sessions);
    store.close();
    cookies
}

/// A token of `ana` that HAProxy can verify (RFC 7519), good for ten years.
fn jwt() -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
    use hmac::{Hmac, KeyInit, Mac};
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = format!(r#"{{"sub":"ana","exp":{}}}"#, now + 315_360_000);
    let head = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", BASE64.encode(claims));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// Ports that nobody has right now.
fn free_ports() -> [SocketAddr; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|socket| socket.local_addr().unwrap())
}

const SECRET: &str = "2gC7hJ0VQx8dLkR5tWnYbA3mZpE9fUsD6iGvHoTqXcN";
const SPLICE: &str = "option splice-auto";
/// No password has this hash.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
