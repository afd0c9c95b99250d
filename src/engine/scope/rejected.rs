//! Promises that were rejected and that nobody has handled yet.

use std::collections::HashMap;

use crate::engine::abandon::forget_all;
use rquickjs::{Ctx, Persistent, Value, qjs};

/// They, in the order in which they were rejected.
#[derive(Default)]
pub(in crate::engine) struct Rejected {
    by_address: HashMap<usize, Unhandled>,
    order: Vec<usize>,
}

/// A promise, which is kept alive so that its address stays its own, and the reason.
struct Unhandled {
    promise: Persistent<Value<'static>>,
    reason: Persistent<Value<'static>>,
}

impl Rejected {
    /// Forgets them, of an isolate that nobody frees.
    pub(super) fn abandon(self) {
        for Unhandled { promise, reason } in self.by_address.into_values() {
            forget_all([promise, reason]);
        }
    }

    /// A promise was rejected, or one that was is handled after all.
    pub(super) fn note<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        promise: Value<'js>,
        reason: Value<'js>,
        is_handled: bool,
    ) {
        // SAFETY: a promise is an object; its place in memory is only compared.
        let address = unsafe { qjs::JS_VALUE_GET_PTR(promise.as_raw()) } as usize;
        if is_handled {
            self.by_address.remove(&address);
            return;
        }
        let unhandled = Unhandled {
            promise: Persistent::save(ctx, promise),
            reason: Persistent::save(ctx, reason),
        };
        self.by_address.insert(address, unhandled);
        self.order.push(address);
    }

    /// Takes the reason of the last one that nobody has handled.
    pub(in crate::engine) fn pop(&mut self) -> Option<Persistent<Value<'static>>> {
        while let Some(address) = self.order.pop() {
            if let Some(unhandled) = self.by_address.remove(&address) {
                return Some(unhandled.reason);
            }
        }
        None
    }
}
