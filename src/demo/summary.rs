//! What the legacy API adds to its rows: `@metadata`, and the summary of a write.

use serde::Serialize;
use serde_json::value::to_raw_value;
use sha2::{Digest, Sha256};

use super::row::Row;

/// What a write did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Verb {
    Insert,
    Update,
    Delete,
}

/// The answer to a write.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    #[serde(rename = "statusCode")]
    status_code: u16,
    txsummary: Vec<Row>,
    /// This API has no rules; clients expect the member all the same.
    rulesummary: [(); 0],
}

impl Summary {
    pub(super) fn of(verb: Verb, txsummary: Vec<Row>) -> Self {
        let status_code = match verb {
            Verb::Insert => 201,
            Verb::Update | Verb::Delete => 200,
        };
        Self {
            status_code,
            txsummary,
            rulesummary: [],
        }
    }
}

#[derive(Serialize)]
struct Metadata<'a> {
    href: String,
    checksum: String,
    #[serde(flatten)]
    written: Option<Written<'a>>,
}

#[derive(Serialize)]
struct Written<'a> {
    resource: &'a str,
    verb: Verb,
}

/// A row as clients see it: with its address, its checksum and, after a write, the verb.
pub(super) fn described(
    row: &Row,
    resource: &str,
    key: impl AsRef<str>,
    verb: Option<Verb>,
) -> Row {
    let metadata = Metadata {
        href: format!("/{resource}/{}", key.as_ref()),
        checksum: checksum(row),
        written: verb.map(|verb| Written { resource, verb }),
    };
    let mut described = row.clone();
    described.set(
        "@metadata",
        to_raw_value(&metadata).expect("text and names are JSON"),
    );
    described
}

/// Changes when the row does; takes the first 64 bits of its SHA-256.
fn checksum(row: &Row) -> String {
    let text = serde_json::to_vec(row).expect("a row is JSON");
    let digest: [u8; 32] = Sha256::digest(text).into();
    let (first, _) = digest.split_first_chunk().expect("32 bytes hold 8");
    format!("A:{:016x}", u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(row: &str, verb: Option<Verb>) -> serde_json::Value {
        let row = Row::one(row.as_bytes()).expect("a row");
        let text = described(&row, "employees", "7", verb).text("@metadata");
        serde_json::from_str(&text.expect("a row is described")).expect("plain JSON")
    }

    #[test]
    fn a_row_tells_its_address_and_a_checksum_that_changes_with_it() {
        let before = metadata(r#"{"employee_id":7,"name":"Ines"}"#, None);
        let after = metadata(r#"{"employee_id":7,"name":"Inês"}"#, None);

        assert_eq!(before["href"], "/employees/7");
        assert_ne!(before["checksum"], after["checksum"]);
        assert_eq!(before.get("verb"), None);
    }

    #[test]
    fn a_written_row_tells_what_was_done_to_it() {
        let written = metadata(r#"{"employee_id":7}"#, Some(Verb::Update));

        assert_eq!(written["verb"], "UPDATE");
        assert_eq!(written["resource"], "employees");
    }
}
