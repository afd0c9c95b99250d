//! How long a handler takes, as far as its runs have shown.
//!
//! A handler that is known to be quick runs on the worker that has its transaction, which costs
//! nothing; one that isn't known yet, or was slow, runs aside until it has been quick for a while.
//!
//! Whether a handler has to be stopped may be a client's doing: that is held against the run, and
//! against the handler only where it happens every time. So after one was stopped, its runs
//! begin as any other and come behind everybody else's once they take longer than a quick one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::clock::Overrun;

/// What a quick run takes at most: the worker does nothing else meanwhile.
pub(super) const QUICK: Duration = Duration::from_millis(1);

/// How many quick runs a handler has to show that nobody knows, and at most one that was slow or
/// stopped: once may be chance, on a machine that does other things too.
const NEW: u32 = 3;
const SLOW: u32 = 81;

/// How many of the last runs are remembered. Where all of them had to be stopped, the handler is
/// at fault.
const REMEMBERED: u32 = u16::BITS;

/// How far a handler's next run is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// As any other.
    Usual,
    /// As any other while it is quick: one was stopped of late.
    Suspect,
    /// It comes last: all were stopped of late.
    Last,
}

/// What is known of one handler of one generation.
pub(super) struct Habit {
    /// How many quick runs it has to show before it may run on a worker. A count that two
    /// runs change at once may come out one too high.
    owed: AtomicU32,
    /// The last runs, the last one lowest: a bit is set where it was stopped.
    stopped: AtomicU32,
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

impl From<Overrun> for Pace {
    fn from(overrun: Overrun) -> Self {
        match overrun {
            // What had no processor is not slow for that.
            Overrun::Wall { computed, .. } if computed <= QUICK => Self::Took(computed),
            Overrun::Wall { .. } | Overrun::Computing { .. } => Self::Stopped,
        }
    }
}

impl Habit {
    pub(super) fn new() -> Self {
        Self {
            owed: AtomicU32::new(NEW),
            stopped: AtomicU32::new(0),
            has_stuck: AtomicBool::new(false),
        }
    }

    /// Whether it may run on a worker.
    pub(super) fn is_quick(&self) -> bool {
        self.owed.load(Ordering::Relaxed) == 0
    }

    /// How far its next run is trusted.
    pub(super) fn standing(&self) -> Standing {
        match self.stopped.load(Ordering::Relaxed).count_ones() {
            0 => Standing::Usual,
            REMEMBERED.. => Standing::Last,
            _ => Standing::Suspect,
        }
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
            Pace::Stopped => SLOW,
            // That it was stopped has been noted.
            Pace::Stuck => {
                self.has_stuck.store(true, Ordering::Relaxed);
                return;
            }
        };
        if now != owed {
            self.owed.store(now, Ordering::Relaxed);
        }
        let stopped = self.stopped.load(Ordering::Relaxed);
        if stopped != 0 || pace == Pace::Stopped {
            let last = u32::from(pace == Pace::Stopped);
            let remembered = (stopped << 1 | last) & ((1 << REMEMBERED) - 1);
            self.stopped.store(remembered, Ordering::Relaxed);
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
        for (pace, runs) in [(MUCH, 3), (Pace::Stopped, 81)] {
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
        assert_eq!(habit.standing(), Standing::Usual);
    }

    #[test]
    fn one_that_was_stopped_is_suspect_for_a_few_runs() {
        let habit = Habit::new();

        habit.note(Pace::Stopped);
        assert_eq!(habit.standing(), Standing::Suspect);
        (0..15).for_each(|_| habit.note(LITTLE));
        assert_eq!(habit.standing(), Standing::Suspect);
        habit.note(LITTLE);

        assert_eq!(habit.standing(), Standing::Usual);
        assert!(!habit.is_quick());
    }

    #[test]
    fn only_one_that_is_stopped_every_time_comes_last() {
        // How many of ten are stopped.
        for (stopped, standing) in [
            (1, Standing::Suspect),
            (9, Standing::Suspect),
            (10, Standing::Last),
        ] {
            let habit = Habit::new();
            for at in 0..100 {
                let is_stopped = at % 10 < stopped;
                habit.note(if is_stopped { Pace::Stopped } else { LITTLE });
            }

            assert_eq!(habit.standing(), standing, "{stopped} of ten");
            habit.note(LITTLE);
            assert_eq!(habit.standing(), Standing::Suspect, "{stopped} of ten");
        }
    }

    #[test]
    fn that_it_stuck_is_never_forgotten() {
        let habit = Habit::new();

        habit.note(Pace::Stuck);
        runs_until_quick(&habit);

        assert!(habit.has_stuck());
    }
}
