//! Log lines: on stderr, as text or JSON, times in UTC (RFC 3339).

use std::env;
use std::io::{IsTerminal, stderr};
use std::str::FromStr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(word: &str) -> Result<Self, LogError> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::Format(word.to_owned())),
        }
    }
}

/// What is logged, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogOptions {
    /// How a line looks.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as
    /// `info,muster_link=debug`. The environment variable `RUST_LOG` goes before it.
    pub level: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Not a format.
    #[error("{0:?} is no log format: use text or json")]
    Format(String),
    /// Not a level or directive.
    #[error("{directives:?} is no log level: use error, warn, info, debug or trace")]
    Level {
        /// What was given.
        directives: String,
        /// What is wrong with it.
        #[source]
        cause: ParseError,
    },
    /// A second call in one process.
    #[error("logging has begun already")]
    Twice,
}

/// Begins logging on stderr, for the whole process.
///
/// # Errors
/// [`LogError`]: a level that is none, or a second call.
pub fn init_logs(options: &LogOptions) -> Result<(), LogError> {
    let directives = env::var(EnvFilter::DEFAULT_ENV).ok();
    let filter = filter(directives.as_deref(), &options.level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    match options.format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// The environment's directives, if there are any, otherwise the option's.
fn filter(environment: Option<&str>, option: &str) -> Result<EnvFilter, LogError> {
    let set = environment.filter(|directives| !directives.trim().is_empty());
    let directives = set.unwrap_or(option);
    EnvFilter::builder()
        .parse(directives)
        .map_err(|cause| LogError::Level {
            directives: directives.to_owned(),
            cause,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_option() {
        for (environment, option, expected) in [
            (None, "info", "info"),
            (Some(""), "warn", "warn"),
            (Some("muster_link=debug"), "info", "muster_link=debug"),
        ] {
            let filter = filter(environment, option).unwrap();
            assert_eq!(filter.to_string(), expected);
        }
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        let error = filter(None, "muster=loud").unwrap_err().to_string();
        assert!(error.contains("muster=loud"), "{error}");
    }

    #[test]
    fn formats() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
