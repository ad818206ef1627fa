use std::{error::Error, fmt::Write as _};

/// An error and its causes in one line, for logs. A cause that its effect already quotes is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            let _infallible = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}
