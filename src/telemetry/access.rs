//! One line a transaction.

use crate::transaction::Record;
use crate::transaction::ports::Observer;
use crate::transaction::unseen::Reason;

use super::log::ACCESS;

/// Writes a line for each finished transaction. No body, query or header value is in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccessLog;

impl Observer for AccessLog {
    fn finished(&self, record: &Record<'_>) {
        let Record {
            id,
            method,
            path,
            status,
            duration,
            outcome,
            error,
            unseen,
            generation,
        } = record;
        tracing::info!(
            target: ACCESS,
            transaction = id.map(tracing::field::display),
            method,
            path,
            status,
            duration_ms = duration.as_secs_f64() * 1000.0,
            outcome = outcome.label(),
            error,
            request_unseen = unseen.request.map(Reason::label),
            response_unseen = unseen.response.map(Reason::label),
            generation = generation.map(tracing::field::display),
            "transaction"
        );
    }
}
