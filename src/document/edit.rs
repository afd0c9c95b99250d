//! What was changed in an object.
//!
//! [`Members`] starts as the members of an object of a document, none of them read. A member that
//! is read keeps its text; one that is written, added or deleted does not. Keys and values are of
//! whatever kind the program has, and it owns them: they are plain copies here, and whoever
//! replaces or removes one frees it.
//!
//! Duplicate keys: the last one is the member, the ones before it are *shadowed*: nobody can read
//! them, but they stay in the text until the member is written or deleted.

use std::collections::HashMap;
use std::hash::Hash;

use super::Node;
use super::memory::table;

/// Objects with more members than this get a hash index; below it a walk is as quick.
const INDEXED_FROM: usize = 16;

/// Room for the member or two that a program adds.
const SPARE: usize = 2;

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A member as the text has it, read or not.
    Source,
    /// A member whose value was given by the program.
    Written,
    /// In the text, but a later member has the same key.
    Shadowed,
    /// No longer in the text, but the place of its key among the keys is here: the member stands
    /// further down.
    Place,
    /// No more.
    Gone,
}

/// One member, or what is left of it.
#[derive(Debug, Clone, Copy)]
pub struct Slot<K, V> {
    /// Its key.
    pub key: K,
    /// Its key's node, unless the program added it.
    pub node: Option<Node>,
    /// What became of it.
    pub state: State,
    /// Its value, once it was read or written.
    pub value: Option<V>,
}

impl<K, V> Slot<K, V> {
    /// Whether the member can be found by its key.
    fn is_member(&self) -> bool {
        match self.state {
            State::Source | State::Written => true,
            State::Shadowed | State::Place | State::Gone => false,
        }
    }
}

/// The members of one object as they are now, in the order of the text, added ones last.
#[derive(Debug)]
pub struct Members<K, V> {
    slots: Vec<Slot<K, V>>,
    /// Only where a walk over the slots is slow, or not enough because keys occur twice.
    index: Option<Box<Index<K>>>,
    gone: usize,
    /// Whether slots were forgotten, so that slots beside each other may have been members that
    /// were not.
    is_compacted: bool,
    /// While positive, slots keep their numbers.
    walks: usize,
}

/// Slots by key.
#[derive(Debug)]
struct Index<K> {
    members: HashMap<K, u32>,
    /// For each slot the one before it that has the same key; empty where no key occurs twice. A
    /// slot that was added later has none.
    earlier: Vec<Option<u32>>,
}

impl<K> Index<K> {
    fn earlier(&self, slot: usize) -> Option<usize> {
        self.earlier
            .get(slot)
            .copied()
            .flatten()
            .map(|it| it as usize)
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Members<K, V> {
    /// What so many members of a text take at most until it is known whether their keys occur
    /// twice, in bytes.
    pub fn needed(count: usize) -> usize {
        let slots = count + SPARE;
        let index = match count {
            0 | 1 => 0,
            _ => Self::index_of(slots) + slots * size_of::<Option<u32>>(),
        };
        slots * size_of::<Slot<K, V>>() + index
    }

    /// What they take now, in bytes.
    pub fn takes(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| {
            Self::index_of(self.slots.capacity())
                + index.earlier.capacity() * size_of::<Option<u32>>()
        });
        self.slots.capacity() * size_of::<Slot<K, V>>() + index
    }

    /// What it takes to [add](Self::add) a member besides what is taken already, in bytes: for a
    /// moment there are the old ones too.
    pub fn needed_to_add(&self) -> usize {
        let is_full = self.slots.len() == self.slots.capacity();
        let is_indexed = self.index.is_none() && self.slots.len() == INDEXED_FROM;
        if is_full {
            let slots = 2 * self.slots.capacity();
            slots * size_of::<Slot<K, V>>() + Self::index_of(slots)
        } else if is_indexed {
            Self::index_of(self.slots.capacity())
        } else {
            0
        }
    }

    fn index_of(slots: usize) -> usize {
        size_of::<Index<K>>() + table::<(K, u32)>(slots)
    }

    /// No members yet; `count` will come from a text.
    pub fn with_capacity(count: usize) -> Self {
        Self {
            slots: Vec::with_capacity(count + SPARE),
            index: None,
            gone: 0,
            is_compacted: false,
            walks: 0,
        }
    }

    /// Takes the next member of the text, by its key and that key's node. After the last one comes
    /// [`Self::complete`].
    pub fn push(&mut self, key: K, node: Node) {
        self.slots.push(Slot {
            key,
            node: Some(node),
            state: State::Source,
            value: None,
        });
    }

    /// Settles which members shadow which; nothing is found before.
    pub fn complete(&mut self) {
        if self.slots.len() > INDEXED_FROM || self.repeats_a_key() {
            self.index();
        }
    }

    /// Slots by number; all of them, whatever became of them.
    pub fn slots(&self) -> &[Slot<K, V>] {
        &self.slots
    }

    /// The number of the member `key`'s slot.
    pub fn find(&self, key: K) -> Option<usize> {
        match &self.index {
            Some(index) => index.members.get(&key).map(|&slot| slot as usize),
            None => self
                .slots
                .iter()
                .position(|slot| slot.key == key && slot.is_member()),
        }
    }

    /// Notes what the member in `slot` reads as, which changes nothing; returns what it read as
    /// before.
    pub fn read(&mut self, slot: usize, value: V) -> Option<V> {
        self.slots[slot].value.replace(value)
    }

    /// Gives the member in `slot` another value; returns the one it had, if it was ever read.
    pub fn write(&mut self, slot: usize, value: V) -> Option<V> {
        self.slots[slot].state = State::Written;
        let mut next = self.shadowed_by(slot);
        // Whoever wrote it before has been there already.
        while let Some(shadowed) = next.filter(|&it| self.slots[it].state != State::Place) {
            self.slots[shadowed].state = State::Place;
            next = self.shadowed_by(shadowed);
        }
        self.slots[slot].value.replace(value)
    }

    /// Adds a member; `key` must not be one yet.
    pub fn add(&mut self, key: K, value: V) {
        let added = number(self.slots.len());
        if self.slots.len() == self.slots.capacity() {
            self.lengthen();
        }
        self.slots.push(Slot {
            key,
            node: None,
            state: State::Written,
            value: Some(value),
        });
        match &mut self.index {
            Some(index) => {
                index.members.insert(key, added);
            }
            None if self.slots.len() > INDEXED_FROM => self.index(),
            None => {}
        }
    }

    /// Deletes the member in `slot` and all that it shadows; returns its value, if it was ever
    /// read.
    ///
    /// `release` is called for the key of each slot that goes.
    pub fn remove(&mut self, slot: usize, mut release: impl FnMut(K)) -> Option<V> {
        let key = self.slots[slot].key;
        let mut next = Some(slot);
        while let Some(going) = next {
            self.slots[going].state = State::Gone;
            self.gone += 1;
            release(key);
            next = self.shadowed_by(going);
        }
        if let Some(index) = &mut self.index {
            index.members.remove(&key);
        }
        let value = self.slots[slot].value.take();
        self.compact();
        value
    }

    /// The keys as a program lists them, each once and at its first place; the slots are the
    /// members' own only where no key occurs twice.
    pub fn keys(&self) -> impl Iterator<Item = &Slot<K, V>> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(number, slot)| {
                slot.state != State::Gone && self.shadowed_by(*number).is_none()
            })
            .map(|(_, slot)| slot)
    }

    /// Members that nobody has read or written and that are neighbours in the text, from a slot on:
    /// how many slots they are, and the keys of the first and the last.
    pub fn unread_run(&self, from: usize, end: usize) -> Option<(usize, Node, Node)> {
        let slots = self.slots.get(from..end)?;
        let is_unread = |slot: &&Slot<K, V>| match slot.state {
            State::Source => slot.value.is_none(),
            State::Shadowed => true,
            State::Written | State::Place | State::Gone => false,
        };
        let longest = if self.is_compacted { 1 } else { slots.len() };
        let count = slots.iter().take(longest).take_while(is_unread).count();
        let last = slots.get(count.checked_sub(1)?)?;
        Some((count, slots[0].node?, last.node?))
    }

    /// Keeps the numbers of the slots as they are until [`Self::end_walk`]; members may be added
    /// and deleted meanwhile.
    pub fn begin_walk(&mut self) {
        self.walks += 1;
    }

    /// Ends what [`Self::begin_walk`] began.
    pub fn end_walk(&mut self) {
        self.walks -= 1;
        self.compact();
    }

    /// Forgets slots that are gone once they outnumber the rest, so that adding and deleting for
    /// ever needs no memory.
    fn compact(&mut self) {
        if self.walks > 0 || self.gone <= self.slots.len() / 2 || self.gone <= INDEXED_FROM {
            return;
        }
        self.slots.retain(|slot| slot.state != State::Gone);
        self.gone = 0;
        self.is_compacted = true;
        if self.index.is_some() {
            self.index();
        }
    }

    /// Makes room for as many again, in the index too, so that it never grows by itself.
    fn lengthen(&mut self) {
        self.slots.reserve_exact(self.slots.capacity());
        if let Some(index) = &mut self.index {
            index
                .members
                .reserve(self.slots.capacity() - index.members.len());
        }
    }

    /// The slot before this one that has the same key.
    fn shadowed_by(&self, slot: usize) -> Option<usize> {
        self.index.as_ref()?.earlier(slot)
    }

    fn index(&mut self) {
        // The old one goes first: there is room for one.
        self.index = None;
        let count = self.slots.len();
        let mut members = HashMap::with_capacity(self.slots.capacity());
        let mut earlier = Vec::new();
        for at in 0..count {
            let Slot { key, state, .. } = self.slots[at];
            if state == State::Gone {
                continue;
            }
            let Some(shadowed) = members.insert(key, number(at)) else {
                continue;
            };
            let slot = &mut self.slots[shadowed as usize];
            if slot.state != State::Place {
                slot.state = State::Shadowed;
            }
            if earlier.is_empty() {
                earlier = vec![None; count];
            }
            earlier[at] = Some(shadowed);
        }
        self.index = Some(Box::new(Index { members, earlier }));
    }

    fn repeats_a_key(&self) -> bool {
        let mut rest = self.slots.as_slice();
        while let [first, behind @ ..] = rest {
            if behind.iter().any(|slot| slot.key == first.key) {
                return true;
            }
            rest = behind;
        }
        false
    }
}

/// The number of a slot. The members of a text have nodes, which have 32 bits; whoever adds so many
/// has run out of memory before.
fn number(slot: usize) -> u32 {
    u32::try_from(slot).expect("an object has fewer members than a text has bytes")
}

#[cfg(test)]
mod tests {
    use super::{Members, Node, State};

    /// Members with the given keys, as if each had stood in a text.
    fn members(keys: &[u32]) -> Members<u32, char> {
        let mut members = Members::with_capacity(keys.len());
        for (node, &key) in (1..).step_by(2).zip(keys) {
            members.push(key, Node(node));
        }
        members.complete();
        members
    }

    fn listed(members: &Members<u32, char>) -> Vec<u32> {
        members.keys().map(|slot| slot.key).collect()
    }

    #[test]
    fn the_last_of_duplicate_keys_is_the_member() {
        let members = members(&[7, 8, 7]);

        assert_eq!(members.find(7), Some(2));
        assert_eq!(members.slots()[0].state, State::Shadowed);
        assert_eq!(listed(&members), [7, 8]);
    }

    #[test]
    fn writing_a_duplicate_key_takes_the_others_from_the_text_but_keeps_its_place() {
        let mut members = members(&[7, 8, 7]);

        members.write(2, 'x');

        assert_eq!(members.slots()[0].state, State::Place);
        assert_eq!(listed(&members), [7, 8]);
    }

    #[test]
    fn deleting_a_duplicate_key_deletes_all() {
        let mut members = members(&[7, 8, 7]);
        let mut released = Vec::new();

        members.remove(2, |key| released.push(key));

        assert_eq!(listed(&members), [8]);
        assert_eq!(members.find(7), None);
        assert_eq!(released, [7, 7]);
    }

    #[test]
    fn a_key_that_comes_back_comes_last() {
        let mut members = members(&[1, 2, 3]);

        members.remove(0, |_| {});
        members.add(1, 'x');

        assert_eq!(listed(&members), [2, 3, 1]);
        assert_eq!(members.find(1), Some(3));
    }

    #[test]
    fn many_members_are_found_as_few_are() {
        let keys: Vec<u32> = (0..1000).chain([500]).collect();
        let mut members = members(&keys);
        members.add(2000, 'x');
        members.remove(3, |_| {});

        assert_eq!(members.find(2000), Some(1001));
        assert_eq!(members.find(500), Some(1000));
        assert_eq!(members.find(3), None);
        assert_eq!(members.slots()[500].state, State::Shadowed);
    }

    #[test]
    fn adding_and_deleting_for_ever_needs_no_memory() {
        let mut members = members(&[1, 2, 3]);

        for _ in 0..10_000 {
            members.add(9, 'x');
            let slot = members.find(9).unwrap();
            members.remove(slot, |_| {});
        }

        assert!(
            members.slots().len() < 64,
            "{} slots",
            members.slots().len()
        );
        assert_eq!(listed(&members), [1, 2, 3]);
    }

    #[test]
    fn a_walk_keeps_the_numbers_of_the_slots() {
        let keys: Vec<u32> = (0..100).collect();
        let mut members = members(&keys);

        members.begin_walk();
        for slot in 0..90 {
            members.remove(slot, |_| {});
        }
        let during = members.find(95);
        members.end_walk();

        assert_eq!(during, Some(95));
        assert_eq!(members.find(95), Some(5));
    }
}
