//! What handlers may use of the memory, against what there is.

use std::fs;
use std::path::Path;

use crate::config::Limits;

/// A heap of this size, the default, is begun on any machine.
const ANYWHERE: usize = 64 << 20;

/// What all heaps may use where the system doesn't tell what there is.
const UNTOLD: usize = 1 << 30;

/// Limits that can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {wanted} bytes, and the machine or its cgroup has {there_is}; lower it")]
pub struct TooMuch {
    key: &'static str,
    wanted: usize,
    there_is: u64,
}

/// What all heaps may use together, in bytes: what was set, or half of what there is.
///
/// # Errors
///
/// A limit is more than there is.
pub(super) fn for_handlers(limits: &Limits, there_is: Option<u64>) -> Result<usize, TooMuch> {
    let Some(there_is) = there_is else {
        return Ok(limits.total_memory.unwrap_or(UNTOLD));
    };
    let most = usize::try_from(there_is).unwrap_or(usize::MAX);
    let too_much = |key, wanted| TooMuch {
        key,
        wanted,
        there_is,
    };
    match limits.total_memory {
        Some(total) if total > most => Err(too_much("limits.total_memory", total)),
        Some(total) => Ok(total),
        None if limits.handler_memory > most.max(ANYWHERE) => {
            Err(too_much("limits.handler_memory", limits.handler_memory))
        }
        None => Ok(most / 2),
    }
}

/// What all bodies that handlers see may take together, in bytes: what was set, or an eighth of
/// what there is. With the half that heaps may have, that leaves the rest to the program, its
/// connections and what allocators keep of what is freed.
pub(super) fn for_bodies(limits: &Limits, there_is: Option<u64>) -> usize {
    let eighth = |there_is| usize::try_from(there_is / 8).unwrap_or(usize::MAX);
    let usual = there_is.map_or(UNTOLD, eighth);
    limits.body_memory.unwrap_or(usual)
}

/// What heads and pieces of bodies of all connections may take that wait, in bytes: what was
/// set, or a sixteenth of what there is.
pub(super) fn for_buffers(limits: &Limits, there_is: Option<u64>) -> usize {
    let sixteenth = |there_is| usize::try_from(there_is / 16).unwrap_or(usize::MAX);
    let usual = there_is.map_or(UNTOLD / 2, sixteenth);
    limits.buffer_memory.unwrap_or(usual)
}

/// What there is: the cgroup's limit where it has one, else the machine's memory, in bytes.
/// `None` where the system doesn't tell.
pub(super) fn there_is() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?;
        text.trim().parse().ok()
    });
    limits.chain(total(&machine)).min()
}

/// Where the limits of a process's groups stand, below the mounted hierarchy: of its own group
/// and of all that this one is in. A container sees its own group as the outermost.
fn limit_files(groups: &str) -> Vec<String> {
    let version_2 = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let version_1 = groups.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(":/")?;
        let mut controllers = controllers.split(',');
        controllers.any(|it| it == "memory").then_some(group)
    });
    let below = |group: &str, root: &str, file: &str| {
        let outer = Path::new(group).ancestors();
        let files = outer.map(|outer| Path::new(root).join(outer).join(file));
        files.map(|it| it.display().to_string()).collect::<Vec<_>>()
    };
    let mut files = below(version_2.unwrap_or_default(), "", "memory.max");
    let version_1 = version_1.unwrap_or_default();
    files.extend(below(version_1, "memory", "memory.limit_in_bytes"));
    files
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use crate::config::{Inputs, flag, for_check};

    use super::*;

    #[test]
    fn the_machines_memory_is_read_in_bytes() {
        let text = "MemTotal:        2048 kB\nMemFree: 1 kB\n";

        assert_eq!(total(text), Some(2 << 20));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn limits_are_those_of_the_own_group_and_of_all_that_it_is_in() {
        assert_eq!(
            limit_files("0::/system.slice/interpose.service\n"),
            [
                "system.slice/interpose.service/memory.max",
                "system.slice/memory.max",
                "memory.max",
                "memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(
            limit_files("12:cpu,cpuacct:/a\n11:memory:/docker/f00\n"),
            [
                "memory.max",
                "memory/docker/f00/memory.limit_in_bytes",
                "memory/docker/memory.limit_in_bytes",
                "memory/memory.limit_in_bytes"
            ]
        );
    }

    const MIB: usize = 1 << 20;

    /// What becomes of `limits.handler_memory` and `limits.total_memory`, all in MiB.
    fn for_handlers_of(
        handler: usize,
        total: Option<usize>,
        there_is: u64,
    ) -> Result<usize, String> {
        let limits = Limits {
            handler_memory: handler * MIB,
            total_memory: total.map(|it| it * MIB),
            ..limits()
        };
        for_handlers(&limits, Some(there_is << 20))
            .map(|bytes| bytes / MIB)
            .map_err(|error| error.key.to_owned())
    }

    fn limits() -> Limits {
        let inputs = Inputs {
            flags: vec![(flag::SCRIPTS, "/handlers".to_owned())],
            ..Inputs::default()
        };
        for_check(&inputs).expect("the defaults are valid").limits
    }

    #[test]
    fn handlers_have_half_of_what_there_is_or_what_was_set() {
        assert_eq!(for_handlers_of(64, None, 2048), Ok(1024));
        assert_eq!(for_handlers_of(64, None, 48), Ok(24));
        assert_eq!(for_handlers_of(64, Some(1500), 2048), Ok(1500));
        assert_eq!(for_handlers(&limits(), None), Ok(UNTOLD));
    }

    #[test]
    fn bodies_have_an_eighth_of_what_there_is_or_what_was_set() {
        let set = Limits {
            body_memory: Some(MIB),
            ..limits()
        };

        assert_eq!(for_bodies(&limits(), Some(256 << 20)), 32 * MIB);
        assert_eq!(for_bodies(&set, Some(256 << 20)), MIB);
        assert_eq!(for_bodies(&limits(), None), UNTOLD);
    }

    #[test]
    fn limits_beyond_what_there_is_are_refused() {
        let refused = |key: &str| Err(key.to_owned());

        assert_eq!(
            for_handlers_of(64, Some(257), 256),
            refused("limits.total_memory")
        );
        assert_eq!(
            for_handlers_of(300, None, 256),
            refused("limits.handler_memory")
        );
    }
}
