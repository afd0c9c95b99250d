//! Reloads: from "something may have changed" to a set that was taken.
//!
//! Everything that might mean a change, a file event, the rescan, the end of a
//! quiet time, leads to the same thing: a look at the directory. Only a look
//! that finds something else than the look before counts as a change, and only
//! what was found so at the beginning and at the end of a quiet time is loaded.
//!
//! Whatever touches the file system has a time limit ([`Disk`]), so this loop goes on where the
//! file system hangs, says so in its [`Status`], and reads again once it answers.

use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, Watcher};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};

use super::attempt::{Attempt, Live, Outcome};
use super::disk::{Disk, DiskError};
use super::listing::{ListedDirectory, Listing, Stamp, Unlistable, directory_problem};
use super::settings::Settings;
use super::settle::{Input, Load, Quiet, State};
use super::snapshot::Snapshot;
use super::status::{Activity, Rejected, Stalled, Status};
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

    /// Whether the loop runs that reloads.
    pub fn is_running(&self) -> bool {
        !self.requests.is_closed()
    }
}

fn stopped() -> Rejected {
    let message = "the program is ending; scripts are not read any more";
    Rejected::now(None, vec![Diagnostic::of_set("scripts", message)])
}

/// The reloads of one directory. Nothing happens until it is run.
pub struct ReloadLoop<L> {
    settings: Arc<Settings>,
    load: Arc<Mutex<L>>,
    live: Option<Live>,
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
        Self::after(None, settings, load)
    }

    /// The same where a set is `live` already: only another one is loaded.
    pub fn after(live: Option<Live>, settings: Settings, load: L) -> (Self, Reloads) {
        let (requests, incoming) = mpsc::unbounded_channel();
        let (status, watched) = watch::channel(Status {
            live: live.map(|live| live.id),
            ..Status::default()
        });
        let reloads = Self {
            settings: Arc::new(settings),
            load: Arc::new(Mutex::new(load)),
            live,
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

    async fn run_with<W: Watcher + Send + 'static>(self) {
        let wake = Arc::new(Notify::new());
        let Self {
            settings,
            load,
            live,
            mut requests,
            status,
        } = self;
        let mut rescan = interval_at((Instant::now() + settings.rescan).into(), settings.rescan);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut progress = Progress::<L, W>::new(settings, load, status, Arc::clone(&wake));
        progress.live = live;
        progress.begin().await;
        loop {
            tokio::select! {
                asked = requests.recv() => match asked {
                    Some(asked) => progress.ask(asked).await,
                    None => return,
                },
                () = wake.notified() => drop(progress.look().await),
                _ = rescan.tick() => drop(progress.look().await),
                () = end_of_quiet(progress.state) => progress.quiet_ends().await,
                outcome = end_of_load(&mut progress.loading) => progress.loaded(outcome),
                () = end_of_patience(progress.patience) => progress.compiles_for_long(),
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

async fn end_of_patience(patience: Option<Instant>) {
    match patience {
        Some(until) => sleep_until(until.into()).await,
        None => pending().await,
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
    wake: Arc<Notify>,
    /// None before the first look, and where a thread that hangs has it.
    watch: Option<Watch<W>>,
    disk: Disk,
    state: State,
    /// None after a set that couldn't be read: whatever is found next is a change,
    /// for not all that keeps files from being read can be seen in a listing.
    seen: Option<Look>,
    live: Option<Live>,
    loading: Option<JoinHandle<Outcome>>,
    /// Until when the load under way is none that takes too long.
    patience: Option<Instant>,
    /// Who asked since the load under way began.
    waiting: Vec<Asked>,
    /// Who is answered when it ends.
    serving: Vec<Asked>,
}

impl<L, W> Progress<L, W>
where
    L: FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send + 'static,
    W: Watcher + Send + 'static,
{
    fn new(
        settings: Arc<Settings>,
        load: Arc<Mutex<L>>,
        status: watch::Sender<Status>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            disk: Disk::new(settings.read_timeout),
            settings,
            load,
            status,
            wake,
            watch: None,
            state: State::Watching,
            seen: None,
            live: None,
            loading: None,
            patience: None,
            waiting: Vec::new(),
            serving: Vec::new(),
        }
    }

    /// A set that has been quiet for long enough already is loaded at once.
    async fn begin(&mut self) {
        let _ = self.look().await;
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

    /// Looks at the directory, and takes note where it has changed.
    ///
    /// # Errors
    ///
    /// Nobody knows what is there.
    async fn look(&mut self) -> Result<(), DiskError> {
        for _ in 0..LOOKS {
            let settings = Arc::clone(&self.settings);
            let wake = Arc::clone(&self.wake);
            let watch = self.watch.take();
            let looked = self.disk.read(move || {
                let mut watch = watch.unwrap_or_else(|| {
                    Watch::new(&settings.directory, settings.commit.clone(), wake)
                });
                let look = Look::at(&settings);
                let is_to_be_repeated = watch.follow(look.directories());
                (watch, look, is_to_be_repeated)
            });
            let (watch, look, is_to_be_repeated) = match looked.await {
                Ok(looked) => looked,
                Err(error) => {
                    self.stall(Activity::Listing);
                    return Err(error);
                }
            };
            self.watch = Some(watch);
            self.go_on(|activity| activity == Activity::Listing);
            if self.is_change(&look) {
                self.seen = Some(look);
                self.step(Input::Changed);
            }
            if !is_to_be_repeated {
                break;
            }
        }
        Ok(())
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

    /// Where the look fails, the load that follows finds out whether that goes on.
    async fn quiet_ends(&mut self) {
        let _ = self.look().await;
        self.step(Input::Tick);
    }

    async fn ask(&mut self, asked: Asked) {
        if let Err(error) = self.look().await {
            let problem = unanswered(&self.settings, error);
            tracing::warn!(error = %problem, "reload failed");
            asked
                .reply
                .send(Err(Rejected::now(None, vec![problem])))
                .ok();
            return;
        }
        self.waiting.push(asked);
        self.step(Input::Asked);
    }

    fn loaded(&mut self, outcome: Option<Outcome>) {
        self.loading = None;
        self.patience = None;
        let is_unanswered = matches!(outcome, Some(Outcome::Unanswered(_)));
        let is_torn = matches!(outcome, Some(Outcome::Torn(_)));
        let is_asked = !self.serving.is_empty();
        let result = self.conclude(outcome, is_asked);
        if is_unanswered {
            self.stall(Activity::Reading);
        } else {
            self.go_on(|_| true);
        }
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
        self.patience = Some(Instant::now() + self.settings.load_patience);
        let (settings, load) = (Arc::clone(&self.settings), Arc::clone(&self.load));
        self.loading = Some(tokio::spawn(run(
            attempt,
            self.disk.clone(),
            settings,
            load,
        )));
    }

    /// Something that the loop waits for takes too long.
    fn stall(&mut self, activity: Activity) {
        let hung = self.disk.hung();
        let is_news = self.status.send_if_modified(|status| {
            let since = match &status.stalled {
                Some(stalled) if (stalled.activity, stalled.hung) == (activity, hung) => {
                    return false;
                }
                Some(stalled) => stalled.since,
                None => SystemTime::now(),
            };
            status.stalled = Some(Stalled {
                activity,
                since,
                hung,
            });
            true
        });
        if is_news {
            tracing::error!(
                %activity, threads = hung,
                "reload stalled; the last good set stays live, and the directory is read again once this ends"
            );
        }
    }

    /// What the loop waited for in vain has ended, where it `was` that.
    fn go_on(&mut self, was: impl FnOnce(Activity) -> bool) {
        let has_ended = self.status.send_if_modified(|status| {
            status
                .stalled
                .take_if(|stalled| was(stalled.activity))
                .is_some()
        });
        if has_ended {
            tracing::info!("reload goes on");
        }
    }

    /// The reading of the files has a limit of its own, so it is the loader that is at it.
    fn compiles_for_long(&mut self) {
        self.patience = None;
        self.stall(Activity::Compiling);
    }

    /// Makes a load's outcome known, and gives the answer for those who asked. One that was asked
    /// for has a line in the log, whatever came of it.
    fn conclude(
        &mut self,
        outcome: Option<Outcome>,
        is_asked: bool,
    ) -> Result<GenerationId, Rejected> {
        match outcome {
            // Who has loaded it has logged it.
            Some(Outcome::Taken(live)) => {
                self.live = Some(live);
                Ok(self.accept(live))
            }
            Some(Outcome::Unchanged(live)) => {
                if is_asked {
                    tracing::info!(generation = %live.id, "nothing has changed; the same generation stays live");
                }
                Ok(self.accept(live))
            }
            Some(Outcome::Refused(id, errors)) => Err(self.reject(Some(id), errors, is_asked)),
            Some(Outcome::RefusedBefore(rejected)) => Err(rejected),
            Some(Outcome::Unreadable(errors)) => {
                self.seen = None;
                Err(self.reject(None, errors, is_asked))
            }
            Some(Outcome::Unanswered(problem)) => {
                self.seen = None;
                Err(self.reject(None, vec![problem], is_asked))
            }
            // Not the set's fault, so it isn't told as such: it will be read again.
            Some(Outcome::Torn(problem)) => {
                if is_asked {
                    tracing::info!(error = %problem, "script set is read again");
                }
                Err(Rejected::now(None, vec![problem]))
            }
            None => {
                let message = "could not be loaded: the loader panicked";
                let problem = directory_problem(&self.settings.directory, message);
                Err(self.reject(None, vec![problem], is_asked))
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

    /// A set that is refused as it was before has been so since then, and isn't logged again,
    /// but in one line where somebody asked.
    fn reject(
        &self,
        id: Option<GenerationId>,
        errors: Vec<Diagnostic>,
        is_asked: bool,
    ) -> Rejected {
        if let Some(before) = &self.status.borrow().rejected
            && (before.id, &before.errors) == (id, &errors)
        {
            if is_asked {
                let first = errors.first().map(tracing::field::display);
                tracing::warn!(
                    errors = errors.len(),
                    at = first,
                    "script set is still refused"
                );
            }
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

/// One attempt, its reading within the limit.
async fn run<L>(
    attempt: Attempt,
    disk: Disk,
    settings: Arc<Settings>,
    load: Arc<Mutex<L>>,
) -> Outcome
where
    L: FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send + 'static,
{
    let directory = Arc::clone(&settings);
    let read = disk.read(move || {
        let read = attempt.read(&directory);
        (attempt, read)
    });
    let (attempt, read) = match read.await {
        Ok(read) => read,
        Err(error) => return Outcome::Unanswered(unanswered(&settings, error)),
    };
    let loaded = spawn_blocking(move || {
        let mut load = load.lock().unwrap_or_else(PoisonError::into_inner);
        attempt.conclude(read, &settings, &mut *load)
    });
    match loaded.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Cancelled: the runtime is ending, and this with it.
        Err(_) => pending().await,
    }
}

/// Why nothing is known of the directory.
fn unanswered(settings: &Settings, error: DiskError) -> Diagnostic {
    let message = match error {
        DiskError::Hung => format!(
            "the file system did not answer within {:?}",
            settings.read_timeout
        ),
        DiskError::NoThread | DiskError::Panicked => error.to_string(),
    };
    directory_problem(&settings.directory, message)
}

#[cfg(test)]
mod tests;
