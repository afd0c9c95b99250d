//! A row of the legacy API: named values, each kept as the text it was written in.
//!
//! A number never becomes a float here, so `1.10` leaves as it came.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::refusal::Refusal;

/// Values by column, in the order they were written in.
#[derive(Debug, Clone, Default)]
pub(super) struct Row(Vec<(String, Box<RawValue>)>);

impl Row {
    /// Reads a body that holds one row.
    pub(super) fn one(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(Refusal::Body)
    }

    /// Reads a body that holds a row, or an array of rows.
    pub(super) fn one_or_many(body: &[u8]) -> Result<Vec<Self>, Refusal> {
        if body.trim_ascii_start().starts_with(b"[") {
            serde_json::from_slice(body).map_err(Refusal::Body)
        } else {
            Ok(vec![Self::one(body)?])
        }
    }

    /// The value of a column as people would write it: a string without its quotes,
    /// anything else as its JSON text.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let value = self.value(column)?.get();
        Some(serde_json::from_str(value).unwrap_or_else(|_not_a_string| value.to_owned()))
    }

    fn value(&self, column: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, value)| &**value)
    }

    /// Gives a column a value; a new column goes last.
    pub(super) fn set(&mut self, column: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(name, _)| name == column) {
            Some((_, old)) => *old = value,
            None => self.0.push((column.to_owned(), value)),
        }
    }

    /// Puts a column in front.
    pub(super) fn set_first(&mut self, column: &str, value: Box<RawValue>) {
        self.remove(column);
        self.0.insert(0, (column.to_owned(), value));
    }

    /// Takes a column away, if it is there.
    pub(super) fn remove(&mut self, column: &str) {
        self.0.retain(|(name, _)| name != column);
    }

    /// Takes over every value of `changes`.
    pub(super) fn merge(&mut self, changes: Self) {
        for (column, value) in changes.0 {
            self.set(&column, value);
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(column, value)| (column, value)))
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Columns)
    }
}

struct Columns;

impl<'de> Visitor<'de> for Columns {
    type Value = Row;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut columns: A) -> Result<Row, A::Error> {
        let mut row = Row::default();
        while let Some((column, value)) = columns.next_entry::<String, Box<RawValue>>()? {
            row.set(&column, value);
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_leaves_as_it_came() {
        let text = r#"{"id":9007199254740993,"price":1.10,"big":1e400,"tags":[1.0, 2]}"#;

        let row = Row::one(text.as_bytes()).expect("a row");

        assert_eq!(serde_json::to_string(&row).expect("plain JSON"), text);
    }

    #[test]
    fn text_is_a_string_without_its_quotes() {
        let row = Row::one(br#"{"name":"caf\u00e9","price":1.10}"#).expect("a row");

        assert_eq!(row.text("name").as_deref(), Some("café"));
        assert_eq!(row.text("price").as_deref(), Some("1.10"));
        assert_eq!(row.text("weight"), None);
    }

    #[test]
    fn a_body_that_is_no_row_is_refused() {
        for body in [&b""[..], b"7", b"[7]", b"{\"id\":", b"{} {}"] {
            assert!(
                matches!(Row::one_or_many(body), Err(Refusal::Body(_))),
                "{body:?}"
            );
        }
    }
}
