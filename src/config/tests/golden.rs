//! The texts of problems. Each snapshot holds the file with line numbers, then what is said of it.

use super::*;

fn told(content: &str) -> String {
    let numbered: Vec<String> = content
        .lines()
        .enumerate()
        .map(|(index, line)| format!("{:>3} | {line}", index + 1))
        .collect();
    format!("{}\n\n{}", numbered.join("\n"), problems(content))
}

#[test]
fn keys_that_nobody_knows() {
    insta::assert_snapshot!(told(
        r#"colour = 1
[server]
public_ulr = "http://localhost:8000"
[limit]
max_headers = 50
[limits]
max_body = "1MiB"
[[listener]]
name = "public"
address = "127.0.0.1:8000"
proxy_protocl = true
tls = { certificate = "a", key = "b", chain = "c" }
[[route]]
name = "lab"
hots = "lab.example.org"
upstream = "http://lab:8888"
access = { user = ["ana"], users = ["ana"] }
[identity.local]
users = []
[identity.pam]
service = "labgate"
"#
    ));
}

#[test]
fn values_in_a_wrong_form() {
    insta::assert_snapshot!(told(
        r#"[server]
public_url = "lab.example.org"
workers = "four"
state_dir = ""
[session]
idle = 15
lifetime = "a week"
[limits]
handshake_timeout = "0s"
header_timeout = "none"
drain_timeout = 1.5
max_headers = 101
max_header_bytes = "1MiB"
max_connections = 0
max_connections_per_client = -1
max_streams_per_user = "many"
[trust]
proxies = "127.0.0.1"
client_ip_header = "not a header"
[ui]
title = "two\nlines"
accent = "blue"
[admin]
users = ["ana", "*", 7]
groups = [""]
"#
    ));
}

#[test]
fn a_session_that_is_idle_longer_than_it_lives() {
    insta::assert_snapshot!(told("[session]\nidle = \"2h\"\nlifetime = \"1h30m\"\n"));
    let config = parse_str("session.lifetime = \"1h\"").unwrap();
    assert_eq!(
        config.session.idle, config.session.lifetime,
        "a default gives way"
    );
}

#[test]
fn listeners_that_get_in_each_others_way() {
    insta::assert_snapshot!(told(
        r#"[[listener]]
name = "public"
address = "127.0.0.1:8000"
[[listener]]
name = "public"
address = "127.0.0.1:8000"
tls = { certificate = "lab.crt" }
[[listener]]
address = "localhost:8000"
[[listener]]
name = "a b"
tls = "self-signed"
[[listener]]
name = "any"
address = "127.0.0.1:0"
[[listener]]
name = "any-too"
address = "127.0.0.1:0"
[[listener]]
name = "socket"
address = "unix:/run/labgate.sock"
[[listener]]
name = "socket-too"
address = "unix:/run/labgate.sock"
[[listener]]
name = "relative"
address = "unix:labgate.sock"
[[listener]]
name = "behind"
address = "127.0.0.1:8443"
proxy_protocol = true
[[listener]]
name = "plain"
address = "127.0.0.1:8080"
redirect_https = true
[[listener]]
name = "both"
address = "127.0.0.1:8444"
tls = { certificate = "lab.crt", key = "lab.key" }
redirect_https = true
"#
    ));
}

#[test]
fn a_route_behind_a_listener_that_is_not_there() {
    insta::assert_snapshot!(told(
        r#"[[listener]]
name = "tunnel"
address = "127.0.0.1:8000"
[[route]]
name = "lab"
upstream = "http://lab:8888"
access = "public"
require_listener = "tunel"
"#
    ));
}

#[test]
fn an_admin_address_that_is_a_listeners() {
    insta::assert_snapshot!(told(
        r#"[admin]
address = "127.0.0.1:8000"
[[listener]]
name = "public"
address = "127.0.0.1:8000"
"#
    ));
    let apart = "admin.address = \"127.0.0.1:8001\"";
    assert!(parse_str(apart).unwrap().admin.address.is_some());
    let of_the_default_listener = "admin.address = \"127.0.0.1:8000\"";
    assert!(parse_str(of_the_default_listener).is_err());
}

#[test]
fn routes_that_contradict_each_other() {
    insta::assert_snapshot!(told(
        r#"[server]
public_url = "http://lab.example.org"
[[route]]
name = "lab"
path = "/lab"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
[[route]]
name = "lab"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
[[route]]
name = "same-place"
host = "LAB.example.org."
path = "/lab/"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
[[route]]
name = "same-default"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
"#
    ));
}

#[test]
fn main_addresses_that_cannot_be_told_apart() {
    insta::assert_snapshot!(told(
        r#"[server]
public_url = "https://lab.example.org"
aliases = [
  "http://192.168.1.20:8000",
  "http://LAB.example.org.:8000",
  "https://192.168.1.20",
  "http://nas/labgate",
  "http://ana@nas",
  "nas:8000",
  "http://*.nas",
  8000,
]
[[route]]
name = "lab"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
[[route]]
name = "on-the-alias"
host = "192.168.1.20"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
[[route]]
name = "beside-it"
host = "192.168.1.20"
path = "/beside"
upstream = "http://127.0.0.1:8888"
access = "signed-in"
"#
    ));
    let next_to_a_wrong_one = "public_url = 1\naliases = [\"http://localhost:8000\"]";
    let problems = problems(&format!("[server]\n{next_to_a_wrong_one}"));
    assert_eq!(problems.lines().count(), 1, "{problems}");
}

#[test]
fn routes_that_are_wrong_by_themselves() {
    insta::assert_snapshot!(told(
        r#"[[route]]
[[route]]
name = "hosts"
host = "a.*.example.org"
path = "lab"
upstream = "ftp://lab"
app = "jupiter"
access = "everyone"
[[route]]
name = "paths"
path = "/a/../b"
upstream = "http://user:hunter22@lab"
identity_headers = "some"
access = 1
[[route]]
name = "percent"
path = "/a%2f"
upstream = "http://lab:8888/base"
strip_prefix = "no"
access = "public"
[[route]]
name = "reserved"
path = "/.labgate/x"
upstream = "unix:socket"
token = "hunter22hunter22"
access = "public"
[[route]]
name = "sizes"
upstream = "http://lab:0"
max_body = 10
connect_timeout = "none"
response_timeout = "never"
access = "public"
"#
    ));
}

#[test]
fn header_rules_that_say_what_is_not_theirs_to_say() {
    insta::assert_snapshot!(told(
        r#"[[route]]
name = "lab"
upstream = "http://lab"
access = "public"
app = "jupyter"
token = "hunter22hunter22"
allow_headers = ["X_Forwarded_User", "remote.user", "X-Plain", "content_length", "x_api_key", "a b", 7]
upstream_host = "own"
embed = ["*", "portal.example.org", "https://portal.example.org/lab"]
cors = "https://app.example.org"
[route.request_headers]
Authorization = "Bearer x"
Connection = "close"
Cookie = "a=1"
Host = "lab"
Sec-Fetch-Site = "same-origin"
X-Api-Key = "one"
X-Empty = ""
X-Forwarded-User = "root"
X-Number = 7
X-Request-Id = "1"
X-Sample = "***"
X-Spaced = " x"
X-Unset = { env = "MISSING" }
X-Vault = { vault = "x" }
X_Forwarded_User = "root"
"a b" = "x"
"x.api-key" = "two\nlines"
x-forwarded-proto = "https"
[[route]]
name = "other"
path = "/other"
upstream = "http://lab"
access = "public"
request_headers = ["X-Api-Key"]
"#
    ));
}

#[test]
fn upstreams_that_do_not_go_together() {
    insta::assert_snapshot!(told(
        r#"[[route]]
name = "none"
path = "/none"
upstream = []
access = "public"
[[route]]
name = "mixed"
path = "/mixed"
upstream = ["http://a", "https://b", "unix:/c"]
access = "public"
[[route]]
name = "twice"
path = "/twice"
upstream = ["https://a", "https://A:443/", "https://b:0", 7]
access = "public"
[[route]]
name = "number"
path = "/number"
upstream = 8888
access = "public"
[[route]]
name = "plain"
path = "/plain"
upstream = "http://a"
upstream_ca = "ca.pem"
access = "public"
[[route]]
name = "empty"
path = "/empty"
upstream = "https://a"
upstream_ca = ""
access = "public"
"#
    ));
}

#[test]
fn access_that_names_nobody() {
    insta::assert_snapshot!(told(
        r#"[[route]]
name = "a"
path = "/a"
upstream = "http://lab"
access = []
[[route]]
name = "b"
path = "/b"
upstream = "http://lab"
access = {}
[[route]]
name = "c"
path = "/c"
upstream = "http://lab"
access = { users = [], groups = [""], emails = ["*"], networks = ["10.0.0.0/40"], methods = ["get"] }
[[route]]
name = "d"
path = "/d"
upstream = "http://lab"
access = ["signed-in", { groups = ["*"] }, { users = "ana" }]
[[route]]
name = "e"
path = "/e"
upstream = "http://lab"
access = ""
"#
    ));
}

#[test]
fn users_and_secrets() {
    let place = Place::new()
        .file("empty", "\n")
        .file("two-lines", "a\nb\n")
        .variable("EMPTY", "")
        .variable("SAMPLE", "changeme")
        .variable("GOOD", "hunter22hunter22")
        .file(
            "labgate.toml",
            r#"[identity.local]
user = [
  { name = "ana", password = "Change-Me" },
  { name = "ana", password = { env = "GOOD" }, email = "nobody" },
  { name = "-bo", password = { env = "MISSING" } },
  { name = "cy", password = { env = "EMPTY" }, groups = "analysts" },
  { name = "di", password = { env = "SAMPLE" } },
  { name = "ed", password = { file = "absent" } },
  { name = "fay", password = { file = "empty" } },
  { name = "gil", password = { file = "two-lines" } },
  { name = "hal", password = { file = "a", env = "GOOD" } },
  { name = "ida", password = {} },
  { name = "jo", password = { vault = "x" } },
  { name = "kim", password = "Kim" },
  { name = "lou", password = 12345678 },
  { name = "max" },
  { password = { env = "GOOD" } },
]
"#,
        );
    let folder = place.folder.path().display().to_string();
    insta::assert_snapshot!(place.problems().replace(&folder, "FOLDER"));
}

#[test]
fn texts_that_are_not_toml() {
    insta::assert_snapshot!(told(
        r#"[server
public_url = "http://localhost:8000"
[session]
idle = 8h
idle = "8h"
"#
    ));
}

#[test]
fn tables_where_values_belong_and_the_other_way_round() {
    insta::assert_snapshot!(told(
        r#"server = "http://localhost:8000"
listener = "127.0.0.1:8000"
route = [1, "two"]
[limits.max_headers]
most = 100
[session]
idle = 1979-05-27
[identity.local.user]
name = "ana"
"#
    ));
}

#[test]
fn an_htpasswd_file_with_everything_wrong() {
    let bcrypt = format!("$2y$10${}", "a".repeat(53));
    let place = Place::new()
        .file(
            "conf/labgate.toml",
            r#"[identity.local]
htpasswd = "users.htpasswd"
user = [{ name = "bob", password = "correct horse" }]
"#,
        )
        .file(
            "conf/users.htpasswd",
            format!(
                "# people\n\nana:{bcrypt}\nAna:{bcrypt}\nBOB:{bcrypt}\n\
                 cy:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\ndan:$apr1$salt$W6ph5Mm5Pz8Ggi\n\
                 eve:in plain words\nfay:$2y$31${}\ngus:$6$salt$short\n../hal:{bcrypt}\nivy\n",
                "a".repeat(53)
            ),
        )
        .argument("conf/labgate.toml");
    let folder = format!("{}/", place.folder.path().display());
    insta::assert_snapshot!(place.problems().replace(&folder, ""));
    let missing = Place::new().file("labgate.toml", "identity.local.htpasswd = \"none\"");
    let folder = format!("{}/", missing.folder.path().display());
    insta::assert_snapshot!(missing.problems().replace(&folder, ""));
}

#[test]
fn what_is_our_own_is_no_upstream() {
    // T54, T58
    insta::assert_snapshot!(told(
        r#"[server]
state_dir = "/var/lib/labgate"
[admin]
address = "127.0.0.1:8001"
[[listener]]
name = "public"
address = "unix:/var/lib/labgate/labgate-state/admin.sock"
[[route]]
name = "one"
path = "/one"
upstream = "unix:/var/lib/labgate/labgate-state/admin.sock"
access = "public"
[[route]]
name = "two"
path = "/two"
upstream = ["http://lab:8001", "http://localhost:8001"]
access = "public"
[[route]]
name = "three"
path = "/three"
upstream = "unix:/var/lib/labgate/tool.sock"
access = "public"
"#
    ));
}
