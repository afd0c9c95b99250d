//! The company's tables, in memory. Knows rows and keys, no HTTP.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::to_raw_value;

use super::refusal::Refusal;
use super::row::Row;

/// Every table by its resource name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Company(BTreeMap<String, Table>);

impl Default for Company {
    /// The company as `company.json` describes it.
    fn default() -> Self {
        serde_json::from_str(include_str!("company.json")).expect("company.json holds tables")
    }
}

impl Company {
    pub(super) fn table(&self, resource: &str) -> Result<&Table, Refusal> {
        self.0
            .get(resource)
            .ok_or_else(|| Refusal::no_resource(resource))
    }

    pub(super) fn table_mut(&mut self, resource: &str) -> Result<&mut Table, Refusal> {
        self.0
            .get_mut(resource)
            .ok_or_else(|| Refusal::no_resource(resource))
    }
}

/// Rows and the column that tells them apart.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Table {
    key: String,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The key of a row that stands, or stood, in this table.
    pub(super) fn key_of(&self, row: &Row) -> String {
        row.text(&self.key).expect("a stored row has its key")
    }

    /// The key that a row of a client names.
    pub(super) fn key_given_in(&self, row: &Row) -> Result<String, Refusal> {
        row.text(&self.key).ok_or_else(|| Refusal::KeyMissing {
            column: self.key.clone(),
        })
    }

    pub(super) fn row(&self, key: &str) -> Result<&Row, Refusal> {
        Ok(&self.rows[self.position(key)?])
    }

    /// Adds a row; without a key it gets the one after the largest.
    pub(super) fn insert(&mut self, mut row: Row) -> Result<Row, Refusal> {
        row.remove("@metadata");
        if row.text(&self.key).is_none() {
            let next = to_raw_value(&self.next_key()?).expect("a number is JSON");
            row.set_first(&self.key, next);
        }
        let key = self.key_of(&row);
        if self.position(&key).is_ok() {
            return Err(Refusal::KeyTaken { key });
        }
        self.rows.push(row.clone());
        Ok(row)
    }

    /// Takes the values of `changes` over into a row; its key stays.
    pub(super) fn update(&mut self, key: &str, mut changes: Row) -> Result<Row, Refusal> {
        changes.remove("@metadata");
        changes.remove(&self.key);
        let position = self.position(key)?;
        self.rows[position].merge(changes);
        Ok(self.rows[position].clone())
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<Row, Refusal> {
        let position = self.position(key)?;
        Ok(self.rows.remove(position))
    }

    /// Keys are compared as text: beyond 2⁵³ a float would take two keys for one.
    fn position(&self, key: &str) -> Result<usize, Refusal> {
        self.rows
            .iter()
            .position(|row| self.key_of(row) == key)
            .ok_or_else(|| Refusal::NoRow {
                key: key.to_owned(),
            })
    }

    fn next_key(&self) -> Result<i64, Refusal> {
        self.rows
            .iter()
            .filter_map(|row| self.key_of(row).parse::<i64>().ok())
            .max()
            .and_then(|largest| largest.checked_add(1))
            .ok_or_else(|| Refusal::KeyMissing {
                column: self.key.clone(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        Row::one(text.as_bytes()).expect("a row")
    }

    #[test]
    fn every_table_of_the_company_has_rows_with_distinct_keys() {
        for (resource, table) in Company::default().0 {
            let mut keys: Vec<_> = table.rows.iter().map(|row| table.key_of(row)).collect();
            keys.sort();
            keys.dedup();

            assert!(!keys.is_empty(), "{resource}");
            assert_eq!(keys.len(), table.rows.len(), "{resource}");
        }
    }

    #[test]
    fn keys_beyond_two_to_the_53_are_told_apart() {
        let company = Company::default();
        let orders = company.table("orders").expect("orders are there");

        let odd = orders.row("9007199254740993").expect("the order is there");

        assert_eq!(odd.text("order_id").as_deref(), Some("9007199254740993"));
        assert!(orders.row("9007199254740992").is_err());
    }

    #[test]
    fn a_new_row_gets_the_next_key_in_front() {
        let mut company = Company::default();
        let orders = company.table_mut("orders").expect("orders are there");

        let added = orders.insert(row(r#"{"total":3.50}"#)).expect("no clash");

        assert_eq!(
            serde_json::to_string(&added).expect("plain JSON"),
            r#"{"order_id":9007199254740998,"total":3.50}"#
        );
    }

    #[test]
    fn a_key_is_given_once() {
        let mut company = Company::default();
        let customers = company.table_mut("customers").expect("customers are there");

        let refused = customers.insert(row(r#"{"customer_id":1}"#));

        assert!(matches!(refused, Err(Refusal::KeyTaken { key }) if key == "1"));
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let mut company = Company::default();
        let employees = company.table_mut("employees").expect("employees are there");
        let before = employees.row("7").expect("employee 7").text("email");

        let changes = row(r#"{"employee_id":8,"title":"Head of Sales","@metadata":{}}"#);
        let after = employees.update("7", changes).expect("employee 7");

        assert_eq!(after.text("employee_id").as_deref(), Some("7"));
        assert_eq!(after.text("title").as_deref(), Some("Head of Sales"));
        assert_eq!(after.text("email"), before);
        assert_eq!(after.text("@metadata"), None);
    }
}
