//! The call that a client's `GET /orders` begins with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method, StatusCode};
use interpose::handler::{
    Call, Case, Emitted, Kept, Origin, Requested, Service, Services, TransactionId,
};
use interpose::message::forwarded::Client;
use interpose::message::{Fields, Request, Response};

/// A `GET /orders` as a client of today sends it, and no response yet.
pub(crate) fn call() -> Call {
    Call {
        id: TransactionId("01890a5d-ac96-774b-bcce-b302099a8057".into()),
        request: Request::new(Method::GET, "/orders?limit=50", fields()),
        received: None,
        response: Response::new(StatusCode::OK),
        origin: Arc::new(origin()),
        fallback: None,
        kept: Kept::default(),
        emitted: Emitted::default(),
        deadline: Instant::now() + Duration::from_secs(60),
    }
}

fn fields() -> Fields {
    let sent = [
        ("Host", "api.test"),
        ("User-Agent", "bench/1.0"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip"),
        ("Authorization", "Basic Ym9iOng="),
    ];
    let mut fields = Fields::with_capacity(sent.len());
    for (name, value) in sent {
        let parsed = HeaderName::from_bytes(name.as_bytes()).expect("a field's name");
        fields.receive(parsed, name.as_bytes(), HeaderValue::from_static(value));
    }
    fields
}

fn origin() -> Origin {
    Origin {
        client: Client {
            address: [192, 0, 2, 7].into(),
            peer: [192, 0, 2, 7].into(),
            https: false,
            through_trusted: false,
        },
        host: "api.test".to_owned(),
        requested: Requested {
            other_methods: Vec::new(),
            method: Method::GET,
            path: "/orders".into(),
            services: Services::new([Service::new("", "/")]),
            case: Case::Counts,
        },
        local: SocketAddr::from(([127, 0, 0, 1], 8080)),
        service: Arc::new(Service::new("", "/")),
        resource: "orders".to_owned(),
        metadata_name: "@metadata".into(),
        session: Arc::default(),
        depth: 0,
        passes: 0,
        running: Vec::new(),
    }
}
