//! Validators ([RFC 9110 §8.8]) of responses whose body handlers edit.
//!
//! The upstream's entity tag names its own body, not what a script set makes of it. So an
//! edited response shows the tag with a mark of the set behind it, `W/"TAG-MARK"`, and
//! where the client sends it back the upstream is asked for `TAG`. What it says of one set
//! it never says of another: a tag without the present mark is not asked for, and a 304
//! can't revive a body that was made, or left alone, before a reload.
//!
//! Knows marks as twelve hex digits and not what they stand for.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};

use super::{Fields, Request};

/// Fields besides `ETag` that are true of a body as the upstream sent it, and of no other.
const DESCRIPTIONS: [HeaderName; 2] = [header::LAST_MODIFIED, header::ACCEPT_RANGES];

/// Fields that are computed from a body, in requests and responses.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// The length of a mark, in hex digits.
const MARK: usize = 12;

/// Makes the fields of a response true of its edited body. What a handler wrote stays.
pub fn describe_edited(fields: &mut Fields, mark: &str) {
    mark_tag(fields, mark);
    remove_unwritten(fields, DESCRIPTIONS);
    remove_digests(fields);
}

/// Takes away what was computed from a body that is another one now, or in another form. What
/// a handler wrote stays.
pub fn remove_digests(fields: &mut Fields) {
    remove_unwritten(fields, DIGESTS);
}

fn remove_unwritten<const COUNT: usize>(fields: &mut Fields, names: [HeaderName; COUNT]) {
    for name in names {
        if !fields.is_edited(&name) {
            fields.remove(name);
        }
    }
}

/// Gives the entity tag of a response a mark, or takes it off where it is none. What a
/// handler wrote stays.
pub fn mark_tag(fields: &mut Fields, mark: &str) {
    if fields.is_edited(&header::ETAG) {
        return;
    }
    let Some(value) = fields.get(header::ETAG) else {
        return;
    };
    match tags(value.as_bytes()).as_deref() {
        Some([tag]) => {
            let marked = [b"W/\"", tag.opaque, b"-", mark.as_bytes(), b"\""].concat();
            fields.insert(header::ETAG, value_of(marked));
        }
        Some(_) | None => fields.remove(header::ETAG),
    }
}

/// Asks the upstream by the tags that it knows, where the set with this mark may edit the response.
///
/// GET and HEAD ask whether a body that the client keeps is still good. A tag with the present mark
/// is asked for without it; one of another set never, since its body was made in another way. A tag
/// without a mark names a body that nobody edited: whether that may be confirmed depends on the
/// response, and [`confirmed`] says which kind of copy a 304 speaks of.
///
/// Other methods ask not to be carried out on something else than the client saw: there every mark
/// counts, and nothing that the client sent is left out.
pub fn unmark_conditions(request: &mut Request, mark: &str) {
    let fields = &mut request.fields;
    if matches!(request.method, Method::GET | Method::HEAD) {
        let asks_by_tag = fields.has(&header::IF_NONE_MATCH);
        replace(fields, header::IF_NONE_MATCH, |tag| match tag.unmarked() {
            Some((bare, its_mark)) if its_mark == mark.as_bytes() => either_form(bare),
            Some(_) => Vec::new(),
            None => vec![tag.text.to_vec()],
        });
        // The time belongs to the same copy as the tags, which are none that the upstream knows.
        if asks_by_tag && !fields.has(&header::IF_NONE_MATCH) {
            fields.remove(header::IF_MODIFIED_SINCE);
        }
    } else {
        replace(fields, header::IF_NONE_MATCH, every_reading);
    }
    replace(fields, header::IF_MATCH, every_reading);
}

/// Whether a request asks if a body that the client keeps is still good.
pub fn asks_whether_kept(fields: &Fields) -> bool {
    fields.has(&header::IF_NONE_MATCH) || fields.has(&header::IF_MODIFIED_SINCE)
}

/// A body that a client keeps and asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptCopy {
    /// The present set of handlers edited it.
    Edited,
    /// Nobody edited it, as far as is known.
    Unedited,
}

/// Which copy of the client's a 304 confirms that shows `tag`: the client sent `fields`, and edited
/// bodies have this `mark`.
pub fn confirmed(fields: &Fields, tag: Option<&HeaderValue>, mark: &str) -> KeptCopy {
    let values: Vec<&[u8]> = fields
        .get_all(header::IF_NONE_MATCH)
        .map(HeaderValue::as_bytes)
        .collect();
    let list = values.join(&b", "[..]);
    let Some(asked) = tags(&list).filter(|asked| !asked.is_empty()) else {
        return KeptCopy::Unedited;
    };
    let edited = |tag: &Tag<'_>| {
        let (bare, its_mark) = tag.unmarked()?;
        (its_mark == mark.as_bytes()).then(|| bare.to_vec())
    };
    let shown = tag.and_then(|value| match tags(value.as_bytes())?.as_slice() {
        [tag] => Some(tag.opaque.to_vec()),
        _ => None,
    });
    let is_shown = |bare: Vec<u8>| shown.as_ref().is_none_or(|shown| *shown == bare);
    let is_edited = match shown {
        Some(_) => asked.iter().filter_map(edited).any(is_shown),
        // It names none: it may be any of them.
        None => asked.iter().all(Tag::is_marked),
    };
    if is_edited {
        KeptCopy::Edited
    } else {
        KeptCopy::Unedited
    }
}

/// Takes away what makes a request for a part of a body, or for one that has changed only.
pub fn ask_for_whole(fields: &mut Fields) {
    for name in [
        header::RANGE,
        header::IF_RANGE,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
    ] {
        fields.remove(name);
    }
}

/// Takes the mark of a set off the conditions of a request whose response no handler edits: the
/// client may have the tag from a response that one did edit, of another method or before a reload.
///
/// A marked tag is sent beside what it was before. GET and HEAD keep their `If-None-Match`: the
/// upstream has no tag with a mark, so it sends the body, and a cached edited one is not confirmed.
pub fn restore_tags(request: &mut Request) {
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let fields = &mut request.fields;
    let carries_marked = |fields: &Fields, name: &HeaderName| {
        fields
            .get_all(name)
            .any(|value| tags(value.as_bytes()).is_some_and(|tags| tags.iter().any(Tag::is_marked)))
    };
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        let asks_whether_kept = is_read && name == header::IF_NONE_MATCH;
        if !asks_whether_kept && fields.has(&name) && carries_marked(fields, &name) {
            replace(fields, name, every_reading);
        }
    }
}

/// One entity tag of a list.
struct Tag<'a> {
    /// As it stands.
    text: &'a [u8],
    /// What is between its quotes.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    fn is_marked(&self) -> bool {
        self.unmarked().is_some()
    }

    /// The tag it was before it was marked, and the mark.
    fn unmarked(&self) -> Option<(&'a [u8], &'a [u8])> {
        if !self.text.starts_with(b"W/") {
            return None;
        }
        let end = self.opaque.len().checked_sub(MARK + 1)?;
        let (bare, mark) = self.opaque.split_at(end);
        let mark = mark.strip_prefix(b"-")?;
        let is_mark = mark
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_mark.then_some((bare, mark))
    }
}

/// The tag itself and, where it may be marked, the one it was before.
fn every_reading(tag: &Tag<'_>) -> Vec<Vec<u8>> {
    let mut readings = vec![tag.text.to_vec()];
    if let Some((bare, _)) = tag.unmarked() {
        readings.extend(either_form(bare));
    }
    readings
}

/// Whether the upstream's tag was strong or weak is not known any more.
fn either_form(opaque: &[u8]) -> Vec<Vec<u8>> {
    let strong = [b"\"", opaque, b"\""].concat();
    let weak = [b"W/", &strong[..]].concat();
    vec![strong, weak]
}

/// Replaces each tag of a list by those that `readings` gives; a list without any goes.
/// `*`, what is no list of tags, and a list with none to replace stay as they are.
///
/// Strong tags come first in a list that is replaced: weak ones can't match in `If-Match`
/// (RFC 9110 §13.1.1), and Apache httpd reads no further than to the first of them.
fn replace(fields: &mut Fields, name: HeaderName, readings: impl Fn(&Tag<'_>) -> Vec<Vec<u8>>) {
    let values: Vec<&[u8]> = fields.get_all(&name).map(HeaderValue::as_bytes).collect();
    let list = values.join(&b", "[..]);
    let Some(tags) = tags(&list) else {
        return;
    };
    let mut replaced: Vec<Vec<u8>> = tags.iter().flat_map(readings).collect();
    if replaced.is_empty() {
        fields.remove(name);
    } else if !replaced.iter().eq(tags.iter().map(|tag| tag.text)) {
        replaced.sort_by_key(|tag| tag.starts_with(b"W/"));
        fields.insert(name, value_of(replaced.join(&b", "[..])));
    }
}

/// Reads a list of entity tags; `None` where it is something else. Commas within quotes
/// belong to a tag.
fn tags(list: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Some(tags);
        }
        let quoted = rest
            .strip_prefix(b"W/")
            .unwrap_or(rest)
            .strip_prefix(b"\"")?;
        let length = quoted.iter().position(|&byte| byte == b'"')?;
        let (opaque, after) = (&quoted[..length], &quoted[length + 1..]);
        if !opaque.iter().all(|&byte| byte > b' ' && byte != 0x7f) {
            return None;
        }
        let text = &rest[..rest.len() - after.len()];
        tags.push(Tag { text, opaque });
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
}

fn value_of(bytes: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(bytes))
        .expect("parts of field values, put together, are one")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "0123456789ab";

    fn fields(list: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.receive(
                HeaderName::from_static(name),
                name.as_bytes(),
                HeaderValue::from_static(value),
            );
        }
        fields
    }

    fn shown(tag: &'static str) -> Option<String> {
        let mut fields = fields(&[("etag", tag)]);
        describe_edited(&mut fields, NOW);
        fields.get_str("etag").map(str::to_owned)
    }

    fn asked(method: Method, name: &'static str, values: &[&'static str]) -> Option<String> {
        let list: Vec<_> = values.iter().map(|value| (name, *value)).collect();
        let mut request = Request::new(method, "/", fields(&list));
        unmark_conditions(&mut request, NOW);
        request.fields.get_str(name).map(str::to_owned)
    }

    #[test]
    fn the_tag_of_an_edited_body_is_weak_and_carries_the_mark() {
        assert_eq!(shown("\"a,b\"").as_deref(), Some("W/\"a,b-0123456789ab\""));
        assert_eq!(shown("W/\"\"").as_deref(), Some("W/\"-0123456789ab\""));
    }

    #[test]
    fn what_is_no_tag_is_not_shown() {
        for wrong in [
            "",
            "a",
            "w/\"a\"",
            "\"a",
            "\"a\" \"b\"",
            "\"a\", \"b\"",
            "\"a b\"",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_true_of_the_old_body_only_goes_unless_a_handler_wrote_it() {
        let mut fields = fields(&[
            ("last-modified", "x"),
            ("digest", "x"),
            ("content-type", "x"),
            ("etag", "\"x\""),
        ]);
        fields.insert(header::ETAG, HeaderValue::from_static("\"mine\""));
        fields.insert(header::LAST_MODIFIED, HeaderValue::from_static("now"));

        describe_edited(&mut fields, NOW);

        let left: Vec<_> = fields.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(left, ["last-modified", "content-type", "etag"]);
        assert_eq!(fields.get_str("etag"), Some("\"mine\""));
    }

    #[test]
    fn a_get_asks_for_no_tag_of_another_mark() {
        let asked = |values: &[&'static str]| asked(Method::GET, "if-none-match", values);

        assert_eq!(
            asked(&[
                "W/\"a,b-0123456789ab\", W/\"old-ba9876543210\"",
                "\"bare\",,W/\"c-0123456789ab\""
            ])
            .as_deref(),
            Some("\"a,b\", \"bare\", \"c\", W/\"a,b\", W/\"c\"")
        );
        for gone in ["W/\"old-ba9876543210\"", ""] {
            assert_eq!(asked(&[gone]), None, "{gone}");
        }
        for kept in ["\"bare\"", "\"strong-0123456789ab\"", "W/\"0123456789ab\""] {
            assert_eq!(asked(&[kept]).as_deref(), Some(kept));
        }
        assert_eq!(asked(&["*"]).as_deref(), Some("*"));
    }

    #[test]
    fn a_write_asks_for_everything_it_may_have_meant() {
        for name in ["if-match", "if-none-match"] {
            assert_eq!(
                asked(Method::PUT, name, &["W/\"a-ba9876543210\", \"b\""]).as_deref(),
                Some("\"a\", \"b\", W/\"a-ba9876543210\", W/\"a\""),
                "{name}"
            );
            assert_eq!(asked(Method::PUT, name, &["*"]).as_deref(), Some("*"));
            assert_eq!(asked(Method::PUT, name, &[]), None);
        }
    }

    #[test]
    fn a_tag_is_restored_on_every_request() {
        let restored = |method: Method, name: &'static str, values: &[&'static str]| {
            let list: Vec<_> = values.iter().map(|value| (name, *value)).collect();
            let mut request = Request::new(method, "/", fields(&list));
            restore_tags(&mut request);
            let values = request.fields.get_all(name);
            values
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect::<Vec<_>>()
        };
        let marked = "W/\"a-ba9876543210\"";
        let all = "\"a\", W/\"a-ba9876543210\", W/\"a\"";

        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(restored(method.clone(), "if-match", &[marked]), [all]);
            // What has no mark keeps its bytes and its lines.
            let plain = ["\"x\",  W/\"y\"", "*"];
            assert_eq!(restored(method, "if-match", &plain), plain);
        }
        assert_eq!(restored(Method::PUT, "if-none-match", &[marked]), [all]);
        assert_eq!(restored(Method::GET, "if-none-match", &[marked]), [marked]);
    }

    #[test]
    fn a_304_confirms_the_copy_that_it_names() {
        let list = |values: &[&'static str]| {
            fields(
                &values
                    .iter()
                    .map(|value| ("if-none-match", *value))
                    .collect::<Vec<_>>(),
            )
        };
        let now = "W/\"a-0123456789ab\"";
        for (asked, shown, copy) in [
            (&[now][..], Some("\"a\""), KeptCopy::Edited),
            (&[now], Some("W/\"a\""), KeptCopy::Edited),
            (&[now], None, KeptCopy::Edited),
            (&[now, "\"b\""], Some("\"a\""), KeptCopy::Edited),
            (&[now, "\"b\""], Some("\"b\""), KeptCopy::Unedited),
            (&[now, "\"b\""], None, KeptCopy::Unedited),
            (&["\"a\""], Some("\"a\""), KeptCopy::Unedited),
            (&["W/\"a-ba9876543210\""], Some("\"a\""), KeptCopy::Unedited),
            (&["*"], Some("\"a\""), KeptCopy::Unedited),
            (&[], Some("\"a\""), KeptCopy::Unedited),
            (&[], None, KeptCopy::Unedited),
        ] {
            let shown = shown.map(HeaderValue::from_static);
            assert_eq!(
                confirmed(&list(asked), shown.as_ref(), NOW),
                copy,
                "{asked:?} {shown:?}"
            );
        }
    }

    #[test]
    fn the_time_of_an_edited_body_is_not_asked_for() {
        let since = "Mon, 01 Jan 2001 00:00:00 GMT";
        let with_tag = |tag: &'static str| {
            let sent = fields(&[("if-none-match", tag), ("if-modified-since", since)]);
            let mut request = Request::new(Method::GET, "/", sent);
            unmark_conditions(&mut request, NOW);
            request.fields.has(&header::IF_MODIFIED_SINCE)
        };

        assert!(!with_tag("W/\"old-ba9876543210\""));
        assert!(with_tag("\"plain\"") && with_tag("W/\"a-0123456789ab\""));
        assert_eq!(
            asked(Method::GET, "if-modified-since", &[since]).as_deref(),
            Some(since)
        );
        let kept = asked(Method::PUT, "if-unmodified-since", &[since]);
        assert_eq!(kept.as_deref(), Some(since));
    }
}
