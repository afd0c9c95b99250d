//! Values of fields beyond ASCII keep their bytes, whichever way a handler copies them.

use super::aliases::{Dice, setting};
use super::*;

/// Ways to copy every `x-…` field of the request to the response, or to the request as it is sent on.
const COPIES: [&str; 9] = [
    // Without the engine, and with it.
    "TO['x-one'] = req.headers['x-one']; TO['x-two'] = req.headers['x-two']; TO['x-three'] = req.headers['x-three'];",
    "TO['x-one'] = req.headers['x-one']; TO['x-two'] = req.headers['x-two']; TO['x-three'] = req.headers['x-three']; 0;",
    "Object.assign(TO, req.headers);",
    "for (const [name, value] of Object.entries(req.headers)) TO[name] = value;",
    "for (const name in req.headers) TO[name] = req.headers[name];",
    "Object.keys(req.headers).forEach(name => { TO[name] = JSON.parse(JSON.stringify(req.headers[name])); });",
    "for (const name in req.headers) TO[name] = [req.headers[name]].flat();",
    "for (const name in req.headers) TO[name] = [req.headers[name]].flat().map(it => `${it}`.slice(0));",
    "for (const name in event.request.headers) if (name !== 'x-two') TO[name] = event.request.headers[name]; \
     TO['x-two'] = req.headers['x-two'];",
];

/// Ways to write every `x-…` field back to where it was.
const WRITES_BACK: [&str; 4] = [
    "for (const name in HERE) HERE[name] = HERE[name];",
    "const all = { ...HERE }; for (const name in all) HERE[name] = all[name];",
    "for (const name in HERE) { const value = HERE[name]; delete HERE[name]; HERE[name] = value; }",
    "for (const value of [HERE['x-two']].flat()) value.length; HERE['x-two'].push('last'); HERE['x-two'].pop();",
];

/// Bytes that a value may have, without blanks at its ends.
fn value(dice: &mut Dice) -> Vec<u8> {
    let byte = |dice: &mut Dice| match dice.below(4) {
        0 => b'a' + u8::try_from(dice.below(26)).expect("a letter"),
        1 => 0x80 + u8::try_from(dice.below(128)).expect("a byte"),
        2 => b"\xc3\xa9\xe9\xbf\xe2\x82\xac"[dice.below(7)],
        _ => b",;=\"\\%"[dice.below(6)],
    };
    let mut value: Vec<u8> = (0..dice.below(8)).map(|_| byte(dice)).collect();
    if dice.below(3) == 0 {
        value.extend_from_slice(dice.pick(&["é", "日本", "\u{80}", "🙂"]).as_bytes());
    }
    value
}

/// Four values: of two fields that stand once, and of one that stands twice.
fn values(dice: &mut Dice) -> Vec<(&'static str, Vec<u8>)> {
    let mut values: Vec<_> = ["x-one", "x-two", "x-two", "x-three"]
        .into_iter()
        .map(|name| (name, value(dice)))
        .collect();
    if dice.below(3) == 0 {
        // One that another one is shown as.
        let shown = crate::message::field_text::shown(&values[0].1).into_owned();
        values[3].1 = shown.into_bytes();
    }
    values
}

fn fill(fields: &mut Fields, values: &[(&'static str, Vec<u8>)]) {
    for (name, value) in values {
        let value = HeaderValue::from_bytes(value).expect("a value");
        fields.receive(HeaderName::from_static(name), name.as_bytes(), value);
    }
}

fn left_in<'f>(fields: &'f Fields, names: &[&str]) -> Vec<(String, &'f [u8])> {
    let is_one = |name: &str| names.contains(&name);
    let mut left: Vec<_> = fields
        .iter()
        .filter(|field| is_one(field.name().as_str()))
        .map(|field| (field.name().to_string(), field.value().as_bytes()))
        .collect();
    left.sort_by(|(one, _), (other, _)| one.cmp(other));
    left
}

fn check(kind: Kind, source: &str, values: &[(&'static str, Vec<u8>)], seed: u64) {
    let mut call = match kind.phase() {
        crate::handler::Phase::Request => call("GET", "/orders", ""),
        crate::handler::Phase::Response => answered(200, "application/json", "{}"),
    };
    fill(&mut call.request.fields, values);
    if source.contains("HERE") && kind.phase() == crate::handler::Phase::Response {
        fill(&mut call.response.fields, values);
    }
    let here = match kind.phase() {
        crate::handler::Phase::Request => "req.headers",
        crate::handler::Phase::Response => "res.headers",
    };
    let source = source.replace("HERE", here).replace("TO", "res.headers");
    let ran = Set::of(kind, &[&source]).run(call);
    assert!(
        matches!(ran.verdict, Verdict::Continue),
        "{source}: {:?}",
        ran.verdict
    );
    let names = ["x-one", "x-two", "x-three"];
    let mut sent = Fields::default();
    fill(&mut sent, values);
    let left = if here == "req.headers" && !source.contains("res.headers") {
        &ran.call.request.fields
    } else {
        &ran.call.response.fields
    };
    assert_eq!(
        left_in(left, &names),
        left_in(&sent, &names),
        "seed {seed}, {kind:?}: {source}"
    );
}

#[test]
fn a_value_that_is_copied_or_written_back_keeps_its_bytes() {
    let first = setting("FIELD_BYTES_FIRST", 0);
    for seed in first..first + setting("FIELD_BYTES_ROUNDS", 12) {
        let mut dice = Dice(seed);
        let values = values(&mut dice);
        for source in COPIES {
            check(Kind::Response, source, &values, seed);
        }
        for source in WRITES_BACK {
            check(Kind::Request, source, &values, seed);
            check(Kind::Response, source, &values, seed);
        }
    }
}

/// A host that answers with the fields that it was sent, and with `X-Name` in ISO-8859-1.
struct Mirror;

#[async_trait::async_trait]
impl Host for Mirror {
    async fn call(
        &self,
        _caller: &Caller,
        request: HostRequest,
    ) -> Result<HostResponse, HostError> {
        let mut answer = response(200, "{}");
        answer.fields = request.fields;
        let name = HeaderValue::from_bytes(b"Zo\xeb").expect("a value");
        answer
            .fields
            .push((HeaderName::from_static("x-name"), name));
        Ok(answer)
    }
}

/// What a response handler throws or answers, as fields.
fn own_fields(ran: &Ran) -> Vec<(String, Vec<u8>)> {
    let pair =
        |name: &HeaderName, value: &HeaderValue| (name.to_string(), value.as_bytes().to_vec());
    match &ran.verdict {
        Verdict::Reject(Rejection {
            content: Content::Own { fields, .. },
            ..
        }) => fields
            .iter()
            .map(|(name, value)| pair(name, value))
            .collect(),
        _ => {
            let fields = ran.call.response.fields.iter();
            fields
                .map(|field| pair(field.name(), field.value()))
                .collect()
        }
    }
}

#[test]
fn what_is_thrown_answered_sent_to_others_and_got_from_them_keeps_its_bytes() {
    for source in [
        "throw { status: 422, headers: { 'x-one': req.headers['x-one'] }, body: {} }",
        "const got = platform.api.post('/echo', {}, { headers: { 'x-one': req.headers['x-one'] } });\nres.headers['x-one'] = got.headers['x-one']",
        "const got = await fetch('/echo', { headers: { 'x-one': req.headers['x-one'] } });\nres.headers['x-one'] = got.headers.get('x-one')",
        "req.userProperties.one = req.headers['x-one'];\nres.headers['x-one'] = req.userProperties.one",
    ] {
        for bytes in [&b"caf\xe9"[..], "café".as_bytes(), "日本".as_bytes()] {
            let mut call = answered(200, "application/json", "{}");
            fill(&mut call.request.fields, &[("x-one", bytes.to_vec())]);
            let source = format!("// @body full\n{source}");
            let mut all = Vec::new();
            Set::of(Kind::Response, &[&source])
                .run_with(Arc::new(Mirror), [call], |ran| all.push(ran));
            let fields = own_fields(&all[0]);
            let one = fields.iter().find(|(name, _)| name == "x-one");
            assert_eq!(
                one.map(|(_, value)| value.as_slice()),
                Some(bytes),
                "{source}: {:?}",
                all[0].verdict
            );
        }
    }
}

#[test]
fn handlers_read_letters_and_make_new_values_of_them() {
    for (source, expected) in [
        (
            "res.headers['x-new'] = String(req.headers['x-one'] === 'café')",
            &b"true"[..],
        ),
        (
            "res.headers['x-new'] = 'inline; name=' + req.headers['x-one']",
            b"inline; name=caf\xe9",
        ),
        (
            "res.headers['x-new'] = req.headers['x-one'].replace('caf', 'th')",
            b"th\xe9",
        ),
        ("res.headers['x-new'] = 'café'", "café".as_bytes()),
        (
            "res.headers['x-new'] = req.headers['x-one'] + ' €'",
            "café €".as_bytes(),
        ),
        // Calls give letters too.
        (
            "res.headers['x-new'] = platform.api.get('/echo').headers['x-name'] + '!'",
            b"Zo\xeb!",
        ),
    ] {
        let mut call = answered(200, "application/json", "{}");
        fill(&mut call.request.fields, &[("x-one", b"caf\xe9".to_vec())]);
        let mut all = Vec::new();
        Set::of(Kind::Response, &[source]).run_with(Arc::new(Mirror), [call], |ran| all.push(ran));
        let value = all[0].call.response.fields.get("x-new");
        assert_eq!(value.map(HeaderValue::as_bytes), Some(expected), "{source}");
    }
}
