//! Reads of the script directory, on threads that may hang.
//!
//! A file system that is mounted over a network may never answer, and nothing ends a thread that
//! waits for it. So each read runs on a thread of its own and has a time limit. A thread that
//! exceeds it is abandoned: what it reads in the end is dropped. There are [`MAX_HUNG`] of these
//! at most; after that nothing is read until one of them returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// How many threads may hang in the file system at once.
pub(super) const MAX_HUNG: usize = 4;

/// Reads with a time limit.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    limit: Duration,
    hung: Arc<AtomicUsize>,
}

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DiskError {
    /// The file system did not answer within the limit, or too many reads before this one
    /// still wait for it.
    #[error("the file system does not answer")]
    Hung,
    /// The system gave no thread.
    #[error("no thread could be started")]
    NoThread,
    /// The read panicked.
    #[error("reading panicked")]
    Panicked,
}

impl Disk {
    /// Reads that may take so long.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            hung: Arc::default(),
        }
    }

    /// How many threads hang.
    pub(super) fn hung(&self) -> usize {
        self.hung.load(Ordering::Acquire)
    }

    /// What `read` gives, which may block.
    ///
    /// # Errors
    ///
    /// [`DiskError`]; after [`DiskError::Hung`] the read may still go on, and nobody hears of it.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DiskError> {
        if self.hung() >= MAX_HUNG {
            return Err(DiskError::Hung);
        }
        let (reply, mut answer) = oneshot::channel();
        let progress = Arc::new(AtomicU8::new(RUNNING));
        let end = End {
            progress: Arc::clone(&progress),
            hung: Arc::clone(&self.hung),
        };
        let work = move || {
            let _end = end;
            // Nobody waits where it was abandoned.
            let _ = reply.send(read());
        };
        thread::Builder::new()
            .name("interpose-disk".to_owned())
            .spawn(work)
            .map_err(|_| DiskError::NoThread)?;
        if let Ok(answer) = tokio::time::timeout(self.limit, &mut answer).await {
            return answer.map_err(|_| DiskError::Panicked);
        }
        self.hung.fetch_add(1, Ordering::AcqRel);
        if progress.swap(ABANDONED, Ordering::AcqRel) == RUNNING {
            return Err(DiskError::Hung);
        }
        // It returned at this very moment.
        self.hung.fetch_sub(1, Ordering::AcqRel);
        answer.try_recv().map_err(|_| DiskError::Panicked)
    }
}

/// The read goes on, and somebody waits for it.
const RUNNING: u8 = 0;
/// Nobody waits for it any more.
const ABANDONED: u8 = 1;
/// It has returned or panicked.
const RETURNED: u8 = 2;

/// Says at its end that a read is over, and takes one that was abandoned off the count.
struct End {
    progress: Arc<AtomicU8>,
    hung: Arc<AtomicUsize>,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.progress.swap(RETURNED, Ordering::AcqRel) == ABANDONED {
            self.hung.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Waits until so many threads hang.
    async fn until_hung(disk: &Disk, count: usize) {
        let reached = async {
            while disk.hung() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, reached)
            .await
            .expect("it comes in time");
    }

    #[tokio::test]
    async fn what_is_read_in_time_is_given() {
        let disk = Disk::new(LONG);

        assert_eq!(disk.read(|| 7).await, Ok(7));
        assert_eq!(disk.hung(), 0);
    }

    #[tokio::test]
    async fn a_read_that_panics_is_an_error_and_counts_for_nothing() {
        let disk = Disk::new(LONG);

        let read = disk.read(|| panic!("as a bug might")).await;

        assert_eq!(read, Err::<(), _>(DiskError::Panicked));
        assert_eq!(disk.hung(), 0);
    }

    #[tokio::test]
    async fn reads_that_hang_are_bounded_in_time_and_number_and_count_until_they_return() {
        let disk = Disk::new(Duration::from_millis(1));
        let mut doors = Vec::new();
        for count in 1..=MAX_HUNG {
            let (door, closed) = mpsc::channel::<()>();
            let read = disk.read(move || closed.recv().is_err()).await;
            assert_eq!((read, disk.hung()), (Err(DiskError::Hung), count));
            doors.push(door);
        }

        let refused = disk.read(|| unreachable!("no thread is started")).await;
        assert_eq!(refused, Err::<(), _>(DiskError::Hung));

        doors.pop();
        until_hung(&disk, MAX_HUNG - 1).await;
        doors.clear();
        until_hung(&disk, 0).await;
        assert_eq!(
            Disk {
                limit: LONG,
                ..disk
            }
            .read(|| 7)
            .await,
            Ok(7)
        );
    }

    #[tokio::test]
    async fn a_hung_read_that_panics_in_the_end_counts_no_longer() {
        let disk = Disk::new(Duration::from_millis(1));
        let (door, closed) = mpsc::channel::<()>();
        let read = disk.read(move || {
            let _ = closed.recv();
            panic!("as a bug might");
        });
        assert_eq!(read.await, Err::<(), _>(DiskError::Hung));

        drop(door);

        until_hung(&disk, 0).await;
    }
}
