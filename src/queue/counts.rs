//! What became of queued handlers.

/// Numbers of handlers; of jobs where it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that wait, those between two tries included.
    pub waiting: usize,
    /// Jobs that run now.
    pub running: usize,
    /// Came to their end.
    pub done: usize,
    /// Failed and were tried again, once for each time.
    pub retried: usize,
    /// Never came to their end, by reason.
    pub dropped: [usize; Dropped::ALL.len()],
}

/// Why a queued handler never came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// There was no room in the queue.
    Full,
    /// It failed as often as it may be tried.
    Failed,
    /// The process ended.
    Ending,
    /// The response did not get to the client as a whole.
    Unsent,
    /// It sees the body and there was none that it could have read.
    NoBody,
}

impl Dropped {
    /// All reasons, in the order in which they are told.
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::Failed,
        Self::Ending,
        Self::Unsent,
        Self::NoBody,
    ];

    /// Its name in logs and lists.
    pub fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Failed => "failed",
            Self::Ending => "ending",
            Self::Unsent => "unsent",
            Self::NoBody => "no_body",
        }
    }
}

impl Counts {
    /// How many were dropped for this reason.
    pub fn dropped_for(&self, why: Dropped) -> usize {
        self.dropped[why as usize]
    }

    pub(super) fn drop_for(&mut self, why: Dropped, handlers: usize) {
        self.dropped[why as usize] += handlers;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own() {
        let mut counts = Counts::default();

        for (number, why) in Dropped::ALL.into_iter().enumerate() {
            counts.drop_for(why, number);
        }

        assert_eq!(
            Dropped::ALL.map(|why| counts.dropped_for(why)),
            [0, 1, 2, 3, 4]
        );
    }
}
