//! The headers that tell a tool who is asking.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    http::names::{X_FORWARDED_EMAIL, X_FORWARDED_GROUPS, X_FORWARDED_USER},
    policy::Who,
};

/// Adds `X-Forwarded-User`, `-Email` and `-Groups` (separated by commas). What is no plain visible
/// ASCII, and what separates or quotes, is percent-encoded: no value splits a header block or a
/// list.
pub(super) fn add(headers: &mut HeaderMap, who: &Who<'_>) {
    insert(headers, X_FORWARDED_USER, encoded(who.name));
    if let Some(email) = who.email {
        insert(headers, X_FORWARDED_EMAIL, encoded(email));
    }
    if let Some((first, others)) = who.groups.split_first() {
        let mut list = encoded(first);
        for group in others {
            let list = list.to_mut();
            list.push(',');
            list.push_str(&encoded(group));
        }
        insert(headers, X_FORWARDED_GROUPS, list);
    }
}

type Text<'a> = std::borrow::Cow<'a, str>;

fn encoded(text: &str) -> Text<'_> {
    utf8_percent_encode(text, NOT_PLAIN).into()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: Text<'_>) {
    let value = match text {
        Text::Borrowed(text) => HeaderValue::from_str(text),
        Text::Owned(text) => HeaderValue::try_from(text),
    };
    // Encoded text is always a good value.
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

const NOT_PLAIN: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b',')
    .add(b';')
    .add(b'\\');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_values_stay_plain_and_others_are_encoded() {
        let groups = ["analysts".to_owned(), "a,b".to_owned(), "ä".to_owned()];
        let who = Who {
            name: "O'Neill\r\nX-Admin: 1",
            groups: &groups,
            email: Some("ana+x@example.org"),
        };
        let mut headers = HeaderMap::new();
        add(&mut headers, &who);
        assert_eq!(headers[X_FORWARDED_USER], "O'Neill%0D%0AX-Admin:%201");
        assert_eq!(headers[X_FORWARDED_EMAIL], "ana+x@example.org");
        assert_eq!(headers[X_FORWARDED_GROUPS], "analysts,a%2Cb,%C3%A4");
    }

    proptest! {
        /// Whatever a provider calls its users, the value is one, and decodes to the name.
        #[test]
        fn any_name_is_one_value_that_decodes(name in "\\PC{1,20}|[\\x00-\\x7f]{1,20}") {
            let who = Who { name: &name, groups: &[], email: None };
            let mut headers = HeaderMap::new();
            add(&mut headers, &who);
            let value = headers[X_FORWARDED_USER].to_str().unwrap();
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), name.as_str());
            prop_assert!(!value.contains([',', ' ', '\r', '\n', '\0']));
        }
    }
}
