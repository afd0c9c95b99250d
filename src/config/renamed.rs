//! Keys that were called otherwise before. An old name is refused, and the refusal says the new
//! one: two names for one thing would be two things to document.

/// Each old name with the present one.
const RENAMED: [(&str, &str); 1] = [("limits.connections", "limits.max_connections")];

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
