//! Chains: handlers in the order they run.
//!
//! The order is one for all chains and both phases: files without an event
//! first, then event handlers from generic to literal; inside each group
//! alphabetical by name. It is never reversed for responses.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::Serialize;

use super::declared::Declared;
use super::kind::Kind;
use super::target::Target;

/// Active handlers in the order they run.
///
/// `H` is a handler as the owner of the chain keeps it, compiled or not.
#[derive(Debug, Clone)]
pub struct Chain<H> {
    handlers: Vec<H>,
    index: Index,
}

/// Where to look for the handlers that may apply to a path: places in the chain, in order.
#[derive(Debug, Clone, Default)]
struct Index {
    /// Those that ask for a first segment, by it.
    filed: HashMap<Box<str>, Vec<usize>>,
    /// Those that may apply whatever it is.
    others: Vec<usize>,
}

/// All chains of a generation.
#[derive(Debug, Clone)]
pub struct Chains<H> {
    /// Before the upstream.
    pub request: Chain<H>,
    /// Response, error and `post_process` kinds in one order; see [`Kind::runs_on`].
    pub response: Chain<H>,
    /// After the response is on the wire.
    pub queued: Chain<H>,
    /// For CORS preflights.
    pub options: Chain<H>,
}

/// The names of the active handlers by the kind's first name, in the order they run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Order {
    /// [`Kind::Request`]
    pub request: Vec<String>,
    /// [`Kind::Response`]
    pub response: Vec<String>,
    /// [`Kind::Error`]
    pub error: Vec<String>,
    /// [`Kind::PostProcess`]
    pub post_process: Vec<String>,
    /// [`Kind::Queued`]
    pub queued: Vec<String>,
    /// [`Kind::Options`]
    pub options: Vec<String>,
}

impl<H: AsRef<Declared>> Chain<H> {
    fn new(mut handlers: Vec<H>) -> Self {
        handlers.sort_by(|left, right| running_order(left.as_ref(), right.as_ref()));
        let index = Index::new(handlers.iter().map(AsRef::as_ref));
        Self { handlers, index }
    }

    /// The handlers that apply to a transaction, in order.
    pub fn select<'c>(&'c self, target: &'c Target<'_>) -> impl Iterator<Item = &'c H> {
        let places = match target.first_segment() {
            Some(segment) => self.index.places(segment),
            None => Places::all(self.handlers.len()),
        };
        places
            .map(|place| &self.handlers[place])
            .filter(|handler| handler.as_ref().applies(target))
    }

    /// All handlers, in order.
    pub fn handlers(&self) -> &[H] {
        &self.handlers
    }

    /// Whether no handler is in it.
    pub fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }
}

impl Index {
    fn new<'d>(handlers: impl Iterator<Item = &'d Declared>) -> Self {
        let mut index = Self::default();
        for (place, declared) in handlers.enumerate() {
            match declared.first_segments() {
                Some(segments) => {
                    for segment in segments {
                        index.filed.entry(segment.into()).or_default().push(place);
                    }
                }
                None => index.others.push(place),
            }
        }
        index
    }

    /// The places of what may apply to a path that begins with this segment.
    fn places(&self, segment: &str) -> Places<'_> {
        Places::Merged {
            filed: self.filed.get(segment).map_or(&[], Vec::as_slice),
            others: &self.others,
        }
    }
}

/// Places in a chain, in order.
enum Places<'c> {
    All(std::ops::Range<usize>),
    Merged {
        filed: &'c [usize],
        others: &'c [usize],
    },
}

impl Places<'_> {
    fn all(count: usize) -> Self {
        Self::All(0..count)
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::All(places) => places.next(),
            Self::Merged { filed, others } => {
                let next = match (filed.first(), others.first()) {
                    (Some(one), Some(other)) if one < other => filed,
                    (_, Some(_)) => others,
                    (_, None) => filed,
                };
                next.split_off_first().copied()
            }
        }
    }
}

impl<H: AsRef<Declared>> Chains<H> {
    /// Sorts the active ones of `handlers` into chains.
    pub fn new(handlers: impl IntoIterator<Item = H>) -> Self {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        let (mut queued, mut options) = (Vec::new(), Vec::new());
        for handler in handlers {
            let declared: &Declared = handler.as_ref();
            if !declared.active {
                continue;
            }
            match declared.kind {
                Kind::Request => request.push(handler),
                Kind::Response | Kind::Error | Kind::PostProcess => response.push(handler),
                Kind::Queued => queued.push(handler),
                Kind::Options => options.push(handler),
            }
        }
        Self {
            request: Chain::new(request),
            response: Chain::new(response),
            queued: Chain::new(queued),
            options: Chain::new(options),
        }
    }

    /// Whether no handler is in any of them.
    pub fn is_empty(&self) -> bool {
        self.handlers().next().is_none()
    }

    /// Every handler, chain by chain.
    pub fn handlers(&self) -> impl Iterator<Item = &H> {
        let Self {
            request,
            response,
            queued,
            options,
        } = self;
        [request, response, queued, options]
            .into_iter()
            .flat_map(Chain::handlers)
    }

    /// The names as they are listed to people.
    pub fn order(&self) -> Order {
        let mut order = Order::default();
        for handler in self.handlers() {
            let declared = handler.as_ref();
            order.of(declared.kind).push(declared.name.to_string());
        }
        order
    }
}

impl Order {
    fn of(&mut self, kind: Kind) -> &mut Vec<String> {
        match kind {
            Kind::Request => &mut self.request,
            Kind::Response => &mut self.response,
            Kind::Error => &mut self.error,
            Kind::PostProcess => &mut self.post_process,
            Kind::Queued => &mut self.queued,
            Kind::Options => &mut self.options,
        }
    }
}

/// Which of two handlers of one chain runs first.
fn running_order(left: &Declared, right: &Declared) -> Ordering {
    let by_event = match (&left.event, &right.event) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(left), Some(right)) => left.generic_first(right),
    };
    by_event
        .then_with(|| left.name.alphabetical(&right.name))
        .then_with(|| left.path.cmp(&right.path))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::super::declared::{DeclaredFile, declare};
    use super::super::diagnostic::Diagnostics;
    use super::super::name::HandlerName;
    use super::super::path::NormalPath;
    use super::super::service::{Service, Services};
    use super::super::text::Case;
    use super::*;

    fn services() -> Services {
        Services::new([Service::new("db", "/db")])
    }

    fn handler(kind: Kind, name: &str, source: &str) -> Declared {
        let file = DeclaredFile {
            name: HandlerName::parse(name).unwrap(),
            kind,
            path: format!("{name}.{}.js", kind.first_name()).into(),
            active: true,
            source: source.into(),
        };
        let mut diagnostics = Diagnostics::default();
        let declared = declare(file, None, &services(), &mut diagnostics);
        assert_eq!(diagnostics.errors, [], "{name}");
        declared
    }

    fn request(name: &str) -> Declared {
        handler(Kind::Request, name, "")
    }

    fn selected(chains: &Chains<Declared>, method: &Method, path: &str) -> Vec<String> {
        let path = NormalPath::new(path.as_bytes()).expect("few readings");
        let services = services();
        let target = Target::new(method, &path, &services, Case::Counts);
        let names = chains
            .request
            .select(&target)
            .map(|one| one.name.to_string());
        names.collect()
    }

    #[test]
    fn plain_names_run_before_events_and_generic_events_before_literal_ones() {
        let expected = [
            "10-x",
            "9-x",
            "_a",
            "a",
            "B",
            "zz",
            "db.get",
            "db.{all_path}.get",
            "db.{t}.get",
            "db.orders",
            "20-on-orders", // @event db.orders.get, as is the next
            "db.orders.get",
            "db.orders.{id}.get",
        ];

        let handlers = expected.iter().rev().map(|name| {
            let on_orders = if *name == "20-on-orders" {
                "// @event db.orders.get"
            } else {
                ""
            };
            handler(Kind::Request, name, on_orders)
        });

        assert_eq!(Chains::new(handlers).order().request, expected);
    }

    #[test]
    fn the_order_does_not_depend_on_the_order_of_reading() {
        let names = [
            "b",
            "A",
            "a",
            "10-x",
            "9-x",
            "db.get",
            "db.{t}.put",
            "db.x.get",
            "db.x",
        ];
        let expected = Chains::new(names.iter().map(|name| request(name))).order();

        for shift in 1..names.len() {
            let mut rotated = names.to_vec();
            rotated.rotate_left(shift);
            for order in [rotated.clone(), rotated.into_iter().rev().collect()] {
                let chains = Chains::new(order.into_iter().map(request));
                assert_eq!(chains.order(), expected);
            }
        }
    }

    #[test]
    fn response_error_and_post_process_share_one_order() {
        let chains = Chains::new([
            handler(Kind::PostProcess, "20", ""),
            handler(Kind::Error, "30", ""),
            handler(Kind::Response, "10", ""),
            handler(Kind::Queued, "05", ""),
            handler(Kind::Options, "05", ""),
        ]);

        let names: Vec<_> = chains
            .response
            .handlers()
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["10", "20", "30"]);
        assert_eq!(chains.order().error, ["30"]);
        assert_eq!(chains.order().queued, ["05"]);
    }

    #[test]
    fn a_handler_that_is_off_is_in_no_chain() {
        let chains = Chains::new([handler(Kind::Request, "10", "// @active false")]);

        assert!(chains.is_empty());
    }

    #[test]
    fn handlers_that_are_found_in_different_ways_still_run_in_order() {
        let chains = Chains::new([
            handler(Kind::Request, "1", "// @match /a/**\n"),
            handler(Kind::Request, "2", ""),
            handler(
                Kind::Request,
                "3",
                "// @match /a\n// @match /a\n// @match /b\n",
            ),
            handler(Kind::Request, "4", "// @match /{any}\n"),
            handler(Kind::Request, "5", "// @match /b\n"),
            handler(Kind::Request, "6", "// @match /\n"),
            handler(Kind::Request, "7", "// @match /**\n"),
            handler(Kind::Request, "8", "// @match /a\n// @match /**\n"),
        ]);

        for (path, expected) in [
            ("/a", "1 2 3 4 7 8"),
            ("/b", "2 3 4 5 7 8"),
            ("/c", "2 4 7 8"),
            ("/", "2 6 7 8"),
            ("/x/..%2Fa", "1 2 3 4 7 8"),
        ] {
            assert_eq!(
                selected(&chains, &Method::GET, path).join(" "),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn a_chain_selects_by_pattern_method_and_event() {
        let chains = Chains::new([
            request("10-all"),
            handler(
                Kind::Request,
                "20-orders",
                "// @match GET /db/orders/**\n// @match /old",
            ),
            handler(
                Kind::Request,
                "30-both",
                "// @match /db/orders/1\n// @event db.orders.{id}",
            ),
            request("db.orders.{id}.get"),
        ]);

        for (method, path, expected) in [
            (
                Method::GET,
                "/db/orders/1",
                &["10-all", "20-orders", "30-both", "db.orders.{id}.get"][..],
            ),
            (
                Method::GET,
                "/db/orders/2",
                &["10-all", "20-orders", "db.orders.{id}.get"],
            ),
            (Method::POST, "/db/orders/1", &["10-all", "30-both"]),
            (Method::POST, "/old", &["10-all", "20-orders"]),
            (Method::GET, "/", &["10-all"]),
        ] {
            assert_eq!(
                selected(&chains, &method, path),
                expected,
                "{method} {path}"
            );
        }
    }
}
