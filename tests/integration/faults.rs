//! What may be wrong with the script directory: the last good set stays, everybody can see why,
//! and it recovers by itself.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

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

#[track_caller]
fn until_nothing_is_rejected(sidecar: &Sidecar) {
    eventually("a set that is well again", || {
        sidecar.generations()["rejected"].is_null().then_some(())
    });
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
        until_nothing_is_rejected(&sidecar);
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
        until_nothing_is_rejected(&sidecar);
        assert_serves(&sidecar, path);
    }
}

/// What becomes of the directory itself.
struct Loss {
    name: &'static str,
    /// Takes it away; beside it stands `away`, where nothing is.
    lose: fn(directory: &Path, away: &Path),
    /// What the reason says.
    reason: &'static str,
    /// Undoes what `lose` did, save that the directory may be empty then.
    restore: fn(directory: &Path, away: &Path),
}

/// No two of the same reason stand side by side, so that a test can tell the second one from the first.
const LOSSES: [Loss; 6] = [
    Loss {
        name: "deleted",
        lose: |directory, _| fs::remove_dir_all(directory).unwrap(),
        reason: "cannot be read: there is no such directory",
        restore: |directory, _| fs::create_dir(directory).unwrap(),
    },
    Loss {
        name: "emptied",
        lose: |directory, _| fs::remove_file(directory.join("10-mark.response.js")).unwrap(),
        reason: "holds no handlers",
        restore: |_, _| (),
    },
    Loss {
        name: "renamed away",
        lose: |directory, away| fs::rename(directory, away).unwrap(),
        reason: "cannot be read: there is no such directory",
        restore: |directory, away| fs::rename(away, directory).unwrap(),
    },
    Loss {
        name: "a file in its place",
        lose: |directory, _| {
            fs::remove_dir_all(directory).unwrap();
            fs::write(directory, MARK).unwrap();
        },
        reason: "cannot be read: not a directory",
        restore: |directory, _| {
            fs::remove_file(directory).unwrap();
            fs::create_dir(directory).unwrap();
        },
    },
    Loss {
        name: "a symlink to itself in its place",
        lose: |directory, away| {
            fs::rename(directory, away).unwrap();
            symlink(directory, directory).unwrap();
        },
        reason: "cannot be read: ",
        restore: |directory, away| {
            fs::remove_file(directory).unwrap();
            fs::rename(away, directory).unwrap();
        },
    },
    Loss {
        name: "a fifo in its place",
        lose: |directory, away| {
            fs::rename(directory, away).unwrap();
            let made = Command::new("mkfifo").arg(directory).status();
            assert!(made.unwrap().success());
        },
        reason: "cannot be read: not a directory",
        restore: |directory, away| {
            fs::remove_file(directory).unwrap();
            fs::rename(away, directory).unwrap();
        },
    },
];

#[test]
fn a_directory_that_is_gone_is_told_and_the_last_set_serves_until_it_is_back() {
    let upstream = Upstream::answering(|_| json("{}"));
    let site = ScriptDir::with(&[("scripts/10-mark.response.js", MARK)]);
    let directory = site.path().join("scripts");
    let away = site.path().join("away");
    let sidecar = Sidecar::before(upstream.url())
        .scripts(&directory)
        .config("[scripts]\nsettle = \"20ms\"\nrescan = \"100ms\"\n")
        .start();

    for Loss {
        name,
        lose,
        reason,
        restore,
    } in LOSSES
    {
        lose(&directory, &away);
        let failure = sidecar.next_load_failure().to_string();
        assert!(failure.contains(reason), "{name}: {failure}");
        assert_serves(&sidecar, name);
        sidecar.logs(|line| line.contains("script set refused") && line.contains(reason));

        restore(&directory, &away);
        let old = sidecar.live_generation();
        site.write("scripts/10-mark.response.js", &format!("{MARK}// {name}\n"));
        sidecar.generation_after(&old);
        until_nothing_is_rejected(&sidecar);
        assert_serves(&sidecar, name);
    }
}

#[test]
fn an_edit_goes_live_whatever_time_its_file_tells() {
    let ten_years = Duration::from_secs(10 * 365 * 24 * 3600);
    let upstream = Upstream::answering(|_| json("{}"));
    let scripts = ScriptDir::with(&[("10-mark.response.js", MARK)]);
    let file = scripts.path().join("10-mark.response.js");
    let tell = |time| {
        let file = File::options().write(true).open(&file).unwrap();
        file.set_modified(time).unwrap();
    };
    tell(SystemTime::now() + ten_years);
    let sidecar = start(&scripts, &upstream);
    assert_serves(&sidecar, "made in ten years");

    let told = [
        SystemTime::now() - ten_years,
        SystemTime::UNIX_EPOCH,
        SystemTime::now() + ten_years,
        SystemTime::now() + ten_years,
    ];
    for (mark, time) in ["b", "c", "d", "e"].into_iter().zip(told) {
        // As long as the text before it, so that nothing but its time tells of it.
        fs::write(&file, MARK.replace("'a'", &format!("'{mark}'"))).unwrap();
        tell(time);
        eventually("the edit", || {
            (sidecar.get("/").head.value("X-Mark") == Some(mark)).then_some(())
        });
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
