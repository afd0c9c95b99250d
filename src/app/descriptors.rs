//! File descriptors: as many as the system allows, and what they are for.
//!
//! A proxy whose clients have all of them can't reach its upstream, and nobody can ask how it is:
//! each client has one more for its upstream connection, and operators and files have theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the program itself: outputs, the runtime, listeners, script files that are read.
const FILES: u64 = 48;

/// The most connections of each of the operators' two listeners.
const MOST_OPERATORS: u64 = 64;

/// The most calls that handlers make at once, beside the requests that they serve.
const MOST_CALLS: u64 = 256;

/// The most connections to upstreams that wait to be used again.
const MOST_IDLE: u64 = 1024;

/// How many descriptors each may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Clients of the proxy.
    pub(super) clients: u32,
    /// Clients of each of the operators' listeners.
    pub(super) operators: usize,
    /// Connections to upstreams that wait to be used again.
    pub(super) idle: usize,
}

impl Descriptors {
    /// What a process of so many is made of; `None` where there is no limit.
    pub(super) fn of(limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        let operators = (limit / 32).clamp(4, MOST_OPERATORS);
        let calls = (limit / 8).clamp(4, MOST_CALLS);
        let idle = (limit / 8).clamp(4, MOST_IDLE);
        let left = limit.saturating_sub(FILES + 2 * operators + calls + idle);
        let few = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            clients: u32::try_from(left / 2).unwrap_or(u32::MAX).max(1),
            operators: few(operators),
            idle: few(idle),
        }
    }
}

/// Allows this process as many as the system lets it have. Gives how many those are; `None` where
/// there is no limit.
pub(super) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files can't be raised");
            limit.current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_one_more_for_the_upstream_and_the_rest_is_enough_for_the_others() {
        for limit in [256, 512, 1024, 4096, 20_000, 1_048_576] {
            let descriptors = Descriptors::of(Some(limit));
            let calls = (limit / 8).min(MOST_CALLS);
            let others = 2 * descriptors.operators as u64 + descriptors.idle as u64 + calls;
            let used = 2 * u64::from(descriptors.clients) + FILES + others;
            assert!(used <= limit, "{limit}: {descriptors:?}");
            assert!(used + 1 >= limit, "{limit}: {descriptors:?}");
        }
        assert_eq!(Descriptors::of(Some(1)).clients, 1);
        assert_eq!(Descriptors::of(None).clients, u32::MAX);
    }

    #[test]
    fn as_many_are_allowed_as_the_system_lets() {
        let allowed = raise();

        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
        assert_eq!(raise(), allowed);
    }
}
