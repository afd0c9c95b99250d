//! What natives make for a handler is its heap's before it is made: what a heap has not is never taken
//! from the system, whatever is asked of which native.

use super::refusal::{alone, row};
use super::*;

const TEST: &str = "engine::tests::charged::natives_take_no_more_than_their_heap_has";

const HEAP: usize = 8 << 20;

/// What the engine takes besides for each run, in bytes, and copies that are bounded anyway: those
/// of a header field, of a line in the log, of an event.
const SLACK: usize = 3 << 19;

/// What is made of `text`, whose bytes are `bytes`.
const NATIVES: [&str; 56] = [
    "new TextEncoder().encode(text)",
    "new TextDecoder().decode(bytes)",
    "new TextDecoder().decode(bytes.fill(255))",
    "new TextDecoder('utf-8', { fatal: true }).decode(bytes)",
    "atob(text)",
    "btoa(text)",
    "new URL('http://h/?' + text)",
    "new URL(text, 'http://h/')",
    "new URL('http://h/').search = text",
    "new URL('http://h/').searchParams.append('x', text)",
    "new URLSearchParams(text)",
    "new URLSearchParams([[text, 'x']]).toString()",
    "await crypto.subtle.digest('SHA-256', bytes)",
    "await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])",
    "await crypto.subtle.sign('HMAC', await crypto.subtle.importKey('raw', new Uint8Array(8), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']), bytes)",
    "crypto.getRandomValues(bytes)",
    "req.method = text",
    "req.path = '/' + text",
    "req.path = text",
    "event.request.uri = '/?' + text",
    "req.headers.x = text",
    "req.headers.x = [text, text, text]",
    "req.headers.x = { toString: () => text }",
    "req.headers[text] = 'x'",
    "req.headers[text]",
    "req.query.x = text",
    "req.query[text] = text",
    "res.headers.x = text",
    "event.response.headers = { x: text }",
    "throw text",
    "throw new Error(text)",
    "throw new TypeError(text)",
    "throw { message: text, code: text }",
    "throw [{ message: text }, text]",
    "throw { status: 400, body: text }",
    "throw { status: 400, body: { text }, headers: { x: text } }",
    "throw Symbol(text)",
    "log.info(text); print(text)",
    "getResource(text)",
    "getResource('a', { filter: text, [text]: 1 })",
    "SysUtility.restPost('/a', { x: text }, { headers: { x: text } }, text)",
    "await fetch('/a', { method: 'POST', body: text })",
    "await fetch('/a', { method: 'POST', body: bytes })",
    "await fetch(text, { headers: { x: text } })",
    "platform.store.set('k', text); platform.store.get('k'); platform.store.get(text); platform.store.del(text)",
    "req.userProperties.x = text; g.shared.x = text",
    "await g.sys.system.emitEvent(text, text)",
    "event.request.content = text",
    "return { text }",
    "require(text)",
    "exact(JSON.parse(`[${'1'.repeat(text.length / 2)}]`), 0)",
    "exact.text(JSON.parse(`[${'1'.repeat(text.length / 2)}]`), 0)",
    "JSON.stringify(JSON.parse(`[1.${'0'.repeat(text.length / 2)}]`))",
    "json = JSON.parse(`[1.${'0'.repeat(text.length / 2)}]`)",
    "structuredClone({ text, bytes })",
    "new Headers({ x: text }).get('x')",
];

/// What becomes of a response with many fields.
const CALLS: [&str; 5] = [
    "getResource('/a')",
    "SysUtility.restGet('/a')",
    "platform.api.get('/a')",
    "await fetch('/a')",
    "await g.sys.system.callExternalApi({ url: '/a' })",
];

/// A host that answers with so many bytes of fields, which are its own.
struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    fn of(length: usize) -> Self {
        let value = HeaderValue::try_from("v".repeat(length / 400)).expect("a value");
        let name = |at| HeaderName::try_from(format!("x-{at}")).expect("a name");
        Self((0..400).map(|at| (name(at), value.clone())).collect())
    }
}

#[async_trait::async_trait]
impl Host for Fields {
    async fn call(&self, _: &Caller, _: HostRequest) -> Result<HostResponse, HostError> {
        let fields = self.0.clone();
        Ok(HostResponse {
            fields,
            ..response(200, "{}")
        })
    }
}

/// The most that Rust has at a time while a native is called with so long a text.
fn peak(host: Arc<dyn Host>, source: &str, length: usize) -> usize {
    let source = format!(
        "if (req.path === '/2') {{\n\
           const held = require('held');\n\
           const text = held.text = 'a='.repeat({}); const bytes = held.bytes = new Uint8Array(text.length);\n\
           {source}\n\
         }}",
        length / 2
    );
    let set = Set::of(Kind::Request, &[&source]);
    // What nobody has any longer would be room.
    let mut set = set.with_module("lib/held.js", "module.exports = {}");
    set.limits.memory = HEAP;
    set.limits.handler_time = Duration::from_secs(20);
    let mut peak = 0;
    // The first one builds the isolate.
    let mut calls = ["/1", "/2"].map(|path| call("POST", path, "")).into_iter();
    let next = std::iter::from_fn(|| {
        let call = calls.next();
        counting::begin_peak();
        call
    });
    set.run_with(host, next, |_| peak = counting::peak_since());
    peak
}

#[test]
fn natives_take_no_more_than_their_heap_has() {
    let Some(first) = row() else {
        let (is_well, said) = alone(TEST, 0);
        assert!(is_well, "{said}");
        return;
    };
    let mut over = Vec::new();
    let echo: Arc<dyn Host> = Arc::new(Echo);
    let fields: Arc<dyn Host> = Arc::new(Fields::of(HEAP / 2));
    let natives = NATIVES.iter().map(|source| (&echo, source));
    let calls = CALLS.iter().map(|source| (&fields, source));
    for (host, source) in natives.chain(calls).skip(first) {
        // Text and bytes take twice the length of the heap's own memory.
        for length in [HEAP / 8, HEAP * 7 / 16] {
            let peak = peak(Arc::clone(host), source, length);
            let most = HEAP - 2 * length + SLACK;
            if peak > most {
                over.push(format!("{source} of {length}: {peak}, not {most}"));
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}
