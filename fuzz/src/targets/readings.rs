//! Back ends as models, and a guard that none of them may be reached past.
//!
//! Each model is written after the program it is named after, not after our table of readings, and
//! says which path the program serves.

use http::Method;
use interpose::handler::{Case, Match, NormalPath, Services, Target};
use interpose::message::percent;

/// What paths are made of: all that anybody gives a meaning to.
pub const PIECES: [&str; 48] = [
    "/",
    "/",
    "/",
    "/",
    "admin",
    "admin",
    "admin",
    "x",
    "..",
    "..",
    ".",
    "//",
    "\\",
    "/\\",
    ";",
    ";a=b",
    "%2f",
    "%2F",
    "%5c",
    "%2e",
    "%2e%2E",
    "%3b",
    "%3B",
    "%252f",
    "%252e%252e",
    "%25",
    "%61dmin",
    "%2561dmin",
    "%u0061dmin",
    "%u002f",
    "%c0%ae",
    "%c0%af",
    "%ef%bc%8f",
    "%c1%a1dmin",
    "%20",
    "...",
    "+",
    "%3f",
    "%23",
    "%09",
    "@h",
    ":80",
    "%0a",
    "adm%69n",
    "/admin",
    "/..",
    "/x",
    "/admin/",
];

/// A path made of pieces, one for each byte.
pub fn path_of(bytes: &[u8]) -> String {
    let pieces = bytes
        .iter()
        .map(|&byte| PIECES[usize::from(byte) % PIECES.len()]);
    std::iter::once("/").chain(pieces).collect()
}

/// What a back end serves, and whether the guard sees it.
pub enum Seen {
    /// Nobody serves anything below `/admin`.
    Elsewhere,
    /// Somebody does, and the guard for `/admin/**` runs.
    Guarded,
    /// The path is refused.
    Refused,
}

/// Whatever one of the models serves below `/admin` is seen by a guard for `/admin/**`.
pub fn guarded(path: &str) -> Seen {
    if percent::hides_nul(path.as_bytes()) {
        return Seen::Refused;
    }
    let Ok(normal) = NormalPath::new(path.as_bytes()) else {
        return Seen::Refused;
    };
    let services = Services::default();
    let target = Target::new(&Method::GET, &normal, &services, Case::Counts);
    let guard = Match::parse("/admin/**").expect("a pattern");
    let is_guarded = guard.matches(&target);
    let mut seen = Seen::Elsewhere;
    for (name, serve) in MODELS {
        for served in serve(path.as_bytes()) {
            if is_below_admin(&served) {
                let served = String::from_utf8_lossy(&served);
                assert!(is_guarded, "{name} serves {path} as {served}");
                seen = Seen::Guarded;
            }
        }
    }
    seen
}

/// A path made of the pieces that bytes name, or spelled by them.
pub fn readings(data: &[u8]) {
    guarded(&path_of(data));
    if let Ok(text) = std::str::from_utf8(data) {
        guarded(&format!("/{}", text.split('?').next().unwrap_or_default()));
    }
}

fn is_below_admin(path: &[u8]) -> bool {
    path.strip_prefix(b"/admin")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

type Served = Vec<Vec<u8>>;

/// What a server makes of a path.
type Model = fn(&[u8]) -> Served;

/// The programs, each with the paths that it may take a path for: by its settings, and by what
/// stands behind it.
const MODELS: [(&str, Model); 12] = [
    ("Node, raw", |path| vec![path.to_vec()]),
    ("Node, new URL", node),
    ("Fastify", fastify),
    ("nginx", nginx),
    ("nginx before Tomcat", nginx_before_tomcat),
    ("Go", go),
    ("Tomcat", tomcat),
    ("Jetty", jetty),
    ("Spring", spring),
    ("Apache", apache),
    ("PHP and Python", php_and_python),
    ("IIS", iis),
];

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|digits| text[at] == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(hex.unwrap_or(text[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    out
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// POSIX `normalize`: runs of `/` are one, dot segments go.
fn normalize(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    let mut out = Vec::new();
    for part in kept {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if out.is_empty() { b"/".to_vec() } else { out }
}

fn cut_parameters(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = path
        .split(|&byte| byte == b'/')
        .map(|part| part.split(|&byte| byte == b';').next().unwrap_or_default())
        .collect();
    parts.join(&b'/')
}

/// The WHATWG URL parser's path, of a special scheme and relative to a base.
fn url_path(input: &[u8]) -> Vec<u8> {
    let input: Vec<u8> = input
        .iter()
        .copied()
        .filter(|byte| !b"\t\r\n".contains(byte))
        .collect();
    let input = input.trim_ascii();
    let end = input.iter().position(|byte| b"?#".contains(byte));
    let input = replace(&input[..end.unwrap_or(input.len())], b"\\", b"/");
    let slashes = input.iter().take_while(|&&byte| byte == b'/').count();
    let path = if slashes >= 2 {
        let rest = &input[slashes..];
        match rest.iter().position(|&byte| byte == b'/') {
            Some(at) => rest[at..].to_vec(),
            None => b"/".to_vec(),
        }
    } else {
        input
    };
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let parts: Vec<&[u8]> = path[1..].split(|&byte| byte == b'/').collect();
    for (at, part) in parts.iter().enumerate() {
        let plain = replace(&part.to_ascii_lowercase(), b"%2e", b".");
        let is_last = at + 1 == parts.len();
        match &plain[..] {
            b".." => {
                kept.pop();
                if is_last {
                    kept.push(Vec::new());
                }
            }
            b"." => {
                if is_last {
                    kept.push(Vec::new());
                }
            }
            _ => kept.push(part.to_vec()),
        }
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}

fn node(path: &[u8]) -> Served {
    let pathname = url_path(path);
    let decoded = unescape(&pathname);
    let again = match decoded.first() {
        Some(b'/') => url_path(&unescape(path)),
        _ => pathname.clone(),
    };
    vec![
        normalize(&decoded),
        // Windows: `path.normalize` takes both for separators.
        normalize(&replace(&decoded, b"\\", b"/")),
        normalize(&unescape(path)),
        decoded,
        pathname,
        again,
    ]
}

fn fastify(path: &[u8]) -> Served {
    let end = path.iter().position(|&byte| byte == b';');
    let path = &path[..end.unwrap_or(path.len())];
    // ignoreDuplicateSlashes
    let merged = {
        let mut merged = path.to_vec();
        merged.dedup_by(|next, before| *next == b'/' && *before == b'/');
        merged
    };
    vec![unescape(path), unescape(&merged), merged, path.to_vec()]
}

/// `ngx_http_parse_complex_uri`; empty where it answers 400.
fn nginx_uri(path: &[u8], merges: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < path.len() {
        if path[at] == b'%' {
            let digits = path.get(at + 1..at + 3)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            decoded.push(unescape(&path[at..at + 3])[0]);
            at += 3;
        } else {
            decoded.push(path[at]);
            at += 1;
        }
    }
    let mut out: Vec<u8> = Vec::new();
    for (at, part) in decoded.split(|&byte| byte == b'/').enumerate() {
        if at == 0 {
            continue;
        }
        match part {
            b"" if merges => {}
            b"." => {}
            b".." => {
                let last = out.iter().rposition(|&byte| byte == b'/')?;
                out.truncate(last);
            }
            part => {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Some(out)
}

fn nginx(path: &[u8]) -> Served {
    [true, false]
        .into_iter()
        .filter_map(|merges| nginx_uri(path, merges))
        .collect()
}

fn nginx_before_tomcat(path: &[u8]) -> Served {
    nginx(path)
        .into_iter()
        .flat_map(|served| tomcat(&replace(&served, b"%", b"%25")))
        .collect()
}

/// `net/http`: the path decoded, as handlers see it and as `path.Clean` leaves it.
fn go(path: &[u8]) -> Served {
    let decoded = unescape(path);
    vec![normalize(&decoded), decoded]
}

/// Parameters go first, then one decoding, then `normalize`.
fn tomcat(path: &[u8]) -> Served {
    let cut = cut_parameters(path);
    let kept = replace(&replace(&cut, b"%2f", b"\0"), b"%2F", b"\0");
    let decoded = unescape(&cut);
    vec![
        normalize(&decoded),
        normalize(&replace(&decoded, b"\\", b"/")),
        normalize(&unescape(&kept)),
    ]
}

/// `URIUtil.canonicalPath`, then `decodePath`, which cuts parameters; and the other way round.
fn jetty(path: &[u8]) -> Served {
    let canonical = dots(path);
    vec![
        unescape(&cut_parameters(&canonical)),
        dots(&unescape(&cut_parameters(path))),
        cut_parameters(&unescape(&canonical)),
        cut_parameters(&dots(&unescape(path))),
    ]
}

/// Dot segments alone; an empty segment is one.
fn dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/').skip(1) {
        match part {
            b"." => {}
            b".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}

/// `UrlPathHelper`: parameters, decoding, runs of `/`; dot segments are its container's.
fn spring(path: &[u8]) -> Served {
    let mut decoded = unescape(&cut_parameters(path));
    decoded.dedup_by(|next, before| *next == b'/' && *before == b'/');
    vec![decoded]
}

/// `ap_normalize_path` with and without parameters, then the rest of the decoding.
fn apache(path: &[u8]) -> Served {
    let unreserved = ["%2e", "%2E", "%61", "%69"]
        .into_iter()
        .fold(path.to_vec(), |path, escape| {
            replace(&path, escape.as_bytes(), &unescape(escape.as_bytes()))
        });
    let merged = normalize(&unreserved);
    let dropped = normalize(&cut_parameters(&unreserved));
    vec![
        unescape(&merged),
        unescape(&dropped),
        // AllowEncodedSlashes On, and a file that is looked for.
        normalize(&unescape(&merged)),
        unescape(&dots(&unreserved)),
    ]
}

/// `parse_url` and `urlsplit` of a target: what follows exactly two slashes is a host.
fn php_and_python(path: &[u8]) -> Served {
    let split = |path: &[u8]| {
        let end = path.iter().position(|byte| b"?#".contains(byte));
        let path = &path[..end.unwrap_or(path.len())];
        match path.strip_prefix(b"//") {
            Some(rest) if !rest.starts_with(b"/") => {
                let at = rest.iter().position(|&byte| byte == b'/');
                at.map_or_else(|| b"/".to_vec(), |at| rest[at..].to_vec())
            }
            _ => path.to_vec(),
        }
    };
    let raw = split(path);
    let decoded = unescape(&raw);
    vec![
        split(&unescape(path)),
        normalize(&decoded),
        unescape(&decoded),
        normalize(&unescape(&decoded)),
        unescape(path),
        normalize(&unescape(path)),
        decoded,
        raw,
    ]
}

/// Decoded once or twice, `%u0061` too; `\` is a `/`; names lose what Windows doesn't keep.
fn iis(path: &[u8]) -> Served {
    let units = |path: &[u8]| {
        let path = replace(path, b"%u0061", b"a");
        replace(&path, b"%u002f", b"/")
    };
    let named = |path: &[u8]| {
        let path = replace(path, b"\\", b"/");
        let parts: Vec<&[u8]> = path
            .split(|&byte| byte == b'/')
            .map(|part| {
                if matches!(part, b"." | b"..") {
                    return part;
                }
                let end = part.iter().rposition(|byte| !b". ".contains(byte));
                &part[..end.map_or(0, |end| end + 1)]
            })
            .collect();
        normalize(&parts.join(&b'/'))
    };
    let once = units(&unescape(path));
    let twice = units(&unescape(&unescape(path)));
    vec![named(&once), named(&twice), normalize(&once)]
}
