//! When a worker counts as hung, and when the next one may be started. No clock of their own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many beats the watchdog's time is cut into.
pub(super) const BEATS: u32 = 5;

/// How many may pass until a worker answers for the first time: it reads its configuration
/// before that, and the machine may be busy.
const BEATS_AT_START: u32 = 6 * BEATS;

/// So many deaths in so much time are too many.
const MAX_DEATHS: usize = 5;
const DEATHS_WITHIN: Duration = Duration::from_secs(10);

/// The pause between two starts once there were too many deaths.
const PAUSE: Duration = Duration::from_secs(1);

/// The pause after a spare worker that could not start while another one serves.
const PAUSE_OF_SPARE: Duration = Duration::from_secs(10);

/// Whether a worker answers.
///
/// Counted in beats, not in time: while the machine sleeps or the supervisor is stopped there
/// is no beat, and one that comes late counts once.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// A ping is under way.
    is_waiting: bool,
    missed: u32,
    /// So many missed ones are too many.
    limit: u32,
}

/// What follows from a beat.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// The last ping was answered: ping again.
    Ping,
    /// The last one may still be answered.
    Wait,
    /// It has not been answered for too long.
    GiveUp,
}

impl Heartbeat {
    /// Of a worker that is started now.
    pub(super) fn of_start() -> Self {
        Self {
            is_waiting: false,
            missed: 0,
            limit: BEATS_AT_START,
        }
    }

    pub(super) fn beat(&mut self) -> Beat {
        if !self.is_waiting {
            self.is_waiting = true;
            return Beat::Ping;
        }
        self.missed += 1;
        if self.missed < self.limit {
            Beat::Wait
        } else {
            self.missed = 0;
            Beat::GiveUp
        }
    }

    pub(super) fn answered(&mut self) {
        *self = Self {
            is_waiting: false,
            missed: 0,
            limit: BEATS,
        };
    }

    /// Whether the last beat found it answering.
    pub(super) fn is_well(&self) -> bool {
        self.missed == 0
    }
}

/// When workers died and were started.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    deaths: VecDeque<Instant>,
    started: Option<Instant>,
    /// When a spare worker last could not start.
    failed: Option<Instant>,
}

impl Restarts {
    pub(super) fn started(&mut self, now: Instant) {
        self.started = Some(now);
    }

    /// A worker died.
    pub(super) fn died(&mut self, now: Instant) {
        self.deaths.push_back(now);
        if self.deaths.len() > MAX_DEATHS {
            self.deaths.pop_front();
        }
    }

    /// A worker ended by itself before it could serve.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failed = Some(now);
    }

    /// Whether there have been too many deaths of late.
    pub(super) fn are_too_many(&self, now: Instant) -> bool {
        let oldest = self.deaths.front();
        self.deaths.len() >= MAX_DEATHS
            && oldest.is_some_and(|oldest| now.duration_since(*oldest) < DEATHS_WITHIN)
    }

    /// When a worker may be started that `is_needed` at once, or that will be a spare one.
    pub(super) fn next(&self, now: Instant, is_needed: bool) -> Instant {
        let after_deaths = self.are_too_many(now).then_some(PAUSE);
        let after_deaths = self.started.zip(after_deaths).map(|(at, pause)| at + pause);
        let pause = if is_needed { PAUSE } else { PAUSE_OF_SPARE };
        let after_failure = self.failed.map(|at| at + pause);
        [after_deaths, after_failure]
            .into_iter()
            .flatten()
            .fold(now, Instant::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering() -> Heartbeat {
        let mut heartbeat = Heartbeat::of_start();
        heartbeat.answered();
        heartbeat
    }

    #[test]
    fn a_worker_that_answers_is_pinged_at_every_beat() {
        let mut heartbeat = answering();

        for _ in 0..100 {
            assert_eq!(heartbeat.beat(), Beat::Ping);
            heartbeat.answered();
        }
    }

    #[test]
    fn a_worker_that_does_not_answer_is_given_up_after_the_beats_of_the_limit() {
        let mut heartbeat = answering();

        assert_eq!(heartbeat.beat(), Beat::Ping);
        for _ in 1..BEATS {
            assert_eq!(heartbeat.beat(), Beat::Wait);
        }
        assert_eq!(heartbeat.beat(), Beat::GiveUp);
    }

    #[test]
    fn an_answer_that_comes_late_counts() {
        let mut heartbeat = answering();
        for _ in 0..BEATS {
            heartbeat.beat();
        }
        assert!(!heartbeat.is_well());

        heartbeat.answered();

        assert!(heartbeat.is_well());
        assert_eq!(heartbeat.beat(), Beat::Ping);
        assert_eq!(heartbeat.beat(), Beat::Wait);
    }

    #[test]
    fn a_worker_that_starts_has_longer() {
        let mut heartbeat = Heartbeat::of_start();

        let beats = (0..).take_while(|_| heartbeat.beat() != Beat::GiveUp);

        assert_eq!(beats.count(), 30, "a minute, with the default");
    }

    #[test]
    fn the_next_start_is_at_once_until_there_were_five_deaths_within_ten_seconds() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut restarts = Restarts::default();
        for second in 0..4 {
            restarts.died(at(second));
            restarts.started(at(second));
            assert_eq!(restarts.next(at(second), true), at(second));
        }

        restarts.died(at(4));
        assert_eq!(restarts.next(at(4), true), at(4), "a second after the last");
        restarts.started(at(4));
        assert_eq!(restarts.next(at(4), true), at(5));
        assert!(restarts.are_too_many(at(9)));

        assert!(!restarts.are_too_many(at(10)), "the first is too long ago");
        assert_eq!(restarts.next(at(10), true), at(10));
    }

    #[test]
    fn a_spare_worker_that_cannot_start_is_tried_again_after_a_while_or_when_it_is_needed() {
        let begin = Instant::now();
        let mut restarts = Restarts::default();
        restarts.failed(begin);

        assert_eq!(restarts.next(begin, false), begin + PAUSE_OF_SPARE);
        assert_eq!(restarts.next(begin, true), begin + PAUSE);
    }
}
