//! One reading of how long an answer is (RFC 9112 §6).
//!
//! hyper takes what others would read differently, and what it took would go on to the client: a transfer
//! coding that nobody undoes, a length beside chunks, one length twice in a field.

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

/// Leaves one length at most, which is what the body has. `Err`: what the upstream does, as a verb.
///
/// `headers` are those of a final answer that is no 101.
pub(super) fn settle(headers: &mut HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            // RFC 9112 §6.3: the chunks count, and who passes them on drops the length.
            headers.remove(CONTENT_LENGTH);
            return Ok(());
        }
        _ => return Err("sends its answer in a transfer coding other than `chunked`"),
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(first), more) = (lengths.next(), lengths.next()) else {
        return Ok(());
    };
    if more.is_none() && is_number(first.as_bytes()) {
        return Ok(());
    }
    let said = headers.get_all(CONTENT_LENGTH).iter();
    let mut said = said.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let length: Option<HeaderValue> = said.next().and_then(|first| {
        let same = said.all(|more| more.trim_ascii() == first.trim_ascii());
        let length = std::str::from_utf8(first.trim_ascii()).ok();
        let length = length.filter(|length| same && is_number(length.as_bytes()))?;
        length.parse().ok()
    });
    let length = length.ok_or("sends a length that is not one number")?;
    headers.insert(CONTENT_LENGTH, length);
    Ok(())
}

fn is_number(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(fields: &[(http::HeaderName, &'static str)]) -> Result<Vec<String>, &'static str> {
        let fields = fields.iter().cloned();
        let mut headers: HeaderMap = fields
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect();
        settle(&mut headers)?;
        let lengths = headers.get_all(CONTENT_LENGTH).iter();
        Ok(lengths
            .map(|length| length.to_str().unwrap().to_owned())
            .collect())
    }

    #[test]
    fn what_has_one_reading_is_left_with_one_length() {
        let none: [&str; 0] = [];
        assert_eq!(settled(&[]).unwrap(), none);
        assert_eq!(settled(&[(CONTENT_LENGTH, "5")]).unwrap(), ["5"]);
        assert_eq!(settled(&[(CONTENT_LENGTH, "5, 5")]).unwrap(), ["5"]);
        let twice = [(CONTENT_LENGTH, "5"), (CONTENT_LENGTH, "5")];
        assert_eq!(settled(&twice).unwrap(), ["5"]);
        let both = [(CONTENT_LENGTH, "5"), (TRANSFER_ENCODING, "Chunked")];
        assert_eq!(settled(&both).unwrap(), none);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for length in ["", "+5", "5, 6", "5,", "5 5", "0x5"] {
            assert!(settled(&[(CONTENT_LENGTH, length)]).is_err(), "{length}");
        }
        for coding in [
            "",
            "gzip",
            "identity",
            "gzip, chunked",
            "chunked, chunked",
            "xchunked",
        ] {
            assert!(settled(&[(TRANSFER_ENCODING, coding)]).is_err(), "{coding}");
        }
        let twice = [
            (TRANSFER_ENCODING, "chunked"),
            (TRANSFER_ENCODING, "chunked"),
        ];
        assert!(settled(&twice).is_err());
    }
}
