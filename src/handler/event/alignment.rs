//! The parts of an event's name laid against the path of a resource.

use super::super::path::Segments;
use super::super::text::Case;
use super::part::Part;

/// A resource's path, taken up part by part.
///
/// A name joins segments by dots, and a segment may have dots of its own:
/// `files.report.pdf` is the event of `/report.pdf` as well as of `/report/pdf`.
pub(super) struct Alignment<'p> {
    segments: Segments<'p>,
    /// What a literal left of its segment, past the dot.
    tail: Option<&'p str>,
    case: Case,
}

/// What a part stands for.
pub(super) enum Stands<'p> {
    Literal,
    One(&'p str),
    Rest(Segments<'p>),
}

impl<'p> Alignment<'p> {
    pub(super) fn new(segments: Segments<'p>, case: Case) -> Self {
        Self {
            segments,
            tail: None,
            case,
        }
    }

    /// Takes up what `part` stands for; none where it does not fit.
    pub(super) fn step(&mut self, part: &Part) -> Option<Stands<'p>> {
        match part {
            Part::Literal(literal) => self.literal(literal).then_some(Stands::Literal),
            Part::One(_) if self.tail.is_none() => self.segments.next().map(Stands::One),
            Part::Rest(_) if self.tail.is_none() => {
                let rest = self.segments.clone();
                self.segments.next()?;
                self.segments.by_ref().for_each(drop);
                Some(Stands::Rest(rest))
            }
            Part::One(_) | Part::Rest(_) => None,
        }
    }

    fn literal(&mut self, literal: &str) -> bool {
        let Some(text) = self.tail.take().or_else(|| self.segments.next()) else {
            return false;
        };
        if self.case.same(text, literal) {
            return true;
        }
        self.tail = text
            .split_once('.')
            .and_then(|(head, tail)| self.case.same(head, literal).then_some(tail));
        self.tail.is_some()
    }

    pub(super) fn is_between_segments(&self) -> bool {
        self.tail.is_none()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.tail.is_none() && self.segments.clone().next().is_none()
    }
}
