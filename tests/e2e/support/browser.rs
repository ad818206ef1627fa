//! A browser as far as HTTP goes: a cookie jar by host and path, redirects by hand, the headers
//! that tell a navigation from a call.

use std::{net::SocketAddr, sync::Mutex};

use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::{
    lab::{MAIN, PASSWORD},
    origin::unlimited,
    raw::{Connection, Response},
    wire::{Fields, Io},
};

/// A WebSocket of any kind of stream.
pub(crate) type WebSocket = WebSocketStream<Box<dyn Io>>;

/// One person's browser.
pub(crate) struct Browser {
    address: SocketAddr,
    jar: Mutex<Vec<Cookie>>,
}

#[derive(Clone, Debug)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

/// A request to be sent by a [`Browser`], its cookies added.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    host: String,
    target: String,
    headers: String,
    body: Option<Vec<u8>>,
}

impl Request {
    /// `url` is `http://host/path?query`, sent byte for byte.
    pub(crate) fn new(method: &str, url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("an http address");
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(at);
        Self {
            method: method.to_owned(),
            host: host.to_owned(),
            target: if target.is_empty() { "/" } else { target }.to_owned(),
            headers: String::new(),
            body: None,
        }
    }

    /// One further header line.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    /// A body with its length.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// What a browser sends when somebody follows a link or types an address.
    pub(crate) fn navigation(self) -> Self {
        self.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", "same-origin")
    }

    /// A WebSocket handshake from a page of `origin`.
    pub(crate) fn handshake(self, origin: Option<&str>) -> Self {
        let request = self
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    }
}

impl Browser {
    /// A browser whose names all resolve to `address`.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            jar: Mutex::default(),
        }
    }

    /// Sends a request on a connection of its own, keeps the cookies of the answer.
    pub(crate) async fn send(&self, request: Request) -> Response {
        let mut connection = self.begin(&request).await;
        let response = connection.response().await;
        self.keep(&request.host, &response.headers);
        response
    }

    /// Sends a request and leaves the answer on the connection, for streams.
    pub(crate) async fn begin(&self, request: &Request) -> Connection {
        let mut connection = Connection::open(self.address).await;
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        head += &format!("host: {}\r\n{}", request.host, request.headers);
        let cookies = self.cookies(&request.host, &request.target);
        if !cookies.is_empty() {
            head += &format!("cookie: {cookies}\r\n");
        }
        if let Some(body) = &request.body {
            head += &format!("content-length: {}\r\n", body.len());
        }
        connection.send(head + "\r\n").await;
        connection
            .send(request.body.as_deref().unwrap_or_default())
            .await;
        connection
    }

    /// A call of a page: GET, not a navigation.
    pub(crate) async fn get(&self, url: &str) -> Response {
        self.send(Request::new("GET", url).header("accept", "*/*"))
            .await
    }

    /// A navigation, without following where it leads.
    pub(crate) async fn navigate(&self, url: &str) -> Response {
        self.send(Request::new("GET", url).navigation()).await
    }

    /// A navigation that follows redirects; the address it ends on and the answer there.
    pub(crate) async fn open(&self, url: &str) -> (String, Response) {
        self.follow(url.to_owned(), None).await
    }

    async fn follow(&self, mut url: String, mut response: Option<Response>) -> (String, Response) {
        for _ in 0..12 {
            let answer = match response.take() {
                Some(answer) => answer,
                None => self.navigate(&url).await,
            };
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return (url, answer);
            }
            url = resolve(&url, answer.location());
        }
        panic!("redirects do not end: {url}");
    }

    /// Fills in the sign-in form at `url` as `name`; gives the answer to it.
    pub(crate) async fn submit_sign_in(&self, url: &str, name: &str, password: &str) -> Response {
        let page = self.navigate(url).await;
        assert_eq!(page.status, 200, "the sign-in page: {}", page.text());
        let mut form = hidden_fields(&page.text());
        form.push(("username".into(), name.into()));
        form.push(("password".into(), password.into()));
        self.submit(&format!("{MAIN}/.labgate/sign-in"), &form)
            .await
    }

    /// Posts a form from a page of the main host.
    pub(crate) async fn submit(&self, url: &str, form: &[(String, String)]) -> Response {
        let form: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let request = Request::new("POST", url)
            .navigation()
            .header("origin", MAIN)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        self.send(request).await
    }

    /// Signs `name` in with the right password and goes wherever that leads.
    pub(crate) async fn sign_in(&self, name: &str) {
        let url = format!("{MAIN}/.labgate/sign-in");
        let response = self.submit_sign_in(&url, name, PASSWORD).await;
        assert_eq!(
            response.status,
            303,
            "{name} may sign in: {}",
            response.text()
        );
    }

    /// Opens `url`, signing in as `name` when asked to; where that ends.
    pub(crate) async fn open_as(&self, name: &str, url: &str) -> (String, Response) {
        let (at, page) = self.open(url).await;
        if !at.starts_with(&format!("{MAIN}/.labgate/sign-in")) {
            return (at, page);
        }
        let response = self.submit_sign_in(&at, name, PASSWORD).await;
        assert_eq!(
            response.status,
            303,
            "{name} may sign in: {}",
            response.text()
        );
        self.follow(at, Some(response)).await
    }

    /// Signs out by the form of the home page's host.
    pub(crate) async fn sign_out(&self) {
        let page = self.navigate(&format!("{MAIN}/.labgate/sign-out")).await;
        let form = hidden_fields(&page.text());
        let response = self
            .submit(&format!("{MAIN}/.labgate/sign-out"), &form)
            .await;
        assert!(matches!(response.status, 200 | 303), "{}", response.text());
    }

    /// Opens a WebSocket from a page of the same origin; an answer other than 101 is the error.
    pub(crate) async fn websocket(&self, url: &str) -> Result<WebSocket, Response> {
        let origin = origin_of(url);
        let request = Request::new("GET", url).handshake(Some(&origin));
        Ok(self.upgrade(request).await?.0)
    }

    /// Sends a handshake; the socket and the fields of the 101.
    pub(crate) async fn upgrade(&self, request: Request) -> Result<(WebSocket, Fields), Response> {
        let mut connection = self.begin(&request).await;
        let response = connection.response().await;
        if response.status != 101 {
            return Err(response);
        }
        let wire = connection.into_wire();
        let config = Some(unlimited());
        let socket =
            WebSocketStream::from_partially_read(wire.stream, wire.early, Role::Client, config);
        Ok((socket.await, response.headers))
    }

    /// The session cookie that `host` has set, as `name=value`.
    pub(crate) fn session_cookie(&self, host: &str) -> String {
        let jar = self.jar.lock().unwrap();
        let cookie = jar
            .iter()
            .find(|cookie| cookie.host == host && cookie.name == "labgate");
        let cookie = cookie.unwrap_or_else(|| panic!("{host} has set no session cookie"));
        format!("{}={}", cookie.name, cookie.value)
    }

    /// The `Cookie` value for a request.
    pub(crate) fn cookies(&self, host: &str, target: &str) -> String {
        let jar = self.jar.lock().unwrap();
        let fits = |cookie: &&Cookie| cookie.host == host && target.starts_with(&cookie.path);
        let pairs = jar.iter().filter(fits);
        let pairs: Vec<_> = pairs
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        pairs.join("; ")
    }

    /// Puts a cookie into the jar, as a page or another host might.
    pub(crate) fn plant(&self, host: &str, name: &str, value: &str) {
        self.keep(
            host,
            &Fields(vec![(
                "set-cookie".into(),
                format!("{name}={value}; Path=/"),
            )]),
        );
    }

    /// The same for paths that start with `path`.
    pub(crate) fn plant_below(&self, host: &str, path: &str, name: &str, value: &str) {
        let line = format!("{name}={value}; Path={path}");
        self.keep(host, &Fields(vec![("set-cookie".into(), line)]));
    }

    fn keep(&self, host: &str, headers: &Fields) {
        let mut jar = self.jar.lock().unwrap();
        for line in headers.all("set-cookie") {
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<(String, &str)> = parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(key, value)| (key.to_ascii_lowercase(), value))
                .collect();
            let attribute = |key| attributes.iter().find(|(name, _)| name == key);
            let path = attribute("path").map_or("/", |(_, path)| path).to_owned();
            jar.retain(|old| {
                (old.host.as_str(), old.name.as_str()) != (host, name) || old.path != path
            });
            let over = attribute("max-age").is_some_and(|(_, age)| *age == "0");
            if !over {
                let (host, name, value) = (host.to_owned(), name.to_owned(), value.to_owned());
                jar.push(Cookie {
                    host,
                    path,
                    name,
                    value,
                });
            }
        }
    }
}

/// `http://host` of an address.
pub(crate) fn origin_of(url: &str) -> String {
    format!("http://{}", Request::new("GET", url).host)
}

/// The address that `location` names on a page of `base`; `http` addresses and paths only.
pub(crate) fn resolve(base: &str, location: &str) -> String {
    if location.starts_with("http://") {
        return location.to_owned();
    }
    assert!(
        location.starts_with('/') && !location.starts_with("//"),
        "{base} leads to {location}"
    );
    origin_of(base) + location
}

/// `name` and `value` of each hidden field, unescaped.
pub(crate) fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let tags = page
        .split("<input")
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        Some(unescape(rest.split('"').next()?))
    };
    tags.filter(|tag| tag.contains("type=\"hidden\""))
        .map(|tag| {
            let name = attribute(tag, "name").expect("a hidden field has a name");
            (name, attribute(tag, "value").unwrap_or_default())
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let known = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
    ];
    let known = known.into_iter().chain([
        ("&#38;", "&"),
        ("&amp;", "&"),
        ("&#60;", "<"),
        ("&#62;", ">"),
    ]);
    known.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// As in a form body.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
