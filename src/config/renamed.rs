//! Keys that were called otherwise before. An old name is refused, and the refusal says the new
//! one: two names for one thing would be two things to document.

/// Each old name with the present one.
const RENAMED: [(&str, &str); 14] = [
    ("limits.connections", "limits.max_connections"),
    ("limits.stuck", "limits.max_hung_threads"),
    ("limits.head_fields", "limits.max_headers"),
    ("limits.head_parameters", "limits.max_parameters"),
    ("limits.body_time", "limits.body_timeout"),
    ("limits.idle_time", "limits.idle_timeout"),
    ("limits.requests", "limits.max_requests_per_connection"),
    ("queued.capacity", "queue.capacity"),
    ("queued.memory", "queue.memory"),
    ("queued.workers", "queue.concurrency"),
    ("queued.delay", "queue.delay"),
    ("queued.tries", "queue.max_attempts"),
    ("queued.backoff", "queue.backoff"),
    ("queued.timeout", "queue.timeout"),
];

/// What the key `old` is called now, where it was renamed.
pub(super) fn present_name(old: &str) -> Option<&'static str> {
    let renamed = RENAMED.iter().find(|(name, _)| *name == old);
    renamed.map(|(_, present)| *present)
}

/// Every old name with the present one.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    RENAMED.into_iter()
}
