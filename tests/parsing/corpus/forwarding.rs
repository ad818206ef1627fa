//! What a client says that is not its to say, and cookies that are not the upstream's to see. The
//! fields of the route are in `tests/e2e/header_rules.rs`.

use crate::case::{Case, passes};

/// A request with these fields, and one that is to arrive.
fn with(name: &'static str, fields: &str, upstream: &str) -> Case {
    let sends = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}Z: z\r\n\r\n");
    let gets = format!("GET / HTTP/1.1\r\nhost: a.test\r\n{upstream}z: z\r\n\r\n");
    passes(name, sends, [gets])
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        with("X-Forwarded-For of a stranger", "X-Forwarded-For: 10.0.0.1\r\n", ""),
        with("X-Forwarded-For twice", "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n", ""),
        with("X-Forwarded-User", "X-Forwarded-User: root\r\n", ""),
        with("X-Forwarded-User in capitals", "X-FORWARDED-USER: root\r\n", ""),
        with("X-Forwarded-User with underscores", "X_Forwarded_User: root\r\n", ""),
        with("X-Forwarded-User with one underscore", "X-Forwarded_User: root\r\n", ""),
        with("X-Forwarded-User with dots", "X.Forwarded.User: root\r\n", ""),
        with("X-Forwarded-User with a mark", "X-Forwarded-User~: root\r\n", ""),
        with("X-Forwarded- and anything", "X-Forwarded-Anything: root\r\n", ""),
        with("Forwarded", "Forwarded: for=10.0.0.1;host=b.test\r\n", ""),
        with("Remote-User", "Remote-User: root\r\nRemote_User: root\r\n", ""),
        with("X-Remote-User", "X-Remote-User: root\r\n", ""),
        with("X-Real-IP", "X-Real-IP: 10.0.0.1\r\n", ""),
        with("CF-Connecting-IP", "CF-Connecting-IP: 10.0.0.1\r\n", ""),
        with("X-WEBAUTH-USER", "X-WEBAUTH-USER: root\r\n", ""),
        with("X-RStudio-Username", "X-RStudio-Username: root\r\n", ""),
        with("X-Original-URL and X-Rewrite-URL", "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n", ""),
        with("X-HTTP-Method-Override", "X-HTTP-Method-Override: DELETE\r\n", ""),
        with("X-Request-Id", "X-Request-Id: 1\r\n", ""),
        with("X-Labgate- and anything", "X-Labgate-Anything: 1\r\n", ""),
        with("Proxy", "Proxy: http://b.test\r\n", ""),
        with("names next to reserved ones", "X-Forwarde: 1\r\nRemote: 2\r\nX-Requested-With: 3\r\n", "x-forwarde: 1\r\nremote: 2\r\nx-requested-with: 3\r\n"),
        // -- cookies
        with("a cookie", "Cookie: a=b\r\n", "cookie: a=b\r\n"),
        with("cookies in odd spelling", "Cookie: a=b;c=\"d e\";;=f; g ;h=i=j\r\n", "cookie: a=b;c=\"d e\";;=f; g ;h=i=j\r\n"),
        with("our cookie alone", "Cookie: labgate=x\r\n", ""),
        with("our cookie among others", "Cookie: a=b; labgate=x; c=d\r\n", "cookie: a=b; c=d\r\n"),
        with("our cookie first", "Cookie: labgate=x; a=b\r\n", "cookie: a=b\r\n"),
        with("our cookie between blanks", "Cookie: a=b;\t labgate \t=\tx ;c=d\r\n", "cookie: a=b;c=d\r\n"),
        with("our cookie without a value", "Cookie: a=b; labgate; labgate=\r\n", "cookie: a=b\r\n"),
        with("our cookie in quotes", "Cookie: a=b; labgate=\"x; y\"; c=d\r\n", "cookie: a=b; y\"; c=d\r\n"),
        with("all cookies of ours", "Cookie: __Host-labgate=x; labgate-form=x; __Host-labgate-enter=x; CF_Authorization=x; a=b\r\n", "cookie: a=b\r\n"),
        with("names next to our cookies", "Cookie: labgat=1; labgates=2; xlabgate=3; LABGATE=4\r\n", "cookie: labgat=1; labgates=2; xlabgate=3; LABGATE=4\r\n"),
        with("cookies in two fields", "Cookie: a=b\r\nCookie: labgate=x; c=d\r\n", "cookie: a=b; c=d\r\n"),
        with("our cookie in a second field", "Cookie: a=b\r\nCookie: labgate=x\r\n", "cookie: a=b\r\n"),
    ]
}
