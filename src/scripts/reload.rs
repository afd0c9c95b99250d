//! Reloads: from "something may have changed" to a set that was taken.
//!
//! Everything that might mean a change, a file event, the rescan, the end of a
//! quiet time, leads to the same thing: a look at the directory. Only a look
//! that finds something else than the look before counts as a change, and only
//! what was found so at the beginning and at the end of a quiet time is loaded.

use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, Watcher};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};

use super::attempt::{Attempt, Live, Outcome};
use super::listing::{ListedDirectory, Listing, Stamp, Unlistable, directory_problem};
use super::settings::Settings;
use super::settle::{Input, Load, Quiet, State};
use super::snapshot::Snapshot;
use super::status::{Rejected, Status};
use super::watch::Watch;
use crate::generation::GenerationId;
use crate::handler::Diagnostic;

/// So often a look is repeated because there were new directories to watch.
const LOOKS: usize = 3;

/// How many may wait for a reload that they asked for.
const MOST_WAITING: usize = 64;

/// Someone who asked for a reload and waits.
struct Asked {
    reply: oneshot::Sender<Result<GenerationId, Rejected>>,
    /// One of [`MOST_WAITING`], free again once they are answered.
    _place: OwnedSemaphorePermit,
}

/// Why a request to read the directory led to no generation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The set as it is now was refused; the last good one stays live.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// So many wait for one that nobody else may.
    #[error("{MOST_WAITING} reloads that were asked for are under way; ask again later")]
    Busy,
}

/// A hold on the reloads of one directory. They end when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Reloads {
    /// No longer than there are places.
    requests: mpsc::UnboundedSender<Asked>,
    places: Arc<Semaphore>,
    status: watch::Receiver<Status>,
}

impl Reloads {
    /// Reads the directory now, without waiting for quiet, and tells what came of it.
    ///
    /// # Errors
    ///
    /// [`ReloadError`].
    pub async fn request(&self) -> Result<GenerationId, ReloadError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| ReloadError::Busy)?;
        Ok(self.ask(place).await?)
    }

    /// The same, once there is a place to wait in.
    pub async fn request_in_turn(&self) -> Result<GenerationId, Rejected> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        self.ask(place.expect("nobody closes the places")).await
    }

    async fn ask(&self, place: OwnedSemaphorePermit) -> Result<GenerationId, Rejected> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            reply,
            _place: place,
        };
        self.requests.send(asked).ok();
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// What is live, what was refused, and whether something is changing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

fn stopped() -> Rejected {
    let message = "the program is ending; scripts are not read any more";
    Rejected::now(None, vec![Diagnostic::of_file(".", message)])
}

/// The reloads of one directory. Nothing happens until it is run.
pub struct ReloadLoop<L> {
    settings: Arc<Settings>,
    load: Arc<Mutex<L>>,
    requests: mpsc::UnboundedReceiver<Asked>,
    status: watch::Sender<Status>,
}

impl<L> ReloadLoop<L>
where
    L: FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send + 'static,
{
    /// Reloads what `settings` say.
    ///
    /// `load` compiles a snapshot and publishes what came of it, or says why
    /// not. It may block; it is not called again for a set it took or refused,
    /// unless someone asks.
    pub fn new(settings: Settings, load: L) -> (Self, Reloads) {
        let (requests, incoming) = mpsc::unbounded_channel();
        let (status, watched) = watch::channel(Status::default());
        let reloads = Self {
            settings: Arc::new(settings),
            load: Arc::new(Mutex::new(load)),
            requests: incoming,
            status,
        };
        (
            reloads,
            Reloads {
                requests,
                places: Arc::new(Semaphore::new(MOST_WAITING)),
                status: watched,
            },
        )
    }

    /// Loads the set, and again whenever it changes, until nobody holds [`Reloads`].
    pub async fn run(self) {
        self.run_with::<RecommendedWatcher>().await;
    }

    async fn run_with<W: Watcher>(self) {
        let wake = Arc::new(Notify::new());
        let Self {
            settings,
            load,
            mut requests,
            status,
        } = self;
        let mut rescan = interval_at((Instant::now() + settings.rescan).into(), settings.rescan);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch::<W>::new(&settings.directory, settings.commit.clone(), wake.clone());
        let mut progress = Progress::new(settings, load, status, watch);
        progress.begin().await;
        loop {
            tokio::select! {
                asked = requests.recv() => match asked {
                    Some(asked) => progress.ask(asked).await,
                    None => return,
                },
                () = wake.notified() => progress.look().await,
                _ = rescan.tick() => progress.look().await,
                () = end_of_quiet(progress.state) => progress.quiet_ends().await,
                outcome = end_of_load(&mut progress.loading) => progress.loaded(outcome),
            }
        }
    }
}

async fn end_of_quiet(state: State) {
    match state {
        State::Settling { until } => sleep_until(until.into()).await,
        State::Watching | State::Loading { .. } => pending().await,
    }
}

/// None where the loader panicked.
async fn end_of_load(loading: &mut Option<JoinHandle<Outcome>>) -> Option<Outcome> {
    let Some(load) = loading else {
        return pending().await;
    };
    match load.await {
        Ok(outcome) => Some(outcome),
        Err(error) if error.is_panic() => None,
        // Cancelled: the runtime is ending, and this with it.
        Err(_) => pending().await,
    }
}

/// What a look finds.
#[derive(Debug, Clone)]
struct Look {
    listing: Result<Listing, Unlistable>,
    /// None where there is no such file.
    commit: Option<Stamp>,
}

impl Look {
    /// Blocks.
    fn at(settings: &Settings) -> Self {
        let commit = settings
            .commit
            .as_ref()
            .map(|name| settings.directory.join(name));
        Self {
            listing: Listing::of(&settings.directory),
            commit: commit.and_then(|path| stamp_at(&path)),
        }
    }

    fn directories(&self) -> &[ListedDirectory] {
        self.listing
            .as_ref()
            .map_or(&[], |listing| &listing.directories)
    }
}

fn stamp_at(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path)
        .ok()
        .map(|metadata| Stamp::of(&metadata))
}

/// How far the reloads have come.
struct Progress<L, W> {
    settings: Arc<Settings>,
    load: Arc<Mutex<L>>,
    status: watch::Sender<Status>,
    watch: Watch<W>,
    state: State,
    /// None after a set that couldn't be read: whatever is found next is a change,
    /// for not all that keeps files from being read can be seen in a listing.
    seen: Option<Look>,
    live: Option<Live>,
    loading: Option<JoinHandle<Outcome>>,
    /// Who asked since the load under way began.
    waiting: Vec<Asked>,
    /// Who is answered when it ends.
    serving: Vec<Asked>,
}

impl<L, W> Progress<L, W>
where
    L: FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send + 'static,
    W: Watcher,
{
    fn new(
        settings: Arc<Settings>,
        load: Arc<Mutex<L>>,
        status: watch::Sender<Status>,
        watch: Watch<W>,
    ) -> Self {
        Self {
            settings,
            load,
            status,
            watch,
            state: State::Watching,
            seen: None,
            live: None,
            loading: None,
            waiting: Vec::new(),
            serving: Vec::new(),
        }
    }

    /// A set that has been quiet for long enough already is loaded at once.
    async fn begin(&mut self) {
        self.look().await;
        let age = match self.seen.as_ref().map(|look| &look.listing) {
            Some(Ok(listing)) => listing.age(SystemTime::now()),
            Some(Err(_)) | None => None,
        };
        let quiet = self.quiet().after_change;
        let left = quiet.saturating_sub(age.unwrap_or(quiet));
        self.enter(State::Settling {
            until: Instant::now() + left,
        });
    }

    async fn look(&mut self) {
        for _ in 0..LOOKS {
            let settings = Arc::clone(&self.settings);
            let Ok(look) = spawn_blocking(move || Look::at(&settings)).await else {
                return; // the runtime is ending, and this with it
            };
            let is_to_be_repeated = self.watch.follow(look.directories());
            if self.is_change(&look) {
                self.seen = Some(look);
                self.step(Input::Changed);
            }
            if !is_to_be_repeated {
                return;
            }
        }
    }

    fn is_change(&self, look: &Look) -> bool {
        match &self.settings.commit {
            // The file going away says that a copy begins, not that one ended.
            Some(_) if look.commit.is_none() => false,
            Some(_) => self
                .seen
                .as_ref()
                .is_none_or(|seen| seen.commit != look.commit),
            None => self
                .seen
                .as_ref()
                .is_none_or(|seen| seen.listing != look.listing),
        }
    }

    async fn quiet_ends(&mut self) {
        self.look().await;
        self.step(Input::Tick);
    }

    async fn ask(&mut self, asked: Asked) {
        self.look().await;
        self.waiting.push(asked);
        self.step(Input::Asked);
    }

    fn loaded(&mut self, outcome: Option<Outcome>) {
        self.loading = None;
        let is_torn = matches!(outcome, Some(Outcome::Torn(_)));
        let result = self.conclude(outcome);
        for Asked { reply, _place } in self.serving.drain(..) {
            reply.send(result.clone()).ok();
        }
        self.step(if is_torn { Input::Torn } else { Input::Loaded });
    }

    fn step(&mut self, input: Input) {
        let (state, load) = self.state.step(input, Instant::now(), self.quiet());
        self.enter(state);
        match load {
            Load::Yes => self.start(),
            Load::No => {}
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        let settling = state != State::Watching;
        self.status.send_if_modified(|status| {
            std::mem::replace(&mut status.settling, settling) != settling
        });
    }

    fn quiet(&self) -> Quiet {
        let settle = self.settings.settle;
        // A commit file is its author's word that the set is whole.
        let after_change = if self.settings.commit.is_some() {
            Duration::ZERO
        } else {
            settle
        };
        Quiet {
            after_change,
            after_torn: settle,
        }
    }

    fn start(&mut self) {
        self.serving = std::mem::take(&mut self.waiting);
        let is_asked = !self.serving.is_empty();
        let takes_what_there_is = is_asked || self.settings.commit.is_some();
        let seen = self.seen.as_ref().filter(|_| !takes_what_there_is);
        let attempt = Attempt {
            listed: seen.map(|look| look.listing.clone()),
            live: self.live,
            rejected: self.status.borrow().rejected.clone(),
            is_asked,
        };
        let (settings, load) = (Arc::clone(&self.settings), Arc::clone(&self.load));
        self.loading = Some(spawn_blocking(move || {
            let mut load = load.lock().unwrap_or_else(PoisonError::into_inner);
            attempt.run(&settings, &mut *load)
        }));
    }

    /// Makes a load's outcome known, and gives what those who asked are told.
    fn conclude(&mut self, outcome: Option<Outcome>) -> Result<GenerationId, Rejected> {
        match outcome {
            Some(Outcome::Taken(live)) => {
                self.live = Some(live);
                tracing::info!(generation = %live.id, "script set taken");
                Ok(self.accept(live))
            }
            Some(Outcome::Unchanged(live)) => Ok(self.accept(live)),
            Some(Outcome::Refused(id, errors)) => Err(self.reject(Some(id), errors)),
            Some(Outcome::RefusedBefore(rejected)) => Err(rejected),
            Some(Outcome::Unreadable(errors)) => {
                self.seen = None;
                Err(self.reject(None, errors))
            }
            // Not the set's fault, so it isn't told as such: it will be read again.
            Some(Outcome::Torn(problem)) => Err(Rejected::now(None, vec![problem])),
            None => {
                let message = "could not be loaded: the loader panicked";
                let problem = directory_problem(&self.settings.directory, message);
                Err(self.reject(None, vec![problem]))
            }
        }
    }

    fn accept(&self, live: Live) -> GenerationId {
        self.status.send_modify(|status| {
            status.live = Some(live.id);
            status.rejected = None;
        });
        live.id
    }

    /// A set that is refused as it was before has been so since then, and isn't logged again.
    fn reject(&self, id: Option<GenerationId>, errors: Vec<Diagnostic>) -> Rejected {
        if let Some(before) = &self.status.borrow().rejected
            && (before.id, &before.errors) == (id, &errors)
        {
            return before.clone();
        }
        for error in &errors {
            let excerpt = error.excerpt.as_deref();
            tracing::error!(at = %error, excerpt, "script set refused");
        }
        let rejected = Rejected::now(id, errors);
        self.status
            .send_modify(|status| status.rejected = Some(rejected.clone()));
        rejected
    }
}

#[cfg(test)]
mod tests;
