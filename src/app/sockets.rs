//! The listening sockets, bound in one place.

use std::net::SocketAddr;

use crate::config::Serving;
use crate::proxy;
use crate::supervisor::Sockets;

use super::AppError;

/// Binds every address that is configured. Must be called within a runtime.
pub(super) fn bind(serving: &Serving) -> Result<Sockets, AppError> {
    let admin = serving.admin.as_ref().map(|admin| admin.listen);
    Ok(Sockets {
        proxy: listen("proxy", serving.listen)?,
        status: serving.status.map(|at| listen("status", at)).transpose()?,
        admin: admin.map(|at| listen("admin", at)).transpose()?,
    })
}

fn listen(listener: &'static str, address: SocketAddr) -> Result<std::net::TcpListener, AppError> {
    proxy::listen(address).map_err(|source| AppError::Listen {
        listener,
        address,
        source,
    })
}
