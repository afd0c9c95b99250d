//! The operator's side: the status and the admin listener, and what they say of the engine.

use std::io;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, Access, View};
use crate::config::{self, Serving};
use crate::engine::Stuck;

/// Why only a new process helps, where that is so.
pub(super) fn unsound(stuck: &Stuck) -> Option<String> {
    stuck.is_full().then(|| {
        let count = stuck.count();
        format!("{count} threads are stuck in handlers that can't be stopped")
    })
}

/// Serves the operator's side; each task ends once `ended` is true.
pub(super) fn operators(
    serving: &Serving,
    view: View,
    status: Option<TcpListener>,
    admin: Option<TcpListener>,
    limits: admin::Limits,
    ended: &watch::Receiver<bool>,
) -> io::Result<Vec<tokio::task::JoinHandle<io::Result<()>>>> {
    let mut tasks = Vec::new();
    let end = |mut ended: watch::Receiver<bool>| async move {
        ended.wait_for(|ended| *ended).await.ok();
    };
    if let Some(listener) = status {
        tasks.push(tokio::spawn(admin::serve(
            listener,
            admin::status(view.clone()),
            limits,
            end(ended.clone()),
        )));
    }
    if let Some(listener) = admin {
        let token = serving
            .admin
            .as_ref()
            .and_then(|admin| admin.token.as_ref());
        let access = Access::new(listener.local_addr()?, token.map(config::Secret::expose));
        tasks.push(tokio::spawn(admin::serve(
            listener,
            admin::admin(view, access),
            limits,
            end(ended.clone()),
        )));
    }
    Ok(tasks)
}
