//! How many clients the limit of open files leaves room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are no clients: links, the store, administration.
const OTHERS: u64 = 256;

/// Takes as many as the system allows; how many that are.
pub(crate) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised to what is allowed");
            current
        }
    };
    limit.unwrap_or(u64::MAX)
}

/// As many as may be open now.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// What to do where there is room for `fit` clients of `configured`.
pub(crate) fn remedy(configured: usize, fit: usize) -> String {
    let needed = configured as u64 + OTHERS;
    format!(
        "set LimitNOFILE={needed} in the unit (ulimit -n {needed} in a shell), or c2s.clients_max={fit}"
    )
}

/// How many clients are taken of those configured, and what an operator has to know if they are fewer.
pub(crate) fn places(configured: usize, files: u64) -> (usize, Option<String>) {
    let fit = usize::try_from(files.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
    if configured <= fit {
        return (configured, None);
    }
    let words = format!(
        "the limit of {files} open files leaves room for {fit} clients, c2s.clients_max is {configured}: {}",
        remedy(configured, fit)
    );
    (fit, Some(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_bounds_the_clients_and_is_named() {
        assert_eq!(places(1_000, 1_256), (1_000, None));
        assert_eq!(places(19_000, u64::MAX), (19_000, None));
        let (places_left, words) = places(19_000, 1_024);
        assert_eq!(places_left, 768);
        let words = words.unwrap();
        for part in ["1024 open files", "768 clients", "LimitNOFILE=19256"] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert_eq!(places(10, 8).0, 0);
    }
}
