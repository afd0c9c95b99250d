//! What has to hold for any text that may be a document.

use std::rc::Rc;

use bytes::Bytes;
use interpose::document::{
    Document, Fault, Form, Kind, Layout, MAX_DEPTH, Node, Source, Text, Writer,
};

/// A text is a document if another parser says so. It comes back as it was, without blanks or
/// with others as the same value; and an edited object has the members it should, where those
/// that nobody touched keep their bytes. The first two bytes say which member is edited, and how.
pub fn document(data: &[u8]) {
    let Some((&[act, place], text)) = data.split_first_chunk() else {
        return;
    };
    let text = Bytes::copy_from_slice(text);
    let document = match Document::parse(text.clone()) {
        Ok(document) => Rc::new(document),
        Err(error) if error.fault == Fault::Depth => {
            assert!(brackets(&text) > MAX_DEPTH, "it is not deep");
            return;
        }
        Err(error) => {
            assert!(!is_json(&text), "{error}");
            assert!(error.offset <= text.len());
            return;
        }
    };
    assert!(is_json(&text), "it is no JSON");

    check_scalars(&document, document.root());
    let whole = written(&document, &Layout::Source);
    assert_eq!(whole, text);
    let compact = written(&document, &Layout::Compact);
    let indented = written(&document, &Layout::Indented(b" ".to_vec()));
    for other in [&compact, &indented] {
        let other = Rc::new(Document::parse(other.clone().into()).expect("it is written JSON"));
        assert_eq!(written(&other, &Layout::Compact), compact);
    }
    if document.kind(document.root()) == Kind::Object {
        edited(&document, act, usize::from(place));
    }
}

/// Strings and numbers must read as other parsers read them.
fn check_scalars(document: &Document, node: Node) {
    let spelling = std::str::from_utf8(document.spelling(node)).expect("it is UTF-8");
    match document.kind(node) {
        Kind::Object => document.children(node).for_each(|key| {
            check_scalars(document, key);
            check_scalars(document, key.value());
        }),
        Kind::Array => document
            .children(node)
            .for_each(|element| check_scalars(document, element)),
        Kind::String => match (
            document.string(node),
            serde_json::from_str::<String>(spelling),
        ) {
            (Text::Plain(text), read) => {
                assert_eq!(read.expect("it is a string").as_bytes(), text);
            }
            (Text::Decoded(text), read) => assert_eq!(read.expect("it is a string"), text),
            (Text::Unpaired(units), read) => {
                assert!(read.is_err(), "it is a string of characters");
                assert!(String::from_utf16(&units).is_err(), "it has them in pairs");
            }
        },
        Kind::Number => {
            let read: f64 = spelling.parse().expect("it is a number");
            assert_eq!(
                document.number(node).to_bits(),
                read.to_bits(),
                "{spelling}"
            );
        }
        Kind::True | Kind::False | Kind::Null => {}
    }
}

/// Whether `serde_json` takes it, and it is UTF-8; a byte order mark may stand before it.
fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
    })
}

fn brackets(text: &[u8]) -> usize {
    text.iter().filter(|byte| b"[{".contains(byte)).count()
}

/// The document's text, which is the same in pieces.
fn written(document: &Document, layout: &Layout) -> Vec<u8> {
    let [whole, pieces] = FORMS.map(|form| {
        let mut writer = Writer::new(layout.clone(), form, 0);
        writer.before_root(document);
        writer.copy(document, document.root());
        writer.after_root(document);
        writer.finish()
    });
    assert_eq!(whole, pieces);
    whole
}

const FORMS: [Form; 2] = [Form::Whole, Form::Pieces { shared: 3 }];

/// Writes the members of the root one by one, drops, replaces, moves or adds one, and reads them.
fn edited(document: &Rc<Document>, act: u8, place: usize) {
    const NEW: &[u8] = b"\"new \\u0041\"";
    let mut keys: Vec<Node> = document.children(document.root()).collect();
    let place = place % (keys.len() + 1);
    let here = keys.get(place).copied();
    match act % 4 {
        0 => keys.retain(|key| Some(*key) != here),
        1 => keys.rotate_left(place),
        _ => {}
    }
    let is_replaced = |key: Node| act % 4 == 2 && Some(key) == here;
    let layout = [Layout::Source, Layout::Compact][usize::from(act / 4 % 2)].clone();
    let [out, pieces] = FORMS.map(|form| {
        let mut writer = Writer::new(layout.clone(), form, 0);
        writer.before_root(document);
        writer.open_object(Some(Source {
            document: Rc::clone(document),
            node: document.root(),
        }));
        for &key in &keys {
            if is_replaced(key) {
                writer.source_child(document, key);
                writer.spelled(NEW);
            } else {
                writer.keep(document, key);
            }
        }
        if act % 4 == 3 {
            writer.new_member("new \u{e9}".as_bytes());
            writer.spelled(NEW);
        }
        writer.close();
        writer.after_root(document);
        writer.finish()
    });
    assert_eq!(out, pieces);

    assert!(is_json(&out), "{}", String::from_utf8_lossy(&out));
    let mut expected: Vec<(Vec<u8>, Vec<u8>)> = keys
        .iter()
        .map(|&key| {
            let value = document.spelling(key.value()).to_vec();
            let value = if is_replaced(key) {
                NEW.to_vec()
            } else {
                value
            };
            (document.spelling(key).to_vec(), value)
        })
        .collect();
    if act % 4 == 3 {
        expected.push(("\"new \u{e9}\"".as_bytes().to_vec(), NEW.to_vec()));
    }
    let back = Document::parse(out.clone().into()).expect("it is JSON");
    let members = |document: &Document| -> Vec<(Vec<u8>, Vec<u8>)> {
        let keys = document.children(document.root());
        let spelled = |node| document.spelling(node).to_vec();
        keys.map(|key| (spelled(key), spelled(key.value())))
            .collect()
    };
    if layout == Layout::Source {
        assert_eq!(members(&back), expected);
    }
    if let (Layout::Source, 2, Some(key)) = (layout, act % 4, here) {
        // Changing a value changes no other byte.
        let mut text = document.text().to_vec();
        let span = document.spelling(key.value()).as_ptr_range();
        let start = span.start as usize - document.text().as_ptr() as usize;
        let length = document.spelling(key.value()).len();
        text.splice(start..start + length, NEW.iter().copied());
        assert_eq!(out, text);
    }
}
