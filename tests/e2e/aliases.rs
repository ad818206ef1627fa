//! Several main addresses, each a site of its own (T24, T32, T46, T47, T53).
//!
//! The lab is at `https://lab.test:8443` (where somebody else ends TLS), at a plain address of a LAN
//! and at `localhost`. Which one a request is for says its host alone.

use crate::support::{
    Answer, Browser, Lab, Origin, Request,
    browser::{encode, hidden_fields},
    lab::{Builder, PASSWORD},
    raw::{Connection, Response},
};

/// One main address.
#[derive(Clone, Copy, Debug)]
struct Site {
    origin: &'static str,
    host: &'static str,
    cookie: &'static str,
}

const HTTPS: Site = Site {
    origin: "https://lab.test:8443",
    host: "lab.test:8443",
    cookie: "__Host-labgate",
};
const LAN: Site = Site {
    origin: "http://192.168.1.20:8000",
    host: "192.168.1.20:8000",
    cookie: "labgate",
};
const LOCAL: Site = Site {
    origin: "http://localhost:8000",
    host: "localhost:8000",
    cookie: "labgate",
};
const SITES: [Site; 3] = [HTTPS, LAN, LOCAL];
const TOOL: &str = "https://tool.lab.test:8443";
const TOOL_HOST: &str = "tool.lab.test:8443";

/// With the route `everywhere` on every main host, and `tool` on a host of its own.
fn builder(origin: &Origin) -> Builder {
    let aliases = format!("aliases = [{:?}, {:?}]", LAN.origin, LOCAL.origin);
    Lab::builder()
        .route(
            "everywhere",
            origin,
            "path = \"/app/\"\naccess = \"signed-in\"",
        )
        .tool(origin)
        .config(&format!(
            "[server]\npublic_url = {:?}\n{aliases}",
            HTTPS.origin
        ))
}

impl Site {
    /// One of our pages or paths here, for a browser that speaks plain text whatever the scheme.
    fn at(self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Posts the form that stands at `path`, as its own page does.
    async fn submit(self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Response {
        let page = browser.navigate(&self.at(path)).await;
        let mut form = hidden_fields(&page.text());
        form.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        let form: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let target = path.split('?').next().unwrap();
        let request = Request::new("POST", &self.at(target))
            .navigation()
            .header("origin", self.origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        browser.send(request).await
    }

    /// Signs ana in by the page at `/.labgate/sign-in` and the query `wanted`.
    async fn sign_in(self, browser: &Browser, wanted: &str) -> Response {
        let path = format!("/.labgate/sign-in{wanted}");
        let fields = [("username", "ana"), ("password", PASSWORD)];
        let answer = self.submit(browser, &path, &fields).await;
        assert_eq!(answer.status, 303, "{self:?}: {}", answer.text());
        answer
    }

    /// The value of the session cookie that was set here.
    fn session(self, browser: &Browser) -> String {
        let cookies = browser.cookies(self.host, "/");
        let named = |pair: &str| {
            Some(
                pair.strip_prefix(self.cookie)?
                    .strip_prefix('=')?
                    .to_owned(),
            )
        };
        cookies.split("; ").find_map(named).unwrap()
    }
}

async fn raw(lab: &Lab, host: &str, target: &str, lines: &str) -> Response {
    let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n");
    lab.raw(head).await
}

#[tokio::test]
async fn each_site_has_a_cookie_and_security_of_its_own_scheme() {
    // T32
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    for site in SITES {
        let browser = lab.browser();
        let https = site.origin.starts_with("https:");

        let page = browser.navigate(&site.at("/.labgate/sign-in")).await;
        let signed_in = site.sign_in(&browser, "").await;

        let cookies = page.headers.all("set-cookie").into_iter();
        let cookies: Vec<&str> = cookies.chain(signed_in.headers.all("set-cookie")).collect();
        assert_eq!(cookies.len(), 2, "{cookies:?}");
        for cookie in cookies {
            assert_eq!(cookie.contains("Secure"), https, "{cookie}");
            assert_eq!(cookie.starts_with("__Host-labgate"), https, "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
        assert_eq!(page.headers.has("strict-transport-security"), https);
        let warns = page.text().contains("not encrypted");
        assert_eq!(warns, site.host == LAN.host, "{site:?}");
        assert_eq!(signed_in.location(), "/");
        let nothing = browser.navigate(&site.at("/nothing")).await;
        assert_eq!(nothing.status, 404);
        assert_eq!(nothing.headers.has("strict-transport-security"), https);
        let home = format!("href=\"{}/.labgate/\"", site.origin);
        assert!(nothing.text().contains(&home), "{}", nothing.text());
    }
}

#[tokio::test]
async fn a_session_of_one_main_host_is_worth_nothing_on_another() {
    // T32
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let browser = lab.browser();
    for site in SITES {
        site.sign_in(&browser, "").await;
    }
    for from in SITES {
        let value = from.session(&browser);
        let cookies = format!("cookie: __Host-labgate={value}; labgate={value}\r\n");
        for at in SITES {
            let expected = if at.host == from.host { 200 } else { 401 };
            let who = raw(&lab, at.host, "/.labgate/whoami", &cookies).await;
            assert_eq!(who.status, expected, "{} at {}", from.origin, at.origin);
            let tool = raw(&lab, at.host, "/app/x", &cookies).await;
            assert_eq!(tool.status, expected, "{} at {}", from.origin, at.origin);
        }
        let other = raw(&lab, TOOL_HOST, "/", &cookies).await;
        assert_eq!(other.status, 401, "{}", from.origin);
    }
    assert_eq!(origin.seen().len(), SITES.len());

    // Nor is it worth anything under the name of the other scheme.
    for (site, name) in [(HTTPS, "labgate"), (LAN, "__Host-labgate")] {
        let cookie = format!("cookie: {name}={}\r\n", site.session(&browser));
        let who = raw(&lab, site.host, "/.labgate/whoami", &cookie).await;
        assert_eq!(who.status, 401, "{site:?}");
    }
}

#[tokio::test]
async fn signing_out_at_one_site_leaves_the_others() {
    // T36
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let browser = lab.browser();
    for site in SITES {
        site.sign_in(&browser, "").await;
    }
    let signed_in = async |site: Site| browser.get(&site.at("/app/")).await.status == 200;
    for (place, site) in SITES.into_iter().enumerate() {
        let kept = format!("cookie: {}={}\r\n", site.cookie, site.session(&browser));
        let answer = site.submit(&browser, "/.labgate/sign-out", &[]).await;
        assert_eq!(
            (answer.status, answer.location()),
            (303, "/.labgate/sign-out")
        );
        assert_eq!(raw(&lab, site.host, "/app/", &kept).await.status, 401);
        for (other, site) in SITES.into_iter().enumerate() {
            assert_eq!(signed_in(site).await, other > place, "{site:?}");
        }
    }
}

#[tokio::test]
async fn a_tool_is_told_of_the_site_that_was_asked_and_its_answers_lead_back_there() {
    // T26
    let origin = Origin::answering(|seen| {
        let host = seen.headers.get("host").unwrap_or_default();
        let to = match seen.target.as_str() {
            "/app/inner" => "http://127.0.0.1/x".to_owned(),
            "/app/own" => format!("http://{host}/x"),
            _ => "https://evil.example/x".to_owned(),
        };
        Answer::status("302 Found", &format!("location: {to}\r\n"), "")
    })
    .await;
    let lab = builder(&origin).start();
    let browser = lab.browser();
    for site in SITES {
        site.sign_in(&browser, "").await;
        let own = browser.get(&site.at("/app/own")).await;
        assert_eq!(own.location(), format!("{}/x", site.origin));
        let seen = origin.last();
        let (scheme, _) = site.origin.split_once(':').unwrap();
        assert_eq!(seen.headers.get("x-forwarded-proto"), Some(scheme));
        assert_eq!(seen.headers.get("x-forwarded-host"), Some(site.host));
        assert_eq!(seen.headers.get("host"), Some(site.host));
        assert!(!seen.raw.contains("labgate="), "{}", seen.raw);
        let away = browser.get(&site.at("/app/away")).await;
        assert_eq!(away.location(), "https://evil.example/x");
        let inner = browser.get(&site.at("/app/inner")).await;
        assert_eq!(inner.location(), format!("{}/x", site.origin));
    }
}

#[tokio::test]
async fn only_pages_of_the_same_site_post_and_open_websockets() {
    // T46, T47
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let browser = lab.browser();
    for site in SITES {
        site.sign_in(&browser, "").await;
    }
    for at in SITES {
        let reached = origin.seen().len();
        let url = at.at("/app/x");
        let near = at.origin.replace("http", "https").replace("httpss", "http");
        let others = SITES.iter().map(|site| site.origin);
        let others = others.filter(|other| *other != at.origin);
        for from in others.chain([near.as_str(), "http://127.0.0.1:8000", "null"]) {
            let post = Request::new("POST", &url).header("origin", from).body("x");
            assert_eq!(browser.send(post).await.status, 403, "{from} at {at:?}");
            let socket = Request::new("GET", &url).handshake(Some(from));
            let refused = browser.upgrade(socket).await.err().unwrap();
            assert_eq!(refused.status, 403, "{from} at {at:?}");
        }
        assert_eq!(origin.seen().len(), reached, "the tool was not even dialed");

        let post = Request::new("POST", &url)
            .header("origin", at.origin)
            .body("x");
        assert_eq!(browser.send(post).await.status, 200);
        let socket = Request::new("GET", &url).handshake(Some(at.origin));
        assert!(browser.upgrade(socket).await.is_ok());
    }
}

#[tokio::test]
async fn a_form_of_one_site_is_refused_by_another() {
    // T49
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let ana = lab.browser();
    let page = ana.navigate(&LAN.at("/.labgate/sign-in")).await;
    let csrf = hidden_fields(&page.text())
        .into_iter()
        .find_map(|(name, value)| (name == "csrf").then_some(value))
        .unwrap();
    let form = format!(
        "username=ana&password={}&csrf={}",
        encode(PASSWORD),
        encode(&csrf)
    );
    // As browsers do it beyond localhost on plain http: with `Origin` alone.
    let post = async |site: Site, from: &str| {
        let request = Request::new("POST", &site.at("/.labgate/sign-in"))
            .header("accept", "text/html")
            .header("origin", from)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.clone());
        ana.send(request).await.status
    };
    assert_eq!(post(HTTPS, HTTPS.origin).await, 403, "no cookie of its own");
    for from in [HTTPS.origin, LOCAL.origin, "https://192.168.1.20:8443"] {
        assert_eq!(post(LAN, from).await, 403, "{from}");
    }
    assert_eq!(post(LAN, LAN.origin).await, 303);
}

#[tokio::test]
async fn a_sign_in_on_an_alias_leads_to_our_own_hosts_only_and_opens_none_of_them() {
    // T24, T94
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    for (wanted, expected) in [
        ("/app/x?y=%2F", "/app/x?y=%2F"),
        ("http://192.168.1.20:8000/app/", "/app/"),
        ("https://lab.test:8443/app/", "https://lab.test:8443/app/"),
        (
            "https://tool.lab.test:8443/x",
            "https://tool.lab.test:8443/x",
        ),
        ("http://tool.lab.test:8000/x", "/"),
        ("http://lab.test:8443/x", "/"),
        ("http://192.168.1.20/app/", "/"),
        ("http://192.168.1.20:8000@evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("http://evil.example:8000/", "/"),
    ] {
        // The nonce is one that a tool's host would have sent along.
        let query = format!("?return={}&nonce={}", encode(wanted), "n".repeat(43));
        let browser = lab.browser();
        let answer = LAN.sign_in(&browser, &query).await;
        assert_eq!(answer.location(), expected, "{wanted}");
        let again = browser
            .navigate(&LAN.at(&format!("/.labgate/sign-in{query}")))
            .await;
        assert_eq!(again.location(), expected, "{wanted}");
    }

    // The counterparts: the main site hands over, and leads to no site on plain http.
    for (wanted, expected) in [
        (format!("{TOOL}/x"), format!("{TOOL}/.labgate/enter?code=")),
        (format!("{}/app/", LAN.origin), "/".to_owned()),
        (format!("{}/app/", LOCAL.origin), "/".to_owned()),
    ] {
        let query = format!("?return={}&nonce={}", encode(&wanted), "n".repeat(43));
        let answer = HTTPS.sign_in(&lab.browser(), &query).await;
        assert!(
            answer.location().starts_with(&expected),
            "{}",
            answer.location()
        );
    }
}

#[tokio::test]
async fn a_visitor_signs_in_where_the_host_belongs() {
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let browser = lab.browser();
    for site in SITES {
        let away = browser.navigate(&site.at("/app/x")).await;
        assert_eq!(
            away.location(),
            "/.labgate/sign-in?return=/app/x",
            "{site:?}"
        );
        let call = browser.get(&site.at("/app/x")).await;
        let said = format!("{}/.labgate/sign-in?return=/", site.origin);
        assert!(call.text().contains(&said), "{}", call.text());
        let home = browser.navigate(&site.at("/")).await;
        assert_eq!(home.location(), format!("{}/.labgate/", site.origin));
    }
    let away = browser.navigate(&format!("http://{TOOL_HOST}/x")).await;
    let start =
        "https://lab.test:8443/.labgate/sign-in?return=https%3A//tool.lab.test%3A8443/x&nonce=";
    assert!(away.location().starts_with(start), "{}", away.location());
}

#[tokio::test]
async fn the_home_page_of_a_site_links_to_what_can_be_opened_from_there() {
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let browser = lab.browser();
    for site in SITES {
        site.sign_in(&browser, "").await;
        let home = browser.navigate(&site.at("/.labgate/")).await.text();
        for other in SITES {
            let link = format!("href=\"{}/app/\"", other.origin);
            assert_eq!(
                home.contains(&link),
                other.host == site.host,
                "{link}: {home}"
            );
        }
        assert!(home.contains(&format!("href=\"{TOOL}/\"")), "{home}");
    }
}

#[tokio::test]
async fn who_types_a_loopback_address_is_led_to_localhost_and_nobody_else_is() {
    // T53
    let origin = Origin::ok().await;
    let lab = builder(&origin).start();
    let typed = "accept: text/html\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n\
                 sec-fetch-site: none\r\n";
    let old = "accept: text/html\r\n";
    for host in [
        "127.0.0.1:8000",
        "127.8.9.1",
        "0.0.0.0:8000",
        "[::1]:8000",
        "[::]",
        "[::ffff:7f00:1]",
    ] {
        for (target, lines) in [
            ("/app/a%2Fb?c=%20&d", typed),
            ("/app/a%2Fb?c=%20&d", old),
            ("/.labgate/link?code=x", typed),
            ("//evil.example/", typed),
        ] {
            let answer = raw(&lab, host, target, lines).await;
            assert_eq!(answer.status, 307, "{host}{target}");
            assert_eq!(answer.location(), format!("{}{target}", LOCAL.origin));
            assert!(!answer.headers.has("set-cookie") && answer.body.is_empty());
        }
        for lines in [
            "",
            "accept: text/html\r\nx-requested-with: XMLHttpRequest\r\n",
            "accept: text/html\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n",
            "sec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\n",
        ] {
            let answer = raw(&lab, host, "/app/", lines).await;
            assert_eq!(answer.status, 421, "{host}: {lines}");
            assert!(!answer.headers.has("location"));
            for site in SITES {
                assert!(!answer.text().contains(site.host), "{}", answer.text());
            }
        }
        let posted =
            format!("POST /app/ HTTP/1.1\r\nhost: {host}\r\n{typed}content-length: 0\r\n\r\n");
        assert_eq!(lab.raw(posted).await.status, 421, "{host}");
    }
    // A name that points here, or another address, is nobody we know.
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "x.localhost",
        "192.168.1.21",
        "127.1",
    ] {
        let answer = raw(&lab, host, "/app/", typed).await;
        assert_eq!(
            (answer.status, answer.headers.has("location")),
            (421, false),
            "{host}"
        );
    }
    assert!(origin.seen().is_empty());

    // Without localhost among the main addresses there is nowhere to lead to.
    let lab = Lab::builder()
        .config("[server]\naliases = [\"http://127.0.0.2:8000\"]")
        .start();
    for host in ["127.0.0.1", "[::1]"] {
        assert_eq!(raw(&lab, host, "/", typed).await.status, 421, "{host}");
    }
    assert_eq!(
        raw(&lab, "127.0.0.2:8000", "/", typed).await.status,
        303,
        "a main host itself"
    );
}

#[tokio::test]
async fn a_redirecting_listener_serves_the_alias_on_plain_http() {
    let origin = Origin::ok().await;
    let lab = builder(&origin)
        .config("[[listener]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\nredirect_https = true")
        .start();
    let get = async |host: &str| {
        let mut plain = Connection::open(lab.listener("more")).await;
        let head = format!("GET /.labgate/sign-in HTTP/1.1\r\nhost: {host}\r\n\r\n");
        plain.send(head).await;
        plain.response().await
    };
    for (host, to) in [("lab.test", HTTPS.origin), ("tool.lab.test", TOOL)] {
        let answer = get(host).await;
        assert_eq!(answer.status, 308, "{host}");
        assert_eq!(answer.location(), format!("{to}/.labgate/sign-in"));
    }
    for site in [LAN, LOCAL] {
        let answer = get(site.host).await;
        assert_ne!(answer.status, 308, "{site:?}");
        assert!(!answer.headers.has("strict-transport-security"));
    }
}
