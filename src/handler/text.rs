//! Comparing parts of paths, with or without regard to case.

/// Whether case counts when paths are compared (`match.ignore_case`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// `/Orders` and `/orders` are two paths.
    #[default]
    Counts,
    /// They are one.
    Ignored,
}

impl Case {
    /// Whether `left` and `right` are the same text.
    pub(super) fn same(self, left: &str, right: &str) -> bool {
        match self {
            Self::Counts => left == right,
            Self::Ignored => {
                left.eq_ignore_ascii_case(right)
                    || !(left.is_ascii() && right.is_ascii())
                        && left.to_lowercase() == right.to_lowercase()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts_unless_it_is_ignored() {
        assert!(!Case::Counts.same("Orders", "orders"));
        assert!(Case::Ignored.same("Orders", "oRDERS"));
        assert!(Case::Ignored.same("CAFÉ", "café"));
        assert!(!Case::Ignored.same("orders", "order"));
    }
}
