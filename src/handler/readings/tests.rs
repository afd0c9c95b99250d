use super::*;

fn readings(path: &str) -> Vec<String> {
    let all = all_of(path.as_bytes()).expect("few readings");
    all.iter().map(|segments| segments.join("|")).collect()
}

/// What each way makes of a path, by the first word of who reads so and the path.
#[test]
fn each_way_does_what_its_readers_do() {
    let read = |place: usize, way: usize, path: &str| {
        let bytes = (STEPS[place].ways[way].read)(path.as_bytes());
        bytes.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.replace('\0', "¦")
        })
    };
    let cases: [(usize, usize, &str, Option<&str>); 58] = [
        (0, 0, "//h/a", Some("/a")),
        (0, 0, "/\\h/a", Some("/a")),
        (0, 0, "/\\/h\\a", Some("\\a")),
        (0, 0, "//h", Some("/")),
        (0, 0, "/h//a", None),
        (0, 1, "//h\\b/a", Some("/a")),
        (0, 1, "///a", Some("/a")),
        (0, 1, "/\\h/a", None),
        (1, 0, "/a;x=1/b;c;d", Some("/a/b")),
        (1, 0, "/..;/a", Some("/../a")),
        (1, 0, "/a", None),
        (1, 1, "/a;b/c;d", Some("/a")),
        (2, 0, "/a\\b", Some("/a/b")),
        (2, 0, "/a/b", None),
        (3, 0, "///a//b", Some("/a/b")),
        (3, 0, "/a/b", None),
        (4, 0, "/x/%2e%2E/a", Some("/a")),
        (4, 0, "/x/.%2e/a/%2e", Some("/a/")),
        (4, 0, "/x/%2e.", Some("/")),
        (4, 0, "/x//../a", Some("/x/a")),
        (4, 0, "/x/..%2fa", None),
        (4, 1, "/x/../a/%2e%2e", Some("/a/%2e%2e")),
        (5, 0, "/a%2Fb%2fc%61", Some("/a¦b¦ca")),
        (5, 1, "/a%2Fb%61", Some("/a/ba")),
        (5, 0, "/a%zz", None),
        (5, 1, "/a", None),
        (6, 0, "/a%2F¦", Some("/a¦¦")),
        (6, 1, "/a%2F¦", Some("/a//")),
        (7, 0, "/%u0061%U002f", Some("/a/")),
        (7, 0, "/%uff41／", Some("/ａ／")),
        (8, 0, "/ａ／", Some("/a/")),
        (8, 0, "/~～", Some("/~~")),
        (7, 0, "/%ud800", Some("/\u{fffd}")),
        (7, 0, "/%u00", None),
        (7, 0, "/%ug061", None),
        (10, 0, "/a?b#c", Some("/a")),
        (10, 0, "/a\tb\r\n", Some("/ab")),
        (10, 0, "/a ", Some("/a")),
        (10, 0, "/a b", None),
        (11, 0, "/a;\\b/c", Some("/a/c")),
        (12, 0, "/a\\b", Some("/a/b")),
        (13, 0, "//h/a", Some("/a")),
        (13, 1, "//h\\b/a", Some("/a")),
        (14, 0, "/a;b", Some("/a")),
        (15, 0, "/a./b.. /c", Some("/a/b/c")),
        (15, 0, "/.. /a", Some("/../a")),
        (15, 0, "/.../a", Some("//a")),
        (15, 0, "/../a.b", None),
        (16, 0, "/x//../a", Some("/a")),
        (16, 0, "//a", Some("/a")),
        (16, 0, "/../../a/.", Some("/a/")),
        (16, 0, "/a", None),
        (16, 1, "/x//../a", Some("/x/a")),
        (16, 1, "/x/..", Some("/")),
        (16, 2, "/x//../a", Some("/x/../a")),
        (17, 0, "/..;/a", Some("/../a")),
        (17, 1, "/x/..;/a", Some("/a")),
        (17, 1, "/x;", Some("/x")),
    ];
    for (place, way, path, expected) in cases {
        let reader = STEPS[place].ways[way].reader;
        let path = path.replace('¦', "\0");
        assert_eq!(
            read(place, way, &path).as_deref(),
            expected,
            "{reader}: {path}"
        );
    }
    let overlong = STEPS[9].ways[0].read;
    assert_eq!(
        overlong(b"/\xc0\xae\xe0\x80\xaf\xf0\x80\x81\xa1"),
        Some(b"/./a".to_vec())
    );
    assert_eq!(overlong("/é\u{800}".as_bytes()), None);
    let mut known: Vec<_> = cases
        .iter()
        .map(|(place, way, ..)| (*place, *way))
        .collect();
    known.push((9, 0));
    for (place, step) in STEPS.iter().enumerate() {
        for way in 0..step.ways.len() {
            assert!(known.contains(&(place, way)), "{}", step.ways[way].reader);
        }
    }
}

#[test]
fn a_path_has_the_readings_in_which_it_differs_and_no_others() {
    for (path, forms) in [
        ("/a%2Fb", &["a/b", "a|b"][..]),
        ("/a\\b", &["a\\b", "a|b"]),
        ("/a%20b", &["a b"]),
        ("/caf%C3%A9", &["café"]),
        ("/a;p", &["a", "a;p"]),
        ("/a%2520b", &["a%20b", "a b"]),
        ("/x/../a", &["a", "x|..|a"]),
        ("/a//b", &["a|b", "a||b"]),
    ] {
        assert_eq!(readings(path), forms, "{path}");
    }
}

#[test]
fn what_was_made_to_be_read_in_many_ways_is_refused_soon() {
    let piece = "/x;a/..;/%2e%252e%2f%5c\\%u002f/./a.;//%c0%af";
    for count in [1, 4, 64, 1024] {
        let path = piece.repeat(count);
        assert_eq!(all_of(path.as_bytes()), Err(TooManyReadings), "{count}");
    }
    // One doubt in a long path is no reason.
    let long = format!("/{}%2Fb", "a".repeat(60_000));
    assert_eq!(all_of(long.as_bytes()).expect("few readings").len(), 2);
}

/// The work for a path is a multiple of its length, whatever stands in it.
#[test]
fn the_readings_of_a_path_are_bounded_in_number_and_size() {
    for piece in [
        "/", ";", "%2f", "\\", "../", "%252e", ".", "/;", "//..", "%c0%af",
    ] {
        let path = format!("/{}", piece.repeat(2_000));
        if let Ok(readings) = all_of(path.as_bytes()) {
            assert!(readings.len() <= MAX_READINGS + 1, "{piece}");
            let bytes: usize = readings.iter().flatten().map(String::len).sum();
            assert!(bytes <= 3 * (MAX_BYTES + path.len()), "{piece}");
        }
    }
}
