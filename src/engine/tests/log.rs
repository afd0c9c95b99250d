//! What handlers write to the log, and what is written there of their failures.

use std::sync::Mutex;

use super::*;

#[test]
fn a_failure_is_logged_with_the_place_in_the_file() {
    let lines = logged(|| {
        Set::of(
            Kind::Request,
            &["var a;\nfunction f() {\n  a.b();\n}\nf();"],
        )
        .run(call("GET", "/", ""));
        Set::of(Kind::Request, &["null.x"]).run(call("GET", "/", ""));
    });

    assert!(
        lines.contains(r#"file="00-x.js" line=3 column="#),
        "{lines}"
    );
    assert!(
        lines.contains(r#"file="00-x.js" line=1 column=1"#)
            || lines.contains(r#"file="00-x.js" line=1 column=5"#),
        "{lines}"
    );
    assert!(lines.contains("at f (00-x.js:3:"), "{lines}");
    assert!(!lines.contains("prelude"), "{lines}");
}

#[test]
fn what_a_script_logs_is_one_line_with_its_handler() {
    let lines = logged(|| {
        Set::of(Kind::Request, &["log.info('a\\nb', {c: 1}); out.println('d'); console.warn(new Error('e')); log.finest('never'); if (log.isDebugEnabled()) throw 1"])
            .run(call("GET", "/", ""));
    });

    assert!(
        lines.contains(r"handler=00-x") && lines.contains("transaction=tx-1"),
        "{lines}"
    );
    assert!(
        lines.contains(r#"{"c":1}"#) && !lines.contains("never"),
        "{lines}"
    );
}

/// What all threads have written to the log, while somebody listens: handlers run on others
/// than the test's.
static WRITTEN: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Writes log lines to whoever listens.
struct ToTheListener;

impl std::io::Write for ToTheListener {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(written) = WRITTEN.lock().expect("nobody panics with it").as_mut() {
            written.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is written to the log at info and above while `run` runs, by other tests too.
pub(super) fn logged(run: impl FnOnce()) -> String {
    static STARTED: std::sync::Once = std::sync::Once::new();
    static TURN: Mutex<()> = Mutex::new(());
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(|| ToTheListener)
            .init();
    });
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let listen = |to| std::mem::replace(&mut *WRITTEN.lock().expect("nobody panics with it"), to);
    listen(Some(Vec::new()));
    run();
    let written = listen(None).expect("it listens");
    String::from_utf8(written).expect("text")
}
