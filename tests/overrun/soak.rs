//! Reloads again and again under load: nothing of a generation stays once nobody runs on it.
//!
//! `RELOADS=10000` makes ten thousand of them, and `--nocapture` shows the memory: see the README.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::api::Api;
use super::beside::ALONE;
use super::support::client::{connect, exchange, request};
use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::wire::Wire;

/// How many reloads there are where `RELOADS` doesn't say.
const FEW: usize = 300;

/// How often the memory is looked at.
const LOOKS: usize = 20;

/// Of the looks, how many are of a process that still warms up.
const WARM_UP: usize = LOOKS / 10;

/// How much more memory may be resident after a thousand reloads, in bytes.
const IN_A_THOUSAND: usize = 1 << 20;

/// The same after fewer, of a process that is still warming up: if it kept its generations, the
/// few would take five times as much.
const IN_FEW: usize = 16 << 20;

/// Clients, each with a request under way, which may run on any generation.
const CLIENTS: usize = 3;

/// The live generation, and one on its way out.
const ALIVE: usize = 2;

/// Requests on one connection: whoever records what it reads is to forget it.
const ON_ONE: usize = 500;

/// A set that has something of everything; each number is another generation.
fn write_set(scripts: &ScriptDir, number: usize) {
    let files = [
        ("lib/mark.js", format!("module.exports = {number};\n")),
        (
            "10-in.request.js",
            format!("req.setUserProperty('mark', {number});\n"),
        ),
        (
            "20-edit.response.js",
            format!(
                "json.by = [req.userProperties.mark, require('./lib/mark'), {number}];\n\
                 json.rows.push({{ number: {number} }});\n"
            ),
        ),
        (
            "30-wait.response.js",
            "await Promise.resolve();\nres.headers['x-waited'] = '1';\n".to_owned(),
        ),
        (
            "40-later.queued.js",
            format!("if (json.by[0] !== {number}) throw new TypeError('mixed');\n"),
        ),
    ];
    for (path, text) in files {
        scripts.write(path, &text);
    }
}

/// Which set answered; the test fails where that was more than one.
#[track_caller]
fn set_that_answers(wire: &mut Wire) -> u64 {
    let response = wire.response("GET").expect("no request fails");
    assert_eq!(response.status(), 200, "{}", response.text());
    let by = response.json()["by"].take();
    assert!(by[0] == by[1] && by[1] == by[2], "a mixture: {by}");
    by[0].as_u64().expect("a number")
}

fn ask_until(is_over: &AtomicBool, sidecar: &Sidecar) -> usize {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut wire = connect(sidecar.proxy);
        for _ in 0..ON_ONE {
            wire.send(&request("GET", "/", "")).unwrap();
            set_that_answers(&mut wire);
        }
        count += ON_ONE;
    }
    count
}

/// Makes set after set live, and one in ten that can't be; gives the resident memory at each look.
fn reload_again_and_again(sidecar: &Sidecar, scripts: &ScriptDir, reloads: usize) -> Vec<usize> {
    let began = Instant::now();
    let mut looks = Vec::new();
    for number in 1..=reloads {
        let is_broken = number % 10 == 0;
        write_set(scripts, number);
        if is_broken {
            scripts.write("20-edit.response.js", "json.by = = 1;\n");
        }
        let reloaded = exchange(sidecar.admin, &request("POST", "/reload", ""));
        let status = if is_broken { 422 } else { 200 };
        assert_eq!(reloaded.status(), status, "{}", reloaded.text());

        let held = sidecar.generations()["held"].as_u64().unwrap();
        let pinned = CLIENTS + 1;
        assert!(
            held <= (ALIVE + pinned) as u64,
            "{held} generations after {number} reloads"
        );
        if number % (reloads / LOOKS) == 0 {
            let resident = sidecar.memory("VmRSS");
            println!(
                "{number:6} reloads {:6.1} s {:7} KiB {held} held",
                began.elapsed().as_secs_f64(),
                resident / 1024
            );
            looks.push(resident);
        }
    }
    looks
}

#[test]
fn reloads_under_load_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let reloads = std::env::var("RELOADS").map_or(FEW, |text| text.parse().expect("a number"));
    let api = Api::start();
    let scripts = ScriptDir::with(&[]);
    write_set(&scripts, 0);
    let sidecar = Sidecar::before(api.url())
        .scripts(scripts.path())
        // The pinned request is under way until the end.
        .config(
            "[log]\naccess = false\n[limits]\nhandler_time = \"2s\"\n\
             transaction_time = \"1h\"\nupstream_read = \"1h\"\n",
        )
        .start();
    let mut pinned = connect(sidecar.proxy);
    pinned.send(&request("GET", "/held", "")).unwrap();
    eventually("a handler that has run", || {
        (set_that_answers_now(&sidecar) == 0).then_some(())
    });
    let is_over = AtomicBool::new(false);

    let looks = thread::scope(|scope| {
        let ask = || ask_until(&is_over, &sidecar);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        let looks = reload_again_and_again(&sidecar, &scripts, reloads);
        is_over.store(true, Ordering::Relaxed);
        let asked: usize = clients.into_iter().map(|it| it.join().unwrap()).sum();
        println!("{asked} requests meanwhile");
        looks
    });

    let growth = looks[LOOKS - 1].saturating_sub(looks[WARM_UP - 1]);
    let counted = reloads - reloads / LOOKS * WARM_UP;
    let allowed = match counted {
        ..1000 => IN_FEW,
        1000.. => counted * IN_A_THOUSAND / 1000,
    };
    assert!(
        growth < allowed,
        "{growth} bytes more after {counted} reloads"
    );
    api.let_go();
    assert_eq!(set_that_answers(&mut pinned), 0, "it ends on its own set");
    eventually("one generation", || {
        (sidecar.generations()["held"] == 1).then_some(())
    });
}

fn set_that_answers_now(sidecar: &Sidecar) -> u64 {
    let mut wire = connect(sidecar.proxy);
    wire.send(&request("GET", "/", "")).unwrap();
    set_that_answers(&mut wire)
}
