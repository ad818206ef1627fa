//! Exit codes, after sysexits(3).

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 78: the configuration has to be mended.
    Configuration,
    /// 0
    Done,
    /// 1: failed while running.
    Failed,
    /// As a program ended that was run for somebody else.
    Passed(u8),
    /// 64: bad arguments.
    Usage,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Configuration => 78,
            Self::Done => 0,
            Self::Failed => 1,
            Self::Passed(code) => code,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
