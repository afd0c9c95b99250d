//! Bodies of a megabyte: what handlers don't touch of them arrives byte for byte, whichever way
//! they go.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::support::client::connect;
use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};
use super::support::wire::Message;

/// How many rows make a megabyte.
const ROWS: usize = 12_000;

/// A document with all that a careless writer would lose: digits, escapes, blanks, order.
fn document() -> String {
    document_with(|row| (9_007_199_254_740_993 + row).to_string())
}

/// The same with other ids.
fn document_with(id: impl Fn(usize) -> String) -> String {
    let row = |row: usize| {
        let id = id(row);
        format!(
            "{{ \"id\" :{id}, \"price\": {row}.10 ,\"name\":\"na\\u00efve \\/ é\", \"2\":[1e2, -0] ,\"1\":null}}"
        )
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    format!(
        " {{\t\"first\" : 1.0 ,\n\"rows\": [{}] ,\"last\":\"\\u0041\" }}\n",
        rows.join(" ,\n")
    )
}

/// An edit: its name, what a handler does to `json`, and what that is on the text.
struct Edit {
    name: &'static str,
    code: &'static str,
    replaced: &'static [(&'static str, &'static str)],
}

const FRONT: (&str, &str) = ("\"first\" : 1.0 ,", "\"first\" : \"touched\" ,");
const MIDDLE: (&str, &str) = ("\"price\": 6000.10 ,", "\"price\": 2.5 ,");
const LATER: (&str, &str) = ("\"price\": 9000.10 ,", "\"price\": null ,");
const END: (&str, &str) = ("\"last\":\"\\u0041\"", "\"last\":\"B\"");

const EDITS: [Edit; 6] = [
    Edit {
        name: "none",
        code: "json.first; json.rows[7].name;",
        replaced: &[],
    },
    Edit {
        name: "front",
        code: "json.first = 'touched';",
        replaced: &[FRONT],
    },
    Edit {
        name: "middle",
        code: "json.rows[6000].price = 2.5;",
        replaced: &[MIDDLE],
    },
    Edit {
        name: "end",
        code: "json.last = 'B';",
        replaced: &[END],
    },
    Edit {
        name: "twice",
        code: "json.rows[6000].price = 2.5; json.rows[9000].price = null;",
        replaced: &[MIDDLE, LATER],
    },
    Edit {
        name: "everywhere",
        code: "for (var i = 0; i < json.rows.length; i++) json.rows[i].id = 0;",
        replaced: &[],
    },
];

impl Edit {
    /// What it makes of the document.
    fn expected(&self) -> String {
        if self.name == "everywhere" {
            return document_with(|_| "0".to_owned());
        }
        self.replaced.iter().fold(document(), |text, (old, new)| {
            assert_eq!(text.matches(old).count(), 1, "{old}");
            text.replacen(old, new, 1)
        })
    }

    /// A handler of responses.
    fn of_responses(&self) -> (String, String) {
        let text = format!("// @match GET,HEAD /{}\n{}\n", self.name, self.code);
        (format!("50-{}.response.js", self.name), text)
    }

    /// The same of requests, whose body is text.
    fn of_requests(&self) -> (String, String) {
        let text = format!(
            "// @match POST /{}\nevent.request.payload;\n{}\n",
            self.name,
            self.code.replace("json.", "event.request.payload.")
        );
        (format!("50-{}.request.js", self.name), text)
    }
}

fn scripts(files: &[(String, String)]) -> ScriptDir {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    ScriptDir::with(&files)
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The text of a message, its coding undone.
fn text(message: &Message) -> String {
    let mut text = String::new();
    match message.head.value("content-encoding") {
        None => text.push_str(std::str::from_utf8(&message.body).unwrap()),
        Some("gzip") => drop(
            GzDecoder::new(&message.body[..])
                .read_to_string(&mut text)
                .unwrap(),
        ),
        Some(other) => panic!("{other}"),
    }
    text
}

/// Head and body, in gzip where `is_coded`.
fn message(start: &str, is_coded: bool, body: &str) -> Vec<u8> {
    let (coding, body) = if is_coded {
        ("Content-Encoding: gzip\r\n", gzipped(body))
    } else {
        ("", body.as_bytes().to_vec())
    };
    let length = body.len();
    let head = format!(
        "{start}\r\nContent-Type: application/json\r\n{coding}Content-Length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body].concat()
}

/// Answers with the document, in gzip where that is asked for, and takes whatever comes.
fn upstream() -> Upstream {
    Upstream::answering(|request| {
        let is_coded = request.head.value("accept-encoding") == Some("gzip");
        match request.method() {
            "GET" => message("HTTP/1.1 200 OK", is_coded, &document()),
            "HEAD" => {
                let length = document().len();
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n").into()
            }
            _ => json("{}"),
        }
    })
}

/// A sidecar whose handlers have time, however slow the build that is tested.
fn sidecar(upstream: &Upstream, scripts: &ScriptDir) -> Sidecar {
    Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[limits]\nhandler_time = \"10s\"\ntransaction_time = \"30s\"\n")
        .start()
}

#[test]
fn a_response_that_is_edited_keeps_every_other_byte() {
    let upstream = upstream();
    let scripts = scripts(&EDITS.each_ref().map(Edit::of_responses));
    let sidecar = sidecar(&upstream, &scripts);
    for edit in &EDITS {
        let expected = edit.expected();
        for (version, coding) in [
            ("1.1", ""),
            ("1.1", "Accept-Encoding: gzip\r\n"),
            ("1.0", ""),
            ("1.0", "Accept-Encoding: gzip\r\n"),
        ] {
            let name = edit.name;
            let request = format!("GET /{name} HTTP/{version}\r\nHost: a\r\n{coding}\r\n");

            let response = sidecar.exchange(request.as_bytes());

            assert_eq!(
                response.status(),
                200,
                "{name}: {}",
                response.head.start_line
            );
            assert!(text(&response) == expected, "{name}, {version}, {coding}");
            let length = response.head.value("content-length").unwrap();
            assert_eq!(length, response.body.len().to_string());
        }
    }
}

#[test]
fn a_request_that_is_edited_keeps_every_other_byte() {
    let upstream = upstream();
    let scripts = scripts(&EDITS.each_ref().map(Edit::of_requests));
    let sidecar = sidecar(&upstream, &scripts);
    for edit in &EDITS {
        let expected = edit.expected();
        for is_coded in [false, true] {
            let start = format!("POST /{} HTTP/1.1\r\nHost: a", edit.name);

            let response = sidecar.exchange(&message(&start, is_coded, &document()));

            assert_eq!(response.status(), 200, "{}", response.text());
            let received = upstream.requests().pop().unwrap();
            assert!(text(&received) == expected, "{}, {is_coded}", edit.name);
        }
    }
}

#[test]
fn the_head_of_what_would_be_edited_is_sent_alone() {
    let upstream = upstream();
    let scripts = scripts(&EDITS.each_ref().map(Edit::of_responses));
    let sidecar = sidecar(&upstream, &scripts);
    let mut client = connect(sidecar.proxy);

    for method in ["HEAD", "GET", "HEAD"] {
        client
            .send(format!("{method} /front HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .unwrap();
        let response = client.response(method).unwrap();

        assert_eq!(response.status(), 200);
        let length = if method == "HEAD" {
            0
        } else {
            EDITS[1].expected().len()
        };
        assert_eq!(response.body.len(), length);
    }
}

/// Live are four texts and as many indexes, twelve MiB; the aim of all the memory is 40 MiB.
#[test]
fn four_clients_at_once_take_the_memory_of_four_bodies() {
    const MOST: usize = 24 << 20;
    let upstream = upstream();
    let scripts = scripts(&[EDITS[1].of_responses()]);
    let sidecar = sidecar(&upstream, &scripts);
    let length = EDITS[1].expected().len();
    let ask = || {
        let response = sidecar.get("/front");
        assert_eq!(response.body.len(), length);
    };
    ask();
    let before = sidecar.memory("VmHWM");

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..12).for_each(|_| ask()));
        }
    });

    let grown = sidecar.memory("VmHWM") - before;
    assert!(grown < MOST, "{} MiB", grown >> 20);
}

#[test]
fn many_handlers_of_all_phases_see_what_the_others_made_of_it() {
    let file = |name: &str, text: &str| {
        let method = if name.contains("request") {
            "POST"
        } else {
            "GET"
        };
        (
            name.to_owned(),
            format!("// @match {method} /all\n{text}\n"),
        )
    };
    let upstream = upstream();
    let scripts = scripts(&[
        file(
            "10-a.request.js",
            "event.request.payload.first = 'touched';",
        ),
        file(
            "20-b.request.js",
            "if (event.request.payload.first !== 'touched') throw 'not seen';\nevent.request.payload.rows[6000].price = 2.5;",
        ),
        file(
            "30-c.request.js",
            "var data = JSON.parse(json);\ndata.last = 'B';\nif (data.rows[6000].price !== 2.5) throw 'not seen';",
        ),
        file("50-a.response.js", "json.first = 'touched';"),
        file(
            "60-b.response.js",
            "// @onError skip\njson.rows[6000].price = 2.5;",
        ),
        file(
            "70-fails.response.js",
            "// @onError skip\njson.last = 'gone';\nthrow new Error('undone');",
        ),
        file(
            "80-c.response.js",
            "if (json.first !== 'touched' || json.rows[6000].price !== 2.5) throw 'not seen';\njson.rows[9000].price = null;",
        ),
        file(
            "90-tell.queued.js",
            "SysUtility.restPost('/told', null, null, [json.first, json.rows[6000].price, json.rows[9000].price]);",
        ),
    ]);
    let sidecar = sidecar(&upstream, &scripts);

    let response = sidecar.exchange(b"GET /all HTTP/1.1\r\nHost: a\r\n\r\n");

    let edited = |replaced: &[(&str, &str)]| {
        replaced
            .iter()
            .fold(document(), |text, (old, new)| text.replacen(old, new, 1))
    };
    assert_eq!(response.status(), 200, "{}", response.text());
    assert!(text(&response) == edited(&[FRONT, MIDDLE, LATER]));
    let told = eventually("what the queued handler saw", || {
        let mut requests = upstream.requests().into_iter();
        requests.find(|request| request.target() == "/told")
    });
    assert_eq!(told.text(), r#"["touched",2.5,null]"#);

    let response = sidecar.exchange(&message(
        "POST /all HTTP/1.1\r\nHost: a",
        false,
        &document(),
    ));

    assert_eq!(response.status(), 200, "{}", response.text());
    let received = |it: &Message| it.target() == "/all" && it.method() == "POST";
    let received = upstream.requests().into_iter().rfind(received).unwrap();
    assert!(text(&received) == edited(&[FRONT, MIDDLE]));
}
