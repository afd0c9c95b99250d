//! What a person reads when the configuration can't be used: all problems at
//! once, by the place that has to be mended.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::handler::OneLine;

use super::origin::{Origin, Place};
use super::refusal::Refusal;

/// One thing to mend.
#[derive(Debug)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// The key, variable or flag, as it is spelled there.
    pub subject: String,
    /// What is wrong.
    pub refusal: Refusal,
}

impl Problem {
    pub(super) fn of(origin: &Origin, key: &str, refusal: Refusal) -> Self {
        Self {
            place: origin.place(),
            subject: origin.subject(key),
            refusal,
        }
    }
}

/// Everything that keeps a configuration from being used; never empty.
#[derive(Debug)]
pub struct Problems {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: Option<&Path>, problems: Vec<Problem>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            problems,
        }
    }

    fn heading(&self, place: Place) -> String {
        match (place, &self.file) {
            (Place::File, Some(path)) => path.display().to_string(),
            (Place::File | Place::Nowhere, _) => "configuration".to_owned(),
            (Place::Environment, _) => "environment".to_owned(),
            (Place::CommandLine, _) => "command line".to_owned(),
        }
    }
}

impl Error for Problems {}

impl Problems {
    /// Each problem: the file or other source that it is in, and what is wrong there.
    pub fn each(&self) -> impl Iterator<Item = (String, String)> {
        let problems = self.problems.iter();
        problems.map(|problem| (self.heading(problem.place), problem.to_string()))
    }
}

/// One line: the key and what is wrong with it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject, refusal, ..
        } = self;
        let cause = refusal.source();
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        // A quoted key of TOML may hold anything.
        let told = format!("{subject}: {refusal}{cause}");
        write!(f, "{}", OneLine(&told))
    }
}

/// A paragraph for each place, a line for each problem, the last without a line end.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = [
            Place::File,
            Place::Environment,
            Place::CommandLine,
            Place::Nowhere,
        ];
        let mut between = "";
        for place in places {
            let here: Vec<_> = self.problems.iter().filter(|p| p.place == place).collect();
            if here.is_empty() {
                continue;
            }
            let plural = if here.len() == 1 { "" } else { "s" };
            let heading = self.heading(place);
            write!(f, "{between}{heading}: {} problem{plural}", here.len())?;
            for problem in here {
                write!(f, "\n  {problem}")?;
            }
            between = "\n";
        }
        Ok(())
    }
}
