//! Word to the operator that somebody before us says `https` and isn't believed.
//!
//! Applications that enforce https answer such a request with a redirect to where it came from,
//! for ever; the way out is one line of configuration.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often it is logged at most.
const LOG_INTERVAL: Duration = Duration::from_hours(1);

/// When it was logged last.
#[derive(Debug)]
pub(super) struct Schemes {
    began: Instant,
    /// The next time it may be, in seconds after the beginning.
    next: AtomicU64,
}

impl Schemes {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            next: AtomicU64::new(0),
        }
    }

    /// `X-Forwarded-Proto: https` of this peer became `http`.
    pub(super) fn taken_back(&self, peer: IpAddr) {
        if self.may_log(self.began.elapsed().as_secs()) {
            tracing::warn!(
                %peer,
                "X-Forwarded-Proto: https became http, since who sent it is not in trusted_proxies; \
                 if it is a proxy of yours, list it there"
            );
        }
    }

    fn may_log(&self, now: u64) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        let then = now + LOG_INTERVAL.as_secs();
        now >= next
            && self
                .next
                .compare_exchange(next, then, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_logged_once_an_hour() {
        let schemes = Schemes::new();

        let logged = [0, 0, 5, 3599, 3600, 3601, 9000].map(|now| schemes.may_log(now));

        assert_eq!(logged, [true, false, false, false, true, false, true]);
    }
}
