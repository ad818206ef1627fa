//! What a supervisor is told over its stdin: the program to run, and what to remove at the end.
//!
//! Words as bytes, each closed by NUL, behind a line with their number. Over a pipe and not as
//! arguments, since every local user can read those.

use std::{
    ffi::OsString,
    io::{self, BufRead, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    process::Command,
};

/// One job for a supervisor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Order {
    /// Absolute, or a name on `PATH`.
    pub(super) program: OsString,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// A socket of the program, removed after its end together with its folder, if that is empty.
    pub(super) socket: Option<PathBuf>,
}

impl Order {
    /// The program and arguments of a command; its folder and environment are the supervisor's.
    pub(super) fn new(job: &Command, socket: Option<PathBuf>) -> Self {
        Self {
            program: job.get_program().to_owned(),
            arguments: job.get_args().map(ToOwned::to_owned).collect(),
            socket,
        }
    }

    /// As it goes through the pipe.
    pub(super) fn encode(&self) -> Vec<u8> {
        let socket = self.socket.clone().unwrap_or_default().into_os_string();
        let words = [&socket, &self.program];
        let mut bytes = format!("{}\n", words.len() + self.arguments.len()).into_bytes();
        for word in words.into_iter().chain(&self.arguments) {
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    /// Reads one, and nothing behind it.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut count = String::new();
        from.by_ref().take(MAX_COUNT_BYTES).read_line(&mut count)?;
        let count: usize = count
            .trim_end()
            .parse()
            .map_err(|_| io::ErrorKind::InvalidData)?;
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = Vec::new();
            from.read_until(0, &mut word)?;
            if word.pop() != Some(0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            words.push(OsString::from_vec(word));
        }
        let mut words = words.into_iter();
        let (Some(socket), Some(program)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let socket = Some(PathBuf::from(socket)).filter(|path| !path.as_os_str().is_empty());
        Ok(Self {
            program,
            arguments: words.collect(),
            socket,
        })
    }
}

const MAX_COUNT_BYTES: u64 = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = OsString> {
        proptest::collection::vec(1_u8..=255, 0..20).prop_map(OsString::from_vec)
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_ordered(
            program in word(),
            arguments in proptest::collection::vec(word(), 0..5),
            socket in word(),
        ) {
            let socket = (!socket.is_empty()).then(|| socket.into());
            let order = Order { program, arguments, socket };
            let bytes = order.encode();
            prop_assert_eq!(&Order::read(&mut bytes.as_slice()).unwrap(), &order);
            let cut = &bytes[..bytes.len() - 1];
            prop_assert!(Order::read(&mut &*cut).is_err(), "half an order is none");
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(Order::read(&mut bytes.as_slice()));
        }
    }
}
