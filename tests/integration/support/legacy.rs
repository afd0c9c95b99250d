//! The demo's legacy API on a port of its own.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Ends with its value.
pub(crate) struct LegacyApi {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl LegacyApi {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime starts");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        runtime.spawn(interpose::demo::serve(listener, std::future::pending()));
        Self {
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
