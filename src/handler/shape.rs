//! What paths look like that an event's name or a pattern fits, so that two of them can be
//! held against each other before any request comes.
//!
//! About paths with one reading. One that is crafted to be read in several ways
//! (`/a;%2F..%2Fb`) may fit two shapes that have nothing in common.

use super::text::Case;

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
    /// The paths that have both shapes. Case doesn't count here: it may not in paths.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let (one, others) = (self.segments.len(), other.segments.len());
        if one < others && !self.is_open || others < one && !other.is_open {
            return None;
        }
        let common = self.segments.iter().zip(&other.segments);
        let mut segments: Vec<Look> = common
            .map(|(one, other)| one.meet(other))
            .collect::<Option<_>>()?;
        segments.extend(self.segments.iter().skip(others).cloned());
        segments.extend(other.segments.iter().skip(one).cloned());
        Some(Self {
            segments,
            is_open: self.is_open && other.is_open,
        })
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

impl Look {
    fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => {
                Case::Ignored.same(one, other).then(|| self.clone())
            }
            (Self::Any, other) => Some(other.clone()),
            (one, Self::Any) => Some(one.clone()),
        }
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
    fn shapes_meet_in_the_paths_that_have_both() {
        for (one, other, both) in [
            ("/a/b", "/a/b", Some("/a/b")),
            ("/a/b", "/a/c", None),
            ("/a/b", "/a", None),
            ("/a/b", "/a/**", Some("/a/b")),
            ("/a", "/a/**", Some("/a")),
            ("/a/*", "/a/**", Some("/a/*")),
            ("/a/*", "/*/b", Some("/a/b")),
            ("/a/*/c", "/*/b/d", None),
            ("/a/**", "/a/b/**", Some("/a/b/**")),
            ("/a/**", "/b/**", None),
            ("/", "/**", Some("/")),
            ("/", "/*", None),
            ("/a/b/c", "/*/**", Some("/a/b/c")),
        ] {
            let both = both.map(shape);
            assert_eq!(shape(one).meet(&shape(other)), both, "{one} {other}");
            assert_eq!(shape(other).meet(&shape(one)), both, "{other} {one}");
        }
        assert_eq!(shape("/a/b").meet(&shape("/A/B")), Some(shape("/a/b")));
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
