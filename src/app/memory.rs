//! What handlers may use of the memory, against what there is.

use std::fs;
use std::path::Path;

/// What may be used at once, in bytes: by handlers on workers and by those that are stuck.
pub(super) fn at_once(isolate: usize, workers: usize, stuck: usize) -> u64 {
    let isolates = u64::try_from(workers.saturating_add(stuck)).unwrap_or(u64::MAX);
    u64::try_from(isolate)
        .unwrap_or(u64::MAX)
        .saturating_mul(isolates)
}

/// What there is: the cgroup's limit where it has one, else the machine's memory, in bytes.
/// `None` where the system doesn't tell.
pub(super) fn there_is() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let limits = limit_files(&groups).filter_map(|file| {
        let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?;
        text.trim().parse().ok()
    });
    limits.chain(total(&machine)).min()
}

/// Where the limits of a process's groups stand, below the mounted hierarchy: of version 2 its
/// own group's and the outermost that a container sees, of version 1 the memory controller's.
fn limit_files(groups: &str) -> impl Iterator<Item = String> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    own.into_iter()
        .map(|group| format!("{group}/memory.max"))
        .map(|file| file.trim_start_matches('/').to_owned())
        .chain(["memory.max", "memory/memory.limit_in_bytes"].map(str::to_owned))
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_in_bytes() {
        let text = "MemTotal:        2048 kB\nMemFree: 1 kB\n";

        assert_eq!(total(text), Some(2 << 20));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn limits_are_those_of_the_own_group_and_of_the_container() {
        let files = |groups| limit_files(groups).collect::<Vec<_>>();

        assert_eq!(
            files("0::/system.slice/interpose.service\n"),
            [
                "system.slice/interpose.service/memory.max",
                "memory.max",
                "memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(
            files("0::/\n"),
            ["memory.max", "memory.max", "memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    fn what_may_be_used_counts_workers_and_stuck_threads() {
        assert_eq!(at_once(64 << 20, 2, 4), 6 * (64 << 20));
    }
}
