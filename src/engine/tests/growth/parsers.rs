//! Work on what clients, upstreams and files send.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::config::{self, Inputs};
use crate::document::Document;
use crate::engine::analysis::{analyse, analyse_module};
use crate::handler::{Header, Metadata, NormalPath, OneLine, Phase};
use crate::message::charset::Charset;
use crate::message::chunked::{Chunks, Step as Chunk};
use crate::message::coding::{Codings, Room, accept};
use crate::message::{JsonType, Query, forwarded, framing, head, media, namesakes, validators};
use crate::token::{Algorithm, Settings, Verifier};
use crate::transaction::nested;
use crate::transaction::ports::Tokens as _;
use crate::wire;

use super::*;

/// No limit is what bounds these.
const HEAD: head::Limits = head::Limits {
    bytes: 64 << 20,
    fields: 1 << 20,
    parameters: 1 << 20,
};

pub(super) fn rows() -> Vec<Row> {
    let of_fields = [fields(), many_fields(), tokens()];
    of_fields
        .into_iter()
        .chain([heads(), bodies(), paths(), texts(), files()])
        .flatten()
        .collect()
}

/// Work on a text that is made of items.
fn text_row(
    name: &'static str,
    from: usize,
    text: impl Fn(usize) -> String + 'static,
    work: impl Fn(&str) + Copy + 'static,
) -> Row {
    row(name, from, move |size| {
        let text = text(size);
        Box::new(move || work(&text))
    })
}

/// Work on fields, of which one is a list of items.
fn list_row(
    label: &str,
    name: &'static str,
    item: fn(usize) -> String,
    work: impl Fn(&mut Fields) + Copy + 'static,
) -> Row {
    row(format!("{label}: {name}"), 256, move |size| {
        let value = HeaderValue::try_from(list(size, item, ", ")).expect("a value");
        let mut fields = Fields::default();
        fields.insert(HeaderName::from_static(name), value);
        Box::new(move || work(&mut fields))
    })
}

/// Work on many fields, named by their numbers.
fn many_row(
    name: &'static str,
    field: fn(usize) -> String,
    work: impl Fn(&mut Fields) + Copy + 'static,
) -> Row {
    row(name, 256, move |size| {
        let mut fields = Fields::default();
        for at in 0..size {
            let spelled = field(at);
            let name = HeaderName::try_from(spelled.to_ascii_lowercase()).expect("a name");
            fields.receive(name, spelled.as_bytes(), HeaderValue::from_static("v"));
        }
        Box::new(move || work(&mut fields))
    })
}

fn tag(at: usize) -> String {
    format!("\"{at}-mark\"")
}

fn fields() -> Vec<Row> {
    let requested = |fields: &mut Fields| {
        let mut request = Request::new(Method::GET, "/", std::mem::take(fields));
        validators::unmark_conditions(&mut request, "-mark");
        validators::restore_tags(&mut request);
    };
    vec![
        list_row(
            "codings",
            "content-encoding",
            |_| "identity".into(),
            |it| {
                drop(Codings::of(it));
            },
        ),
        list_row(
            "codings",
            "accept-encoding",
            |at| format!("x{at};q=0.5"),
            |it| {
                accept::narrowed(it);
                let gzip = HeaderValue::from_static("gzip");
                let mut answered = Fields::default();
                answered.insert(header::CONTENT_ENCODING, gzip);
                accept::accepts(it, &Codings::of(&answered).expect("a coding"));
            },
        ),
        list_row(
            "hops",
            "x-forwarded-for",
            |_| "10.0.0.1".into(),
            |it| {
                let trusted = ["10.0.0.0/8".parse().expect("a net")];
                let peer = "10.1.1.1:1".parse().expect("an address");
                let _ = forwarded::client(peer, false, it, &trusted);
            },
        ),
        list_row("tags", "if-none-match", tag, requested),
        list_row("tags", "if-match", tag, requested),
        list_row("tags of a copy", "if-none-match", tag, |it| {
            let tag = HeaderValue::from_static("\"other\"");
            let _ = validators::confirmed(it, Some(&tag), "-mark");
        }),
        list_row(
            "named fields",
            "connection",
            |at| format!("x-{at}"),
            |it| {
                let _ = framing::take_off_named(it);
            },
        ),
        list_row(
            "lengths",
            "content-length",
            |_| "2".into(),
            |it| {
                let _ = framing::length(it);
            },
        ),
        list_row(
            "characters",
            "content-type",
            |at| format!("a/b; p{at}=\"v\""),
            |it| {
                let _ = Charset::of(it);
                let text = it.get_str("content-type").map(str::to_owned);
                media::is_json(&[JsonType::Missing], text.as_deref());
            },
        ),
    ]
}

fn many_fields() -> Vec<Row> {
    vec![
        many_row(
            "namesakes",
            |at| format!("X_{at}"),
            |it| {
                let named = HeaderName::from_static("x-1");
                namesakes::remove_namesakes_of(it, &named);
                namesakes::remove(it, namesakes::Underscores::Drop, |name| name == "x-2");
            },
        ),
        many_row(
            "fields that Connection names",
            |at| format!("x-{at}"),
            |it| {
                let names = list(it.iter().count(), |at| format!("x-{at}"), ",");
                it.insert(
                    header::CONNECTION,
                    HeaderValue::try_from(names).expect("a value"),
                );
                let _ = framing::take_off_named(it);
            },
        ),
        many_row(
            "compared fields",
            |at| format!("x-{at}"),
            |it| {
                let other = it.clone();
                it.are_same(&other);
                it.forget_edits();
            },
        ),
    ]
}

fn tokens() -> Vec<Row> {
    vec![
        row("a token", 128, |size| {
            let verifier = Verifier::new(&Settings {
                algorithm: Algorithm::Hs256,
                keys: vec!["a secret of 32 bytes, or a bit more".to_owned()],
                issuer: None,
                audience: Vec::new(),
                leeway: Duration::ZERO,
            });
            let verifier = verifier.expect("a key");
            let claims: serde_json::Map<_, _> =
                (0..size).map(|at| (format!("c{at}"), at.into())).collect();
            let mut claims = claims;
            claims.insert("exp".to_owned(), 4_000_000_000_u64.into());
            let claims = serde_json::Value::Object(claims).to_string();
            let [head, claims] =
                [r#"{"alg":"HS256"}"#, &claims].map(|it| URL_SAFE_NO_PAD.encode(it));
            let signed = format!("{head}.{claims}");
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret of 32 bytes, or a bit more");
            let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
            let token = format!("{signed}.{signature}");
            Box::new(move || assert!(verifier.verify(&token).is_ok()))
        }),
        row("a token's session", 128, |size| {
            let name = |at| ["user".to_owned(), "roles".to_owned(), format!("r{at}")];
            let names: Vec<Vec<String>> = (0..size).map(|at| name(at).to_vec()).collect();
            Box::new(move || drop(nested(names.iter().map(|name| (name, 1.into())))))
        }),
    ]
}

fn heads() -> Vec<Row> {
    let request = |lines: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let read = |text: &str| {
        let end = head::end(text.as_bytes(), 0, &HEAD);
        assert_eq!(end, Ok(Some(text.len())));
        let _ = head::read(&Bytes::copy_from_slice(text.as_bytes()), &HEAD);
    };
    vec![
        text_row(
            "a head of fields",
            128,
            move |size| request(list(size, |at| format!("X-{at}: v\r\n"), "")),
            read,
        ),
        text_row(
            "a head of one field again and again",
            128,
            move |size| request(list(size, |at| format!("Cookie: c{at}=v\r\n"), "")),
            read,
        ),
        text_row(
            "a head of a long field",
            1024,
            move |size| request(format!("X: {}\r\n", "v ".repeat(size))),
            read,
        ),
        text_row(
            "a head of a long query",
            256,
            |size| {
                let query = list(size, |at| format!("n{at}=%20"), "&");
                format!("GET /?{query} HTTP/1.1\r\nHost: a\r\n\r\n")
            },
            read,
        ),
        text_row(
            "a response's head",
            4,
            |size| {
                let lines = list(size, |at| format!("Set-Cookie: c{at}=v\r\n"), "");
                format!("HTTP/1.1 200 OK\r\n{lines}\r\n")
            },
            |text| {
                let mut incoming = bytes::BytesMut::from(text.as_bytes());
                let read = wire::read_response(&mut incoming, &Method::GET);
                assert!(matches!(read, Ok(Some(_))));
            },
        ),
    ]
}

struct Boundless;

impl Room for Boundless {
    fn take(&mut self, _: usize) -> bool {
        true
    }

    fn give_back(&mut self, _: usize) {}
}

fn coded(coding: &'static str) -> Codings {
    let mut fields = Fields::default();
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    Codings::of(&fields).expect("a coding")
}

fn bodies() -> Vec<Row> {
    let chunks = |text: &str| {
        let (mut chunks, mut rest) = (Chunks::default(), text.as_bytes());
        while let Ok(Chunk::Overhead(count) | Chunk::Data(count)) = chunks.step(rest) {
            rest = &rest[count..];
        }
    };
    let mut rows = vec![
        text_row(
            "chunks",
            256,
            |size| format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(size)),
            chunks,
        ),
        text_row(
            "extensions of chunks",
            32,
            |size| format!("1;{}\r\nx\r\n0\r\n\r\n", "a=b;".repeat(size)),
            chunks,
        ),
        text_row(
            "trailers",
            64,
            |size| format!("0\r\n{}\r\n", "X-Y: z\r\n".repeat(size)),
            chunks,
        ),
    ];
    for coding in ["gzip", "deflate", "br", "zstd"] {
        rows.push(row(format!("decoded: {coding}"), 4096, move |size| {
            let mut codings = coded(coding);
            let text = list(size, |at| (at % 97).to_string(), ",");
            let encoded = codings.encode(text.into());
            Box::new(move || {
                let decoded = codings.decode(&encoded, 1 << 30, &mut Boundless);
                assert!(decoded.is_ok());
            })
        }));
        rows.push(row(format!("encoded: {coding}"), 2048, move |size| {
            let codings = coded(coding);
            let text = Bytes::from(list(size, |at| (at * at).to_string(), ","));
            Box::new(move || drop(codings.encode(text.clone())))
        }));
    }
    for label in ["utf-8", "windows-1252", "shift_jis", "utf-16le"] {
        rows.push(row(format!("characters: {label}"), 4096, move |size| {
            let mut fields = Fields::default();
            let kind = HeaderValue::try_from(format!("text/plain; charset={label}"));
            fields.insert(header::CONTENT_TYPE, kind.expect("a value"));
            let charset = Charset::of(&fields).expect("a label");
            let text = "a\u{e9}".repeat(size);
            Box::new(move || {
                let _ = charset.decode(text.as_bytes());
            })
        }));
    }
    rows
}

fn paths() -> Vec<Row> {
    let read = |text: &str| {
        let _ = NormalPath::new(text.as_bytes()).map(|it| it.readings().count());
    };
    let mut rows = vec![text_row(
        "a query",
        128,
        |size| list(size, |at| format!("n{at}=%20"), "&"),
        |text| {
            let mut query = Query::parse(text);
            query.set("n1", &["x"]);
            drop((query.names().len(), query.to_string()));
        },
    )];
    for piece in [
        "/a",
        "/a/..",
        "//",
        "/.",
        "/a;b",
        "%2f",
        "%252f",
        "%2e%2e/",
        "\\",
        "/%5c",
        "%u0061",
        "%c0%ae",
        "%ef%bc%8f",
        "/a.",
        "/%20",
        ";%3b",
    ] {
        rows.push(text_row(
            piece,
            128,
            move |size| format!("/{}", piece.repeat(size)),
            read,
        ));
    }
    rows
}

fn texts() -> Vec<Row> {
    let read = |text: &str| {
        let read = Document::parse(Bytes::copy_from_slice(text.as_bytes()));
        assert!(read.is_ok(), "{text}");
    };
    let analysed = |text: &str| {
        let _ = analyse(text, Phase::Request);
        let _ = analyse_module(text);
    };
    vec![
        text_row(
            "an object",
            512,
            |size| {
                format!(
                    "{{{}}}",
                    list(size, |at| format!(r#""k{at}":{at}.50"#), ",")
                )
            },
            read,
        ),
        text_row(
            "one name",
            512,
            |size| format!("{{{}}}", list(size, |at| format!(r#""k":{at}"#), ",")),
            read,
        ),
        text_row(
            "a list of lists",
            512,
            |size| format!("[{}]", list(size, |_| "[[],{}]".to_owned(), ",")),
            read,
        ),
        text_row(
            "a string of escapes",
            1024,
            |size| format!("\"{}\"", r"\ud83d\ude00\n".repeat(size)),
            read,
        ),
        text_row("a long number", 1024, |size| "9".repeat(size), read),
        text_row(
            "what a log quotes",
            1024,
            |size| "a\n\u{1b}\u{e9}".repeat(size),
            |text| {
                drop(OneLine(text).to_string());
            },
        ),
        text_row(
            "a script of statements",
            64,
            |size| "a.b = json.c + 1;\n".repeat(size),
            analysed,
        ),
        text_row(
            "a script of names",
            64,
            |size| list(size, |at| format!("var n{at} = m{at}; u{at} = 1;"), "\n"),
            analysed,
        ),
        text_row(
            "a script of slashes",
            64,
            |size| "} /a".repeat(size),
            analysed,
        ),
        text_row(
            "a script of regular expressions",
            64,
            |size| "x = /[/]/ / 2;".repeat(size),
            analysed,
        ),
        text_row(
            "a script of calls",
            64,
            |size| list(size, |at| format!("require('m{at}')(json.a{at});"), "\n"),
            analysed,
        ),
        text_row(
            "a script that is wrong everywhere",
            64,
            |size| "let json = 1;\n".repeat(size),
            analysed,
        ),
    ]
}

fn files() -> Vec<Row> {
    vec![
        text_row(
            "directives",
            64,
            |size| list(size, |at| format!("// @match GET /a{at}/**"), "\n"),
            |text| {
                let _ = Header::read("a.js", text);
            },
        ),
        text_row(
            "directives that are none",
            128,
            |size| list(size, |at| format!("// @metch GET /a{at}/**"), "\n"),
            |text| {
                let _ = Header::read("a.js", text);
            },
        ),
        text_row(
            "a NAME.json",
            64,
            |size| {
                format!(
                    "{{\"match\":[{}]}}",
                    list(size, |at| format!("\"/a{at}\""), ",\n")
                )
            },
            |text| {
                let _ = Metadata::read("a.json", text);
            },
        ),
        text_row(
            "a NAME.json of unknown words",
            64,
            |size| {
                format!(
                    "{{{}}}",
                    list(size, |at| format!("\"mutch{at}\": 1"), ",\n")
                )
            },
            |text| {
                let _ = Metadata::read("a.json", text);
            },
        ),
        configuration("services", |at| {
            format!("[[service]]\nname = 's{at}'\nprefix = '/p{at}'\n")
        }),
        configuration("keys that are none", |at| format!("limits.k{at} = 1\n")),
        configuration("resources", |at| format!("resources.r{at} = '/r{at}'\n")),
    ]
}

/// A configuration file of so many items.
fn configuration(name: &'static str, item: fn(usize) -> String) -> Row {
    row(format!("a configuration: {name}"), 32, move |size| {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("interpose.toml");
        let text = format!(
            "upstream.url = 'http://127.0.0.1:9'\n{}",
            list(size, item, "")
        );
        fs::write(&path, text).expect("a file");
        Box::new(move || {
            let _kept = &folder;
            let _ = config::for_check(&Inputs {
                flags: vec![(config::flag::SCRIPTS, "/handlers".to_owned())],
                file: Some(path.clone()),
                ..Inputs::default()
            });
        })
    })
}
