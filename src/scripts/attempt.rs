//! One attempt to load the set: read it, see whether it is new, hand it on.
//!
//! Both halves block: [`Attempt::read`] may wait for a file system that never answers, and
//! [`Attempt::conclude`] compiles.

use super::listing::{Listing, Unlistable, directory_problem};
use super::settings::Settings;
use super::snapshot::{Snapshot, SnapshotError};
use super::status::Rejected;
use crate::generation::GenerationId;
use crate::handler::Diagnostic;

/// The set that is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub(super) id: GenerationId,
    pub(super) is_empty: bool,
}

impl Live {
    /// The set of these files.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            id: snapshot.id(),
            is_empty: !snapshot.has_handlers(),
        }
    }
}

/// What an attempt starts from.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What it must find; none to take what there is.
    pub(super) listed: Option<Result<Listing, Unlistable>>,
    pub(super) live: Option<Live>,
    pub(super) rejected: Option<Rejected>,
    /// Someone wants to know, so a set that was refused is loaded again.
    pub(super) is_asked: bool,
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The loader took it.
    Taken(Live),
    /// It is what is live, and the loader wasn't called.
    Unchanged(Live),
    /// The loader refused it, or it has no handlers.
    Refused(GenerationId, Vec<Diagnostic>),
    /// It is what was refused before, and the loader wasn't called.
    RefusedBefore(Rejected),
    /// It can't be read.
    Unreadable(Vec<Diagnostic>),
    /// It changed while it was read.
    Torn(Diagnostic),
    /// The file system did not answer.
    Unanswered(Diagnostic),
}

impl Attempt {
    /// Reads the files.
    pub(super) fn read(&self, settings: &Settings) -> Result<Snapshot, SnapshotError> {
        match &self.listed {
            Some(Ok(listed)) => Snapshot::of(&settings.directory, listed),
            Some(Err(unlistable)) => Err(unlistable.clone().into()),
            None => Snapshot::take(&settings.directory),
        }
    }

    /// Loads what was read where it is new.
    pub(super) fn conclude(
        self,
        read: Result<Snapshot, SnapshotError>,
        settings: &Settings,
        load: &mut impl FnMut(Snapshot) -> Result<(), Vec<Diagnostic>>,
    ) -> Outcome {
        let may_be_empty = settings.allow_empty && self.live.is_none_or(|live| live.is_empty);
        let snapshot = match read {
            Ok(snapshot) => snapshot,
            Err(SnapshotError::Missing(_)) if may_be_empty => Snapshot::empty(),
            Err(SnapshotError::Torn(problem)) => return Outcome::Torn(problem),
            Err(error) => return Outcome::Unreadable(error.into_diagnostics()),
        };

        let id = snapshot.id();
        if let Some(live) = self.live
            && live.id == id
        {
            return Outcome::Unchanged(live);
        }
        if let Some(rejected) = self.rejected
            && rejected.id == Some(id)
            && !self.is_asked
        {
            return Outcome::RefusedBefore(rejected);
        }
        let live = Live::of(&snapshot);
        if live.is_empty && !may_be_empty {
            return Outcome::Refused(id, vec![empty(settings)]);
        }
        match load(snapshot) {
            Ok(()) => Outcome::Taken(live),
            Err(errors) => Outcome::Refused(id, errors),
        }
    }
}

fn empty(settings: &Settings) -> Diagnostic {
    let message = "holds no handlers; to start so on purpose, set scripts.allow_empty = true";
    directory_problem(&settings.directory, message)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use tempfile::TempDir;

    use super::*;

    /// A directory and a loader that refuses what says `broken` and counts its calls.
    struct Fixture {
        directory: TempDir,
        settings: Settings,
        calls: usize,
    }

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for (path, text) in files {
                fs::write(directory.path().join(path), text).unwrap();
            }
            let settings = Settings::new(directory.path());
            Self {
                directory,
                settings,
                calls: 0,
            }
        }

        fn id(&self) -> GenerationId {
            Snapshot::take(self.directory.path()).unwrap().id()
        }

        fn run(&mut self, attempt: Attempt) -> Outcome {
            let read = attempt.read(&self.settings);
            attempt.conclude(read, &self.settings, &mut |snapshot| {
                self.calls += 1;
                let broken = snapshot.files().iter().find(|file| file.text() == "broken");
                broken.map_or(Ok(()), |file| {
                    Err(vec![Diagnostic::of_file(&*file.path, "broken")])
                })
            })
        }
    }

    fn attempt() -> Attempt {
        Attempt {
            listed: None,
            live: None,
            rejected: None,
            is_asked: false,
        }
    }

    fn live(id: GenerationId, is_empty: bool) -> Live {
        Live { id, is_empty }
    }

    const OTHER: GenerationId = GenerationId([7; 6]);

    #[test]
    fn a_good_set_is_taken_and_a_bad_one_refused() {
        let mut good = Fixture::new(&[("a.request.js", "")]);
        let id = good.id();
        assert_eq!(
            good.run(attempt()),
            Outcome::Taken(Live {
                id,
                is_empty: false
            })
        );

        let mut bad = Fixture::new(&[("a.request.js", "broken")]);
        let id = bad.id();
        let error = Diagnostic::of_file("a.request.js", "broken");
        assert_eq!(bad.run(attempt()), Outcome::Refused(id, vec![error]));
    }

    #[test]
    fn the_live_set_is_not_loaded_again_even_when_asked() {
        let mut fixture = Fixture::new(&[("a.request.js", "")]);
        let live = live(fixture.id(), false);

        let outcome = fixture.run(Attempt {
            live: Some(live),
            is_asked: true,
            ..attempt()
        });

        assert_eq!((outcome, fixture.calls), (Outcome::Unchanged(live), 0));
    }

    #[test]
    fn a_refused_set_is_loaded_again_only_when_asked() {
        let mut fixture = Fixture::new(&[("a.request.js", "broken")]);
        let errors = vec![Diagnostic::of_file("a.request.js", "broken")];
        let id = Some(fixture.id());
        let rejected = Rejected {
            id,
            since: SystemTime::UNIX_EPOCH,
            errors,
        };

        let outcome = fixture.run(Attempt {
            rejected: Some(rejected.clone()),
            ..attempt()
        });
        assert_eq!(
            (outcome, fixture.calls),
            (Outcome::RefusedBefore(rejected.clone()), 0)
        );

        let outcome = fixture.run(Attempt {
            rejected: Some(rejected),
            is_asked: true,
            ..attempt()
        });
        assert!(matches!(outcome, Outcome::Refused(..)));
        assert_eq!(fixture.calls, 1);
    }

    #[test]
    fn a_set_without_handlers_is_refused_unless_a_start_may_be_empty() {
        let mut fixture = Fixture::new(&[("money.lib.js", "")]);
        let id = fixture.id();
        assert!(matches!(fixture.run(attempt()), Outcome::Refused(refused, _) if refused == id));

        fixture.settings.allow_empty = true;
        assert_eq!(
            fixture.run(attempt()),
            Outcome::Taken(Live { id, is_empty: true })
        );
        let after_an_empty_one = Attempt {
            live: Some(live(OTHER, true)),
            ..attempt()
        };
        assert!(matches!(fixture.run(after_an_empty_one), Outcome::Taken(_)));
        let after_one_with_handlers = Attempt {
            live: Some(live(OTHER, false)),
            ..attempt()
        };
        assert!(matches!(
            fixture.run(after_one_with_handlers),
            Outcome::Refused(..)
        ));
    }

    #[test]
    fn a_missing_directory_is_an_empty_set_only_where_a_start_may_be_empty() {
        let mut fixture = Fixture::new(&[]);
        fixture.settings.directory = fixture.directory.path().join("none");
        assert!(matches!(fixture.run(attempt()), Outcome::Unreadable(_)));

        fixture.settings.allow_empty = true;
        assert!(matches!(
            fixture.run(attempt()),
            Outcome::Taken(Live { is_empty: true, .. })
        ));
        let after_one_with_handlers = Attempt {
            live: Some(live(OTHER, false)),
            ..attempt()
        };
        assert!(matches!(
            fixture.run(after_one_with_handlers),
            Outcome::Unreadable(_)
        ));
    }

    #[test]
    fn what_changed_since_it_was_listed_is_not_loaded() {
        let mut fixture = Fixture::new(&[("a.request.js", "")]);
        let listed = Some(Listing::of(fixture.directory.path()));
        fs::write(fixture.directory.path().join("b.request.js"), "").unwrap();

        let outcome = fixture.run(Attempt {
            listed,
            ..attempt()
        });

        assert!(matches!(outcome, Outcome::Torn(_)));
        assert_eq!(fixture.calls, 0);
    }

    #[test]
    fn a_directory_that_was_missing_when_it_was_looked_at_is_missing() {
        let mut fixture = Fixture::new(&[]);
        let directory = fixture.directory.path().join("late");
        let listed = Some(Listing::of(&directory));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a.request.js"), "").unwrap();
        fixture.settings.directory = directory;

        let outcome = fixture.run(Attempt {
            listed,
            ..attempt()
        });

        assert!(
            matches!(outcome, Outcome::Unreadable(_)),
            "it may be half of a copy"
        );
    }
}
