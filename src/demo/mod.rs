//! The legacy API that `interpose demo` puts behind the sidecar.
//!
//! It speaks the dialect of an old REST server: a row carries its `@metadata`, a write is
//! answered with a transaction summary, an error with `errorMessage`. Values keep the
//! spelling of `company.json` (`1.10`, ids beyond 2⁵³), because that is what a sidecar must
//! not lose. Writes last until the process ends. It knows nothing of the sidecar.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /{resource}` | the rows as an array; `listing.rs` says what the query may hold |
//! | `GET /{resource}/{key}` | one row |
//! | `POST /{resource}` | 201 and a summary; the body is a row or an array of rows, a row without a key gets the next one |
//! | `PUT /{resource}` | a summary; the rows of the body name their keys, what they don't hold stays |
//! | `PUT /{resource}/{key}` | the same for one row |
//! | `DELETE /{resource}/{key}` | a summary that holds the row a last time |
//!
//! The resources are `customers`, `orders`, `employees`, `employee_picture`,
//! `purchaseorders` and `SecretData`.

mod company;
mod listing;
mod refusal;
mod row;
mod summary;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use company::{Company, Table};
use listing::Parameters;
use refusal::Refusal;
use row::Row;
use summary::{Summary, Verb, described};

/// Serves a fresh copy of the company until `shutdown` completes.
///
/// # Errors
///
/// What accepting connections fails with.
pub async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router())
        .with_graceful_shutdown(shutdown)
        .await
}

/// The API over a fresh copy of the company; no two routers share their rows.
pub fn router() -> Router {
    Router::new()
        .route("/{resource}", get(list).post(insert).put(update_rows))
        .route(
            "/{resource}/{key}",
            get(read).put(update_row).delete(delete),
        )
        .fallback(async || Refusal::NoSuchPath)
        .method_not_allowed_fallback(async || Refusal::NotAllowed)
        .with_state(Shared::default())
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Company>>);

impl Shared {
    fn company(&self) -> MutexGuard<'_, Company> {
        self.0
            .lock()
            .expect("no request panics while it holds the company")
    }
}

async fn list(
    State(shared): State<Shared>,
    Path(resource): Path<String>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<Vec<Row>>, Refusal> {
    let Query(parameters) = parameters.map_err(Refusal::Query)?;
    let listing = parameters.parse()?;
    let company = shared.company();
    let table = company.table(&resource)?;
    let rows = listing.of(table.rows());
    Ok(Json(
        rows.into_iter()
            .map(|row| described(row, &resource, table.key_of(row), None))
            .collect(),
    ))
}

async fn read(
    State(shared): State<Shared>,
    Path((resource, key)): Path<(String, String)>,
) -> Result<Json<Row>, Refusal> {
    let company = shared.company();
    let row = company.table(&resource)?.row(&key)?;
    Ok(Json(described(row, &resource, key, None)))
}

async fn insert(
    State(shared): State<Shared>,
    Path(resource): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Summary>), Refusal> {
    let rows = Row::one_or_many(&body)?;
    let summary = write(&shared, &resource, Verb::Insert, |table| {
        rows.into_iter().map(|row| table.insert(row)).collect()
    })?;
    Ok((StatusCode::CREATED, summary))
}

async fn update_rows(
    State(shared): State<Shared>,
    Path(resource): Path<String>,
    body: Bytes,
) -> Result<Json<Summary>, Refusal> {
    let rows = Row::one_or_many(&body)?;
    write(&shared, &resource, Verb::Update, |table| {
        rows.into_iter()
            .map(|changes| table.update(&table.key_given_in(&changes)?, changes))
            .collect()
    })
}

async fn update_row(
    State(shared): State<Shared>,
    Path((resource, key)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Summary>, Refusal> {
    let changes = Row::one(&body)?;
    write(&shared, &resource, Verb::Update, |table| {
        Ok(vec![table.update(&key, changes)?])
    })
}

async fn delete(
    State(shared): State<Shared>,
    Path((resource, key)): Path<(String, String)>,
) -> Result<Json<Summary>, Refusal> {
    write(&shared, &resource, Verb::Delete, |table| {
        Ok(vec![table.delete(&key)?])
    })
}

/// Changes one table: the whole change is done, or none of it.
fn write(
    shared: &Shared,
    resource: &str,
    verb: Verb,
    change: impl FnOnce(&mut Table) -> Result<Vec<Row>, Refusal>,
) -> Result<Json<Summary>, Refusal> {
    let mut company = shared.company();
    let table = company.table_mut(resource)?;
    let mut changed = table.clone();
    let rows = change(&mut changed)?;
    let summary = rows
        .iter()
        .map(|row| described(row, resource, changed.key_of(row), Some(verb)))
        .collect();
    *table = changed;
    Ok(Json(Summary::of(verb, summary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn serving_ends_when_shutdown_completes() {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");

        let ended = serve(listener, std::future::ready(())).await;

        assert!(ended.is_ok());
    }
}
