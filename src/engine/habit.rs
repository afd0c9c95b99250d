//! How long a handler takes, as far as its runs have shown.
//!
//! A handler that is known to be quick runs on the worker that has its transaction, which costs
//! nothing; one that isn't known yet, or was slow, runs aside until it has been quick for a while.
//! One that had to be stopped runs there behind everybody else.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// What a quick run takes at most: the worker does nothing else meanwhile.
pub(super) const QUICK: Duration = Duration::from_millis(1);

/// How many quick runs a handler has to show that nobody knows, and at most one that was slow:
/// once may be chance, on a machine that does other things too.
const NEW: u32 = 3;
const SLOW: u32 = 81;

/// And one that was stopped. As long as it has shown fewer than half of them, it comes last.
const STOPPED: u32 = 400;

/// What is known of one handler of one generation.
pub(super) struct Habit {
    /// How many quick runs it has to show before it may run on a worker. A count that two
    /// runs change at once may come out one too high.
    owed: AtomicU32,
    has_stuck: AtomicBool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// After so much computing.
    Took(Duration),
    /// It was stopped for its time.
    Stopped,
    /// It never saw that its time was over.
    Stuck,
}

impl Habit {
    pub(super) fn new() -> Self {
        Self {
            owed: AtomicU32::new(NEW),
            has_stuck: AtomicBool::new(false),
        }
    }

    /// Whether it may run on a worker.
    pub(super) fn is_quick(&self) -> bool {
        self.owed.load(Ordering::Relaxed) == 0
    }

    /// Whether it is to run only as far as it takes nothing from others.
    pub(super) fn comes_last(&self) -> bool {
        self.owed.load(Ordering::Relaxed) > STOPPED / 2
    }

    /// Whether a thread of it was stuck once.
    pub(super) fn has_stuck(&self) -> bool {
        self.has_stuck.load(Ordering::Relaxed)
    }

    /// Takes note of a run.
    pub(super) fn note(&self, pace: Pace) {
        let owed = self.owed.load(Ordering::Relaxed);
        let now = match pace {
            Pace::Took(time) if time <= QUICK => owed.saturating_sub(1),
            Pace::Took(_) => owed.max((owed.max(1) * NEW).min(SLOW)),
            Pace::Stopped => STOPPED,
            Pace::Stuck => {
                self.has_stuck.store(true, Ordering::Relaxed);
                STOPPED
            }
        };
        if now != owed {
            self.owed.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE: Pace = Pace::Took(Duration::from_micros(20));
    const MUCH: Pace = Pace::Took(Duration::from_millis(20));

    fn runs_until_quick(habit: &Habit) -> usize {
        let quick = |_: &usize| {
            habit.note(LITTLE);
            habit.is_quick()
        };
        (1..5000).find(quick).expect("it is quick at last")
    }

    #[test]
    fn a_handler_is_quick_once_it_has_shown_it() {
        let habit = Habit::new();

        assert!(!habit.is_quick());
        assert_eq!(runs_until_quick(&habit), 3);
    }

    #[test]
    fn a_slow_run_has_to_be_made_good() {
        let habit = Habit::new();
        runs_until_quick(&habit);
        for (pace, runs) in [(MUCH, 3), (Pace::Stopped, 400), (Pace::Stuck, 400)] {
            habit.note(pace);

            assert_eq!(runs_until_quick(&habit), runs, "{pace:?}");
        }
    }

    #[test]
    fn one_that_is_slow_again_and_again_has_more_to_make_good() {
        let habit = Habit::new();
        runs_until_quick(&habit);

        let owed = [3, 9, 27, 81, 81].map(|_| {
            habit.note(MUCH);
            habit.owed.load(Ordering::Relaxed)
        });

        assert_eq!(owed, [3, 9, 27, 81, 81]);
        assert!(!habit.comes_last());
    }

    #[test]
    fn one_that_was_stopped_comes_last_until_it_has_been_quick_for_a_while() {
        let habit = Habit::new();

        habit.note(Pace::Stopped);
        assert!(habit.comes_last());
        (0..200).for_each(|_| habit.note(LITTLE));

        assert!(!habit.comes_last() && !habit.is_quick());
    }

    #[test]
    fn that_it_stuck_is_never_forgotten() {
        let habit = Habit::new();

        habit.note(Pace::Stuck);
        runs_until_quick(&habit);

        assert!(habit.has_stuck());
    }
}
