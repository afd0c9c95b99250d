//! Why a handler can never run, as far as its own words say: for whoever wrote it.
//!
//! Silent wherever there is a request that it might run on.

use http::Method;

use super::declared::Declared;
use super::event::{EventName, Verb};
use super::kind::Kind;
use super::pattern::Match;
use super::service::Services;
use super::shape::Shape;

/// The methods whose events have a verb.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Why no request can fit what a handler declares.
#[derive(Debug, thiserror::Error)]
pub(super) enum Never {
    #[error("never runs: no service is called `{0}`")]
    NoService(String),
    #[error(
        "never runs: the paths of its event belong to the service `{0}`, whose prefix is longer"
    )]
    OtherService(String),
    #[error("never runs: a preflight is an event without a verb; leave out `.{}`", .0.as_str())]
    PreflightVerb(Verb),
    #[error("never runs: a preflight is OPTIONS, which its `@match` leaves out")]
    PreflightMatch,
    #[error("never runs: no request fits both its event `{event}` and its `@match {one}`{}", more(*.others))]
    Apart {
        event: EventName,
        one: Match,
        others: usize,
    },
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        _ => format!(" or the {others} others"),
    }
}

impl Never {
    /// Why `handler` never runs, where that is certain.
    pub(super) fn of(handler: &Declared, services: &Services) -> Option<Self> {
        let Declared {
            kind,
            event,
            matches,
            ..
        } = handler;
        if *kind == Kind::Options {
            if let Some(verb) = event.as_ref().and_then(EventName::verb) {
                return Some(Self::PreflightVerb(verb));
            }
            if !matches.is_empty() && !matches.iter().any(|one| one.takes(&Method::OPTIONS)) {
                return Some(Self::PreflightMatch);
            }
        }
        let event = event.as_ref()?;
        let Some(service) = services.named(event.service()) else {
            return Some(Self::NoService(event.service().to_owned()));
        };
        let shapes = event.shapes(service.segments())?;
        let elsewhere = |shape: &Shape| services.taker(service, shape);
        if let Some(takers) = shapes.iter().map(elsewhere).collect::<Option<Vec<_>>>() {
            let taker = takers.first().map(|taker| taker.name().to_owned());
            return Some(Self::OtherService(taker.unwrap_or_default()));
        }
        let (first, others) = matches.split_first()?;
        let may_run = matches.iter().any(|one| {
            let paths = one.shape();
            let mut common = shapes.iter().filter_map(|shape| shape.meet(&paths));
            takes_verb(one, *kind, event.verb()) && common.any(|both| elsewhere(&both).is_none())
        });
        (!may_run).then(|| Self::Apart {
            event: event.clone(),
            one: first.clone(),
            others: others.len(),
        })
    }
}

/// Whether a pattern takes a method that fires events with this verb.
fn takes_verb(pattern: &Match, kind: Kind, verb: Option<Verb>) -> bool {
    match verb {
        None => kind != Kind::Options || pattern.takes(&Method::OPTIONS),
        Some(verb) => METHODS
            .iter()
            .any(|method| Verb::of(method) == Some(verb) && pattern.takes(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::declared::{DeclaredFile, declare};
    use super::super::diagnostic::{Diagnostic, Diagnostics};
    use super::super::name::HandlerName;
    use super::super::path::NormalPath;
    use super::super::service::Service;
    use super::super::target::Target;
    use super::super::text::Case;
    use super::*;

    fn warnings(kind: Kind, name: &str, source: &str) -> Vec<String> {
        let services = Services::new([
            Service::new("api", "/api"),
            Service::new("db", "/api/db"),
            Service::new("files", "/files"),
        ]);
        let (_, warnings) = declared(kind, name, source, &services);
        let words = |one: &Diagnostic| one.to_string().replace("x.js:1:1: never runs: ", "");
        warnings.iter().map(words).collect()
    }

    fn declared(
        kind: Kind,
        name: &str,
        source: &str,
        services: &Services,
    ) -> (Declared, Vec<Diagnostic>) {
        let file = DeclaredFile {
            name: HandlerName::parse(name).expect(name),
            kind,
            path: "x.js".into(),
            active: true,
            source: source.into(),
        };
        let mut diagnostics = Diagnostics::default();
        let declared = declare(file, None, services, &mut diagnostics);
        assert_eq!(diagnostics.errors, [], "{name} {source}");
        (declared, diagnostics.warnings)
    }

    #[test]
    fn words_that_no_request_can_fit_are_warned_of() {
        for (kind, name, source, warning) in [
            (
                Kind::Request,
                "crm.orders.get",
                "",
                "no service is called `crm`",
            ),
            (
                Kind::Request,
                "db.orders.get",
                "// @match POST /api/db/orders",
                "no request fits both its event `db.orders.get` and its `@match POST /api/db/orders`",
            ),
            (
                Kind::Request,
                "db.orders.{id}.get",
                "// @match GET /db/orders/*\n// @match /api/db/orders",
                "no request fits both its event `db.orders.{id}.get` and its `@match GET /db/orders/*` or the 1 others",
            ),
            (
                Kind::Response,
                "files.{file_path}.get",
                "// @match /files",
                "no request fits both its event `files.{file_path}.get` and its `@match /files`",
            ),
            (
                Kind::Request,
                "10-x",
                "// @event db.orders\n// @match /api/db/customers/**",
                "no request fits both its event `db.orders` and its `@match /api/db/customers/**`",
            ),
            (
                Kind::Request,
                "api.db.{id}.get",
                "",
                "the paths of its event belong to the service `db`, whose prefix is longer",
            ),
            (
                Kind::Request,
                "api.{rest_path}.get",
                "// @match /api/db/**",
                "no request fits both its event `api.{rest_path}.get` and its `@match /api/db/**`",
            ),
            (
                Kind::Options,
                "db.orders.get",
                "",
                "a preflight is an event without a verb; leave out `.get`",
            ),
            (
                Kind::Options,
                "10-cors",
                "// @match GET,POST /api/**",
                "a preflight is OPTIONS, which its `@match` leaves out",
            ),
        ] {
            assert_eq!(warnings(kind, name, source), [warning], "{name} {source}");
        }
    }

    #[test]
    fn words_that_some_request_fits_are_not() {
        for (kind, name, source) in [
            (Kind::Request, "10-x", "// @match DELETE /nowhere"),
            (Kind::Request, "db.orders.get", "// @match /api/db/orders"),
            (
                Kind::Request,
                "db.orders.get",
                "// @match HEAD /API/db/Orders",
            ),
            (
                Kind::Request,
                "db.orders.get",
                "// @match POST /**\n// @match GET /**",
            ),
            (
                Kind::Request,
                "db.orders",
                "// @match DELETE /api/db/orders/7",
            ),
            (
                Kind::Request,
                "db.orders",
                "// @match OPTIONS /api/db/orders",
            ),
            (
                Kind::Request,
                "files.report.pdf.get",
                "// @match /files/report.pdf",
            ),
            (
                Kind::Request,
                "files.report.pdf.get",
                "// @match /files/report/pdf",
            ),
            (
                Kind::Request,
                "files.{file_path}.get",
                "// @match /files/a/b/c",
            ),
            (Kind::Request, "db.get", "// @match /api/db"),
            (Kind::Request, "api.{any}.get", ""),
            // `/api/db.orders` is none of `db`'s.
            (Kind::Request, "api.db.orders.get", ""),
            (Kind::Options, "db.orders", "// @match /api/**"),
            (
                Kind::Options,
                "10-cors",
                "// @match GET /a\n// @match OPTIONS /api/**",
            ),
        ] {
            assert_eq!(warnings(kind, name, source), [""; 0], "{name} {source}");
        }
    }

    /// All texts of one to `most` of these pieces.
    fn joined(pieces: &[&str], most: usize, by: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut longest = vec![String::new()];
        for _ in 0..most {
            let longer = |text: &String| -> Vec<String> {
                let with = |piece: &&str| format!("{text}{by}{piece}");
                pieces.iter().map(with).collect()
            };
            longest = longest.iter().flat_map(longer).collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    /// Every name and pattern of these pieces, held against every path that matters to them.
    #[test]
    fn it_is_said_of_a_handler_just_where_no_path_fits() {
        let services = Services::new([Service::new("s", "/"), Service::new("t", "/a/b")]);
        let mut texts = joined(&["a", "b", "a.a", "a.b", "b.a", "b.b", "c"], 3, "/");
        texts.push("/".to_owned());
        let paths: Vec<_> = texts
            .iter()
            .map(|text| NormalPath::first(text.as_bytes()))
            .collect();
        let target = |path| Target::new(&Method::GET, path, &services, Case::Counts);
        let targets: Vec<_> = paths.iter().map(target).collect();
        let mut patterns = joined(&["a", "b", "*"], 2, "/");
        patterns.extend(
            joined(&["a", "b", "*"], 2, "/")
                .iter()
                .map(|it| format!("{it}/**")),
        );
        patterns.extend(["/".to_owned(), "/**".to_owned()]);
        let resources = joined(&["a", "b", "{x}", "{y_path}"], 2, ".");
        let names = resources
            .iter()
            .flat_map(|it| [format!("s{it}"), format!("s{it}.get")])
            .chain(["t.get", "t.a", "t.a.get", "t.{x}.get", "t.{y_path}.get"].map(str::to_owned));

        let (mut never, mut sometimes) = (0, 0);
        for event in names.filter_map(|name| EventName::parse(&name).ok()) {
            for pattern in &patterns {
                let source = format!("// @event {event}\n// @match {pattern}");
                let (handler, warnings) = declared(Kind::Request, "10-x", &source, &services);

                let runs = targets.iter().any(|target| handler.applies(target));

                assert_eq!(runs, warnings.is_empty(), "{source} {warnings:?}");
                if runs { sometimes += 1 } else { never += 1 }
            }
        }
        assert!(never > 100 && sometimes > 100, "{never} {sometimes}");
    }
}
