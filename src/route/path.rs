//! The path of a request: the bytes as they came, and a view for matching.
//!
//! Only the raw bytes go upstream, and they are what policy judged. The view is the path as the
//! most forgiving server would read it: percent-decoded once, `;parameters` off, slashes
//! collapsed. Where the two would choose differently, the request is refused (SECURITY T12 to T16).
//! RFC 3986 §2.1 (percent-encoding), §3.3 (path), §5.2.4 (dot segments).

use std::borrow::Cow;

/// The path of a request, without its query: absolute, without dot segments in any spelling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoutePath<'a> {
    raw: &'a str,
    /// Borrowed from `raw` where the two are the same, which is the common case.
    view: Cow<'a, [u8]>,
}

/// Why a path is answered with 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPath {
    /// It would be another route, or ours, after decoding.
    #[error("the path means something else once it is decoded")]
    Ambiguous,
    /// `\` or `%5C`: a slash to some servers and browsers.
    #[error("the path has a backslash")]
    Backslash,
    /// A raw or encoded NUL, or another raw control character.
    #[error("the path has a control character")]
    Control,
    /// `.` or `..` between slashes, in any spelling.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A raw `#`: a fragment never belongs in a request.
    #[error("the path has a fragment")]
    Fragment,
    /// It does not start with a slash.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// A `%` without two hexadecimal digits behind it.
    #[error("the path has a bad percent-encoding")]
    Percent,
}

impl<'a> RoutePath<'a> {
    /// Takes the path of a request in, without `?query`. Allocates only when the view differs.
    ///
    /// `http::Uri` cuts a raw `#` and what follows off by itself: whoever reads the request line
    /// has to refuse it before.
    pub fn parse(raw: &'a str) -> Result<Self, BadPath> {
        if !raw.starts_with('/') {
            return Err(BadPath::NotAbsolute);
        }
        let mut plain = true;
        let mut before = 0;
        for byte in raw.bytes() {
            match byte {
                b'\\' => return Err(BadPath::Backslash),
                b'#' => return Err(BadPath::Fragment),
                0..=0x1f | 0x7f => return Err(BadPath::Control),
                b'%' | b';' => plain = false,
                b'/' if before == b'/' => plain = false,
                _ => {}
            }
            before = byte;
        }
        let view = if plain {
            Cow::Borrowed(raw.as_bytes())
        } else {
            Cow::Owned(view_of(raw)?)
        };
        if view.split(|byte| *byte == b'/').any(is_dot_segment) {
            return Err(BadPath::DotSegment);
        }
        Ok(Self { raw, view })
    }

    /// The bytes as they came, which go upstream.
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// The path as a forgiving server reads it: for comparing, never for forwarding.
    pub fn view(&self) -> &[u8] {
        &self.view
    }

    /// Whether the view is the raw path.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.view, Cow::Borrowed(_))
    }

    /// Whether the path is below `/.labgate`, which is ours on every host. Exact about spelling:
    /// what only becomes ours by decoding is refused.
    pub fn is_reserved(&self) -> Result<bool, BadPath> {
        let raw = reserved(self.raw.as_bytes());
        if raw == reserved(&self.view) {
            Ok(raw)
        } else {
            Err(BadPath::Ambiguous)
        }
    }

    /// The path with a slash added, and the query: where [`super::Found::AddSlash`] redirects to.
    pub fn with_slash(&self, query: Option<&str>) -> String {
        let mut target = String::with_capacity(self.raw.len() + query.map_or(1, |q| q.len() + 2));
        target.push_str(self.raw);
        target.push('/');
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        target
    }
}

/// Decodes, drops `;parameters`, collapses slashes; refuses what no decoded path may hold.
fn view_of(raw: &str) -> Result<Vec<u8>, BadPath> {
    let mut view = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    let mut parameters = false;
    while let Some(byte) = bytes.next() {
        let (byte, encoded) = match byte {
            b'%' => (triplet(&mut bytes)?, true),
            _ => (byte, false),
        };
        match byte {
            0 => return Err(BadPath::Control),
            b'\\' => return Err(BadPath::Backslash),
            b';' if !encoded => parameters = true,
            b'/' => {
                parameters = false;
                if view.last() != Some(&b'/') {
                    view.push(b'/');
                }
            }
            _ if parameters => {}
            _ => view.push(byte),
        }
    }
    Ok(view)
}

fn triplet(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, BadPath> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
    value
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(BadPath::Percent)
}

/// `.`, `..`, and both with an encoded `;` behind them (a raw one is gone by now).
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment
        .iter()
        .position(|byte| *byte == b';')
        .and_then(|end| segment.get(..end))
        .unwrap_or(segment);
    matches!(name, b"." | b"..")
}

fn reserved(path: &[u8]) -> bool {
    path.strip_prefix(RESERVED)
        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
}

const RESERVED: &[u8] = b"/.labgate";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view(raw: &str) -> String {
        String::from_utf8_lossy(RoutePath::parse(raw).unwrap().view()).into_owned()
    }

    #[test]
    fn encoded_bytes_inside_a_segment_stay_as_they_came() {
        for raw in [
            "/a%2Fb",
            "/a%20b",
            "/a%25b",
            "/a%2520b",
            "/a;b",
            "/a+b",
            "/a//b",
            "/caf%C3%A9",
            "/secret%23/bar",
            "/a%0Ab",
            "/~u/.config/...",
            "/..a/b..",
            "/%2e%2ea",
        ] {
            assert_eq!(RoutePath::parse(raw).unwrap().raw(), raw);
        }
    }

    #[test]
    fn a_plain_path_is_its_own_view_without_a_copy() {
        assert!(RoutePath::parse("/lab/tree/a.ipynb").unwrap().is_plain());
        assert!(!RoutePath::parse("/lab//tree").unwrap().is_plain());
    }

    #[test]
    fn the_view_is_decoded_once_without_parameters_and_doubled_slashes() {
        assert_eq!(view("//a///b%2Fc;x=1/%2541"), "/a/b/c/%41");
        assert_eq!(view("/a%3Bb"), "/a;b");
    }

    #[test]
    fn dot_segments_are_refused_in_any_spelling() {
        for raw in [
            "/public/../admin",
            "/public/./admin",
            "/public/..",
            "/.",
            "/public/%2e%2e/admin",
            "/public/%2E./admin",
            "/public/..%2fadmin",
            "/public%2f..%2Fadmin",
            "/public/..;/admin",
            "/public/..;x=y/admin",
            "/public/.;/admin",
            "/public/..%3b/admin",
            "/public/%2e%2e%3Bx/admin",
            "/public//../admin",
        ] {
            assert_eq!(RoutePath::parse(raw), Err(BadPath::DotSegment), "{raw}");
        }
    }

    #[test]
    fn other_ways_to_hide_a_path_are_refused() {
        for (raw, why) in [
            ("/public/..\\admin", BadPath::Backslash),
            ("/a%5Cb", BadPath::Backslash),
            ("/a%5cb", BadPath::Backslash),
            ("/foo/secret#/bar", BadPath::Fragment),
            ("/a\0", BadPath::Control),
            ("/a%00b", BadPath::Control),
            ("/a\tb", BadPath::Control),
            ("/a%zz", BadPath::Percent),
            ("/a%2", BadPath::Percent),
            ("/a%", BadPath::Percent),
            ("/a%+1", BadPath::Percent),
            ("*", BadPath::NotAbsolute),
            ("", BadPath::NotAbsolute),
            ("a/b", BadPath::NotAbsolute),
        ] {
            assert_eq!(RoutePath::parse(raw), Err(why), "{raw}");
        }
    }

    #[test]
    fn our_namespace_is_exact_about_spelling() {
        let reserved = |raw| RoutePath::parse(raw).unwrap().is_reserved();
        for raw in [
            "/.labgate",
            "/.labgate/",
            "/.labgate/sign-in",
            "/.labgate//x",
        ] {
            assert_eq!(reserved(raw), Ok(true), "{raw}");
        }
        for raw in [
            "/",
            "/.labgatex",
            "/x/.labgate/",
            "/.LABGATE/",
            "/.labgate-x",
        ] {
            assert_eq!(reserved(raw), Ok(false), "{raw}");
        }
        for raw in [
            "/%2elabgate/",
            "//.labgate/",
            "/.labgate%2Fsign-in",
            "/.labgate;x/sign-in",
            "/.lab%67ate",
            "%2F.labgate",
        ] {
            let raw = format!("/{}", raw.strip_prefix('/').unwrap_or(raw));
            assert_eq!(
                RoutePath::parse(&raw).unwrap().is_reserved(),
                Err(BadPath::Ambiguous),
                "{raw}"
            );
        }
    }

    proptest! {
        /// Whatever passes, no reading of it climbs: neither raw, nor decoded.
        #[test]
        fn what_passes_never_climbs(raw in "/([./;%a]|%2e|%2F|%5c|%3b|\\\\|\\.\\.){0,12}") {
            if let Ok(path) = RoutePath::parse(&raw) {
                prop_assert_eq!(path.raw(), raw.as_str());
                let decoded = percent_encoding::percent_decode_str(&raw).decode_utf8_lossy();
                for reading in [raw.as_str(), decoded.as_ref()] {
                    for segment in reading.split(['/', '\\']) {
                        let name = segment.split(';').next().unwrap_or_default();
                        prop_assert!(name != "." && name != "..", "{}", raw);
                    }
                }
            }
        }

        #[test]
        fn any_text_is_survived(raw in "\\PC{0,40}") {
            let path = RoutePath::parse(&raw);
            prop_assert!(path.is_err() || raw.starts_with('/'));
        }
    }
}
