use http::{HeaderName, HeaderValue};

use crate::message::Fields;

use super::*;

const LIMIT: usize = 8 * 1024 * 1024;

const TEXT: &str = r#"{"id": 1, "name": "Zoë"}"#;

/// `TEXT` as other programs encode it: Python's zlib, the reference encoder of `br`, and
/// the `zstd` tool.
const FOREIGN: [(&str, &[u8]); 5] = [
    (
        "gzip",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xca\x4c\x51\xb2\x52\x30\xd4\x51\x50\xca\x4b\xcc\x4d\x05\x32\x95\xa2\xf2\x0f\xaf\x56\xaa\x05\x00\xd3\xae\x88\x32\x19\x00\x00\x00",
    ),
    (
        "deflate",
        b"\x78\xda\xab\x56\xca\x4c\x51\xb2\x52\x30\xd4\x51\x50\xca\x4b\xcc\x4d\x05\x32\x95\xa2\xf2\x0f\xaf\x56\xaa\x05\x00\x59\x26\x07\x9b",
    ),
    (
        "deflate",
        b"\xab\x56\xca\x4c\x51\xb2\x52\x30\xd4\x51\x50\xca\x4b\xcc\x4d\x05\x32\x95\xa2\xf2\x0f\xaf\x56\xaa\x05\x00",
    ),
    (
        "br",
        b"\x0b\x0c\x80\x7b\x22\x69\x64\x22\x3a\x20\x31\x2c\x20\x22\x6e\x61\x6d\x65\x22\x3a\x20\x22\x5a\x6f\xc3\xab\x22\x7d\x03",
    ),
    (
        "zstd",
        b"\x28\xb5\x2f\xfd\x04\x58\xc9\x00\x00\x7b\x22\x69\x64\x22\x3a\x20\x31\x2c\x20\x22\x6e\x61\x6d\x65\x22\x3a\x20\x22\x5a\x6f\xc3\xab\x22\x7d\x3c\xb7\xfc\x79",
    ),
];

const EACH: [Coding; 5] = [
    Coding::Gzip,
    Coding::Zlib,
    Coding::RawDeflate,
    Coding::Brotli,
    Coding::Zstd,
];

/// So many bytes are left.
struct Left(usize);

impl Room for Left {
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }

    fn give_back(&mut self, bytes: usize) {
        self.0 += bytes;
    }
}

fn codings(list: &'static str) -> Result<Codings, UnknownCoding> {
    let mut fields = Fields::default();
    fields.receive(
        HeaderName::from_static("content-encoding"),
        b"content-encoding",
        HeaderValue::from_static(list),
    );
    Codings::of(&fields)
}

fn decoded(coding: Coding, encoded: impl Into<Bytes>) -> Result<Bytes, Undecodable> {
    Codings(vec![coding]).decode(&encoded.into(), LIMIT, &mut Left(usize::MAX))
}

fn encoded(coding: Coding, text: impl Into<Bytes>) -> Bytes {
    Codings(vec![coding]).encode(text.into())
}

/// A text that doesn't repeat itself.
fn noise(length: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b' ' + u8::try_from(state >> 26).expect("six bits")
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}

#[test]
fn what_other_programs_encode_is_decoded() {
    for (name, body) in FOREIGN {
        let text = codings(name).expect(name).decode(
            &Bytes::from_static(body),
            LIMIT,
            &mut Left(usize::MAX),
        );

        assert_eq!(text.as_deref(), Ok(TEXT.as_bytes()), "{name}");
    }
}

#[test]
fn a_text_of_any_length_comes_back_as_it_was() {
    for length in [0, 1, 31, 32, 33, 8192, 1_000_000] {
        let text = noise(length);
        for coding in EACH {
            let back = decoded(coding, encoded(coding, text.clone()));
            assert_eq!(back, Ok(text.clone()), "{coding:?} of {length}");
        }
    }
}

#[test]
fn a_list_is_undone_from_its_end() {
    let mut list = codings("gzip , identity,, Deflate, BR").expect("known");
    let inner = encoded(Coding::Gzip, TEXT);
    let middle = encoded(Coding::RawDeflate, inner);
    let outer = encoded(Coding::Brotli, middle);

    assert_eq!(
        list.decode(&outer, LIMIT, &mut Left(usize::MAX)),
        Ok(Bytes::from(TEXT))
    );
    assert_eq!(list.0, [Coding::Gzip, Coding::RawDeflate, Coding::Brotli]);
    assert_eq!(list.encode(Bytes::from(TEXT)), outer);
}

#[test]
fn an_unknown_coding_or_too_many_are_refused() {
    for list in ["compress", "gzip, exi", "gzip;q=1", "gzip,gzip,gzip,gzip"] {
        assert_eq!(codings(list), Err(UnknownCoding), "{list}");
    }
    assert!(codings(" , identity").expect("known").is_empty());
}

#[test]
fn a_body_that_is_cut_anywhere_is_refused() {
    for coding in EACH {
        let whole = encoded(coding, noise(2000));
        for length in 0..whole.len() {
            let cut = decoded(coding, whole.slice(..length));
            assert_eq!(
                cut,
                Err(Undecodable::Malformed),
                "{coding:?} cut at {length}"
            );
        }
    }
}

#[test]
fn a_body_with_something_behind_its_end_is_refused() {
    for coding in EACH {
        for junk in [&b"\0"[..], b"junk", &vec![0; 20_000]] {
            let body = [&encoded(coding, TEXT)[..], junk].concat();
            assert_eq!(
                decoded(coding, body),
                Err(Undecodable::Malformed),
                "{coding:?} and {} more",
                junk.len()
            );
        }
    }
}

#[test]
fn a_body_in_another_coding_than_it_says_is_refused() {
    for said in EACH {
        for body in [encoded(Coding::Gzip, noise(99)), Bytes::from(TEXT)] {
            if said != Coding::Gzip || body == TEXT {
                assert!(decoded(said, body).is_err(), "{said:?}");
            }
        }
    }
}

#[test]
fn gzip_in_several_members_is_one_text() {
    let members = [encoded(Coding::Gzip, "one, "), encoded(Coding::Gzip, "two")];

    assert_eq!(
        decoded(Coding::Gzip, members.concat()),
        Ok(Bytes::from("one, two"))
    );
}

#[test]
fn a_text_has_its_limit_to_the_byte() {
    let text = noise(5000);
    for coding in EACH {
        let body = encoded(coding, text.clone());
        let mut codings = Codings(vec![coding]);

        assert_eq!(
            codings.decode(&body, 5000, &mut Left(usize::MAX)),
            Ok(text.clone()),
            "{coding:?}"
        );
        assert_eq!(
            codings.decode(&body, 4999, &mut Left(usize::MAX)),
            Err(Undecodable::TooLarge),
            "{coding:?}"
        );
    }
}

#[test]
fn a_bomb_is_refused_by_its_ratio_and_a_small_one_is_a_text() {
    for coding in EACH {
        let bomb = encoded(coding, vec![b' '; 7 * 1024 * 1024]);
        assert_eq!(
            decoded(coding, bomb),
            Err(Undecodable::TooLarge),
            "{coding:?}"
        );

        let blanks = vec![b' '; HARMLESS];
        let small = encoded(coding, blanks.clone());
        assert_eq!(
            decoded(coding, small).as_deref(),
            Ok(&blanks[..]),
            "{coding:?}"
        );
    }
}

#[test]
fn a_bomb_within_a_bomb_is_refused() {
    let mut list = codings("gzip, gzip").expect("known");
    let bomb = list.encode(Bytes::from(vec![0; 64 * 1024 * 1024]));

    assert_eq!(
        list.decode(&bomb, LIMIT, &mut Left(usize::MAX)),
        Err(Undecodable::TooLarge)
    );
}

#[test]
fn a_window_larger_than_a_coding_may_have_is_refused() {
    let mut frame = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("a level");
    frame.window_log(24).expect("a window");
    std::io::Write::write_all(&mut frame, TEXT.as_bytes()).expect("memory");
    let body = frame.finish().expect("memory");

    assert_eq!(decoded(Coding::Zstd, body), Err(Undecodable::Malformed));
}

#[test]
fn a_text_takes_room_for_itself_and_one_that_finds_none_leaves_none_taken() {
    const ROOM: usize = 1 << 20;
    let text = noise(100_000);
    for list in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        let body = codings(list).expect("known").encode(text.clone());

        let mut room = Left(ROOM);
        let decoded = codings(list)
            .expect("known")
            .decode(&body, LIMIT, &mut room);
        assert_eq!(decoded, Ok(text.clone()), "{list}");
        let taken = ROOM - room.0;
        assert!(
            (text.len()..3 * text.len()).contains(&taken),
            "{list}: {taken}"
        );

        let mut room = Left(text.len());
        let decoded = codings(list)
            .expect("known")
            .decode(&body, LIMIT, &mut room);
        assert_eq!(decoded, Err(Undecodable::NoRoom), "{list}");
        assert_eq!(room.0, text.len(), "{list}");
    }
}
