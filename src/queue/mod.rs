//! Where queued handlers wait: in memory, bounded, lost with the process.
//!
//! Workers run one job after the other, each a while after it came. Handlers that fail are
//! tried again after a pause that doubles each time. At the end of the process what waits
//! runs at once, for as long as there is time. Whatever is not run to its end is counted
//! and logged, with the name of its transaction.
//!
//! Knows no JavaScript: [`Pipeline::run_queued`](crate::transaction::Pipeline::run_queued)
//! runs a job. Another queue, one that survives the process, takes the place of this one
//! behind [`transaction::Queue`](crate::transaction::Queue).

mod counts;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::handler::TransactionId;
use crate::transaction::{Job, LeftOut, Line, Tried};

pub use counts::{Counts, Dropped};

use waiting::{Next, Waiting};

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What the queue obeys: `[queue]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The most jobs that wait, those between two tries included.
    pub capacity: usize,
    /// The most memory that they hold, in bytes.
    pub memory: usize,
    /// How many jobs run at once.
    pub workers: usize,
    /// How long a job waits before its first try.
    pub delay: Duration,
    /// How often a handler is tried, the first time included.
    pub tries: usize,
    /// The pause after the first try that failed; it doubles with each one after that.
    pub backoff: Duration,
    /// How long one handler may take, its calls included.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: 1000,
            memory: 64 * 1024 * 1024,
            workers: 4,
            delay: Duration::ZERO,
            tries: 3,
            backoff: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
        }
    }
}

/// A job and how often it was tried.
struct Task {
    job: Job,
    tries: usize,
}

/// The queue. Jobs can be put from the start; they run once there are workers.
pub struct Queue {
    settings: Settings,
    state: Mutex<State>,
    /// Somebody may have something to do.
    wake: Notify,
    /// Nothing may be left to do.
    rest: Notify,
}

#[derive(Default)]
struct State {
    waiting: Waiting<Task>,
    running: usize,
    stage: Stage,
    counts: Counts,
}

/// How far the process is, as far as it matters to those who wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Working,
    /// It ends: nothing waits for its time any more.
    Ending,
    /// It ended: nothing is taken any more.
    Over,
}

impl State {
    /// Lets a task wait until `due`; gives it back with the reason where it can't.
    fn admit(&mut self, task: Task, due: Instant, settings: &Settings) -> Option<(Task, Dropped)> {
        let size = task.job.size();
        let is_full =
            self.waiting.len() >= settings.capacity || self.waiting.size() + size > settings.memory;
        let why = match self.stage {
            Stage::Over => Dropped::Ending,
            Stage::Working | Stage::Ending if is_full => Dropped::Full,
            Stage::Working | Stage::Ending => {
                self.waiting.put(task, due, size);
                return None;
            }
        };
        self.counts.drop_for(why, task.job.handlers());
        Some((task, why))
    }

    /// Lets a task that failed wait for its next try; gives it back with the reason where
    /// there is none.
    fn again(&mut self, task: Task, settings: &Settings) -> Option<(Task, Dropped)> {
        if task.tries >= settings.tries && self.stage != Stage::Over {
            self.counts.drop_for(Dropped::Failed, task.job.handlers());
            return Some((task, Dropped::Failed));
        }
        let pause = pause(settings.backoff, task.tries);
        let (transaction, handlers) = (task.job.transaction().clone(), task.job.names().join(", "));
        let (number, tries) = (task.job.handlers(), task.tries);
        let refused = self.admit(task, Instant::now() + pause, settings);
        if refused.is_none() {
            self.counts.retried += number;
            tracing::warn!(%transaction, handlers, tries, ?pause, "queued handlers failed and are tried again");
        }
        refused
    }
}

impl Queue {
    /// An empty queue.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            state: Mutex::default(),
            wake: Notify::new(),
            rest: Notify::new(),
        })
    }

    /// Starts the workers, which run jobs on `line`.
    pub fn work(self: &Arc<Self>, line: &Arc<Line>) -> Vec<JoinHandle<()>> {
        (0..self.settings.workers)
            .map(|_| tokio::spawn(Arc::clone(self).work_on(Arc::clone(line))))
            .collect()
    }

    /// How many handlers wait, ran, failed and were dropped.
    pub fn counts(&self) -> Counts {
        let state = self.state();
        Counts {
            waiting: state.waiting.len(),
            running: state.running,
            ..state.counts
        }
    }

    /// Runs what waits, without waiting for its time, for `limit` at most. What is left
    /// then is dropped.
    pub async fn drain(&self, limit: Duration) {
        self.state().stage = Stage::Ending;
        self.wake.notify_one();
        // What is left says whether its time was over.
        timeout(limit, self.empty()).await.ok();
        self.abandon();
    }

    /// Drops what waits, the process being at its end. What runs is cut off with it.
    pub fn abandon(&self) {
        let (left, running) = {
            let mut state = self.state();
            state.stage = Stage::Over;
            let left = state.waiting.take_all();
            let handlers = left.iter().map(|task| task.job.handlers()).sum();
            state.counts.drop_for(Dropped::Ending, handlers);
            (left, state.running)
        };
        for task in left {
            tell_of_drop(Some((task, Dropped::Ending)));
        }
        if running > 0 {
            tracing::warn!(jobs = running, "queued handlers were cut off");
        }
    }

    async fn empty(&self) {
        loop {
            let rest = self.rest.notified();
            {
                let state = self.state();
                if state.waiting.len() == 0 && state.running == 0 {
                    return;
                }
            }
            rest.await;
        }
    }

    async fn work_on(self: Arc<Self>, line: Arc<Line>) {
        loop {
            let next = self.next();
            match next {
                Next::Due(task) => self.run(&line, task).await,
                Next::At(when) => tokio::select! {
                    () = sleep_until(when.into()) => {}
                    () = self.wake.notified() => {}
                },
                Next::None => self.wake.notified().await,
            }
        }
    }

    fn next(&self) -> Next<Task> {
        let mut state = self.state();
        let now = Instant::now();
        let next = match state.stage {
            Stage::Working => state.waiting.take_due(now),
            Stage::Ending | Stage::Over => state.waiting.take_any(),
        };
        if matches!(next, Next::Due(_)) {
            state.running += 1;
            // One wake may stand for several jobs.
            if state.waiting.len() > 0 {
                self.wake.notify_one();
            }
        }
        next
    }

    async fn run(&self, line: &Line, Task { job, tries }: Task) {
        let limit = self.settings.timeout;
        let Tried {
            done,
            unreadable,
            failed,
        } = line
            .pipeline
            .run_queued(job, || Instant::now() + limit)
            .await;
        let tries = tries + 1;
        let mut state = self.state();
        state.running -= 1;
        state.counts.done += done;
        state.counts.drop_for(Dropped::NoBody, unreadable);
        // Under the lock that says it runs no more: a task is never nowhere.
        let refused = failed.and_then(|job| state.again(Task { job, tries }, &self.settings));
        drop(state);
        tell_of_drop(refused);
        self.wake.notify_one();
        self.rest.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl crate::transaction::Queue for Queue {
    fn put(&self, job: Job) {
        let due = Instant::now() + self.settings.delay;
        let task = Task { job, tries: 0 };
        let refused = self.state().admit(task, due, &self.settings);
        tell_of_drop(refused);
        self.wake.notify_one();
    }

    fn left_out(&self, transaction: &TransactionId, handlers: usize, why: LeftOut) {
        let why = match why {
            LeftOut::Unsent => Dropped::Unsent,
            LeftOut::NoBody => Dropped::NoBody,
        };
        self.state().counts.drop_for(why, handlers);
        tracing::info!(%transaction, handlers, reason = why.label(), "queued handlers were left out");
    }
}

/// The pause after this many tries.
fn pause(backoff: Duration, tries: usize) -> Duration {
    let times = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    let doubled = 2u32.saturating_pow(times);
    backoff.saturating_mul(doubled).min(LONGEST_PAUSE)
}

fn tell_of_drop(dropped: Option<(Task, Dropped)>) {
    if let Some((Task { job, tries }, why)) = dropped {
        let (transaction, handlers) = (job.transaction(), job.names().join(", "));
        tracing::warn!(%transaction, handlers, tries, reason = why.label(), "queued handlers were dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_has_an_end() {
        let pauses = [1, 2, 3, 4, 40].map(|tries| pause(Duration::from_secs(1), tries).as_secs());

        assert_eq!(pauses, [1, 2, 4, 8, 300]);
    }
}
