use http::{Request, header::AUTHORIZATION};
use proptest::prelude::*;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

fn jupyter() -> Jupyter {
    Jupyter::new(Some(&Secret::new(TOKEN.to_owned())), "").unwrap()
}

fn prepared(jupyter: &Jupyter, uri: &str) -> request::Parts {
    let request = Request::get(uri)
        .header("authorization", "token theirs")
        .header("authorization", "Basic eDp5")
        .header("accept-encoding", "gzip, br")
        .header("range", "bytes=0-9");
    let mut parts = request.body(()).unwrap().into_parts().0;
    jupyter.prepare(&mut parts);
    parts
}

#[test]
fn our_token_is_the_only_one_that_arrives() {
    let parts = prepared(&jupyter(), "/lab?a=1&token=theirs");
    let sent: Vec<_> = parts.headers.get_all(AUTHORIZATION).iter().collect();
    assert_eq!(sent, [&format!("token {TOKEN}")]);
    assert_eq!(parts.headers[ACCEPT_ENCODING], "identity");
    assert_eq!(parts.uri, "/lab?a=1");
    assert!(!parts.headers.contains_key(RANGE));
    assert!(!format!("{parts:?} {:?}", jupyter()).contains(TOKEN));
}

#[test]
fn without_a_token_of_ours_the_request_stays_as_it_was() {
    let parts = prepared(&Jupyter::new(None, "").unwrap(), "/lab?token=theirs");
    assert_eq!(parts.headers.get_all(AUTHORIZATION).iter().count(), 2);
    assert_eq!(parts.headers[ACCEPT_ENCODING], "gzip, br");
    assert_eq!(parts.headers[RANGE], "bytes=0-9");
    assert_eq!(parts.uri, "/lab?token=theirs");
}

#[test]
fn a_download_may_be_resumed() {
    let parts = prepared(&jupyter(), "/files/data/big.csv");
    assert_eq!(parts.headers[RANGE], "bytes=0-9");
}

#[test]
fn token_parameters_go_in_any_spelling_and_the_rest_keeps_its_bytes() {
    for (uri, expected) in [
        ("/x?token=a", "/x"),
        ("/x?token", "/x"),
        ("/x?token=", "/x"),
        ("/x?%74oken=a&%74%6f%6B%65%6e=b", "/x"),
        ("/x?a=%2F+&token=t&b=%zz&&c", "/x?a=%2F+&b=%zz&&c"),
        ("/x?&token=t", "/x?"),
        ("/a%2Fb//c?token=t&x", "/a%2Fb//c?x"),
        ("http://h/x?token=t", "/x"),
    ] {
        assert_eq!(prepared(&jupyter(), uri).uri.to_string(), expected, "{uri}");
    }
    for uri in [
        "/x?tokens=a",
        "/x?a=token",
        "/x?Token=a",
        "/x?",
        "/x?a=1;token=b",
        "/token=a",
    ] {
        assert_eq!(prepared(&jupyter(), uri).uri.to_string(), uri);
    }
}

#[test]
fn a_shared_server_is_not_shut_down() {
    let user = Jupyter::new(None, "/user/ana").unwrap();
    let blocks =
        |jupyter: &Jupyter, method, path| jupyter.blocks(&method, &RoutePath::parse(path).unwrap());
    for path in [
        "/api/shutdown",
        "//api/shutdown",
        "/api/%73hutdown",
        "/api;x/shutdown",
    ] {
        assert!(blocks(&jupyter(), Method::POST, path), "{path}");
    }
    assert!(blocks(&user, Method::POST, "/user/ana/api/shutdown"));
    assert!(!blocks(&jupyter(), Method::GET, "/api/shutdown"));
    assert!(!blocks(
        &jupyter(),
        Method::POST,
        "/api/contents/api/shutdown"
    ));
    assert!(!blocks(&user, Method::POST, "/api/shutdown"));
}

#[test]
fn the_answers_cross_origin_permissions_and_token_are_taken_out() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x"),
        ("set-cookie", "_xsrf=1; Path=/"),
        ("set-cookie", "username-lab=2|1:0; Path=/"),
        ("content-type", "text/html"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let location = HeaderValue::from_str(&format!("/lab?token={TOKEN}&x=1")).unwrap();
    headers.insert("location", location);
    let mut expected = headers.clone();
    jupyter().answer(&mut headers);
    remove_family(&mut expected, "access-control-");
    expected.insert("location", HeaderValue::from_static("/lab?token=&x=1"));
    assert_eq!(headers, expected);
    assert_eq!(headers.len(), 4);
}

proptest! {
    #[test]
    fn no_query_keeps_a_token(query in "(&|=|token|%74oken|t%6Fken|a|%|;|\\+){0,12}") {
        let uri = format!("/x?{query}");
        let left = prepared(&jupyter(), &uri).uri;
        let pairs = form_pairs(left.query().unwrap_or_default());
        prop_assert!(pairs.iter().all(|name| name != b"token"), "{}", left);
        let dropped = form_pairs(&query).iter().any(|name| name == b"token");
        prop_assert!(dropped || left == uri.as_str());
    }
}

/// Names of a query, as a server decodes them.
fn form_pairs(query: &str) -> Vec<Vec<u8>> {
    query
        .split('&')
        .map(|pair| {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            percent_encoding::percent_decode_str(&name.replace('+', " ")).collect()
        })
        .collect()
}
