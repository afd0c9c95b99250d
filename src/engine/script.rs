//! A handler's text as it runs: the body of one function, on the file's own lines.

use std::sync::Arc;

use crate::handler::Place;

use super::analysis::Analysis;

/// A handler, ready to be compiled in an isolate.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Script {
    /// Its file, relative to the set: the name that stacks show.
    pub file: Arc<str>,
    /// The function's text.
    pub text: Arc<str>,
    /// What stands before the handler's own first line, in bytes.
    pub shift: usize,
    /// Whether it begins with `'use strict'`.
    pub is_strict: bool,
    /// Whether the variable `json` has to be filled in.
    pub names_json: bool,
    /// Whether it may come out with another value.
    pub writes_json: bool,
    /// Whether it may export a function that is then called with `g`.
    pub names_module: bool,
}

/// The function that is told how to find out what `json` is when the handler has ended.
const CAPTURE: &str = "$interpose_json";

/// The function that is told how to find out what the handler has exported.
const CAPTURE_EXPORTS: &str = "$interpose_exports";

impl Script {
    /// Wraps a handler's text.
    ///
    /// The names of the scope are properties of the global object, not parameters: a
    /// parameter would forbid `const res = …`. Everything of ours stands on the text's
    /// first line, so that lines count as in the file.
    /// `imported` are the declarations that stand for the text's imports.
    pub(super) fn new(file: &str, text: &str, imported: &[String], analysis: &Analysis) -> Self {
        let mut head = String::from(if analysis.is_async {
            "(async function(json"
        } else {
            "(function(json"
        });
        if analysis.writes_json {
            head.push(',');
            head.push_str(CAPTURE);
        }
        if analysis.names_module {
            head.push(',');
            head.push_str(CAPTURE_EXPORTS);
        }
        head.push_str("){");
        if analysis.is_strict {
            head.push_str("'use strict';");
        }
        let mut variables = imported.to_vec();
        variables.extend(analysis.undeclared.iter().cloned());
        if analysis.names_module {
            variables.push("module={exports:{}}".to_owned());
        }
        if analysis.names_exports {
            let shared = if analysis.names_module {
                "exports=module.exports"
            } else {
                "exports={}"
            };
            variables.push(shared.to_owned());
        }
        if !variables.is_empty() {
            head.push_str("var ");
            head.push_str(&variables.join(","));
            head.push(';');
        }
        if analysis.names_module {
            head.push_str(CAPTURE_EXPORTS);
            head.push_str("(function(){return module.exports});");
        }
        if analysis.writes_json {
            head.push_str(CAPTURE);
            head.push_str("(function(){return json});");
        }
        Self {
            file: file.into(),
            text: format!("{head}{text}\n}})").into(),
            shift: head.len(),
            is_strict: analysis.is_strict,
            names_json: analysis.names_json,
            writes_json: analysis.writes_json,
            names_module: analysis.names_module,
        }
    }

    /// A place in the handler's own text, `offset` bytes from its beginning.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = &self.text[self.shift..][..offset];
        let line = before.rsplit('\n').next().unwrap_or(before);
        let from_one = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Place {
            file: self.file.to_string(),
            line: from_one(before.matches('\n').count()),
            column: from_one(line.chars().count()),
        }
    }
}

/// Turns places of wrapped texts into places of files.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Each file with the characters that stand before its first line.
    shifts: Arc<[(Arc<str>, u32)]>,
}

impl Places {
    pub(super) fn new(files: impl IntoIterator<Item = (Arc<str>, usize)>) -> Self {
        let shift = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            shifts: files
                .into_iter()
                .map(|(file, bytes)| (file, shift(bytes)))
                .collect(),
        }
    }

    /// A stack without our own frames and with the columns of first lines put right.
    pub(super) fn correct(&self, stack: &str) -> String {
        let lines = stack.lines().filter_map(|line| {
            let place = self.read(line)?;
            let (before, _) = line.rsplit_once('(').unwrap_or(("    at ", ""));
            Some(format!(
                "{before}({}:{}:{})",
                place.file, place.line, place.column
            ))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The innermost place in a corrected stack.
    pub(super) fn first(corrected: &str) -> Option<Place> {
        let line = corrected.lines().next()?;
        let (_, inner) = line.rsplit_once('(')?;
        split(inner.trim_end_matches(')'))
    }

    /// Reads `    at f (file:line:column)`; `None` for a frame that is no file's.
    fn read(&self, line: &str) -> Option<Place> {
        let inner = match line.rsplit_once('(') {
            Some((_, inner)) => inner.trim_end().trim_end_matches(')'),
            None => line.trim().trim_start_matches("at ").trim(),
        };
        let mut place = split(inner)?;
        let (_, shift) = self.shifts.iter().find(|(file, _)| **file == *place.file)?;
        if place.line == 1 {
            place.column = place.column.saturating_sub(*shift).max(1);
        }
        Some(place)
    }
}

fn split(text: &str) -> Option<Place> {
    let (rest, column) = text.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some(Place {
        file: file.to_owned(),
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_the_places_of_the_files() {
        let places = Places::new([(Arc::from("request/10-a.js"), 20)]);
        let stack = "    at inner (request/10-a.js:1:25)\n    at <anonymous> (request/10-a.js:4:3)\n    at native (native)\n    at x (prelude:1:2)";

        let corrected = places.correct(stack);

        assert_eq!(
            corrected,
            "    at inner (request/10-a.js:1:5)\n    at <anonymous> (request/10-a.js:4:3)"
        );
        let place = Place {
            file: "request/10-a.js".to_owned(),
            line: 1,
            column: 5,
        };
        assert_eq!(Places::first(&corrected), Some(place));
    }

    #[test]
    fn a_place_is_told_as_in_the_file_whatever_stands_before_it() {
        let analysis = Analysis {
            is_strict: true,
            ..Analysis::default()
        };
        let text = "one(); two();\n  é = three();";
        let script = Script::new("10-a.js", text, &[], &analysis);
        let place = |word| {
            let Place { line, column, .. } = script.place(text.find(word).expect("it is there"));
            (line, column)
        };

        assert_eq!(["one", "two", "three"].map(place), [(1, 1), (1, 8), (2, 7)]);
    }
}
