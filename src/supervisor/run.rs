//! The supervisor: starts workers, hands them what they need, and replaces those that die.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use crate::crash::{self, End, Hung, Region};

use super::channel::{self, Channel};
use super::health::{BEATS, Beat, Heartbeat, Restarts};
use super::message::{Attached, Attachment, FromWorker, KeptSet, Signal, State, ToWorker, take};
use super::process::{self, Death};
use super::sealed::Sealed;
use super::sockets::Sockets;
use super::systemd::Systemd;

/// How many sets that were live are kept besides the one that is.
const MAX_FORMER_SETS: usize = 10;

/// How long a worker that is to end at once may take before it is killed.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the supervisor obeys.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether a worker waits that can take over at once.
    pub spare: bool,
    /// How long a worker may give no sign of life; `None` for ever.
    pub watchdog: Option<Duration>,
    /// The command line of a worker, the program's own name first.
    pub words: Vec<OsString>,
    /// The text of the configuration file, where one is named.
    pub config: Option<String>,
    /// What the state has to say of a worker's death.
    pub on_death: fn(&crash::Death, &mut State),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The worker came to its end as it was asked to, or said itself why it could not begin,
    /// with this exit code.
    WithCode(u8),
    /// It died while it was to end.
    Badly,
}

/// The supervisor, before it runs.
pub struct Supervisor {
    settings: Settings,
    config: Option<Sealed>,
    signals: Signals,
    systemd: Systemd,
}

impl Supervisor {
    /// Takes the signals over from their defaults. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// The system gives no signals or no memory file.
    pub fn new(mut settings: Settings) -> io::Result<Self> {
        let config = settings.config.take();
        Ok(Self {
            config: config
                .map(|text| Sealed::new("configuration", text.as_bytes()))
                .transpose()?,
            settings,
            signals: Signals::new()?,
            systemd: Systemd::new(),
        })
    }

    /// Serves at `sockets` until it is asked to end. `announce` is called once, when they
    /// are first accepted at.
    ///
    /// # Errors
    ///
    /// No worker could be started.
    pub async fn run(self, sockets: Sockets, announce: impl FnOnce()) -> io::Result<Ended> {
        let Self {
            settings,
            config,
            mut signals,
            systemd,
        } = self;
        let (events, mut incoming) = mpsc::unbounded_channel();
        let mut beats = settings.watchdog.map(|limit| every(limit / BEATS));
        let mut systemd_beats = systemd.beat().map(every);
        let mut workers = Workers {
            settings,
            config,
            sockets: Some(sockets),
            all: Vec::new(),
            active: None,
            started: 0,
            sets: VecDeque::new(),
            state: State::new(),
            restarts: Restarts::default(),
            next_start: None,
            since_death: None,
            has_served: false,
            has_decided: false,
            stopping: None,
            end: None,
            systemd,
            events,
        };
        let mut announce = Some(announce);
        workers.start()?;
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Caught::Child => workers.reap(),
                    Caught::PassedOn(signal) => workers.signal(signal),
                },
                Some((number, event)) = incoming.recv() => workers.hear(number, event),
                () = tick(&mut beats) => workers.beat(),
                () = tick(&mut systemd_beats) => workers.tell_systemd(),
                () = until(workers.next_start) => workers.start_what_is_missing(),
                () = until(workers.stopping.and_then(|stopping| stopping.kill)) => workers.kill_all(),
            }
            if workers.has_served
                && let Some(announce) = announce.take()
            {
                announce();
            }
            if let Some(ended) = workers.ended() {
                workers.kill_all();
                return Ok(ended);
            }
        }
    }
}

fn every(beat: Duration) -> Interval {
    let mut interval = interval(beat.max(Duration::from_millis(1)));
    // After a pause of ours there is one beat, not one for each that was missed.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// What one worker has said, or that it said its last.
enum Event {
    Said(FromWorker, Attached),
    Closed,
}

/// A worker process.
struct Worker {
    /// Numbers count up: a process's own may come again.
    number: u64,
    pid: Pid,
    outgoing: mpsc::UnboundedSender<(ToWorker, Attached)>,
    stage: Stage,
    heartbeat: Heartbeat,
    /// What it records.
    region: Region,
    /// What ran when it was first found not to answer.
    hung: Hung,
    /// Whether the watchdog has given it up.
    is_aborted: bool,
    /// Whether it has closed its end of the control socket, behind its last message.
    is_closed: bool,
    death: Option<Death>,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    /// Initialised, and waiting.
    Spare,
    /// It was told to serve.
    Activated,
    Serving,
}

impl Worker {
    fn say(&self, message: ToWorker, attached: Attached) {
        // Where it is gone its death is on its way.
        self.outgoing.send((message, attached)).ok();
    }
}

/// The end that was asked for.
#[derive(Debug, Clone, Copy)]
struct Stopping {
    /// When those that are still there are killed.
    kill: Option<Instant>,
}

struct Workers {
    settings: Settings,
    config: Option<Sealed>,
    /// None once the end was asked for.
    sockets: Option<Sockets>,
    all: Vec<Worker>,
    /// The number of the one that serves or was told to.
    active: Option<u64>,
    /// How many have been started.
    started: u64,
    /// The live set, and those before it.
    sets: VecDeque<KeptSet>,
    state: State,
    restarts: Restarts,
    /// When one may be started that is missing.
    next_start: Option<Instant>,
    /// When the one that served was found dead, until another one serves.
    since_death: Option<Instant>,
    has_served: bool,
    has_decided: bool,
    stopping: Option<Stopping>,
    end: Option<Ended>,
    systemd: Systemd,
    events: mpsc::UnboundedSender<(u64, Event)>,
}

impl Workers {
    /// Starts one, and has it serve where none does.
    fn start(&mut self) -> io::Result<()> {
        let mut attached = Vec::new();
        if let Some(config) = &self.config {
            attached.push((Attachment::Config, config.descriptor()?));
        }
        let live = self.sets.front();
        if let Some(live) = live {
            attached.push((Attachment::Set, live.files.descriptor()?));
        }
        let region = Region::new()?;
        attached.push((Attachment::Region, region.descriptor()?));
        let begin = ToWorker::Begin {
            is_first: !self.has_served,
            live: live.map(|live| live.name.clone()),
            state: self.state.clone(),
        };

        let now = Instant::now();
        self.restarts.started(now);
        self.started += 1;
        let number = self.started;
        let (ours, theirs) = channel::pair()?;
        let channel = Channel::new(ours)?;
        let pid = process::start(&self.settings.words, theirs)?;
        let (outgoing, messages) = mpsc::unbounded_channel();
        tokio::spawn(converse(number, channel, messages, self.events.clone()));
        let worker = Worker {
            number,
            pid,
            outgoing,
            stage: Stage::Starting,
            heartbeat: Heartbeat::of_start(),
            region,
            hung: Hung::default(),
            is_aborted: false,
            is_closed: false,
            death: None,
        };
        worker.say(begin, attached);
        self.all.push(worker);
        let role = role(self.active.is_none());
        tracing::info!(pid = pid.as_raw_nonzero(), role, "worker started");
        if self.active.is_none() {
            self.activate(number);
        }
        Ok(())
    }

    /// Starts what is missing, now or as soon as it may be.
    fn start_what_is_missing(&mut self) {
        self.next_start = None;
        if self.stopping.is_some() {
            return;
        }
        let is_needed = self.active.is_none();
        let is_quiet = self.has_decided && self.since_death.is_none();
        let wants_spare = self.settings.spare && is_quiet && self.all.len() < 2;
        if !is_needed && !wants_spare {
            return;
        }
        let now = Instant::now();
        let at = self.restarts.next(now, is_needed);
        if at > now {
            self.next_start = Some(at);
        } else if let Err(error) = self.start() {
            tracing::error!(%error, "no worker could be started");
            self.restarts.failed(now);
            self.next_start = Some(self.restarts.next(now, is_needed));
        }
    }

    /// Has a worker serve from now on.
    fn activate(&mut self, number: u64) {
        let Some(sockets) = &self.sockets else {
            return;
        };
        let attached = match sockets.attach() {
            Ok(attached) => attached,
            Err(error) => {
                tracing::error!(%error, "the listening sockets can't be handed over");
                return;
            }
        };
        if let Some(worker) = self.all.iter_mut().find(|it| it.number == number) {
            worker.stage = Stage::Activated;
            worker.say(ToWorker::Activate, attached);
            self.active = Some(number);
        }
    }

    fn hear(&mut self, number: u64, event: Event) {
        let (message, mut attached) = match event {
            Event::Said(message, attached) => (message, attached),
            Event::Closed => return self.closed(number),
        };
        let is_active = self.active == Some(number);
        match message {
            FromWorker::Pong => {
                if let Some(worker) = self.worker(number) {
                    worker.heartbeat.answered();
                    worker.hung = Hung::default();
                }
            }
            FromWorker::Ready => {
                if let Some(worker) = self.worker(number)
                    && worker.stage == Stage::Starting
                {
                    worker.stage = Stage::Spare;
                    tracing::debug!(pid = worker.pid.as_raw_nonzero(), "spare worker is ready");
                }
            }
            FromWorker::Serving => self.serves(number),
            FromWorker::Decided if is_active => {
                self.has_decided = true;
                self.is_up();
                self.start_what_is_missing();
            }
            FromWorker::Set(name) if is_active => {
                let files = take(&mut attached, Attachment::Set).map(Sealed::received);
                match files {
                    Some(Ok(files)) => self.keep(KeptSet { name, files }),
                    Some(Err(error)) => tracing::error!(%error, "a script set can't be kept"),
                    None => {}
                }
            }
            FromWorker::State(name, value) if is_active => self.hand_on(&name, &value),
            FromWorker::Reloaded if is_active => self.is_up(),
            FromWorker::Decided
            | FromWorker::Set(_)
            | FromWorker::State(..)
            | FromWorker::Reloaded => {}
        }
    }

    fn worker(&mut self, number: u64) -> Option<&mut Worker> {
        self.all.iter_mut().find(|it| it.number == number)
    }

    fn serves(&mut self, number: u64) {
        let Some(worker) = self.worker(number) else {
            return;
        };
        worker.stage = Stage::Serving;
        let pid = worker.pid.as_raw_nonzero();
        self.has_served = true;
        match self.since_death.take() {
            Some(since) => {
                let after_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(pid, after_ms, "worker took over");
            }
            None => tracing::info!(pid, "worker serves"),
        }
        self.is_up();
        self.start_what_is_missing();
    }

    /// Says that the service is up once it is.
    fn is_up(&self) {
        if self.has_served && self.has_decided && self.stopping.is_none() {
            self.systemd.ready();
        }
    }

    /// Keeps the set that is live now, and tells those that may serve later.
    fn keep(&mut self, set: KeptSet) {
        for worker in self.others() {
            match set.files.descriptor() {
                Ok(files) => {
                    worker.say(
                        ToWorker::Set(set.name.clone()),
                        vec![(Attachment::Set, files)],
                    );
                }
                Err(error) => tracing::error!(%error, "the live set can't be handed on"),
            }
        }
        self.sets.retain(|kept| kept.name.id != set.name.id);
        self.sets.push_front(set);
        self.sets.truncate(1 + MAX_FORMER_SETS);
    }

    fn hand_on(&mut self, name: &str, value: &serde_json::Value) {
        for worker in self.others() {
            worker.say(ToWorker::State(name.to_owned(), value.clone()), Vec::new());
        }
        self.state.insert(name.to_owned(), value.clone());
    }

    /// Those that don't serve.
    fn others(&self) -> impl Iterator<Item = &Worker> {
        let active = self.active;
        self.all.iter().filter(move |it| active != Some(it.number))
    }

    /// Waits for every child that has ended.
    fn reap(&mut self) {
        while let Some((pid, death)) = process::reap() {
            let Some(worker) = self.all.iter_mut().find(|it| it.pid == pid) else {
                tracing::debug!(pid = pid.as_raw_nonzero(), "an orphan has ended");
                continue;
            };
            worker.death = Some(death);
            let number = worker.number;
            self.bury(number);
        }
    }

    fn closed(&mut self, number: u64) {
        if let Some(worker) = self.worker(number) {
            worker.is_closed = true;
        }
        self.bury(number);
    }

    /// Replaces a worker that has ended and whose last message was heard: it may have been
    /// about a new live set.
    fn bury(&mut self, number: u64) {
        let is_over = |it: &Worker| it.number == number && it.is_closed && it.death.is_some();
        let Some(at) = self.all.iter().position(is_over) else {
            return;
        };
        let worker = self.all.remove(at);
        let death = worker.death.expect("it is looked for by its death");
        let was_active = self.active == Some(number);
        let could_not_start = worker.stage != Stage::Serving && death.code().is_some();
        let (pid, role) = (worker.pid.as_raw_nonzero(), role(was_active));
        if was_active {
            self.active = None;
        }
        if self.stopping.is_some() {
            tracing::debug!(pid, role, %death, "worker ended");
            if was_active {
                self.end = Some(death.code().map_or(Ended::Badly, Ended::WithCode));
            }
            return;
        }
        let now = Instant::now();
        match death.code() {
            Some(code) if could_not_start && was_active && !self.has_served => {
                // It has said itself why.
                self.end = Some(Ended::WithCode(code));
                return;
            }
            Some(_) if could_not_start => {
                tracing::error!(pid, role, %death, "worker could not start");
                self.restarts.failed(now);
            }
            Some(_) | None => {
                self.note(&worker, death, role);
                self.restarts.died(now);
                if self.restarts.are_too_many(now) {
                    tracing::error!("workers die too often; they are restarted once a second");
                }
            }
        }
        if was_active {
            self.since_death.get_or_insert(now);
            if let Some(successor) = self.successor() {
                self.activate(successor);
            }
        }
        self.start_what_is_missing();
    }

    /// Logs what a worker died of, and hands on what follows from it.
    fn note(&mut self, worker: &Worker, death: Death, role: &str) {
        let end = match (death.code(), death.signal()) {
            _ if worker.is_aborted => End::Watchdog(worker.hung.clone()),
            (Some(code), _) => End::Exit(code.into()),
            (None, signal) => End::Signal(signal.unwrap_or_default()),
        };
        let known = worker.region.death(&end);
        let pid = worker.pid.as_raw_nonzero();
        let (handlers, served) = (&known.handlers, known.served.as_ref());
        // A handler says more than the connection whose request it ran for.
        let served = served.filter(|_| handlers.is_empty());
        let first = handlers.first();
        tracing::error!(
            pid,
            role,
            %death,
            signal = known.signal,
            thread = known.thread,
            handler = first.map(|it| &*it.name),
            kind = first.map(|it| &*it.kind),
            file = first.map(|it| &*it.file),
            generation = first.map(|it| &*it.generation),
            request = first.map(|it| &*it.request),
            peer = served.and_then(|it| it.peer).map(tracing::field::display),
            method = served.map(|it| &*it.method),
            path = served.map(|it| &*it.path),
            compiled = known.compiled,
            "worker died"
        );
        for crash::Running {
            name,
            kind,
            file,
            generation,
            request,
        } in handlers.iter().skip(1)
        {
            tracing::error!(
                pid,
                handler = name,
                kind,
                file,
                generation,
                request,
                "another handler hung in the worker that died"
            );
        }
        let before = self.state.clone();
        (self.settings.on_death)(&known, &mut self.state);
        for (name, value) in &self.state {
            if before.get(name) != Some(value) {
                for worker in &self.all {
                    worker.say(ToWorker::State(name.clone(), value.clone()), Vec::new());
                }
            }
        }
    }

    /// Who takes over: one that is initialised, else one that soon will be.
    fn successor(&self) -> Option<u64> {
        let spare = self.all.iter().find(|it| it.stage == Stage::Spare);
        let worker = spare.or_else(|| self.all.first());
        worker.map(|worker| worker.number)
    }

    /// Looks whether they live.
    fn beat(&mut self) {
        for worker in &mut self.all {
            let pid = worker.pid;
            match worker.heartbeat.beat() {
                Beat::Ping => worker.say(ToWorker::Ping, Vec::new()),
                Beat::Wait if worker.hung == Hung::default() => {
                    worker.hung = worker.region.running();
                }
                Beat::Wait => {}
                Beat::GiveUp if process::is_stopped(pid) => {
                    let pid = pid.as_raw_nonzero();
                    tracing::debug!(pid, "worker is stopped, and the watchdog waits");
                }
                Beat::GiveUp if worker.is_aborted => process::kill(pid),
                Beat::GiveUp => {
                    let pid_shown = pid.as_raw_nonzero();
                    tracing::error!(pid = pid_shown, "worker gives no sign of life");
                    process::abort(pid);
                    worker.is_aborted = true;
                }
            }
        }
    }

    fn tell_systemd(&self) {
        let active = self.all.iter().find(|it| self.active == Some(it.number));
        if active.is_some_and(|worker| worker.heartbeat.is_well()) {
            self.systemd.alive();
        }
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Terminate | Signal::Interrupt => self.stop(signal),
            Signal::Hangup => {
                self.systemd.reloading();
                self.pass_on(signal);
                // Who begins to serve reads the directory anyway.
                if self.active.is_none() {
                    tracing::info!("no worker serves; the next one reads the script directory");
                    self.is_up();
                }
            }
            Signal::User1 | Signal::User2 => {
                let name = if signal == Signal::User1 {
                    "SIGUSR1"
                } else {
                    "SIGUSR2"
                };
                tracing::info!(signal = name, "this signal means nothing yet");
                self.pass_on(signal);
            }
        }
    }

    fn pass_on(&mut self, signal: Signal) {
        if let Some(active) = self.active
            && let Some(worker) = self.worker(active)
        {
            worker.say(ToWorker::Signal(signal), Vec::new());
        }
    }

    /// The end: the one that serves comes to it in its own way, the others at once. The second
    /// time it is at once for all.
    fn stop(&mut self, signal: Signal) {
        let at_once = Some(Instant::now() + LAST_WORDS);
        let is_first = self.stopping.is_none();
        let kill = if is_first && signal == Signal::Terminate {
            None
        } else {
            at_once
        };
        self.stopping = Some(Stopping { kill });
        self.next_start = None;
        if is_first {
            self.systemd.stopping();
            // The worker closes them when it accepts nobody any more, and it is to be the last.
            self.sockets = None;
            for worker in self.others() {
                worker.say(ToWorker::Signal(Signal::Interrupt), Vec::new());
            }
        }
        self.pass_on(signal);
    }

    fn kill_all(&mut self) {
        if let Some(stopping) = &mut self.stopping {
            stopping.kill = None;
        }
        for worker in self.all.iter().filter(|it| it.death.is_none()) {
            process::kill(worker.pid);
        }
    }

    /// Whether it is over, and how.
    fn ended(&self) -> Option<Ended> {
        let nobody_serves = self.stopping.is_some() && self.active.is_none();
        self.end.or(nobody_serves.then_some(Ended::WithCode(0)))
    }
}

fn role(is_active: bool) -> &'static str {
    if is_active { "worker" } else { "spare" }
}

/// Carries messages to a worker and from it, until it closes its end.
async fn converse(
    number: u64,
    channel: Channel,
    mut messages: mpsc::UnboundedReceiver<(ToWorker, Attached)>,
    events: mpsc::UnboundedSender<(u64, Event)>,
) {
    let write = async {
        while let Some((message, attached)) = messages.recv().await {
            if let Err(error) = channel.send(message, attached).await {
                tracing::debug!(%error, "a message to a worker was lost");
            }
        }
        pending::<()>().await;
    };
    let read = async {
        loop {
            match channel.receive().await {
                Ok(Some((message, attached))) => {
                    events.send((number, Event::Said(message, attached))).ok();
                }
                Ok(None) => return,
                Err(error) => tracing::error!(%error, "what a worker says can't be read"),
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    events.send((number, Event::Closed)).ok();
}

/// The signals that the supervisor obeys.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    user1: unix::Signal,
    user2: unix::Signal,
    child: unix::Signal,
}

enum Caught {
    /// A child has ended.
    Child,
    PassedOn(Signal),
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
            user1: unix::signal(SignalKind::user_defined1())?,
            user2: unix::signal(SignalKind::user_defined2())?,
            child: unix::signal(SignalKind::child())?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.child.recv() => Caught::Child,
            _ = self.terminate.recv() => Caught::PassedOn(Signal::Terminate),
            _ = self.interrupt.recv() => Caught::PassedOn(Signal::Interrupt),
            _ = self.hangup.recv() => Caught::PassedOn(Signal::Hangup),
            _ = self.user1.recv() => Caught::PassedOn(Signal::User1),
            _ = self.user2.recv() => Caught::PassedOn(Signal::User2),
        }
    }
}
