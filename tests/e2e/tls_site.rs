//! A site on https: what our cookies and pages say there, and what they do not say on plain http (T40, T93).

use crate::support::{
    Lab, Origin,
    browser::{encode, hidden_fields},
    certs::Authority,
    lab::{MAIN, OPEN, PASSWORD},
    raw::{Connection, Response},
};

const HOST: &str = "lab.test";

/// A lab at `https://lab.test` with a tool at `/tool/` and one that is away at `/away/`.
fn https_lab(authority: &Authority, origin: &Origin, away: &Origin) -> Lab {
    let builder = Lab::builder();
    authority.issue(builder.folder(), &[HOST]);
    builder
        .route("tool", origin, "path = \"/tool/\"\naccess = \"signed-in\"")
        .route("away", away, "path = \"/away/\"\naccess = \"public\"")
        .config(
            "[server]\npublic_url = \"https://lab.test\"\n[[listener]]\nname = \"public\"\n\
             tls = { certificate = \"lab.crt\", key = \"lab.key\" }",
        )
        .start()
}

async fn navigate(tls: &mut Connection, path: &str, cookies: &str) -> Response {
    tls.send(format!(
        "GET {path} HTTP/1.1\r\nhost: {HOST}\r\ncookie: {cookies}\r\nsec-fetch-mode: navigate\r\n\
         sec-fetch-dest: document\r\nsec-fetch-site: none\r\naccept: text/html\r\n\r\n"
    ))
    .await;
    tls.response().await
}

fn cookies(answer: &Response) -> String {
    let lines = answer.headers.all("set-cookie").into_iter();
    let pairs = lines.filter_map(|line| line.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn every_cookie_and_page_of_an_https_site_is_marked_as_such() {
    // T40, T93
    let authority = Authority::new();
    let (origin, away) = (Origin::ok().await, Origin::ok().await);
    let lab = https_lab(&authority, &origin, &away);
    drop(away);
    let mut tls = Connection::open_tls(lab.address(), HOST, &authority).await;
    let form = navigate(&mut tls, "/.labgate/sign-in?return=/tool/", "").await;
    let mut fields = hidden_fields(&form.text());
    fields.push(("username".into(), "ana".into()));
    fields.push(("password".into(), PASSWORD.into()));
    let body: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let body = body.join("&");
    tls.send(format!(
        "POST /.labgate/sign-in HTTP/1.1\r\nhost: {HOST}\r\norigin: https://{HOST}\r\ncookie: {}\r\n\
         sec-fetch-site: same-origin\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        cookies(&form),
        body.len()
    ))
    .await;
    let signed_in = tls.response().await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    let session = cookies(&signed_in);

    let mut set = Vec::new();
    for answer in [&form, &signed_in] {
        set.extend(answer.headers.all("set-cookie"));
    }
    assert_eq!(set.len(), 2, "{set:?}");
    for line in set {
        let low = line.to_ascii_lowercase();
        assert!(line.starts_with("__Host-labgate"), "{line}");
        for needed in ["; secure", "; httponly", "; samesite=lax", "; path=/"] {
            assert!(low.contains(needed), "{needed}: {line}");
        }
        assert!(!low.contains("domain"), "{line}");
    }
    let tool = navigate(&mut tls, "/tool/", &session).await;
    assert_eq!(tool.status, 200);
    assert_eq!(origin.last().headers.all("x-forwarded-user"), ["ana"]);
    assert_eq!(origin.last().headers.all("x-forwarded-proto"), ["https"]);
    assert!(
        !origin.last().headers.has("cookie"),
        "{}",
        origin.last().raw
    );

    let plain_name = session.replace("__Host-", "");
    let refused = navigate(&mut tls, "/tool/", &plain_name).await;
    assert_eq!(
        refused.status, 303,
        "the name without its prefix is nobody's"
    );

    for (path, status) in [
        ("/.labgate/sign-in", 200),
        ("/.labgate/nothing", 404),
        ("/nowhere", 404),
        ("/away/", 502),
        ("/tool/%2e%2e/", 400),
    ] {
        let page = navigate(&mut tls, path, "").await;
        assert_eq!(page.status, status, "{path}");
        for (name, value) in [
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.headers.all(name), [value], "{path}");
        }
        let policy = page.headers.get("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
    }
}

#[tokio::test]
async fn a_plain_site_works_without_secure_and_says_what_that_means() {
    // T40
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let ana = lab.browser();
    let url = format!("{MAIN}/.labgate/sign-in");
    let answer = ana.submit_sign_in(&url, "ana", PASSWORD).await;
    let set = answer.headers.all("set-cookie").join("\n").to_lowercase();
    for needed in ["labgate=", "; httponly", "; samesite=lax", "; path=/"] {
        assert!(set.contains(needed), "{needed}: {set}");
    }
    assert!(!set.contains("secure") && !set.contains("__host-"), "{set}");
    assert_eq!(
        ana.get(&format!("{MAIN}/.labgate/whoami")).await.status,
        200
    );
    assert_eq!(ana.get(OPEN).await.status, 200);
    let output = lab.stop();
    let warning = output.lines().find(|line| line.contains("not encrypted"));
    let warning = warning.unwrap_or_else(|| panic!("nothing is said at start: {output}"));
    assert!(warning.contains("server.public_url"), "{warning}");
}

#[tokio::test]
async fn nothing_is_said_of_encryption_on_https_or_this_machine() {
    // T40, the counterpart
    let authority = Authority::new();
    let origin = Origin::ok().await;
    let lab = https_lab(&authority, &origin, &origin);
    let output = lab.stop();
    assert!(!output.contains("not encrypted"), "{output}");
    let local = "[server]\npublic_url = \"http://localhost:8000\"";
    let output = Lab::builder().config(local).start().stop();
    assert!(!output.contains("not encrypted"), "{output}");
}
