//! How long handlers ran, where somebody wants to know.

use std::time::Duration;

/// The time that each handler of a transaction took, by its number; nothing is measured
/// unless it is wanted.
#[derive(Debug, Clone, Default)]
pub struct Times(Option<Vec<(usize, Duration)>>);

impl Times {
    /// Times that are wanted.
    pub fn wanted() -> Self {
        Self(Some(Vec::new()))
    }

    /// Whether they are.
    pub fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Notes how long a handler ran.
    pub fn note(&mut self, handler: usize, took: Duration) {
        if let Some(times) = &mut self.0 {
            times.push((handler, took));
        }
    }

    /// How long a handler ran, where that was measured.
    pub fn of(&self, handler: usize) -> Option<Duration> {
        let times = self.0.iter().flatten();
        times
            .filter(|(number, _)| *number == handler)
            .map(|(_, took)| *took)
            .next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_only_where_they_are_wanted() {
        let (mut unwanted, mut wanted) = (Times::default(), Times::wanted());
        for times in [&mut unwanted, &mut wanted] {
            times.note(3, Duration::from_millis(2));
        }

        assert!(!unwanted.are_wanted() && unwanted.of(3).is_none());
        assert_eq!(wanted.of(3), Some(Duration::from_millis(2)));
        assert_eq!(wanted.of(4), None);
    }
}
