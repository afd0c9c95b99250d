use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `events` write in this format.
fn written(format: Format, events: impl FnOnce()) -> String {
    let written = Written::default();
    let to = written.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || to.clone())
        .event_format(Lines(format))
        .boxed();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// A reader of logfmt that knows nothing of the writer: pairs between single blanks, a bare value
/// up to the next blank, a quoted one read as a JSON string. Panics at whatever else stands there.
fn read_logfmt(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    loop {
        let (key, behind) = rest.split_once('=').expect("a key and =");
        let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
        assert!(
            !key.is_empty() && key.chars().all(is_name),
            "{key:?} in {line:?}"
        );
        let value = if behind.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let value = values
                .next()
                .unwrap()
                .unwrap_or_else(|error| panic!("{error}: {line:?}"));
            rest = &behind[values.byte_offset()..];
            value
        } else {
            let end = behind.find(' ').unwrap_or(behind.len());
            let value = &behind[..end];
            let is_bare = |it: char| it.is_ascii_graphic() && !matches!(it, '"' | '=');
            assert!(
                !value.is_empty() && value.chars().all(is_bare),
                "{value:?} in {line:?}"
            );
            rest = &behind[end..];
            value.to_owned()
        };
        pairs.push((key.to_owned(), value));
        match rest.strip_prefix(' ') {
            Some(more) => rest = more,
            None => break,
        }
    }
    assert_eq!(rest, "", "{line:?}");
    pairs
}

/// The one line of an event, as keys and values, whichever format it is in.
fn read(format: Format, text: &str) -> BTreeMap<String, String> {
    let line = text.strip_suffix('\n').expect("a line");
    let shown = |it: char| {
        !it.is_control() && !matches!(it, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(line.chars().all(shown), "{line:?}");
    let pairs = match format {
        Format::Text => read_logfmt(line),
        Format::Json => {
            let object: Map<String, Value> = serde_json::from_str(line).unwrap();
            // Of a key that is there twice serde_json has one only.
            assert_eq!(line.matches("\"level\":").count(), 1, "{line}");
            let text = |value: Value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            object
                .into_iter()
                .map(|(key, value)| (key, text(value)))
                .collect()
        }
    };
    let count = pairs.len();
    let map: BTreeMap<_, _> = pairs.into_iter().collect();
    assert_eq!(map.len(), count, "a key is there twice: {line}");
    map
}

/// Pieces that break a line, a quote, a reader or a terminal, and some that don't.
const PIECES: [&str; 36] = [
    "",
    " ",
    "=",
    "\"",
    "\\",
    "\\\"",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{feff}",
    "\u{e0041}",
    "é",
    "漢",
    "𝄞",
    "a",
    "Z9",
    "level=ERROR",
    " msg=\"forged\"",
    "ts=1",
    "{",
    "}",
    "\"}",
    "\\u0041",
    "'",
    "`",
    "%20",
    ",\"level\":\"ERROR\"",
    "\u{fffd}",
];

/// A text of some of these pieces; `state` is that of a generator that needs no crate.
fn text(state: &mut u64) -> String {
    let mut next = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from(*state >> 33).unwrap()
    };
    let count = next() % 5;
    (0..count).map(|_| PIECES[next() % PIECES.len()]).collect()
}

#[test]
fn every_value_of_every_kind_of_field_is_read_back_as_it_was() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let alone = PIECES.iter().map(|it| [*it; 4].map(str::to_owned));
    let random: Vec<_> = (0..4000)
        .map(|_| std::array::from_fn(|_| text(&mut state)))
        .collect();
    for [message, shown, plain, debugged] in alone.chain(random) {
        for format in [Format::Text, Format::Json] {
            let line = written(format, || {
                tracing::warn!(
                    transaction = %shown, path = plain, error = ?debugged, absent = None::<u8>,
                    count = 7, is_it = true, "{message}"
                );
            });

            let read = read(format, &line);
            let [time, level, text, target] = reserved(format);
            for (key, value) in [
                (level, "WARN"),
                (text, &*message),
                ("transaction", &*shown),
                ("path", &*plain),
                ("error", &*format!("{debugged:?}")),
                ("count", "7"),
                ("is_it", "true"),
                (target, module_path!()),
            ] {
                assert_eq!(read[key], value, "{key} of {line:?}");
            }
            assert_eq!(read.len(), 9, "{line:?}");
            assert!(read[time].ends_with('Z'), "{line:?}");
        }
    }
}

#[test]
fn a_line_of_text_begins_with_time_level_and_message_and_quotes_what_needs_it() {
    let line = written(Format::Text, || {
        tracing::info!(target: "access", path = "/a?b", id = "a b", none = "", "generation is live");
    });

    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.starts_with("ts=2") && time.ends_with('Z'), "{line}");
    assert_eq!(
        rest,
        "level=INFO msg=\"generation is live\" target=access path=/a?b id=\"a b\" none=\"\"\n"
    );
}

#[test]
fn numbers_have_three_decimals_at_most() {
    for (value, text) in [
        (2.740_288_999_999_999_8, "2.740"),
        (0.1 + 0.2, "0.300"),
        (1e-9, "0.000"),
        (f64::from(1 << 20), "1048576.000"),
    ] {
        for format in [Format::Text, Format::Json] {
            let line = written(format, || tracing::info!(duration_ms = value, "a"));
            assert!(line.contains(text), "{line}");
            let digits = line.split(text).nth(1).unwrap();
            assert!(
                !digits.starts_with(|it: char| it.is_ascii_digit()),
                "{line}"
            );
        }
    }
    let line = written(Format::Json, || tracing::info!(ratio = f64::NAN, "a"));
    assert_eq!(read(Format::Json, &line)["ratio"], "null");
}

#[test]
fn no_field_takes_the_key_of_another_fact() {
    for format in [Format::Text, Format::Json] {
        let line = written(format, || {
            tracing::info!(level = "ERROR", target = "b", ts = 1, timestamp = 2, "a");
        });
        let read = read(format, &line);
        assert_eq!(read["level"], "INFO", "{line}");
        assert_eq!(read["field_level"], "ERROR", "{line}");
        assert_eq!(read["target"], module_path!(), "{line}");
    }
}
