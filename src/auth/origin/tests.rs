use super::*;

const OURS: &str = "https://jupyter.example.org";

const TOOL: CrossSite<'static> = CrossSite {
    origin: OURS,
    tool_host: true,
    websocket: false,
    cookie_is_credential: true,
    embed: &[],
};

type Fields<'a> = &'a [(&'static str, &'static str)];

fn judged(method: &str, fields: Fields<'_>, rules: CrossSite<'_>) -> Result<(), CrossSiteRefusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    check(&method.parse().unwrap(), &headers, rules)
}

#[test]
fn a_websocket_needs_exactly_our_origin() {
    let rules = CrossSite {
        websocket: true,
        ..TOOL
    };
    assert_eq!(judged("GET", &[("origin", OURS)], rules), Ok(()));
    let foreign: [Fields<'_>; 9] = [
        &[],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://jupyter.example.org")],
        &[("origin", "https://jupyter.example.org:8443")],
        &[("origin", "https://jupyter.example.org/")],
        &[("origin", "https://bob--jupyter.example.org")],
        &[("origin", OURS), ("origin", OURS)],
    ];
    for fields in foreign {
        let verdict = judged("GET", fields, rules);
        assert_eq!(verdict, Err(CrossSiteRefusal::WebSocket), "{fields:?}");
    }
}

#[test]
fn an_unsafe_method_passes_from_our_own_pages_only() {
    let main = CrossSite {
        tool_host: false,
        ..TOOL
    };
    let own: [Fields<'_>; 6] = [
        &[],
        &[("origin", OURS)],
        &[("sec-fetch-site", "same-origin"), ("origin", OURS)],
        &[("sec-fetch-site", "same-origin"), ("origin", "null")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-origin")],
    ];
    let foreign: [Fields<'_>; 7] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", OURS)],
        &[("sec-fetch-site", "same-origin, cross-site")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", "null")],
        &[("origin", "https://lab.example.org")],
        &[("origin", OURS), ("origin", "https://evil.example")],
    ];
    for rules in [TOOL, main] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "post"] {
            for fields in own {
                assert_eq!(judged(method, fields, rules), Ok(()), "{method} {fields:?}");
            }
            for fields in foreign {
                let verdict = judged(method, fields, rules);
                assert_eq!(
                    verdict,
                    Err(CrossSiteRefusal::UnsafeMethod),
                    "{method} {fields:?}"
                );
            }
        }
    }
}

#[test]
fn a_navigation_by_post_from_another_site_is_refused_too() {
    let fields = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert_eq!(judged("GET", &fields, TOOL), Ok(()));
    let verdict = judged("POST", &fields, TOOL);
    assert_eq!(verdict, Err(CrossSiteRefusal::UnsafeMethod));
}

#[test]
fn a_tools_host_answers_other_sites_only_in_the_address_bar() {
    for site in ["cross-site", "same-site"] {
        let loads = |mode, dest| {
            judged(
                "GET",
                &[
                    ("sec-fetch-site", site),
                    ("sec-fetch-mode", mode),
                    ("sec-fetch-dest", dest),
                ],
                TOOL,
            )
        };
        assert_eq!(loads("navigate", "document"), Ok(()));
        for (mode, dest) in [
            ("navigate", "iframe"),
            ("navigate", "object"),
            ("no-cors", "script"),
            ("no-cors", "image"),
            ("cors", "empty"),
            ("cors", "document"),
        ] {
            assert_eq!(
                loads(mode, dest),
                Err(CrossSiteRefusal::Load),
                "{mode} {dest}"
            );
        }
    }
    for site in ["same-origin", "none"] {
        let fields = [("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")];
        assert_eq!(judged("GET", &fields, TOOL), Ok(()));
    }
    let main = CrossSite {
        tool_host: false,
        ..TOOL
    };
    assert_eq!(
        judged("GET", &[("sec-fetch-site", "cross-site")], main),
        Ok(())
    );
}

#[test]
fn an_embedding_origin_may_load_and_frame_but_not_send() {
    let embed = ["https://portal.example.org".to_owned()];
    let rules = CrossSite {
        embed: &embed,
        ..TOOL
    };
    let framed = |referer| {
        let fields = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
            ("referer", referer),
        ];
        judged("GET", &fields, rules)
    };
    assert_eq!(framed("https://portal.example.org/"), Ok(()));
    assert_eq!(framed("https://portal.example.org"), Ok(()));
    for other in [
        "https://portal.example.org.evil.example/",
        "https://evil.example/",
    ] {
        assert_eq!(framed(other), Err(CrossSiteRefusal::Load), "{other}");
    }
    let fetched = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://portal.example.org"),
    ];
    assert_eq!(judged("GET", &fetched, rules), Ok(()));
    assert_eq!(judged("GET", &fetched, TOOL), Err(CrossSiteRefusal::Load));
    let verdict = judged("POST", &fetched, rules);
    assert_eq!(verdict, Err(CrossSiteRefusal::UnsafeMethod));
}

#[test]
fn another_credential_than_our_cookie_is_nobody_elses_business() {
    for websocket in [false, true] {
        let rules = CrossSite {
            websocket,
            cookie_is_credential: false,
            ..TOOL
        };
        let fields = [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(judged("POST", &fields, rules), Ok(()));
    }
}
