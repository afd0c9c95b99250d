//! What systemd hears of the service, where it has started us and asked for it.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

/// Says nothing where `NOTIFY_SOCKET` isn't set.
#[derive(Debug, Clone)]
pub struct Systemd(());

impl Systemd {
    /// As the environment says.
    pub fn new() -> Self {
        Self(())
    }

    /// The service is up, or a reload has ended.
    pub fn ready(&self) {
        self.say(&[NotifyState::Ready]);
    }

    /// A reload has begun.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.say(&[NotifyState::Reloading, now]),
            Err(error) => failed(&error),
        }
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.say(&[NotifyState::Stopping]);
    }

    /// Says that the service is sound, as often as it has to be said, for as long as this runs.
    pub async fn say_that_we_live(self) {
        let Some(beat) = self.beat() else {
            return;
        };
        loop {
            self.alive();
            tokio::time::sleep(beat).await;
        }
    }

    /// The service is sound.
    pub(super) fn alive(&self) {
        self.say(&[NotifyState::Watchdog]);
    }

    /// How often [`alive`](Self::alive) is to be said; `None` where it needn't be.
    pub(super) fn beat(&self) -> Option<Duration> {
        let Self(()) = self;
        let limit = sd_notify::watchdog_enabled()?;
        Some(limit / 2).filter(|beat| !beat.is_zero())
    }

    fn say(&self, state: &[NotifyState<'_>]) {
        let Self(()) = self;
        if let Err(error) = sd_notify::notify(state) {
            failed(&error);
        }
    }
}

impl Default for Systemd {
    fn default() -> Self {
        Self::new()
    }
}

fn failed(error: &io::Error) {
    tracing::warn!(%error, "systemd could not be notified");
}
