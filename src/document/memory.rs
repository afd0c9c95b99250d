//! Memory that is counted before it is taken, so that what a small text makes of itself is refused
//! and not just noticed.
//!
//! Whose memory it is, and how much there is of it, nobody here knows.

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;

/// How much memory there is, for one owner at a time, and whether there is time.
pub trait Budget: Debug {
    /// Counts so many bytes; false where there aren't as many.
    fn take(&self, bytes: usize) -> bool;

    /// Counts so many bytes less, which were taken before.
    fn give_back(&self, bytes: usize);

    /// Lets bytes that were taken go elsewhere, on any thread: they are given back once the result
    /// is dropped.
    fn hand_over(&self, bytes: usize) -> Box<dyn Send + Sync>;

    /// Whether what takes long had better end. Asked every now and then.
    fn is_over(&self) -> bool {
        false
    }
}

/// There is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory left")]
pub struct Full;

/// What one thing takes, in bytes; given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Option<Rc<dyn Budget>>,
    bytes: Cell<usize>,
}

impl Charge {
    /// Nothing, so far. Where there is no budget, there is always more.
    pub fn on(budget: Option<Rc<dyn Budget>>) -> Self {
        Self {
            budget,
            bytes: Cell::new(0),
        }
    }

    /// Takes so many bytes more.
    ///
    /// # Errors
    ///
    /// There aren't as many; what was taken before stays so.
    pub fn grow(&self, by: usize) -> Result<(), Full> {
        match &self.budget {
            Some(budget) if !budget.take(by) => Err(Full),
            Some(_) | None => {
                self.bytes.set(self.bytes.get() + by);
                Ok(())
            }
        }
    }

    /// Takes so many bytes in place of those that were taken.
    ///
    /// # Errors
    ///
    /// There aren't as many more; what was taken before stays so.
    pub fn resize(&self, to: usize) -> Result<(), Full> {
        match to.checked_sub(self.bytes.get()) {
            Some(more) => self.grow(more),
            None => {
                self.shrink(self.bytes.get() - to);
                Ok(())
            }
        }
    }

    /// Whether what takes long had better end.
    pub fn is_over(&self) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.is_over())
    }

    /// Gives back so many bytes of those that were taken.
    pub fn shrink(&self, by: usize) {
        self.bytes.set(self.bytes.get() - by);
        if let Some(budget) = &self.budget {
            budget.give_back(by);
        }
    }

    /// The charge of a thing that goes elsewhere, on any thread.
    pub fn hand_over(self) -> Option<Box<dyn Send + Sync>> {
        let bytes = self.bytes.take();
        self.budget.as_ref().map(|budget| budget.hand_over(bytes))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(self.bytes.get());
    }
}

/// Makes room in a list that is full for so many more.
///
/// # Errors
///
/// There is no memory for it; the list is as it was.
#[cold]
pub(super) fn lengthen<T>(list: &mut Vec<T>, more: usize, charge: &Charge) -> Result<(), Full> {
    let had = list.capacity();
    charge.grow((list.len() + more) * size_of::<T>())?;
    list.reserve_exact(more);
    charge.shrink(had * size_of::<T>());
    Ok(())
}

/// What a hash table takes that was made for so many entries, in bytes: a power of two, an eighth
/// of it free, and a byte beside each (`hashbrown`, of which the standard library's maps are made).
pub(super) fn table<T>(entries: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    let buckets = (entries * 8 / 7 + 1).next_power_of_two().max(4);
    buckets * (size_of::<T>() + 1) + 32
}
