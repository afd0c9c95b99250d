//! What values take is taken from their heap's memory first: with an allocator that knows what this
//! thread really has of Rust's.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::{Context, Ctx, Function, Runtime};

use crate::document::Budget;
use crate::engine::heap::{Common, Heap, Memory, Refused};
use crate::engine::tests::counting::peak;
use crate::engine::value::{forget, give_text, install, open, write};

const MIB: usize = 1 << 20;

/// What a heap may have here, and what a text is long that is made to take more.
const LIMIT: usize = 4 * MIB;
const TEXT: usize = MIB / 2;

/// What is allocated besides, by the test and for exceptions.
const SLACK: usize = MIB / 16;

/// Looks at every member and writes all of them anew.
const WALK: &str = "(json) => {
    const walk = (it) => { if (it && typeof it === 'object') for (const key in it) walk(it[key]); };
    walk(json);
    return JSON.stringify({ json });
}";

/// A heap, and what values have of it besides QuickJS's.
#[derive(Debug)]
struct Tally {
    heap: Heap,
    taken: Cell<usize>,
    /// The most that was taken at a time, what has left the heap included.
    most: Cell<usize>,
    away: Cell<usize>,
}

impl Budget for Tally {
    fn take(&self, bytes: usize) -> bool {
        let is_there = self.heap.take(bytes);
        if is_there {
            self.taken.set(self.taken.get() + bytes);
            let all = self.taken.get() + self.away.get();
            self.most.set(self.most.get().max(all));
        }
        is_there
    }

    fn give_back(&self, bytes: usize) {
        self.heap.give_back(bytes);
        self.taken.set(self.taken.get() - bytes);
    }

    fn hand_over(&self, bytes: usize) -> Box<dyn Send + Sync> {
        self.taken.set(self.taken.get() - bytes);
        self.away.set(self.away.get() + bytes);
        self.heap.hand_over(bytes)
    }
}

/// A context whose heap has `limit` bytes.
fn within(limit: usize, act: impl FnOnce(&Ctx<'_>, &Tally)) {
    let memory = Memory::new(limit, &Common::new(1 << 30)).expect("there is room");
    let tally = Rc::new(Tally {
        heap: memory.heap().clone(),
        taken: Cell::new(0),
        most: Cell::new(0),
        away: Cell::new(0),
    });
    let runtime = Runtime::new_with_alloc(memory).expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        let budget = Rc::<Tally>::clone(&tally);
        install(&ctx, 2 * TEXT, Some(budget)).expect("memory for a class");
        act(&ctx, &tally);
    });
}

/// Opens a text, walks over it and forgets it. Whether there was memory for that.
fn walk(ctx: &Ctx<'_>, text: Bytes) -> bool {
    let walk: Function<'_> = ctx.eval(WALK).expect("it is a function");
    let walked =
        open(ctx, text).is_ok_and(|json| walk.call::<_, rquickjs::Value<'_>>((json,)).is_ok());
    drop(ctx.catch());
    forget(ctx);
    ctx.run_gc();
    walked
}

/// A text of the length of [`TEXT`].
fn repeated(opening: &str, piece: &str, closing: &str) -> Bytes {
    let count = (TEXT - opening.len() - closing.len()) / piece.len();
    format!("{opening}{}{closing}", piece.repeat(count)).into()
}

fn numbered(opening: &str, piece: impl Fn(usize) -> String, closing: &str) -> Bytes {
    let mut text = opening.to_owned();
    for number in 0.. {
        text.push_str(&piece(number));
        if text.len() >= TEXT {
            break;
        }
        text.push(',');
    }
    text.push_str(closing);
    text.into()
}

/// Texts that make the most of what they are read into.
fn shapes() -> Vec<(&'static str, Bytes)> {
    vec![
        ("numbers", repeated("[", "1,", "1]")),
        ("odd numbers", repeated("[", "1.10,", "1]")),
        (
            "other odd numbers",
            numbered("[", |it| format!("{it}.0"), "]"),
        ),
        ("empty objects", repeated("[", "{},", "1]")),
        ("small objects", repeated("[", "{\"a\":1},", "1]")),
        (
            "other objects",
            numbered("[", |it| format!("{{\"{it}\":1}}"), "]"),
        ),
        ("two of a key", repeated("[", "{\"a\":1,\"a\":1},", "1]")),
        ("brackets", repeated("", "[", "")),
        ("empty arrays", repeated("[", "[],", "1]")),
        ("members", numbered("{", |it| format!("\"{it:x}k\":1"), "}")),
        ("indexes", numbered("{", |it| format!("\"{it}\":1"), "}")),
        ("one key", repeated("{", "\"a\":1,", "\"a\":1}")),
        ("escapes", repeated("[\"", "\\u00e9", "\"]")),
        ("halves", repeated("[\"", "\\ud800", "\"]")),
        ("an escaped key", repeated("{\"", "\\u00e9", "\":1}")),
        ("blanks", repeated("[1,", " ", "2]")),
    ]
}

/// Does something with each shape; what that took must have been counted before, and be no more
/// than the heap's limit.
fn hold(limit: usize, act: impl Fn(&Ctx<'_>, Bytes)) {
    for (name, text) in shapes() {
        within(limit, |ctx, tally| {
            let takes = peak(|| act(ctx, text));

            let counted = tally.most.get();
            assert!(takes < limit + SLACK, "{name}: {takes}");
            assert!(
                takes < counted + SLACK,
                "{name}: {takes}, counted {counted}"
            );
        });
    }
}

#[test]
fn whatever_values_take_is_counted_before() {
    for limit in [LIMIT, 100 * LIMIT] {
        hold(limit, |ctx, text| {
            walk(ctx, text);
        });
    }
}

#[test]
fn a_text_that_a_script_parses_counts_with_what_is_made_of_it() {
    for limit in [LIMIT, 100 * LIMIT] {
        hold(limit, |ctx, text| {
            let parse: Function<'_> = ctx
                .eval("(text) => JSON.parse(text + ' ')")
                .expect("it is a function");
            let text = give_text(ctx, text).expect("there is memory");
            drop(parse.call::<_, rquickjs::Value<'_>>((text,)));
            drop(ctx.catch());
        });
    }
}

#[test]
fn what_scripts_add_and_keep_is_counted_too() {
    let scripts = [
        "const it = JSON.parse('{}'); for (let i = 0; i < 20000; i++) it['k' + i] = i;
         Object.keys(it).length; for (const key in it) delete it[key];",
        "const kept = []; for (let i = 0; i < 5000; i++) kept.push(JSON.parse('{\"a\":[1.5]}').a);",
        "const kept = JSON.parse('[' + '{\"a\":1,\"a\":2},'.repeat(5000) + '1]');
         for (const it of kept) if (it.a) it.b = 1; JSON.stringify(kept, null, 10);",
        "JSON.stringify(['\\u0001'.repeat(50000), 'é'.repeat(50000)]);",
    ];
    for script in scripts {
        for limit in [LIMIT / 2, 100 * LIMIT] {
            within(limit, |ctx, tally| {
                let takes = peak(|| {
                    let run: rquickjs::Result<rquickjs::Value<'_>> = ctx.eval(script);
                    let is_whole = run.is_ok();
                    drop((run, ctx.catch()));
                    assert!(is_whole || limit < LIMIT, "{script}");
                });

                let counted = tally.most.get();
                assert!(
                    takes < counted + SLACK,
                    "{script}: {takes}, counted {counted}"
                );
            });
        }
    }
}

#[test]
fn all_is_given_back_also_when_it_is_refused_midway() {
    let mut refused = 0;
    for (name, text) in shapes() {
        within(LIMIT, |ctx, tally| {
            refused += usize::from(!walk(ctx, text));

            assert_eq!(tally.taken.get(), 0, "{name}");
            assert!(
                walk(ctx, Bytes::from_static(b"{\"a\":[{\"b\":1.50}]}")),
                "{name}"
            );
        });
    }
    assert!(refused > 5);
}

#[test]
fn who_refused_is_known() {
    within(LIMIT, |ctx, tally| {
        assert!(!walk(ctx, repeated("[", "{\"a\":1},", "1]")));

        assert_eq!(tally.heap.refused(), Some(Refused::Heap));
    });
}

#[test]
fn a_text_that_left_is_no_heaps_and_is_counted_until_nobody_has_it() {
    let common = Common::new(64 * MIB);
    let memory = Memory::new(LIMIT, &common).expect("there is room");
    let heap = memory.heap().clone();
    let runtime = Runtime::new_with_alloc(memory).expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    let text = context.with(|ctx| {
        install(&ctx, 2 * TEXT, Some(Rc::new(heap))).expect("memory for a class");
        let long = format!("'a'.repeat({TEXT})");
        let text: rquickjs::Value<'_> = ctx.eval(long).expect("there is memory");
        write(&ctx, &text)
            .expect("there is memory")
            .expect("it has a text")
    });
    drop((context, runtime));

    let others = |bytes| {
        let other = Memory::new(64 * MIB, &common).expect("there is room");
        other.heap().take(bytes)
    };
    assert!(!others(64 * MIB - TEXT / 2));
    drop(text);
    assert!(others(64 * MIB - TEXT / 2));
}
