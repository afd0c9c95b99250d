//! The document alone, without JavaScript, against the JSON crates one would use instead.
//!
//! They do more: their values can be read without looking at the text again. And less: what they write has lost the
//! digits of `1.10`, escapes and blanks. The zero is what nobody can do without: a look at each byte to read, a copy to
//! write.

use std::rc::Rc;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use interpose::document::{Document, Form, Layout, Node, Source, Writer};
use simd_json::prelude::ValueAsMutArray;
use sonic_rs::JsonValueMutTrait;

#[path = "support/rows.rs"]
mod rows;

use rows::rows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows in a body: 1 KB, 12 KB, 1.3 MB.
const ROWS: [usize; 3] = [5, 50, 5_000];

/// What the last row costs after the edit.
const PRICE: f64 = 2.25;

fn main() {
    every_edit_is_the_same();
    divan::main();
}

#[divan::bench(types = [Zero, Interpose, SerdeJson, SonicRs, SimdJson, SimdJsonTape], args = ROWS)]
fn read<J: Read>(bencher: Bencher, count: usize) {
    let text = rows(count).into_bytes();
    bencher
        .counter(BytesCount::of_slice(&text))
        .with_inputs(|| text.clone())
        .bench_local_values(J::read);
}

#[divan::bench(types = [Zero, Interpose, SerdeJson, SonicRs, SimdJson], args = ROWS)]
fn edit_the_last_row<J: Edit>(bencher: Bencher, count: usize) {
    let text = rows(count).into_bytes();
    bencher
        .counter(BytesCount::of_slice(&text))
        .with_inputs(|| text.clone())
        .bench_local_values(J::edit);
}

/// Reads a text to whatever values are found by, and drops them.
trait Read {
    fn read(text: Vec<u8>);
}

/// Reads an array of rows, gives the last one another price, and writes it.
trait Edit {
    fn edit(text: Vec<u8>) -> Vec<u8>;
}

struct Zero;

impl Read for Zero {
    fn read(text: Vec<u8>) {
        black_box(std::str::from_utf8(&text).expect("rows are text"));
    }
}

impl Edit for Zero {
    fn edit(text: Vec<u8>) -> Vec<u8> {
        text.clone()
    }
}

struct Interpose;

impl Read for Interpose {
    fn read(text: Vec<u8>) {
        black_box(Document::parse(text.into()).expect("rows are JSON"));
    }
}

impl Edit for Interpose {
    fn edit(text: Vec<u8>) -> Vec<u8> {
        let document = Rc::new(Document::parse(text.into()).expect("rows are JSON"));
        let source = |node: Node| Source {
            document: Rc::clone(&document),
            node,
        };
        let last = document.children(document.root()).last();
        let last = last.expect("there are rows");

        let mut writer = Writer::new(Layout::Source, Form::Whole, document.text().len());
        writer.open_array(Some(source(document.root())));
        for row in document.children(document.root()) {
            if row == last {
                writer.source_child(&document, row);
                writer.open_object(Some(source(row)));
                for key in document.children(row) {
                    if document.inner(key) == b"price" {
                        writer.source_child(&document, key);
                        writer.spelled(PRICE.to_string().as_bytes());
                    } else {
                        writer.keep(&document, key);
                    }
                }
                writer.close();
            } else {
                writer.keep(&document, row);
            }
        }
        writer.close();
        writer.finish()
    }
}

struct SerdeJson;

impl Read for SerdeJson {
    fn read(text: Vec<u8>) {
        let value: serde_json::Value = serde_json::from_slice(&text).expect("rows are JSON");
        black_box(value);
    }
}

impl Edit for SerdeJson {
    fn edit(text: Vec<u8>) -> Vec<u8> {
        let mut value: serde_json::Value = serde_json::from_slice(&text).expect("rows are JSON");
        let rows = value.as_array_mut().expect("rows are an array");
        rows.last_mut().expect("there are rows")["price"] = PRICE.into();
        serde_json::to_vec(&value).expect("a value can be written")
    }
}

struct SonicRs;

impl Read for SonicRs {
    fn read(text: Vec<u8>) {
        let value: sonic_rs::Value = sonic_rs::from_slice(&text).expect("rows are JSON");
        black_box(value);
    }
}

impl Edit for SonicRs {
    fn edit(text: Vec<u8>) -> Vec<u8> {
        let mut value: sonic_rs::Value = sonic_rs::from_slice(&text).expect("rows are JSON");
        let rows = value.as_array_mut().expect("rows are an array");
        let last = rows.last_mut().expect("there are rows");
        last["price"] = sonic_rs::json!(PRICE);
        sonic_rs::to_vec(&value).expect("a value can be written")
    }
}

struct SimdJson;

impl Read for SimdJson {
    fn read(mut text: Vec<u8>) {
        black_box(simd_json::to_borrowed_value(&mut text).expect("rows are JSON"));
    }
}

impl Edit for SimdJson {
    fn edit(mut text: Vec<u8>) -> Vec<u8> {
        let mut value = simd_json::to_borrowed_value(&mut text).expect("rows are JSON");
        let rows = value.as_array_mut().expect("rows are an array");
        let last = rows.last_mut().expect("there are rows");
        last["price"] = PRICE.into();
        simd_json::to_vec(&value).expect("a value can be written")
    }
}

/// An index over the text and no values: of all of them the nearest to a [`Document`].
struct SimdJsonTape;

impl Read for SimdJsonTape {
    fn read(mut text: Vec<u8>) {
        black_box(simd_json::to_tape(&mut text).expect("rows are JSON"));
    }
}

/// Those who do less work than the others have no business in a comparison.
fn every_edit_is_the_same() {
    let value = |text: Vec<u8>| -> serde_json::Value {
        serde_json::from_slice(&text).expect("an edit writes JSON")
    };
    let edited = |edit: fn(Vec<u8>) -> Vec<u8>| value(edit(rows(5).into_bytes()));

    let expected = edited(SerdeJson::edit);

    assert_eq!(expected[4]["price"], PRICE);
    for edit in [Interpose::edit, SonicRs::edit, SimdJson::edit] {
        assert_eq!(edited(edit), expected);
    }
}
