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
                    || !(left.is_ascii() && right.is_ascii()) && folded(left).eq(folded(right))
            }
        }
    }
}

/// The letters of a text such that two which anybody takes for one are the same: who compares in
/// upper case takes `ı` for `I` and `ſ` for `S`, who does in lower case the Kelvin sign for `k` and
/// Turkish `İ` for `i`.
fn folded(text: &str) -> impl Iterator<Item = char> {
    const DOT_ABOVE: char = '\u{307}';
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|letter| *letter != DOT_ABOVE)
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

    #[test]
    fn letters_that_some_take_for_others_are_the_same_where_case_is_ignored() {
        for (left, right) in [
            ("admin", "admın"),
            ("admin", "ADMİN"),
            ("users", "uſerſ"),
            ("kiosk", "\u{212a}iosk"),
            ("straße", "STRASSE"),
            ("σας", "ΣΑΣ"),
            ("\u{212b}", "å"),
        ] {
            assert!(Case::Ignored.same(left, right), "{left} {right}");
            assert!(!Case::Counts.same(left, right), "{left} {right}");
        }
    }

    /// Whoever compares in upper case and whoever does in lower case.
    #[test]
    fn every_letter_is_the_same_in_either_case() {
        for letter in '\0'..=char::MAX {
            let own = letter.to_string();
            for other in [own.to_lowercase(), own.to_uppercase()] {
                assert!(Case::Ignored.same(&own, &other), "{own:?} {other:?}");
            }
        }
    }
}
