//! What the handlers of one phase may make that doesn't lie on their heap, whose limit doesn't see it.

use std::rc::Rc;

use http::HeaderName;
use rquickjs::{Ctx, Exception};

use crate::document::{Budget, Charge, Full};
use crate::message::Fields;

use super::view::Text;

/// The most fields of a message that a handler has written to, and of what it throws or sends.
/// No message comes with more than half as many.
pub(in crate::engine) const FIELDS: usize = 512;

/// The longest names and values of a message's fields together, and the longest path and query.
pub(in crate::engine) use crate::engine::text::HEAD;

/// The longest text of one line in the log, in bytes.
const LINE: usize = 8 * 1024;

/// The most lines in the log, and the longest texts of all of them, in bytes.
const LINES: usize = 1000;
const LOG: usize = 256 * 1024;

/// The most host calls.
pub(in crate::engine) const CALLS: usize = 1000;

/// The longest JSON text of `req.userProperties` and of `g.shared`, in bytes.
pub(super) const KEPT: usize = 1024 * 1024;

/// What is left to the handlers of one phase.
pub(in crate::engine) struct Allowance {
    lines: usize,
    log: usize,
    calls: usize,
    /// Of the request's fields, and of the response's.
    pub(super) request: FieldsLeft,
    pub(super) response: FieldsLeft,
    /// What they have made of the request's path and query, and of what they threw: the heap's
    /// until the phase ends.
    pub(super) path: Charge,
    pub(super) query: Charge,
    pub(in crate::engine) thrown: Charge,
}

/// What may at least be written to a message's fields before anybody has to count them.
pub(super) struct FieldsLeft {
    count: usize,
    bytes: usize,
    /// What was written is the heap's until the phase ends.
    charge: Charge,
}

/// What becomes of a line for the log.
pub(super) enum Line<'t> {
    /// It is written, maybe cut.
    Written(&'t str),
    /// It is the first one that isn't written, which is told in its place.
    First,
    /// It isn't written.
    Dropped,
}

impl Allowance {
    /// All of it; what is made and kept is taken from a heap's budget.
    pub(in crate::engine) fn on(budget: Option<&Rc<dyn Budget>>) -> Self {
        let charge = || Charge::on(budget.cloned());
        let fields = || FieldsLeft {
            count: 0,
            bytes: 0,
            charge: charge(),
        };
        Self {
            lines: LINES + 1,
            log: LOG,
            calls: CALLS,
            request: fields(),
            response: fields(),
            path: charge(),
            query: charge(),
            thrown: charge(),
        }
    }

    /// Takes a line for the log.
    pub(super) fn line<'t>(&mut self, text: &'t str) -> Line<'t> {
        let text = cut(text, LINE);
        match self.lines {
            0 => Line::Dropped,
            1 => {
                self.lines = 0;
                Line::First
            }
            _ if text.len() > self.log => {
                self.lines = 0;
                Line::First
            }
            _ => {
                self.lines -= 1;
                self.log -= text.len();
                Line::Written(text)
            }
        }
    }

    /// Takes a host call; false where none is left.
    pub(in crate::engine) fn call(&mut self) -> bool {
        let left = self.calls.checked_sub(1);
        self.calls = left.unwrap_or_default();
        left.is_some()
    }
}

/// The beginning of a text, at most so many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

impl FieldsLeft {
    /// Takes what these values of `name` need in place of the present ones among `fields`, which
    /// are counted only where they might be too many.
    ///
    /// # Errors
    ///
    /// The message would have too many, or too long ones.
    pub(super) fn take(
        &mut self,
        fields: &Fields,
        name: &HeaderName,
        values: &[Text],
    ) -> Result<(), String> {
        let length = |value: usize| name.as_str().len() + value;
        let bytes = values.iter().map(|value| length(value.len())).sum();
        let count = self.count.checked_sub(values.len());
        if let (Some(count), Some(left)) = (count, self.bytes.checked_sub(bytes)) {
            self.charge.grow(bytes).map_err(no_memory)?;
            (self.count, self.bytes) = (count, left);
            return Ok(());
        }
        let (mut count, mut bytes) = (values.len(), bytes);
        for field in fields.iter().filter(|field| field.name() != name) {
            count += 1;
            bytes += field.name().as_str().len() + field.value().len();
        }
        check_size(count, bytes)?;
        self.charge.resize(bytes).map_err(no_memory)?;
        (self.count, self.bytes) = (FIELDS - count, HEAD - bytes);
        Ok(())
    }
}

/// What ends the script in any case.
fn no_memory(full: Full) -> String {
    full.to_string()
}

/// Whether a message may have so many fields of so many bytes together.
///
/// # Errors
///
/// It may not.
pub(in crate::engine) fn check_size(count: usize, bytes: usize) -> Result<(), String> {
    if count > FIELDS || bytes > HEAD {
        return Err(format!(
            "a message has at most {FIELDS} header fields, of {HEAD} bytes together"
        ));
    }
    Ok(())
}

/// A text that is kept for later handlers.
///
/// # Errors
///
/// It is too long: a `RangeError` for the script.
pub(super) fn check_kept(ctx: &Ctx<'_>, name: &str, text: &str) -> rquickjs::Result<()> {
    if text.len() > KEPT {
        let message = format!("what handlers keep in {name} has at most {KEPT} bytes as JSON");
        return Err(Exception::throw_range(ctx, &message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(allowance: &mut Allowance, text: &str) -> Option<usize> {
        match allowance.line(text) {
            Line::Written(text) => Some(text.len()),
            Line::First | Line::Dropped => None,
        }
    }

    #[test]
    fn lines_are_cut_and_end_with_one_that_says_so() {
        let mut allowance = Allowance::on(None);

        assert_eq!(written(&mut allowance, &"é".repeat(LINE)), Some(LINE));
        for _ in 1..LINES {
            assert_eq!(written(&mut allowance, "x"), Some(1));
        }

        assert!(matches!(allowance.line("x"), Line::First));
        assert!(matches!(allowance.line("x"), Line::Dropped));
    }

    #[test]
    fn long_lines_end_sooner() {
        let mut allowance = Allowance::on(None);
        let long = "x".repeat(LINE);

        let count = (0..LINES)
            .take_while(|_| written(&mut allowance, &long).is_some())
            .count();

        assert_eq!(count, LOG / LINE);
        assert!(matches!(allowance.line("x"), Line::Dropped));
    }
}
