//! The exit status of a command.

use std::process::ExitCode;

/// The exit status: 0, 1 or 2, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Ok,
    /// There are findings of severity Error.
    Findings,
    /// Some input could not be read.
    Unreadable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Unreadable => Self::from(2),
        }
    }
}
