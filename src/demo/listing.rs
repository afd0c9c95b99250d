//! Which rows a `GET` of a collection answers with, and in which order.
//!
//! | parameter | meaning | example |
//! | --- | --- | --- |
//! | `filter` | `COLUMN = VALUE`, several joined by ` and ` | `salesrep_id = 7 and paid = true` |
//! | `order` | `COLUMN`, with ` desc` behind it from largest to smallest | `amount_total desc` |
//! | `pagesize` | at most so many rows | `30` |
//! | `offset` | leave out so many rows first | `0` |
//!
//! A value may stand in single quotes. Other parameters are ignored.

use std::cmp::Ordering;

use serde::Deserialize;

use super::refusal::Refusal;
use super::row::Row;

/// The query as it was typed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    filter: Option<String>,
    order: Option<String>,
    pagesize: Option<usize>,
    offset: Option<usize>,
}

impl Parameters {
    pub(super) fn parse(self) -> Result<Listing, Refusal> {
        Ok(Listing {
            conditions: self.filter.as_deref().map_or(Ok(Vec::new()), conditions)?,
            order: self.order.as_deref().map(order).transpose()?,
            pagesize: self.pagesize.unwrap_or(usize::MAX),
            offset: self.offset.unwrap_or(0),
        })
    }
}

/// The query as it was meant.
#[derive(Debug)]
pub(super) struct Listing {
    conditions: Vec<Condition>,
    order: Option<Order>,
    pagesize: usize,
    offset: usize,
}

#[derive(Debug)]
struct Condition {
    column: String,
    value: String,
}

#[derive(Debug)]
struct Order {
    column: String,
    descending: bool,
}

impl Listing {
    pub(super) fn of<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let mut wanted: Vec<&Row> = rows
            .iter()
            .filter(|row| self.conditions.iter().all(|condition| condition.holds(row)))
            .collect();
        if let Some(order) = &self.order {
            wanted.sort_by(|a, b| order.compare(a, b));
        }
        wanted
            .into_iter()
            .skip(self.offset)
            .take(self.pagesize)
            .collect()
    }
}

impl Condition {
    fn holds(&self, row: &Row) -> bool {
        row.text(&self.column).as_deref() == Some(&self.value)
    }
}

impl Order {
    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let (a, b) = (a.text(&self.column), b.text(&self.column));
        let ascending = ascending(&a.unwrap_or_default(), &b.unwrap_or_default());
        if self.descending {
            ascending.reverse()
        } else {
            ascending
        }
    }
}

fn conditions(filter: &str) -> Result<Vec<Condition>, Refusal> {
    filter
        .split(" and ")
        .map(|condition| {
            let (column, value) = condition
                .split_once('=')
                .ok_or_else(|| Refusal::filter(filter))?;
            Ok(Condition {
                column: column.trim().to_owned(),
                value: value.trim().trim_matches('\'').to_owned(),
            })
        })
        .collect()
}

fn order(text: &str) -> Result<Order, Refusal> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (column, descending) = match words[..] {
        [column] | [column, "asc"] => (column, false),
        [column, "desc"] => (column, true),
        _ => return Err(Refusal::order(text)),
    };
    Ok(Order {
        column: column.to_owned(),
        descending,
    })
}

/// Whole numbers before other numbers before text: a float would mix up large ids.
fn ascending(a: &str, b: &str) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.parse::<i64>(), b.parse::<i64>()) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
        return a.total_cmp(&b);
    }
    a.cmp(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(parameters: Parameters) -> Vec<String> {
        let rows = Row::one_or_many(
            br#"[{"id":1,"rep":7,"total":9.50},{"id":2,"rep":8,"total":10},
                 {"id":3,"rep":7,"total":112.00},{"id":4,"rep":7,"total":30.25}]"#,
        )
        .expect("rows");
        let listing = parameters.parse().expect("a good query");
        listing
            .of(&rows)
            .iter()
            .map(|row| row.text("id").expect("every row has an id"))
            .collect()
    }

    #[test]
    fn without_parameters_every_row_is_listed() {
        assert_eq!(listed(Parameters::default()), ["1", "2", "3", "4"]);
    }

    #[test]
    fn a_filter_keeps_the_rows_that_meet_every_condition() {
        let filter = Some("rep = 7 and id = '3'".to_owned());

        assert_eq!(
            listed(Parameters {
                filter,
                ..Parameters::default()
            }),
            ["3"]
        );
    }

    #[test]
    fn numbers_are_ordered_as_numbers_then_cut_into_pages() {
        assert_eq!(
            listed(Parameters {
                filter: None,
                order: Some("total desc".to_owned()),
                pagesize: Some(2),
                offset: Some(1),
            }),
            ["4", "2"]
        );
    }

    #[test]
    fn a_filter_or_an_order_that_makes_no_sense_is_refused() {
        let filter = Parameters {
            filter: Some("rep of 7".to_owned()),
            ..Parameters::default()
        };
        let order = Parameters {
            order: Some("total downwards".to_owned()),
            ..Parameters::default()
        };

        assert!(matches!(filter.parse(), Err(Refusal::Filter { .. })));
        assert!(matches!(order.parse(), Err(Refusal::Order { .. })));
    }
}
