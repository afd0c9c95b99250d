//! When to load: a pure state machine.
//!
//! ```text
//! Watching ──changed──▶ Settling ──quiet──▶ Loading ──loaded──▶ Watching
//!                        ▲    ▲ changed:      │ │ ▲ asked meanwhile:
//!                        │    └─wait anew     │ │ └─load anew behind it
//!                        └──changed meanwhile─┘ │
//!                        └──torn────────────────┘
//! ```
//!
//! It knows neither files nor clocks: someone else looks, and says when. A load
//! that was asked for does not wait for quiet, so where something was changing
//! it is followed by one that does.

use std::time::{Duration, Instant};

/// Where a directory stands between two loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has changed since the last load began.
    Watching,
    /// Something changed; it is quiet enough at `until`, unless something changes again.
    Settling {
        /// The end of the quiet time.
        until: Instant,
    },
    /// A load is under way.
    Loading {
        /// What comes behind it.
        next: Next,
    },
}

/// What comes behind a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: what it loads is what there is.
    Watch,
    /// Quiet, for something changed meanwhile or was changing before.
    Settle,
    /// Another load, for someone asked meanwhile.
    Load,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// A look found something else than the look before.
    Changed,
    /// Time passed, and a look found no change.
    Tick,
    /// Someone wants a load now.
    Asked,
    /// The load ended, well or not.
    Loaded,
    /// The load ended without a set: the files changed while they were read.
    Torn,
}

/// Whether a load begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Now.
    Yes,
    /// Not now.
    No,
}

/// How long it must have been quiet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    /// After a change was seen.
    pub(super) after_change: Duration,
    /// After files changed while they were read.
    pub(super) after_torn: Duration,
}

impl State {
    /// The next state, and whether a load begins with it.
    pub(super) fn step(self, input: Input, now: Instant, quiet: Quiet) -> (Self, Load) {
        let settling = Self::Settling {
            until: now + quiet.after_change,
        };
        match (self, input) {
            (Self::Watching | Self::Settling { .. }, Input::Changed)
            | (Self::Loading { next: Next::Settle }, Input::Loaded) => (settling, Load::No),
            (Self::Settling { until }, Input::Tick) if now >= until => {
                (Self::Loading { next: Next::Watch }, Load::Yes)
            }
            (Self::Watching, Input::Asked) => (Self::Loading { next: Next::Watch }, Load::Yes),
            (Self::Settling { .. }, Input::Asked)
            | (Self::Loading { next: Next::Load }, Input::Loaded | Input::Torn) => {
                (Self::Loading { next: Next::Settle }, Load::Yes)
            }
            (Self::Loading { next: Next::Watch }, Input::Changed) => {
                (Self::Loading { next: Next::Settle }, Load::No)
            }
            (Self::Loading { .. }, Input::Asked) => (Self::Loading { next: Next::Load }, Load::No),
            (Self::Loading { next: Next::Watch }, Input::Loaded) => (Self::Watching, Load::No),
            (
                Self::Loading {
                    next: Next::Watch | Next::Settle,
                },
                Input::Torn,
            ) => (
                Self::Settling {
                    until: now + quiet.after_torn,
                },
                Load::No,
            ),
            (_, Input::Tick)
            | (
                Self::Loading {
                    next: Next::Settle | Next::Load,
                },
                Input::Changed,
            )
            | (Self::Watching | Self::Settling { .. }, Input::Loaded | Input::Torn) => {
                (self, Load::No)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_millis(250);

    /// A machine with a clock of its own, in milliseconds.
    struct Machine {
        state: State,
        start: Instant,
        quiet: Quiet,
        loads: Vec<u64>,
    }

    impl Machine {
        fn new() -> Self {
            Self {
                state: State::Watching,
                start: Instant::now(),
                quiet: Quiet {
                    after_change: SETTLE,
                    after_torn: SETTLE,
                },
                loads: Vec::new(),
            }
        }

        fn at(&mut self, millis: u64, input: Input) -> &mut Self {
            let now = self.start + Duration::from_millis(millis);
            let (state, load) = self.state.step(input, now, self.quiet);
            self.state = state;
            match load {
                Load::Yes => self.loads.push(millis),
                Load::No => {}
            }
            self
        }

        fn settling_until(&self) -> Option<u64> {
            match self.state {
                State::Settling { until } => {
                    Some(u64::try_from((until - self.start).as_millis()).unwrap())
                }
                State::Watching | State::Loading { .. } => None,
            }
        }
    }

    #[test]
    fn a_change_is_loaded_after_the_quiet_time() {
        let mut machine = Machine::new();

        machine.at(100, Input::Changed).at(349, Input::Tick);
        assert_eq!(machine.loads, [0; 0]);

        machine.at(350, Input::Tick).at(360, Input::Loaded);
        assert_eq!(
            (machine.loads.as_slice(), machine.state),
            (&[350][..], State::Watching)
        );
    }

    #[test]
    fn nothing_is_loaded_while_nothing_changes() {
        let mut machine = Machine::new();

        machine.at(10, Input::Tick).at(10_000, Input::Tick);

        assert_eq!(
            (machine.loads.as_slice(), machine.state),
            (&[][..], State::Watching)
        );
    }

    #[test]
    fn every_change_begins_the_quiet_time_anew_however_many_there_are() {
        let mut machine = Machine::new();

        for file in 0..200 {
            machine
                .at(file * 125, Input::Changed)
                .at(file * 125 + 124, Input::Tick);
        }
        assert_eq!(machine.loads, [0; 0]);

        machine.at(199 * 125 + 250, Input::Tick);
        assert_eq!(machine.loads, [199 * 125 + 250]);
    }

    #[test]
    fn a_change_during_a_load_loads_once_more() {
        let mut machine = Machine::new();

        machine
            .at(0, Input::Asked)
            .at(10, Input::Changed)
            .at(20, Input::Changed);
        machine.at(30, Input::Loaded);

        assert_eq!(machine.settling_until(), Some(280));
        machine.at(280, Input::Tick).at(290, Input::Loaded);
        assert_eq!(
            (machine.loads.as_slice(), machine.state),
            (&[0, 280][..], State::Watching)
        );
    }

    #[test]
    fn a_load_that_is_asked_for_does_not_wait_but_what_was_changing_is_loaded_again() {
        let mut machine = Machine::new();

        machine
            .at(0, Input::Changed)
            .at(100, Input::Asked)
            .at(120, Input::Loaded);

        assert_eq!(machine.loads, [100]);
        assert_eq!(machine.settling_until(), Some(370));
    }

    #[test]
    fn asking_during_a_load_loads_at_once_behind_it() {
        for ended in [Input::Loaded, Input::Torn] {
            let mut machine = Machine::new();

            machine
                .at(0, Input::Asked)
                .at(10, Input::Asked)
                .at(11, Input::Asked)
                .at(20, ended);

            assert_eq!(
                machine.loads,
                [0, 20],
                "the first may have read before it was asked"
            );
            machine.at(30, Input::Loaded);
            assert_eq!(machine.settling_until(), Some(280));
        }
    }

    #[test]
    fn a_torn_read_settles_anew() {
        let mut machine = Machine::new();
        machine.quiet.after_change = Duration::ZERO;

        machine
            .at(0, Input::Changed)
            .at(0, Input::Tick)
            .at(10, Input::Torn);

        assert_eq!(machine.loads, [0], "a commit file asks for no quiet time");
        assert_eq!(machine.settling_until(), Some(260));
    }

    /// Whatever comes in whatever order: loads never overlap, and once nothing
    /// comes any more the machine finds back to watching.
    #[test]
    fn every_sequence_of_inputs_ends_in_watching() {
        let inputs = [
            Input::Changed,
            Input::Tick,
            Input::Asked,
            Input::Loaded,
            Input::Torn,
        ];
        for number in 0..inputs.len().pow(6) {
            let mut machine = Machine::new();
            let mut now = 0;
            for digit in 0..6 {
                let input = inputs[number / inputs.len().pow(digit) % inputs.len()];
                let was_loading = matches!(machine.state, State::Loading { .. });
                let ends_load = matches!(input, Input::Loaded | Input::Torn);
                let loads = machine.loads.len();
                now += 100;
                machine.at(now, input);
                let began = machine.loads.len() > loads;
                assert!(
                    !(began && was_loading && !ends_load),
                    "{number}: two loads at once"
                );
            }
            for _ in 0..3 {
                now += 1_000;
                machine.at(now, Input::Tick).at(now, Input::Loaded);
            }
            assert_eq!(machine.state, State::Watching, "{number}");
        }
    }
}
