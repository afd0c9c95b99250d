//! One event as one line: logfmt, or one JSON object.
//!
//! Keys are fixed in the program, values come from anywhere: a client's header, a path, what a
//! script throws. So every value passes through [`Fields`], and there is one rule for each format.
//! In text a value is quoted as JSON does where it is empty or has a blank, `"`, `=`, a control
//! character or a byte beyond ASCII. In both formats whatever would speak to a terminal, or show
//! characters in another order, is escaped inside the quotes.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::log::Format;

/// What `tracing` calls the text of an event, and how the crate `log` hands its facts over.
const MESSAGE: &str = "message";
const FACTS_OF_LOG: &str = "log.";
const TARGET_OF_LOG: &str = "log.target";

/// Decimals of a number that is none of integers: a microsecond, where it is milliseconds.
const DECIMALS: usize = 3;

/// Writes each event as one line in this format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines(pub(super) Format);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut now = String::with_capacity(32);
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        write_event(self.0, &mut line, &now, event)
    }
}

fn write_event(format: Format, line: &mut dyn Write, now: &str, event: &Event<'_>) -> fmt::Result {
    if format == Format::Json {
        line.write_char('{')?;
    }
    let metadata = event.metadata();
    let mut fields = Fields {
        format,
        line,
        is_first: true,
        scratch: String::new(),
        result: Ok(()),
    };
    let [time, level, message, target] = reserved(format);
    fields.put(time, |fields| fields.text(now));
    fields.put(level, |fields| fields.text(level_of(metadata)));
    let mut text = Text::default();
    event.record(&mut text);
    let target_of_event = text.target_of_log.as_deref().unwrap_or(metadata.target());
    fields.put(message, |fields| fields.text(&text.message));
    fields.put(target, |fields| fields.text(target_of_event));
    event.record(&mut fields);
    fields.result?;
    line.write_str(match format {
        Format::Text => "\n",
        Format::Json => "}\n",
    })
}

/// The keys of time, level, text and target: no field has them.
const fn reserved(format: Format) -> [&'static str; 4] {
    match format {
        Format::Text => ["ts", "level", "msg", "target"],
        Format::Json => ["timestamp", "level", "message", "target"],
    }
}

fn level_of(metadata: &Metadata<'_>) -> &'static str {
    match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// The text of an event, and the target that the crate `log` knows: both stand before the fields.
#[derive(Default)]
struct Text {
    message: String,
    target_of_log: Option<String>,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => self.message.push_str(value),
            TARGET_OF_LOG => self.target_of_log = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            // A `Display` that fails has its text up to there.
            write!(self.message, "{value:?}").ok();
        }
    }
}

/// Writes the fields of an event, each behind what is there already.
struct Fields<'a> {
    format: Format,
    line: &'a mut dyn Write,
    is_first: bool,
    /// Values that have to be seen whole before they are written.
    scratch: String,
    result: fmt::Result,
}

impl Fields<'_> {
    /// Writes a key, and has `value` written.
    fn put(&mut self, key: &str, value: impl FnOnce(&mut Self) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.key(key).and_then(|()| value(self));
        }
    }

    /// The same for a field of an event.
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Self) -> fmt::Result) {
        let name = field.name();
        if name == MESSAGE || name.starts_with(FACTS_OF_LOG) {
            return;
        }
        let name = name.strip_prefix("r#").unwrap_or(name);
        if reserved(self.format).contains(&name) {
            self.put(&format!("field_{name}"), value);
        } else {
            self.put(name, value);
        }
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.format {
            Format::Text => {
                if !is_first {
                    self.line.write_char(' ')?;
                }
                // Keys are names of ours or of a crate's: nothing else may stand there.
                for it in key.chars() {
                    let is_plain = it.is_ascii_alphanumeric() || "_-.".contains(it);
                    self.line.write_char(if is_plain { it } else { '_' })?;
                }
                self.line.write_char('=')
            }
            Format::Json => {
                if !is_first {
                    self.line.write_char(',')?;
                }
                quoted(self.line, key)?;
                self.line.write_char(':')
            }
        }
    }

    fn text(&mut self, value: &str) -> fmt::Result {
        match self.format {
            Format::Text if is_plain(value) => self.line.write_str(value),
            Format::Text | Format::Json => quoted(self.line, value),
        }
    }

    fn number(&mut self, value: f64) -> fmt::Result {
        match self.format {
            Format::Json if !value.is_finite() => self.line.write_str("null"),
            Format::Text | Format::Json => write!(self.line, "{value:.DECIMALS$}"),
        }
    }

    fn literal(&mut self, value: impl fmt::Display) -> fmt::Result {
        write!(self.line, "{value}")
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |fields| fields.number(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |fields| fields.literal(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |fields| fields.literal(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.field(field, |fields| fields.literal(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.field(field, |fields| fields.literal(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |fields| fields.literal(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |fields| fields.text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |fields| {
            let mut scratch = std::mem::take(&mut fields.scratch);
            scratch.clear();
            // A `Display` that fails has its text up to there.
            write!(scratch, "{value:?}").ok();
            let result = fields.text(&scratch);
            fields.scratch = scratch;
            result
        });
    }
}

/// Whether a value may stand in a line of text as it is.
fn is_plain(value: &str) -> bool {
    let ends = |it: u8| !it.is_ascii_graphic() || it == b'"' || it == b'=';
    !value.is_empty() && !value.bytes().any(ends)
}

/// A value in quotes, as JSON has it.
fn quoted(line: &mut dyn Write, value: &str) -> fmt::Result {
    line.write_char('"')?;
    let mut rest = value;
    while let Some((at, it)) = rest.char_indices().find(|(_, it)| is_escaped(*it)) {
        line.write_str(&rest[..at])?;
        match it {
            '"' => line.write_str("\\\"")?,
            '\\' => line.write_str("\\\\")?,
            '\n' => line.write_str("\\n")?,
            '\r' => line.write_str("\\r")?,
            '\t' => line.write_str("\\t")?,
            _ => {
                for unit in it.encode_utf16(&mut [0; 2]) {
                    write!(line, "\\u{unit:04x}")?;
                }
            }
        }
        rest = &rest[at + it.len_utf8()..];
    }
    line.write_str(rest)?;
    line.write_char('"')
}

/// Whether a character in quotes is written as an escape: it must be in JSON, or it isn't seen as
/// what it is. Those are controls, line ends of Unicode, and what has no width or turns the
/// direction of a text (Unicode's category Cf, but for letters' own marks).
fn is_escaped(it: char) -> bool {
    match it {
        '"' | '\\' | '\0'..='\u{1f}' => true,
        ' '..='~' => false,
        _ => {
            it.is_control()
                || matches!(
                    it,
                    '\u{ad}'
                        | '\u{61c}'
                        | '\u{180e}'
                        | '\u{200b}'..='\u{200f}'
                        | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}'
                        | '\u{feff}'
                        | '\u{fff9}'..='\u{fffb}'
                        | '\u{e0000}'..='\u{e007f}'
                )
        }
    }
}

#[cfg(test)]
mod tests;
