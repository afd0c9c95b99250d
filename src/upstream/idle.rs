//! Connections that wait to be used again, whose they are, and how many there may be.
//!
//! Pingora's pool gives each of them a task and a timer of its own, and asks the kernel who is
//! at the other end whenever one is used again: a seventh of the instructions of a request that
//! is passed on, and a system call. Here they lie in a list. One look before it is used, and one
//! each second while it waits, tell whether the upstream has closed it.
//!
//! ```text
//!              ┌─ one waits for this request ──▶ used again
//!  a request ──┼─ there may be one more ───────▶ opened
//!              ├─ another one waits ───────────▶ that one is closed, and one is opened
//!              └─ all are in use ──────────────▶ the request waits in a queue
//! ```

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;

use crate::transaction::ports::{ClientConnection, OnBehalfOf};

use super::stream::Stream;
use super::{Reuse, UpstreamPool};

/// How often those that wait are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The most requests that wait for a connection to one address.
const MAX_QUEUED: usize = 1024;

/// By how much earlier than the upstream an idle connection is closed, at most: what it says
/// is its own clock, and a request takes its time to get there.
const MARGIN: Duration = Duration::from_secs(1);

/// The idle connections of one client, and the places there are for connections.
pub(super) struct Idle {
    state: Mutex<State>,
    pool: UpstreamPool,
}

#[derive(Default)]
struct State {
    /// Those that wait, the one that has waited longest first.
    waiting: BTreeMap<u64, Waiting>,
    /// What the next of them is called.
    next: u64,
    /// Those that anybody may use, by address; the one that was used last stands last.
    shared: HashMap<u64, Vec<u64>>,
    /// The client connections that have been here, with what waits for each of them and the
    /// address it leads to.
    clients: HashMap<u64, Vec<(u64, u64)>>,
    /// What is open at each address, where that is limited.
    addresses: HashMap<u64, AddressUse>,
    /// Whether somebody goes the rounds.
    is_watched: bool,
}

struct Waiting {
    kept: Kept,
    key: u64,
    owner: Owner,
    since: Instant,
    limit: Option<Duration>,
}

/// Who may use a connection that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Anybody,
    /// The client connection with this number.
    Client(u64),
}

/// A connection that can be used again.
pub(super) struct Kept {
    pub(super) stream: Stream,
    /// Its place among those of its address, where they are limited.
    pub(super) place: Option<Place>,
    /// Whether it is logged in, or about to be, and so belongs to one client connection.
    pub(super) is_bound: bool,
}

impl Kept {
    /// Closes it and keeps its place.
    pub(super) fn into_place(self) -> Option<Place> {
        self.place
    }
}

/// What is open at one address, and who waits for it to become less.
#[derive(Default)]
struct AddressUse {
    open: usize,
    queue: VecDeque<oneshot::Sender<Next>>,
}

/// What a request that waited gets.
enum Next {
    Kept(Box<Kept>),
    Place(Place),
}

/// What a request may use.
pub(super) enum Acquired {
    /// A connection that was used before.
    Kept(Kept),
    /// A connection that is to be opened.
    Fresh(Option<Place>),
}

/// Why there is no connection for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Too many wait already.
    QueueFull,
    /// None became free in time.
    TimedOut(Duration),
}

/// For whom a connection is used, and who may use it afterwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    /// The number of the client's connection.
    client: Option<u64>,
    /// Whether it is for a call of a handler's, which never uses what is logged in.
    is_call: bool,
}

impl User {
    fn of(behalf: OnBehalfOf<'_>) -> Self {
        match behalf {
            OnBehalfOf::Client(connection) => Self {
                client: Some(connection.id()),
                is_call: false,
            },
            OnBehalfOf::Handler(connection) => Self {
                client: Some(connection.id()),
                is_call: true,
            },
            OnBehalfOf::Nobody => Self {
                client: None,
                is_call: true,
            },
        }
    }

    /// Whose a connection is once this user is done with it; `None` where it is closed.
    fn leaves(self, is_bound: bool, reuse: Reuse) -> Option<Owner> {
        match (is_bound, reuse) {
            (true, _) if self.is_call => None,
            (true, _) | (false, Reuse::Client) => self.client.map(Owner::Client),
            (false, Reuse::Shared) => Some(Owner::Anybody),
            (false, Reuse::Off) => None,
        }
    }
}

/// The right to have one connection to an address. Dropped with the connection, it goes to
/// the request that has waited longest.
pub(super) struct Place {
    idle: Weak<Idle>,
    key: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(idle) = self.idle.upgrade() {
            idle.give_back(self.key);
        }
    }
}

impl Idle {
    pub(super) fn new(pool: UpstreamPool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            pool,
        })
    }

    /// A user of connections. What is kept for a client ends with its connection.
    pub(super) fn user(self: &Arc<Self>, behalf: OnBehalfOf<'_>) -> User {
        if let OnBehalfOf::Client(connection) | OnBehalfOf::Handler(connection) = behalf {
            self.receive(connection);
        }
        User::of(behalf)
    }

    fn receive(self: &Arc<Self>, connection: &ClientConnection) {
        let mut state = self.lock();
        if let Entry::Vacant(unknown) = state.clients.entry(connection.id()) {
            unknown.insert(Vec::new());
            drop(state);
            let (idle, id) = (Arc::downgrade(self), connection.id());
            connection.at_end(move || {
                if let Some(idle) = idle.upgrade() {
                    idle.part_with(id);
                }
            });
        }
    }

    /// Closes what waits for a client that has left.
    fn part_with(&self, client: u64) {
        let mut state = self.lock();
        let theirs = state.clients.remove(&client).unwrap_or_default();
        let closed: Vec<_> = theirs
            .into_iter()
            .filter_map(|(_, number)| state.waiting.remove(&number))
            .collect();
        drop(state);
        drop(closed);
    }

    /// A connection that waits for this user, or the right to open one; waits where as many
    /// are in use as there may be.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        key: u64,
        user: User,
        limit: Duration,
    ) -> Result<Acquired, NoPlace> {
        if let Some(kept) = self.take(key, user) {
            return Ok(Acquired::Kept(kept));
        }
        self.place(key, limit).await
    }

    /// The connection of this address that this user used last, if one is still good.
    pub(super) fn take(&self, key: u64, user: User) -> Option<Kept> {
        loop {
            let mut waiting = self.lock().take(key, user, self.pool.reuse)?;
            if waiting.is_good() {
                return Some(waiting.kept);
            }
        }
    }

    /// The right to open a connection. Another one that waits is closed for it.
    pub(super) async fn place(
        self: &Arc<Self>,
        key: u64,
        limit: Duration,
    ) -> Result<Acquired, NoPlace> {
        let Some(most) = self.pool.max_connections else {
            return Ok(Acquired::Fresh(None));
        };
        let next = {
            let mut state = self.lock();
            let address = state.addresses.entry(key).or_default();
            if address.open < most.get() {
                address.open += 1;
                return Ok(Acquired::Fresh(Some(self.new_place(key))));
            }
            if let Some(longest) = state.longest_idle(key) {
                drop(state);
                let Kept { stream, place, .. } = longest.kept;
                drop(stream);
                return Ok(Acquired::Fresh(place));
            }
            let queue = &mut state.addresses.entry(key).or_default().queue;
            queue.retain(|waits| !waits.is_closed());
            if queue.len() >= MAX_QUEUED {
                return Err(NoPlace::QueueFull);
            }
            let (waits, next) = oneshot::channel();
            queue.push_back(waits);
            next
        };
        match tokio::time::timeout(limit, next).await {
            Ok(Ok(Next::Kept(kept))) => Ok(Acquired::Kept(*kept)),
            Ok(Ok(Next::Place(place))) => Ok(Acquired::Fresh(Some(place))),
            // Nobody lets a queue go while somebody waits in it.
            Ok(Err(_)) | Err(_) => Err(NoPlace::TimedOut(limit)),
        }
    }

    fn new_place(self: &Arc<Self>, key: u64) -> Place {
        Place {
            idle: Arc::downgrade(self),
            key,
        }
    }

    /// Passes a place on to the request that has waited longest.
    fn give_back(self: &Arc<Self>, key: u64) {
        loop {
            let first = {
                let mut state = self.lock();
                let Some(address) = state.addresses.get_mut(&key) else {
                    return;
                };
                let Some(first) = address.queue.pop_front() else {
                    address.open -= 1;
                    if address.open == 0 {
                        state.addresses.remove(&key);
                    }
                    return;
                };
                first
            };
            match first.send(Next::Place(self.new_place(key))) {
                Ok(()) => return,
                // Whoever waited is gone: the place is for the one behind.
                Err(mut unsent) => unsent.disown(),
            }
        }
    }

    /// Keeps a connection that has nothing left on it for whoever may use it next, where
    /// anybody may; `kept_for` is how long the upstream keeps it, where it says so.
    pub(super) fn put(
        self: &Arc<Self>,
        key: u64,
        mut kept: Kept,
        user: User,
        kept_for: Option<Duration>,
    ) {
        let Some(owner) = user.leaves(kept.is_bound, self.pool.reuse) else {
            return;
        };
        // One that is logged in is its client's for as long as both ends keep it.
        let ours = (!kept.is_bound).then_some(self.pool.idle);
        let limit = idle_limit(ours, kept_for);
        let (unkept, is_watched) = loop {
            let mut state = self.lock();
            if let Some(first) = state.first_in_queue(key) {
                drop(state);
                match hand_over(first, kept, owner) {
                    Some(unsent) => kept = unsent,
                    None => return,
                }
                continue;
            }
            let waiting = Waiting {
                kept,
                key,
                owner,
                since: Instant::now(),
                limit,
            };
            let unkept = state.add(waiting, self.pool.max_idle);
            break (unkept, std::mem::replace(&mut state.is_watched, true));
        };
        drop(unkept);
        if !is_watched {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes what nobody can use any more. Whether any are left.
    fn close_ended(&self) -> bool {
        let mut state = self.lock();
        let ended: Vec<u64> = state
            .waiting
            .iter_mut()
            .filter_map(|(number, waiting)| (!waiting.is_good()).then_some(*number))
            .collect();
        let closed: Vec<_> = ended
            .into_iter()
            .filter_map(|number| state.remove(number))
            .collect();
        state.is_watched = !state.waiting.is_empty();
        let is_watched = state.is_watched;
        drop(state);
        drop(closed);
        is_watched
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a connection may wait that we keep for as long as `ours` and the upstream for as
/// long as `theirs`.
fn idle_limit(ours: Option<Duration>, theirs: Option<Duration>) -> Option<Duration> {
    let theirs = theirs.map(|time| time.saturating_sub(MARGIN.min(time / 2)));
    [ours, theirs].into_iter().flatten().min()
}

/// Gives a connection to a request that waits for one, or its place where it is somebody's
/// own. Gives it back where nobody waits there any more.
fn hand_over(waits: oneshot::Sender<Next>, kept: Kept, owner: Owner) -> Option<Kept> {
    if waits.is_closed() {
        return Some(kept);
    }
    if owner == Owner::Anybody {
        return match waits.send(Next::Kept(Box::new(kept))) {
            Err(Next::Kept(unsent)) => Some(*unsent),
            Ok(()) | Err(Next::Place(_)) => None,
        };
    }
    let Kept { stream, place, .. } = kept;
    drop(stream);
    if let Some(place) = place {
        // Where nobody takes it, it is given back.
        drop(waits.send(Next::Place(place)));
    }
    None
}

impl Next {
    /// Makes sure that a place that was not taken over is not given back either.
    fn disown(&mut self) {
        match self {
            Self::Place(place) => place.idle = Weak::new(),
            Self::Kept(_) => {}
        }
    }
}

impl State {
    /// Takes out the connection of an address that a user may use and used last.
    fn take(&mut self, key: u64, user: User, reuse: Reuse) -> Option<Waiting> {
        if let Some(client) = user.client {
            let theirs = self.clients.get_mut(&client)?;
            let waiting = &self.waiting;
            let usable = |is_bound: bool| !(is_bound && user.is_call);
            let last = |bound_only: bool| {
                theirs.iter().rposition(|(address, number)| {
                    let is_bound = waiting.get(number).is_some_and(|it| it.kept.is_bound);
                    *address == key && usable(is_bound) && (is_bound || !bound_only)
                })
            };
            // One that is logged in goes before others.
            let place = if user.is_call {
                last(false)
            } else {
                last(true).or_else(|| last(false))
            };
            if let Some(place) = place {
                let (_, number) = theirs.remove(place);
                return self.waiting.remove(&number);
            }
        }
        if reuse != Reuse::Shared {
            return None;
        }
        let list = self.shared.get_mut(&key)?;
        let number = list.pop()?;
        if list.is_empty() {
            self.shared.remove(&key);
        }
        self.waiting.remove(&number)
    }

    /// The request that has waited longest for a connection to an address.
    fn first_in_queue(&mut self, key: u64) -> Option<oneshot::Sender<Next>> {
        if self.addresses.is_empty() {
            return None;
        }
        self.addresses.get_mut(&key)?.queue.pop_front()
    }

    /// Adds a connection; gives back what must be closed: itself where its client has left,
    /// or the one that has waited longest where there are too many.
    fn add(&mut self, waiting: Waiting, most: usize) -> Option<Waiting> {
        let number = self.next;
        match waiting.owner {
            Owner::Anybody => self.shared.entry(waiting.key).or_default().push(number),
            Owner::Client(client) => match self.clients.get_mut(&client) {
                Some(theirs) => theirs.push((waiting.key, number)),
                None => return Some(waiting),
            },
        }
        self.next += 1;
        self.waiting.insert(number, waiting);
        if self.waiting.len() <= most {
            return None;
        }
        let longest = *self.waiting.first_key_value()?.0;
        self.remove(longest)
    }

    /// Takes out the connection of an address that has waited longest; one that is logged in
    /// only where there is no other.
    fn longest_idle(&mut self, key: u64) -> Option<Waiting> {
        let longest = |is_bound: bool| {
            let mut waiting = self.waiting.iter();
            waiting.find(|(_, it)| it.key == key && it.kept.is_bound == is_bound)
        };
        let number = *longest(false).or_else(|| longest(true))?.0;
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        match waiting.owner {
            Owner::Anybody => {
                if let Entry::Occupied(mut list) = self.shared.entry(waiting.key) {
                    list.get_mut().retain(|it| *it != number);
                    if list.get().is_empty() {
                        list.remove();
                    }
                }
            }
            Owner::Client(client) => {
                if let Some(theirs) = self.clients.get_mut(&client) {
                    theirs.retain(|(_, it)| *it != number);
                }
            }
        }
        Some(waiting)
    }
}

impl Waiting {
    /// Whether it hasn't waited too long and the upstream hasn't ended it. Nobody sends anything
    /// on a connection without a request: what does come makes it unusable too.
    fn is_good(&mut self) -> bool {
        let mut byte = [0; 1];
        self.limit.is_none_or(|limit| self.since.elapsed() < limit)
            && tokio::task::unconstrained(self.kept.stream.read(&mut byte))
                .now_or_never()
                .is_none()
    }
}

/// Goes the rounds until nothing waits any more.
async fn watch(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.close_ended() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
