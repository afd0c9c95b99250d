//! Several observers as one.

use std::sync::Arc;

use crate::transaction::Record;
use crate::transaction::ports::Observer;

/// Observers, told in order.
pub struct Observers(pub Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn finished(&self, record: &Record<'_>) {
        for observer in &self.0 {
            observer.finished(record);
        }
    }
}
