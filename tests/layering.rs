//! Which way imports point, and which module a foreign crate belongs to.
//!
//! ARCHITECTURE.md has it in words; the tables below decide. The source is read line by
//! line, as text: comments, literals, and `mod tests` at a file's end count for nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Every module with those it may import besides itself, in reading order.
const IMPORTS: [(&str, &str); 22] = [
    // Shared memory, for whoever runs or serves something.
    ("crash", ""),
    // Words.
    ("message", ""),
    ("wire", "message"),
    ("document", ""),
    ("handler", "message document"),
    ("generation", "message document handler"),
    // The core.
    ("transaction", "message document handler generation"),
    // Adapters.
    ("engine", "crash message document handler generation"),
    ("scripts", "crash handler generation"),
    ("store", "handler"),
    ("upstream", "message wire transaction"),
    ("telemetry", "handler generation transaction"),
    ("queue", "handler transaction"),
    ("token", "handler transaction"),
    // Edges.
    ("proxy", "crash message wire generation transaction"),
    (
        "admin",
        "handler generation transaction scripts telemetry queue",
    ),
    ("supervisor", "crash"),
    // The root.
    ("config", "message handler transaction"),
    ("demo", ""),
    (
        "app",
        "crash message wire handler generation transaction engine scripts store upstream telemetry queue token proxy admin supervisor config demo",
    ),
    ("cli", "handler scripts supervisor config app"),
    ("main", "engine cli"),
];

/// Foreign crates that only their owners may name; `*` stands for any ending.
const OWNERS: [(&str, &str); 26] = [
    ("rquickjs", "engine"),
    ("icu_properties", "engine"),
    ("oxc_*", "engine"),
    ("pingora*", "upstream"),
    ("nix", "upstream"),
    ("rustls_native_certs", "upstream"),
    ("tokio_rustls", "upstream"),
    ("x509_parser", "upstream"),
    ("libc", "crash engine"),
    ("libmimalloc_sys", "engine"),
    ("mimalloc", "engine"),
    ("rustix", "app crash scripts supervisor upstream"),
    ("sd_notify", "supervisor"),
    ("notify", "scripts"),
    ("jsonwebtoken", "token"),
    ("arc_swap", "generation"),
    ("flate2", "message"),
    ("encoding_rs", "message"),
    ("brotli", "message"),
    ("zstd", "message"),
    ("axum", "admin demo"),
    ("hyper", "admin"),
    ("hyper_util", "admin"),
    ("tower_service", "admin"),
    ("clap", "cli"),
    ("toml", "config"),
];

/// The modules that may ask what time it is on the wall: to tell it, and how old files are. Limits,
/// pauses and terms of the others go by a clock that nobody sets.
const WALL_CLOCK: &str = "generation scripts telemetry proxy supervisor admin app";

/// The modules that may say `unsafe`: one speaks to QuickJS, the other maps memory and handles signals.
const UNSAFE: &str = "crash engine";

#[test]
fn imports_point_one_way_and_foreign_crates_stay_with_their_owners() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for file in product_files(&root.join("src")) {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let path = file
            .strip_prefix(root)
            .expect("it was found below the root");
        found.extend(violations(&path.to_string_lossy(), &text));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The one file that may make functions for C, and natives, to call.
const FENCE: &str = "src/engine/fence.rs";

/// Files with `extern "C"` functions that need no fence. QuickJS takes memory for an empty runtime by
/// the first one's: calls of libc, which can't panic. The second one's is a signal handler, which the
/// kernel calls; it only writes words to memory that is there.
const WITHOUT_PANICS: [&str; 2] = ["src/engine/abandon.rs", "src/crash/signal.rs"];

/// What makes one of them.
const UNFENCED: [&str; 6] = [
    "extern \"C\"",
    "Func::from",
    "Func::new",
    "Function::new",
    "MutFn",
    "OnceFn",
];

#[test]
fn what_is_called_from_c_stands_behind_the_fence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for file in product_files(&root.join("src")) {
        let path = file.strip_prefix(root).expect("it was found below");
        let text = fs::read_to_string(&file).expect("a source file is text");
        let product = text.split("#[cfg(test)]\nmod tests {").next();
        for (line, code) in (1..).zip(product.unwrap_or(&text).lines()) {
            let code = code.split("//").next().unwrap_or_default();
            let is_unfenced = UNFENCED.iter().any(|word| code.contains(word));
            let has_no_panic = WITHOUT_PANICS.iter().any(|it| path == Path::new(it));
            let is_allowed = has_no_panic && code.contains("extern \"C\"");
            if is_unfenced && !is_allowed && path != Path::new(FENCE) {
                found.push(format!(
                    "{}:{line}: only {FENCE} makes these",
                    path.display()
                ));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_panic_unwinds_in_every_build() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["Cargo.toml", ".cargo/config.toml"] {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        let text = text.replace(' ', "");
        assert!(!text.contains("panic="), "{file} says what a panic does");
        assert!(!text.contains("panic-"), "{file} says what a panic does");
    }
}

#[test]
fn a_violation_is_told_with_its_place() {
    let text = "use crate::handler::Kind;\n\
                use crate::engine::Limits;\n\
                use crate::{admin, proxy};\n\
                fn f() -> pingora_http::Error {\n\
                \x20   unsafe { g() }\n\
                }\n";

    let found = violations("src/scripts/set.rs", text);

    assert_eq!(
        found,
        [
            "src/scripts/set.rs:2: `scripts` may not import `engine`",
            "src/scripts/set.rs:3: a group hides what is imported; write one `use` for each module",
            "src/scripts/set.rs:4: `pingora_http` is for upstream",
            "src/scripts/set.rs:5: `unsafe` is for crash engine",
        ]
    );
}

#[test]
fn limits_go_by_a_clock_that_nobody_sets() {
    let text = "use std::time::{Instant, SystemTime};\nlet now = SystemTime::now();\n";

    let found = violations("src/upstream/idle.rs", text);

    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].starts_with("src/upstream/idle.rs:2: `SystemTime` can be set"));
    assert_eq!(violations("src/telemetry/ring.rs", text), [""; 0]);
}

#[test]
fn a_module_without_a_row_is_a_violation() {
    let found = violations("src/feed/hub.rs", "");

    assert_eq!(found, ["src/feed/hub.rs: `feed` has no row in IMPORTS"]);
}

#[test]
fn comments_literals_and_tests_are_no_violations() {
    let text = "//! Not `crate::engine`.\n\
                const A: (char, &str) = ('\"', \"unsafe \\\" toml::x\"); // nor crate::engine\n\
                #[cfg(test)]\n\
                mod tests {\n\
                \x20   use crate::engine::Engine;\n\
                }\n";

    let found = violations("src/scripts/set.rs", text);

    assert_eq!(found, [""; 0]);
}

/// The `.rs` files below `folder`, without `tests.rs` and `tests/`.
fn product_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a source directory can be read") {
        let path = entry.expect("a directory entry can be read").path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_test {
            files.extend(product_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What breaks the tables in the file at `path`, such as `src/engine/pool.rs`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let below_src = path.strip_prefix("src/").unwrap_or(path);
    let module = below_src.split(['/', '.']).next().unwrap_or(below_src);
    if module == "lib" {
        return Vec::new();
    }
    let Some((_, imports)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{path}: `{module}` has no row in IMPORTS")];
    };
    let product = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let mut found = Vec::new();
    for (line, code) in (1..).zip(product.lines().map(code_of)) {
        let words = code.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
        let complaints = words.filter_map(|word| complaint(module, imports, word));
        found.extend(complaints.map(|complaint| format!("{path}:{line}: {complaint}")));
    }
    found
}

/// A line without its literals and its comment.
fn code_of(line: &str) -> String {
    let line = line.replace("\\\"", "").replace("'\"'", "");
    let code: String = line.split('"').step_by(2).collect();
    code.split("//").next().unwrap_or_default().to_owned()
}

/// What is wrong with a word or path of a module's code.
fn complaint(module: &str, imports: &str, word: &str) -> Option<String> {
    let is_wall_clock = word.split("::").any(|part| part == "SystemTime");
    if is_wall_clock && !names(WALL_CLOCK, module) {
        return Some(format!("`SystemTime` can be set; it is for {WALL_CLOCK}"));
    }
    match word.split_once("::") {
        None => (word == "unsafe" && !names(UNSAFE, module))
            .then(|| format!("`unsafe` is for {UNSAFE}")),
        Some(("crate" | "interpose", "")) => {
            Some("a group hides what is imported; write one `use` for each module".to_owned())
        }
        Some(("crate" | "interpose", inner)) => {
            let import = inner.split("::").next().unwrap_or(inner);
            let is_allowed = import == module || names(imports, import);
            (!is_allowed).then(|| format!("`{module}` may not import `{import}`"))
        }
        Some((foreign, _)) => {
            let (_, owners) = OWNERS
                .iter()
                .find(|(pattern, _)| stands_for(pattern, foreign))?;
            (!names(owners, module)).then(|| format!("`{foreign}` is for {owners}"))
        }
    }
}

fn names(list: &str, name: &str) -> bool {
    list.split(' ').any(|listed| listed == name)
}

fn stands_for(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}
