//! Waiting for what will be true soon.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The first value that `look` finds; `None` when there was none in time.
pub(crate) fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The first value that `look` finds; the test fails when there is none.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, look).unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

#[test]
fn looking_ends_with_the_first_thing_found() {
    let mut looks = 0;

    let found = within(PATIENCE, || {
        looks += 1;
        (looks == 3).then_some("it")
    });

    assert_eq!((found, looks), (Some("it"), 3));
}

#[test]
fn looking_ends_when_patience_does() {
    assert_eq!(within(Duration::ZERO, || None::<()>), None);
}
