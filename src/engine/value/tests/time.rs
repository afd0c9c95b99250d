//! What a script waits for ends with its time, though QuickJS can't ask for that meanwhile.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use rquickjs::{Context, Ctx, Function, Runtime};

use super::super::{install, open};
use crate::document::Budget;

/// All the memory there is, and time until somebody ends it.
#[derive(Debug, Default)]
struct Time(Cell<bool>);

impl Budget for Time {
    fn take(&self, _: usize) -> bool {
        true
    }

    fn give_back(&self, _: usize) {}

    fn hand_over(&self, _: usize) -> Box<dyn Send + Sync> {
        Box::new(())
    }

    fn is_over(&self) -> bool {
        self.0.get()
    }
}

fn timed(act: impl FnOnce(&Ctx<'_>, &Time)) {
    let time = Rc::<Time>::default();
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        let budget = Rc::<Time>::clone(&time);
        install(&ctx, 1 << 20, Some(budget)).expect("memory for a class");
        act(&ctx, &time);
    });
}

fn repeated(opening: &str, piece: &str, count: usize, closing: &str) -> String {
    format!(
        "{opening}{}{piece}{closing}",
        format!("{piece},").repeat(count)
    )
}

#[test]
fn a_text_is_indexed_no_longer() {
    timed(|ctx, time| {
        time.0.set(true);
        assert!(open(ctx, repeated("[", "1", 9000, "]").into()).is_err());
    });
}

#[test]
fn members_and_elements_come_into_being_no_longer() {
    let rows = repeated("[", "1", 100, "]");
    let many_keys: Vec<String> = (0..5000).map(|key| format!("\"k{key}\":1")).collect();
    for (text, look) in [
        (repeated("{\"a\":[", "1", 5000, "]}"), "json.a"),
        (repeated("{\"a\":[", &rows, 100, "]}"), "json.a"),
        (
            format!("{{\"a\":{{{}}}}}", many_keys.join(",")),
            "json.a.k1",
        ),
    ] {
        for is_over in [false, true] {
            timed(|ctx, time| {
                let json = open(ctx, Bytes::from(text.clone())).expect("there is time");
                let source = format!("(function (json) {{ try {{ {look} }} catch {{ }} }})");
                let look: Function<'_> = ctx.eval(source).expect("it is a function");
                time.0.set(is_over);
                let ended = look.call::<_, ()>((json,)).is_err();
                assert_eq!(ended, is_over, "{} bytes", text.len());
            });
        }
    }
}
