//! What may be wrong with the script directory: the last good set stays, everybody can see why,
//! and it recovers by itself.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::client::get;
use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

const MARK: &str = "res.headers['X-Mark'] = 'a';\n";

/// What is wrong with a file.
struct Fault {
    name: &'static str,
    /// Makes it at a path where nothing is.
    make: fn(&Path),
}

const FAULTS: [Fault; 9] = [
    Fault {
        name: "a file of a gigabyte",
        make: |path| File::create(path).unwrap().set_len(1 << 30).unwrap(),
    },
    Fault {
        name: "a directory",
        make: |path| fs::create_dir(path).unwrap(),
    },
    Fault {
        name: "a fifo",
        make: |path| {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        },
    },
    Fault {
        name: "a socket",
        make: |path| drop(UnixListener::bind(path).unwrap()),
    },
    Fault {
        name: "a symlink to itself",
        make: |path| symlink(path.file_name().unwrap(), path).unwrap(),
    },
    Fault {
        name: "a symlink to nothing",
        make: |path| symlink("nothing", path).unwrap(),
    },
    Fault {
        name: "a device",
        make: |path| symlink("/dev/zero", path).unwrap(),
    },
    Fault {
        name: "no UTF-8",
        make: |path| fs::write(path, b"// \xff\xfe\n").unwrap(),
    },
    Fault {
        name: "a NUL",
        make: |path| fs::write(path, b"return \0;\n").unwrap(),
    },
];

fn start(scripts: &ScriptDir, upstream: &Upstream) -> Sidecar {
    Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[scripts]\nsettle = \"20ms\"\nrescan = \"100ms\"\n")
        .start()
}

#[track_caller]
fn assert_serves(sidecar: &Sidecar, fault: &str) {
    let answer = sidecar.get("/");
    assert_eq!(answer.status(), 200, "{fault}");
    assert_eq!(answer.head.value("X-Mark"), Some("a"), "{fault}");
    assert_eq!(get(sidecar.status, "/readyz").status(), 200, "{fault}");
}

#[test]
fn a_file_that_can_not_be_a_script_refuses_the_set_by_name_and_its_end_mends_it() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK)]);
    let sidecar = start(&scripts, &upstream);
    let path = scripts.path().join("20-odd.request.js");

    for Fault { name, make } in FAULTS {
        let began = Instant::now();
        make(&path);
        let failure = sidecar.next_load_failure().to_string();
        assert!(failure.contains("20-odd.request.js"), "{name}: {failure}");
        assert_serves(&sidecar, name);

        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
        eventually("a set that is well again", || {
            sidecar.generations()["rejected"].is_null().then_some(())
        });
        assert_serves(&sidecar, name);
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
    }
}

/// Starts a sidecar that may not read what its user may not.
fn start_without_privileges(scripts: &ScriptDir, upstream: &Upstream) -> Sidecar {
    let privileges = "-dac_override,-dac_read_search";
    let words: &[&str] = if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set", privileges]
    } else {
        &[]
    };
    Sidecar::before(upstream.url())
        .within(words)
        .scripts(scripts.path())
        .config("[scripts]\nsettle = \"20ms\"\nrescan = \"100ms\"\n")
        .start()
}

#[test]
fn what_may_not_be_read_refuses_the_set_by_name_and_leave_to_read_it_mends_it() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK), ("request/20-a.js", "")]);
    let sidecar = start_without_privileges(&scripts, &upstream);
    let allow = |path: &str, mode: u32| {
        let path = scripts.path().join(path);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };

    for (path, mode) in [("request/20-a.js", 0o644), ("request", 0o755), ("", 0o755)] {
        allow(path, 0o000);
        let failure = sidecar.next_load_failure().to_string();
        assert!(failure.contains(path), "{failure}");
        assert!(failure.contains("permission denied"), "{failure}");
        assert_serves(&sidecar, path);

        allow(path, mode);
        eventually("a set that is well again", || {
            sidecar.generations()["rejected"].is_null().then_some(())
        });
        assert_serves(&sidecar, path);
    }
}

#[test]
fn an_empty_handler_and_a_bom_are_no_faults() {
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK)]);
    scripts.write("20-empty.request.js", "");
    scripts.write(
        "30-bom.response.js",
        "\u{feff}res.headers['X-Bom'] = '1';\n",
    );
    let sidecar = start(&scripts, &upstream);

    let answer = sidecar.get("/");

    assert_eq!(answer.head.value("X-Mark"), Some("a"));
    assert_eq!(answer.head.value("X-Bom"), Some("1"));
    assert!(sidecar.generations()["rejected"].is_null());
}
