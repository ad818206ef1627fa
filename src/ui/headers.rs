//! The headers under which every answer of our own goes out.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use super::look::{Framing, Look};

/// Sets (not adds) the security headers of a page or a JSON answer of ours. `https`: browsers come
/// by https, whoever ends it.
///
/// `Referrer-Policy` is `same-origin` and not `no-referrer`, which would make browsers send
/// `Origin: null` with our own forms. There is no `Permissions-Policy`: no script but ours runs.
pub fn security_headers(headers: &mut HeaderMap, look: &Look, framing: Framing<'_>, https: bool) {
    headers.insert(CONTENT_SECURITY_POLICY, look.policy(framing));
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        // One year, this host only: others below the domain are not ours to decide about.
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, ui::look::Look};

    fn headers(framing: Framing<'_>, https: bool) -> HeaderMap {
        let look = Look::new(&config::Ui {
            title: "Lab".into(),
            accent: "#0b6e99".into(),
            notice: None,
        });
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        security_headers(&mut headers, &look, framing, https);
        headers
    }

    #[test]
    fn our_pages_are_neither_stored_sniffed_framed_nor_referred_to() {
        let headers = headers(Framing::Never, true);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            let found: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(found, [value], "{name}");
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(policy.contains("base-uri 'none'"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn the_policy_leaves_the_redirect_behind_a_form_to_another_host_alone() {
        let headers = headers(Framing::Never, true);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("form-action"));
    }

    #[test]
    fn an_error_inside_a_tools_own_frame_can_be_read_there_and_nowhere_else() {
        let portal = [
            "https://portal.example.org".to_owned(),
            "https://b.example".to_owned(),
        ];
        let embedded = headers(Framing::LikeTool(&portal), true);
        let policy = embedded[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let ancestors = "; frame-ancestors 'self' https://portal.example.org https://b.example";
        assert!(policy.ends_with(ancestors), "{policy}");
        let headers = headers(Framing::LikeTool(&[]), true);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.ends_with("frame-ancestors 'self'"));
    }

    #[test]
    fn plain_http_promises_no_https() {
        assert!(!headers(Framing::Never, false).contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
