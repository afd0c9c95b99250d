//! Random paths, held against models of those who may serve them: whatever one of them serves
//! below `/admin`, a handler for `/admin/**` has seen.

#[path = "../fuzz/src/targets/readings.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared with the package that fuzzes them"
)]
mod readings;

use readings::{PIECES, Seen, guarded, path_of};

/// How many random paths are tried; the environment may ask for more.
const ROUNDS: u64 = 8_000;

#[test]
fn what_a_back_end_serves_below_a_guard_is_seen_by_it() {
    let rounds = std::env::var("READINGS_ROUNDS").ok();
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a number"));
    let (mut served, mut refused) = (0, 0);
    for round in 0..rounds {
        match guarded(&path_of(&bytes(round))) {
            Seen::Guarded => served += 1,
            Seen::Refused => refused += 1,
            Seen::Elsewhere => {}
        }
    }
    assert!(served > rounds / 10, "{served} of {rounds} lead to /admin");
    assert!(refused < rounds / 20, "{refused} of {rounds} are refused");
}

#[test]
fn every_short_path_of_the_pieces_is_seen_too() {
    let count = u8::try_from(PIECES.len()).expect("few");
    for (first, second) in (0..count).flat_map(|one| (0..count).map(move |two| (one, two))) {
        let path = path_of(&[first, second]);
        for behind in ["", "/admin", "/../admin"] {
            guarded(&format!("{path}{behind}"));
        }
    }
}

#[test]
fn the_spellings_that_are_known_to_pass_guards_by_do_not() {
    for path in [
        "/admin/..;/x",
        "/x/..;/admin",
        "/admin/%2e%2e;/x",
        "/admin/;/../x",
        "//x/admin/y",
        "/\\x/admin/y",
        "/\\/x/admin",
        "/admin/../x",
        "/admin//x",
        "/%2561dmin",
        "/admin%3bx",
        "/admin%3Bx/y",
        "/%u0061dmin",
        "/admin.",
        "/admin./x",
        "/admin...",
        "/admin%20",
        "/admin;x=1",
        "/admin%252fx",
        "/x/%252e%252e/admin",
        "/x%2f..%2fadmin",
        "/x%5c..%5cadmin",
        "/%c1%a1dmin",
        "/%c0%ae%c0%ae/admin",
        "/x/..%c0%afadmin",
        "/%EF%BD%81dmin",
        "/admin%3fx",
        "/admin%23",
        "/y%2F..%2Fadmin/x%2F..%2F..%2F..%2F/..",
        "/x;/..;/admin",
        "/;/admin",
        "/./admin",
    ] {
        assert!(is_guarded(path), "{path}");
    }
    for path in [
        "/",
        "/x",
        "/administrator",
        "/x/admin",
        "/x%2Fadmin",
        "/admin-x",
    ] {
        assert!(!is_guarded(path), "{path}");
    }
}

/// Whether a handler for `/admin/**` runs.
fn is_guarded(path: &str) -> bool {
    use http::Method;
    use interpose::handler::{Case, Match, NormalPath, Services, Target};

    let normal = NormalPath::new(path.as_bytes()).expect("few readings");
    let services = Services::default();
    let target = Target::new(&Method::GET, &normal, &services, Case::Counts);
    Match::parse("/admin/**")
        .expect("a pattern")
        .matches(&target)
}

/// One to nine bytes of a round, the same each time.
fn bytes(round: u64) -> Vec<u8> {
    let mut state = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let count = 1 + next() % 9;
    (0..count).map(|_| next()).collect()
}
