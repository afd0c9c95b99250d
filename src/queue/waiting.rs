//! Tasks that wait for their time: the earliest first, of two at one time the older.
//!
//! Has no clock: time comes in as an argument.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Tasks, each with its time and its size.
pub(super) struct Waiting<T> {
    heap: BinaryHeap<Entry<T>>,
    size: usize,
    /// How many came so far.
    number: u64,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// This, now.
    Due(T),
    /// Something, then.
    At(Instant),
    /// Nothing.
    None,
}

struct Entry<T> {
    due: Instant,
    number: u64,
    size: usize,
    task: T,
}

impl<T> Waiting<T> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The sum of their sizes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Lets a task wait until `due`.
    pub(super) fn put(&mut self, task: T, due: Instant, size: usize) {
        self.number += 1;
        self.size += size;
        self.heap.push(Entry {
            due,
            number: self.number,
            size,
            task,
        });
    }

    /// Takes the first task whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Next<T> {
        match self.heap.peek() {
            Some(first) if first.due > now => Next::At(first.due),
            Some(_) | None => self.take_any(),
        }
    }

    /// Takes the first task, whether its time has come or not.
    pub(super) fn take_any(&mut self) -> Next<T> {
        let Some(Entry { size, task, .. }) = self.heap.pop() else {
            return Next::None;
        };
        self.size -= size;
        Next::Due(task)
    }

    /// Takes every task.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        self.size = 0;
        std::mem::take(&mut self.heap)
            .into_iter()
            .map(|entry| entry.task)
            .collect()
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            size: 0,
            number: 0,
        }
    }
}

impl<T> Ord for Entry<T> {
    /// The heap gives its greatest: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        waiting.put("later", now + 2 * SECOND, 3);
        waiting.put("soon", now + SECOND, 4);

        assert_eq!(waiting.take_due(now), Next::At(now + SECOND));
        assert_eq!(waiting.take_due(now + SECOND), Next::Due("soon"));
        assert_eq!(waiting.take_due(now + SECOND), Next::At(now + 2 * SECOND));
        assert_eq!((waiting.len(), waiting.size()), (1, 3));
    }

    #[test]
    fn of_one_time_the_older_comes_first() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        for task in 0..5 {
            waiting.put(task, now, 1);
        }

        let taken = [0; 5].map(|_| waiting.take_due(now));

        assert_eq!(taken, [0, 1, 2, 3, 4].map(Next::Due));
        assert_eq!(waiting.take_due(now), Next::None);
    }

    #[test]
    fn at_the_end_nothing_waits_for_its_time() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        waiting.put("a", now + SECOND, 1);
        waiting.put("b", now + 2 * SECOND, 1);

        assert_eq!(waiting.take_any(), Next::Due("a"));
        assert_eq!(waiting.take_all(), ["b"]);
        assert_eq!((waiting.len(), waiting.size()), (0, 0));
    }
}
