//! Why a command failed, and its exit code.

use std::{fmt, io};
use tonic::{Code, Status};

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  refused, and the reason was printed; or a check found something wrong
  2  the command line makes no sense
  3  no node could be reached
  4  outcome unknown: the connection broke or nothing was answered; look before trying again";

/// How a command failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The cluster, or this host, says no.
    Refused(String),
    /// The arguments do not fit together.
    Usage(String),
    /// No node answers.
    Unreachable(String),
    /// It may have been carried out.
    Unknown(String),
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Unknown(_) => 4,
        }
    }

    /// A file of this host that cannot be used.
    pub(crate) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::Refused(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text)
            | Self::Usage(text)
            | Self::Unreachable(text)
            | Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        // What the node sends has no source; what has one was made here because the connection broke.
        if std::error::Error::source(&status).is_some() {
            return Self::Unknown(format!(
                "the connection to the node broke ({}): look with `musterctl status` before you try again",
                status.message()
            ));
        }
        match status.code() {
            Code::Aborted | Code::Cancelled | Code::DeadlineExceeded => {
                Self::Unknown(status.message().to_owned())
            }
            Code::Unimplemented => Self::Refused(
                "the node does not know this command: it runs an older release".to_owned(),
            ),
            _ => Self::Refused(status.message().to_owned()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}
