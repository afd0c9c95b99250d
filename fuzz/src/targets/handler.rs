//! What has to hold for what a handler says about itself, and for the paths it runs on.

use std::sync::Arc;

use http::Method;
use interpose::handler::{
    BodyPlan, Capture, Case, Declared, DeclaredFile, Diagnostics, Directive, EventName,
    HandlerName, Header, Kind, Match, Metadata, NormalPath, OnError, Requested, Service, Services,
    Target, Verb, Word, declare,
};
use interpose::message::percent;

const FILE: &str = "request/10-fuzz.js";

/// What a file's comments or the file beside it say is the same when it is spelled again in
/// either place; what is refused is refused on one line, where it stands.
pub fn directive(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let header = Header::read(FILE, text);
    check_places(text, &header.diagnostics);
    for (at, directive) in &header.directives {
        let word = directive.word().as_str();
        let said = text[*at..].strip_prefix('@').expect("where it stands");
        assert!(said.starts_with(word), "{said}");
    }
    let said: Vec<Directive> = without_places(header.directives);
    let comments: Vec<String> = said
        .iter()
        .map(|it| format!("// @{} {}", it.word().as_str(), spelled(it)))
        .collect();
    let comments = comments.join("\n");
    let again = Header::read(FILE, &comments);
    assert_eq!(again.diagnostics, Diagnostics::default(), "{comments}");
    assert_eq!(without_places(again.directives), said);

    let (beside, expected) = beside(&said);
    let again = Metadata::read(FILE, &beside);
    assert_eq!(again.diagnostics, Diagnostics::default(), "{beside}");
    assert_eq!(without_places(again.directives), expected);

    let metadata = Metadata::read(FILE, text);
    check_places(text, &metadata.diagnostics);
    for (_, directive) in &metadata.directives {
        let again = Directive::parse(directive.word(), &spelled(directive));
        assert_eq!(again.as_ref(), Ok(directive));
    }
}

fn without_places(directives: Vec<(usize, Directive)>) -> Vec<Directive> {
    directives.into_iter().map(|(_, it)| it).collect()
}

fn check_places(text: &str, found: &Diagnostics) {
    for diagnostic in found.errors.iter().chain(&found.warnings) {
        let number = usize::try_from(diagnostic.line).expect("a number of lines");
        let line = text.split('\n').nth(number - 1).expect("there is the line");
        let column = usize::try_from(diagnostic.column).expect("a number of characters");
        assert!((1..=line.chars().count() + 1).contains(&column));
        let excerpt = diagnostic.excerpt.as_deref().unwrap_or_default();
        assert!(line.starts_with(excerpt), "{diagnostic}");
        assert!(!diagnostic.to_string().contains('\n'), "{diagnostic}");
        assert!(!diagnostic.message.is_empty());
    }
}

/// A directive's value as a person would write it.
fn spelled(directive: &Directive) -> String {
    match directive {
        Directive::Match(one) => one.to_string(),
        Directive::Event(event) => event.to_string(),
        Directive::Active(active) => active.to_string(),
        Directive::Timeout(time) if time.subsec_nanos() == 0 => format!("{}s", time.as_secs()),
        Directive::Timeout(time) => format!("{}ms", time.as_millis()),
        Directive::OnError(OnError::Skip) => "skip".to_owned(),
        Directive::OnError(OnError::Fail) => unreachable!("there is no word for it"),
        Directive::Body(BodyPlan::None) => "none".to_owned(),
        Directive::Body(BodyPlan::Full) => "full".to_owned(),
    }
}

/// A `NAME.json` that says the same as far as it can, and what that is: but for patterns, a word
/// stands there once.
fn beside(said: &[Directive]) -> (String, Vec<Directive>) {
    let mut object = serde_json::Map::new();
    let mut expected = Vec::new();
    for word in Word::ALL {
        let mut these: Vec<&Directive> = said.iter().filter(|it| it.word() == word).collect();
        if word != Word::Match {
            these.truncate(1);
        }
        let value = match these[..] {
            [] => continue,
            [Directive::Active(active)] => serde_json::Value::from(*active),
            [one] => spelled(one).into(),
            _ => these.iter().map(|it| spelled(it)).collect(),
        };
        object.insert(word.as_str().to_owned(), value);
        expected.extend(these.into_iter().cloned());
    }
    let text = serde_json::to_string(&object).expect("it is an object of texts");
    (text, expected)
}

/// A name is fired by what it names and by no other verb, and says what its braces stood for; and
/// where a path fires it, the path is what the name says. On the lines: the name, a path below
/// the service, another name.
pub fn event(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let (name, path) = (lines.next().unwrap_or_default(), lines.next());
    let Ok(event) = EventName::parse(name) else {
        return;
    };
    assert_eq!(event.as_str(), name);
    if let Some(other) = lines.next().and_then(|it| EventName::parse(it).ok()) {
        let order = event.generic_first(&other);
        assert_eq!(order, other.generic_first(&event).reverse());
    }
    let named = Named::of(&event);
    let handler = handler(Some(event), None);
    let services = Services::new([Service::new(named.service.as_str(), "/api")]);

    check_named_path(&named, &handler, &services);
    if let Some(path) = path {
        check_any_path(&named, &handler, &services, path);
    }
}

/// What an event's name says, taken apart by other means.
struct Named {
    service: String,
    parts: Vec<String>,
    verb: Option<Verb>,
}

impl Named {
    fn of(event: &EventName) -> Self {
        let rest = event.without_verb();
        let verb = event.as_str()[rest.len()..].strip_prefix('.');
        let verb = verb.map(|verb| Verb::parse(verb).expect("what was taken off is a verb"));
        assert_eq!(verb.is_some(), event.has_verb());
        let mut parts = rest.split('.').map(str::to_owned);
        let service = parts.next().expect("a name has a part");
        assert_eq!(service, event.service());
        Self {
            service,
            parts: parts.collect(),
            verb,
        }
    }

    fn fires_on(&self, method: &Method) -> bool {
        self.verb.is_none() || self.verb == Verb::of(method)
    }

    fn is_rest(&self) -> bool {
        self.parts.last().is_some_and(|it| it.ends_with("_path}"))
    }

    /// The name's resource, with what its braces stood for.
    fn filled(&self, captures: &[Capture]) -> String {
        let mut captures = captures.iter();
        let mut filled = |part: &String| match captures.as_slice().first() {
            Some(capture) if capture.name == *part => {
                captures.next();
                capture.value.replace('/', ".")
            }
            Some(_) | None => part.clone(),
        };
        let filled: Vec<String> = self.parts.iter().map(&mut filled).collect();
        filled.join(".")
    }
}

fn check_named_path(named: &Named, handler: &Declared, services: &Services) {
    let path: String = named.parts.iter().map(|it| segment(it)).collect();
    let path = format!("/api{path}");
    let deeper = format!("{path}/deeper");
    let (Some(normal), Some(normal_deeper)) = (served(&path), served(&deeper)) else {
        return;
    };
    for method in METHODS {
        let target = Target::new(&method, &normal, services, Case::Counts);
        let is_fired = handler.applies(&target);
        assert_eq!(is_fired, named.fires_on(&method), "{method} {path}");
        let target = Target::new(&method, &normal_deeper, services, Case::Counts);
        let is_fired = handler.applies(&target);
        let may_be = named.verb.is_none() || named.is_rest();
        if may_be {
            assert_eq!(is_fired, named.fires_on(&method), "{method} {deeper}");
        } else if normal_deeper.readings().count() == 1 {
            assert!(!is_fired, "{method} {deeper}");
        }
    }
    let method = METHODS
        .into_iter()
        .find(|method| named.fires_on(method))
        .expect("each verb has a method");
    let captures = captures(handler, &method, &path, services);
    let in_braces = named.parts.iter().filter(|part| part.starts_with('{'));
    let stood_for: Vec<Capture> = in_braces
        .map(|part| Capture {
            name: part.clone(),
            value: part.clone(),
        })
        .collect();
    assert_eq!(captures, stood_for);
}

fn check_any_path(named: &Named, handler: &Declared, services: &Services, path: &str) {
    let path = format!("/api/{}", path.split('?').next().unwrap_or_default());
    let Some(normal) = served(&path) else {
        return;
    };
    if normal.readings().count() > 1 {
        return;
    }
    for method in METHODS {
        let target = Target::new(&method, &normal, services, Case::Counts);
        if !handler.applies(&target) {
            assert_eq!(captures(handler, &method, &path, services), []);
            continue;
        }
        assert!(named.fires_on(&method));
        let filled = named.filled(&captures(handler, &method, &path, services));
        let resource = target.resource().expect("it is below the service");
        let resource = resource.replace('/', ".");
        let below = resource
            .strip_prefix(&filled)
            .expect("it is what was named");
        let is_all = below.is_empty();
        assert!(is_all || named.verb.is_none() && (filled.is_empty() || below.starts_with('.')));
    }
}

/// A path has its first reading however it is spelled, and a pattern of what is in any of them
/// matches it. On the lines: a pattern, a method, a path.
pub fn path(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let (pattern, method, path) = (lines.next(), lines.next(), lines.next().unwrap_or_default());
    let Some(readings) = readings(path) else {
        return;
    };
    assert!((1..=65).contains(&readings.len()));
    for spelling in other_spellings(path) {
        let other = first_reading(&spelling);
        assert_eq!(other, readings[0], "{}", String::from_utf8_lossy(&spelling));
    }
    for part in &readings[0] {
        assert!(!matches!(part.as_str(), "" | "." | ".."), "{part:?}");
    }
    let spelled: String = readings[0].iter().map(|it| segment(it)).collect();
    assert_eq!(first_reading(spelled.as_bytes()), readings[0]);
    let normal = NormalPath::new(path).expect("it has readings");
    for reading in &readings {
        let spelled: String = reading.iter().map(|it| segment(it)).collect();
        let open: String = reading.iter().map(|_| "/*").collect();
        for pattern in [&spelled, &open, &format!("{spelled}/**"), "/**"] {
            let pattern = if pattern.is_empty() { "/" } else { pattern };
            let one = Match::parse(pattern).expect("such patterns are taken");
            assert!(
                applies(&one, &Method::GET, &normal, Case::Counts),
                "{pattern}"
            );
        }
    }
    let (Some(Ok(pattern)), Some(method)) = (pattern.map(std::str::from_utf8), method) else {
        return;
    };
    let (Ok(pattern), Ok(method)) = (Match::parse(pattern), Method::from_bytes(method)) else {
        return;
    };
    assert_eq!(Match::parse(&pattern.to_string()).as_ref(), Ok(&pattern));
    if applies(&pattern, &method, &normal, Case::Counts) {
        assert!(applies(&pattern, &method, &normal, Case::Ignored));
    }
}

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

fn readings(path: &[u8]) -> Option<Vec<Vec<String>>> {
    let end = path.iter().position(|&byte| byte == b'?');
    // A head is refused for such a path.
    if !path.starts_with(b"/") || percent::hides_nul(&path[..end.unwrap_or(path.len())]) {
        return None;
    }
    let normal = NormalPath::new(path).ok()?;
    let readings = normal.readings();
    let texts = readings.map(|segments| segments.map(str::to_owned).collect());
    Some(texts.collect())
}

fn first_reading(path: &[u8]) -> Vec<String> {
    let normal = NormalPath::first(path);
    let first = normal.readings().next().expect("there is one");
    first.map(str::to_owned).collect()
}

/// Targets that mean the same.
fn other_spellings(target: &[u8]) -> Vec<Vec<u8>> {
    let end = target.iter().position(|&byte| byte == b'?');
    let path = &target[..end.unwrap_or(target.len())];
    let with = |before: &str, after: &str| [before.as_bytes(), path, after.as_bytes()].concat();
    let mut spellings = vec![
        with("", "?a=/b"),
        with("", "/"),
        with("", "/."),
        with("", ";v=1"),
    ];
    if path.starts_with(b"/") {
        spellings.extend(["/", "/.", "/..", "/x/.."].map(|before| with(before, "")));
    }
    spellings
}

/// A segment of a pattern, its slash before it; any where it is empty, which no pattern says.
fn segment(text: &str) -> String {
    if text.is_empty() {
        return "/*".to_owned();
    }
    let escaped = text.bytes().map(|byte| format!("%{byte:02X}"));
    format!("/{}", escaped.collect::<String>())
}

fn applies(one: &Match, method: &Method, path: &NormalPath<'_>, case: Case) -> bool {
    let services = Services::default();
    let target = Target::new(method, path, &services, case);
    handler(None, Some(one.clone())).applies(&target)
}

fn captures(handler: &Declared, method: &Method, path: &str, services: &Services) -> Vec<Capture> {
    let requested = Requested {
        method: method.clone(),
        other_methods: Vec::new(),
        path: path.into(),
        services: services.clone(),
        case: Case::Counts,
    };
    requested.captures(handler.event.as_ref(), &handler.matches)
}

/// The path of a request that is not refused for it.
fn served(path: &str) -> Option<NormalPath<'_>> {
    if percent::hides_nul(path.as_bytes()) {
        return None;
    }
    NormalPath::new(path.as_bytes()).ok()
}

fn handler(event: Option<EventName>, pattern: Option<Match>) -> Declared {
    let file = DeclaredFile {
        name: HandlerName::parse("10-fuzz").expect("a name"),
        kind: Kind::Request,
        path: Arc::from(FILE),
        active: true,
        source: Arc::from(""),
    };
    let mut diagnostics = Diagnostics::default();
    let declared = declare(file, None, &Services::default(), &mut diagnostics);
    Declared {
        event,
        matches: pattern.into_iter().collect(),
        ..declared
    }
}
