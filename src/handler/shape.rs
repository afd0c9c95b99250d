//! What paths look like that an event's name or a pattern fits, so that two of them can be
//! held against each other before any request comes.
//!
//! About paths with one reading. One that is crafted to be read in several ways
//! (`/a;%2F..%2Fb`) may fit two shapes that have nothing in common.

/// Paths of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// What their segments are, from the root on.
    pub(super) segments: Vec<Look>,
    /// Whether any segments may follow.
    pub(super) is_open: bool,
}

/// What a segment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    Literal(String),
    Any,
}

impl Shape {
    /// Whether a path can have both shapes. Case doesn't count here: it may not in paths.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let differ = |(one, other): (&Look, &Look)| match (one, other) {
            (Look::Literal(one), Look::Literal(other)) => {
                one.to_lowercase() != other.to_lowercase()
            }
            (Look::Any, _) | (_, Look::Any) => false,
        };
        let (one, others) = (self.segments.len(), other.segments.len());
        !self.segments.iter().zip(&other.segments).any(differ)
            && (one >= others || self.is_open)
            && (others >= one || other.is_open)
    }

    /// Whether every path of this shape begins with these segments.
    pub(super) fn lies_below(&self, prefix: &[String]) -> bool {
        let is_same = |(look, part): (&Look, &String)| match look {
            Look::Literal(literal) => literal == part,
            Look::Any => false,
        };
        self.segments.len() >= prefix.len() && self.segments.iter().zip(prefix).all(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/a/*/c/**` as a shape.
    fn shape(text: &str) -> Shape {
        let mut segments: Vec<_> = text.split('/').filter(|text| !text.is_empty()).collect();
        let is_open = segments.pop_if(|last| *last == "**").is_some();
        let look = |text: &str| match text {
            "*" => Look::Any,
            _ => Look::Literal(text.to_owned()),
        };
        Shape {
            segments: segments.into_iter().map(look).collect(),
            is_open,
        }
    }

    #[test]
    fn shapes_meet_where_a_path_can_have_both() {
        for (one, other, meet) in [
            ("/a/b", "/a/b", true),
            ("/a/b", "/A/B", true),
            ("/a/b", "/a/c", false),
            ("/a/b", "/a", false),
            ("/a/b", "/a/**", true),
            ("/a", "/a/**", true),
            ("/a/*", "/a/**", true),
            ("/a/*", "/*/b", true),
            ("/a/*/c", "/*/b/d", false),
            ("/a/**", "/a/b/**", true),
            ("/a/**", "/b/**", false),
            ("/", "/**", true),
            ("/", "/*", false),
            ("/a/b/c", "/*/**", true),
        ] {
            assert_eq!(shape(one).meets(&shape(other)), meet, "{one} {other}");
            assert_eq!(shape(other).meets(&shape(one)), meet, "{other} {one}");
        }
    }

    #[test]
    fn a_shape_lies_below_a_prefix_where_all_of_its_paths_do() {
        let prefix = ["a".to_owned(), "b".to_owned()];
        for (text, below) in [
            ("/a/b", true),
            ("/a/b/*", true),
            ("/a/b/**", true),
            ("/a/*", false),
            ("/a/**", false),
            ("/a/B", false),
            ("/a", false),
        ] {
            assert_eq!(shape(text).lies_below(&prefix), below, "{text}");
        }
    }
}
