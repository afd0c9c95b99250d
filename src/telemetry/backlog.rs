//! Log lines that wait to be written: so many bytes of them at most. Nobody waits for whoever reads
//! the log: a line that finds no room is lost, and that lines were lost is told once there is room.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines may wait.
pub(super) const ROOM: usize = 16 * 1024 * 1024;

/// How many of a process that writes few.
pub(super) const SMALL_ROOM: usize = 256 * 1024;

/// What a line counts for at least, so that there are never more of them than the queue holds.
const LEAST: usize = 1024;

/// A queue of `room` bytes before `to`, which a thread of its own writes.
pub(super) fn before(to: impl Write + Send + 'static, room: usize) -> (Intake, WorkerGuard) {
    let counts = Arc::new(Counts::default());
    let outlet = Outlet {
        to,
        counts: Arc::clone(&counts),
    };
    let (queue, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(room / LEAST)
        .finish(outlet);
    let intake = Intake {
        queue,
        room,
        counts,
    };
    (intake, guard)
}

#[derive(Debug, Default)]
struct Counts {
    /// The bytes of the lines that wait.
    waiting: AtomicUsize,
    /// The lines that were lost since that was told.
    lost: AtomicUsize,
}

/// What a line counts for.
fn weight(line: &[u8]) -> usize {
    line.len().max(LEAST)
}

/// Where lines come in, each in one write.
#[derive(Clone)]
pub(super) struct Intake {
    queue: NonBlocking,
    room: usize,
    counts: Arc<Counts>,
}

impl Write for Intake {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let weight = weight(line);
        let waiting = self.counts.waiting.fetch_add(weight, Ordering::Relaxed);
        if waiting + weight > self.room {
            self.counts.waiting.fetch_sub(weight, Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        self.queue.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Intake {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Where they go out. The queue writes each as a whole.
struct Outlet<W> {
    to: W,
    counts: Arc<Counts>,
}

impl<W: Write> Write for Outlet<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.to.write_all(line);
        self.counts
            .waiting
            .fetch_sub(weight(line), Ordering::Relaxed);
        let lost = self.counts.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lines = lost, "log lines were lost");
        }
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Writes nothing while its gate is there.
    struct Held {
        gate: Receiver<()>,
        written: Arc<Mutex<Vec<usize>>>,
    }

    impl Write for Held {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.gate.recv().ok();
            self.written.lock().unwrap().push(line.len());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_more_waits_than_there_is_room_for_and_the_rest_is_counted() {
        for (line, room) in [(8 * 1024, 2 * 1024), (10, 16 * 1024)] {
            let (gate, held) = channel();
            let written = Arc::default();
            let held = Held {
                gate: held,
                written: Arc::clone(&written),
            };
            let (mut intake, guard) = before(held, ROOM);

            for _ in 0..room + 100 {
                intake.write_all(&vec![b'x'; line]).unwrap();
            }

            assert_eq!(intake.counts.waiting.load(Ordering::Relaxed), ROOM);
            assert_eq!(intake.counts.lost.load(Ordering::Relaxed), 100);
            drop(gate);
            drop(guard);
            assert_eq!(*written.lock().unwrap(), vec![line; room]);
            assert_eq!(intake.counts.waiting.load(Ordering::Relaxed), 0);
            assert_eq!(intake.counts.lost.load(Ordering::Relaxed), 0);
        }
    }
}
