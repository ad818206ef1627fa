//! A token in all the spellings that a page or a header may show it in.

use std::fmt::{self, Write as _};

use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;

/// What to look for. Its `Debug` shows nothing.
pub struct Needles {
    /// Longest first, none twice, none empty.
    all: Vec<Finder<'static>>,
    /// A byte that is in none of them: overwriting with it cannot make a new occurrence.
    filler: u8,
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Needles(***)")
    }
}

impl Needles {
    /// Prepares the search for a token: as it is, percent-encoded, and escaped for JSON and HTML.
    pub fn new(token: &str) -> Self {
        let mut all = spellings(token);
        all.retain(|spelling| !spelling.is_empty());
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        let unused = |byte: &u8| !all.iter().any(|needle| needle.as_bytes().contains(byte));
        Self {
            filler: (b'*'..=b'z').find(unused).unwrap_or(UNUSABLE),
            all: all
                .iter()
                .map(|needle| Finder::new(needle).into_owned())
                .collect(),
        }
    }

    /// Whether any spelling is in there.
    pub fn are_in(&self, hay: &[u8]) -> bool {
        self.all.iter().any(|needle| needle.find(hay).is_some())
    }

    /// The text without any spelling; `None` if it has none.
    ///
    /// One pass that looks back after every byte, since what closes up around a removed occurrence
    /// can be another one.
    pub fn remove(&self, hay: &[u8]) -> Option<Vec<u8>> {
        if !self.are_in(hay) {
            return None;
        }
        let mut kept = Vec::with_capacity(hay.len());
        for byte in hay {
            kept.push(*byte);
            let mut needles = self.all.iter().map(Finder::needle);
            if let Some(found) = needles.find(|needle| kept.ends_with(needle)) {
                kept.truncate(kept.len() - found.len());
            }
        }
        Some(kept)
    }

    /// Overwrites every spelling; the length stays.
    pub fn overwrite(&self, text: &mut [u8]) {
        for needle in &self.all {
            while let Some(at) = needle.find(text) {
                let found = text.iter_mut().skip(at).take(needle.needle().len());
                found.for_each(|byte| *byte = self.filler);
            }
        }
    }

    /// How many bytes at the end may be the beginning of a spelling.
    pub(super) fn begun(&self, text: &[u8]) -> usize {
        let longest = self.all.first().map_or(0, |needle| needle.needle().len());
        let from = text.len().saturating_sub(longest.saturating_sub(1));
        let may_begin = |at: &usize| {
            let tail = text.get(*at..).unwrap_or_default();
            self.all
                .iter()
                .any(|needle| needle.needle().starts_with(tail))
        };
        let begin = (from..text.len()).find(may_begin).unwrap_or(text.len());
        text.len() - begin
    }

    /// Takes every spelling out of the values of these fields.
    pub fn scrub_values(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Some(kept) = self.remove(value.as_bytes()) {
                *value = HeaderValue::from_bytes(&kept).unwrap_or(EMPTY);
            }
        }
    }
}

/// As servers write a text: raw, in a URL, in JSON, in HTML, in JSON in HTML.
fn spellings(token: &str) -> Vec<String> {
    let json = |quotes: fn(char) -> Option<&'static str>| respelled(token, quotes);
    let mut all = vec![
        token.to_owned(),
        percent(token, "", false),
        percent(token, "/", false),
        percent(token, "!'()*", false),
        percent(token, "", true),
        percent(token, "/", true),
        percent(token, "", false).replace("%20", "+"),
        json(json_escape),
        json(|c| (c == '/').then_some("\\/").or_else(|| json_escape(c))),
        json(|c| json_for_html(c).or_else(|| json_escape(c))),
    ];
    for index in 0..all.len() {
        for escape in [html_named, html_decimal, html_hexadecimal] {
            let escaped = all.get(index).map(|text| respelled(text, escape));
            all.extend(escaped);
        }
    }
    all
}

fn respelled(text: &str, escape: fn(char) -> Option<&'static str>) -> String {
    let mut spelled = String::with_capacity(text.len());
    for c in text.chars() {
        match escape(c) {
            Some(escaped) => spelled.push_str(escaped),
            None => spelled.push(c),
        }
    }
    spelled
}

fn percent(text: &str, kept: &str, lowercase: bool) -> String {
    let mut spelled = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        let written = if c.is_ascii_alphanumeric() || "-._~".contains(c) || kept.contains(c) {
            spelled.write_char(c)
        } else if lowercase {
            write!(spelled, "%{byte:02x}")
        } else {
            write!(spelled, "%{byte:02X}")
        };
        debug_assert!(written.is_ok(), "a string takes everything");
    }
    spelled
}

const fn json_escape(c: char) -> Option<&'static str> {
    match c {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '\t' => Some("\\t"),
        _ => None,
    }
}

/// What template languages add, so that JSON can stand in a script element.
const fn json_for_html(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("\\u0026"),
        '\'' => Some("\\u0027"),
        '<' => Some("\\u003c"),
        '>' => Some("\\u003e"),
        _ => None,
    }
}

const fn html_named(c: char) -> Option<&'static str> {
    match c {
        '"' => Some("&quot;"),
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

const fn html_decimal(c: char) -> Option<&'static str> {
    match c {
        '"' => Some("&#34;"),
        '\'' => Some("&#39;"),
        _ => html_named(c),
    }
}

const fn html_hexadecimal(c: char) -> Option<&'static str> {
    match c {
        '\'' => Some("&#x27;"),
        _ => html_named(c),
    }
}

/// DEL: no header value, hence no token, has it.
const UNUSABLE: u8 = 0x7f;
const EMPTY: HeaderValue = HeaderValue::from_static("");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ordinary_token_has_one_spelling() {
        assert_eq!(Needles::new("abcDEF-123_.~").all.len(), 1);
        assert!(Needles::new("").all.is_empty());
    }

    #[test]
    fn a_token_is_found_in_the_spellings_of_the_field() {
        let needles = Needles::new("a/b+c \"d\"<e>&'f'\\");
        for page in [
            r#"a/b+c "d"<e>&'f'\"#,
            "a%2Fb%2Bc%20%22d%22%3Ce%3E%26%27f%27%5C",
            "a%2fb%2bc%20%22d%22%3ce%3e%26%27f%27%5c",
            "a/b%2Bc%20%22d%22%3Ce%3E%26%27f%27%5C",
            "a%2Fb%2Bc+%22d%22%3Ce%3E%26%27f%27%5C",
            "a%2Fb%2Bc%20%22d%22%3Ce%3E%26'f'%5C",
            r#"a/b+c \"d\"<e>&'f'\\"#,
            r#"a\/b+c \"d\"<e>&'f'\\"#,
            r#"a/b+c \"d\"\u003ce\u003e\u0026\u0027f\u0027\\"#,
            r"a/b+c &#34;d&#34;&lt;e&gt;&amp;&#39;f&#39;\",
            r"a/b+c &quot;d&quot;&lt;e&gt;&amp;&#x27;f&#x27;\",
            r"a/b+c \&quot;d\&quot;&lt;e&gt;&amp;'f'\\",
        ] {
            let page = format!("x{page}y");
            assert_eq!(
                needles.remove(page.as_bytes()),
                Some(b"xy".to_vec()),
                "{page}"
            );
        }
        assert_eq!(needles.remove(b"a/b+c"), None);
    }

    #[test]
    fn what_closes_up_around_a_removed_token_goes_too() {
        assert_eq!(Needles::new("ab").remove(b"-aabb-"), Some(b"--".to_vec()));
    }

    fn token() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1,4}", "[a&/\"%]{1,5}", "[ -~]{1,8}"]
    }

    proptest! {
        #[test]
        fn nothing_is_left_after_removal(token in token(), hay in "[ab&/\"%-]{0,60}") {
            let needles = Needles::new(&token);
            let hay = format!("{hay}{token}{hay}");
            let kept = needles.remove(hay.as_bytes()).unwrap_or_default();
            prop_assert!(!needles.are_in(&kept));
        }

        #[test]
        fn nothing_is_left_after_overwriting_and_the_length_stays(
            token in token(), hay in "[ab&/\"%-]{0,60}",
        ) {
            let needles = Needles::new(&token);
            let mut text = format!("{hay}{token}{hay}").into_bytes();
            let length = text.len();
            needles.overwrite(&mut text);
            prop_assert!(!needles.are_in(&text));
            prop_assert_eq!(text.len(), length);
        }
    }
}
