//! File descriptors: as many as the system allows, and how many of them clients may have.
//!
//! A proxy whose clients have all of them can't reach its upstream, and nobody can ask how it is.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// How many of so many descriptors are for clients; the rest is for the upstream, for other hosts,
/// for operators and for files. Not all clients have a request under way.
pub(super) fn for_clients(descriptors: u64) -> u32 {
    u32::try_from(descriptors / 3 * 2)
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_descriptors_is_not_for_clients() {
        assert_eq!(for_clients(1024), 682);
        assert_eq!(for_clients(1), 1);
        assert_eq!(for_clients(u64::MAX), u32::MAX);
    }

    #[test]
    fn as_many_are_allowed_as_the_system_lets() {
        let allowed = raise();

        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
        assert_eq!(raise(), allowed);
    }
}
