//! The README's blocks, run in a shell just as they are there, against the demo.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::support::demo::Demo;
use super::support::eventually::within;

/// A fenced block: its language, its text, and the line of prose before it.
struct Block {
    language: String,
    text: String,
    before: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut before = String::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    before: std::mem::take(&mut before),
                });
            }
            (None, None) if line.is_empty() => {}
            (None, None) => line.clone_into(&mut before),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    blocks
}

/// A shell's output for lines that are pasted into it.
#[track_caller]
fn pasted(shell: &str, directory: &Path, lines: &str) -> String {
    let mut child = Command::new(shell)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a shell");
    let input = child.stdin.take();
    input.unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Without line ends: a shell sets what two commands print side by side, the README one below the other.
fn shown(text: &str) -> String {
    text.lines().map(str::trim_end).collect()
}

#[test]
fn what_the_readme_shows_comes_of_what_it_says_to_type() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("not shown here: no curl");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let site = TempDir::new().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .args([&root.join("scripts"), site.path()])
        .status();
    assert!(copied.unwrap().success());
    let demo = Demo::start_in(site.path(), &[]);
    assert_eq!(demo.scripts, site.path().join("scripts"));
    let addresses = format!("proxy={}\nadmin={}\n", demo.proxy, demo.admin);
    let program = env!("CARGO_BIN_EXE_interpose");

    let blocks = blocks(&readme);
    let mut compared = 0;
    for (at, block) in blocks.iter().enumerate() {
        if block.language == "js" {
            let name = block.before.split('`').nth(1).expect("it names its file");
            fs::write(site.path().join(name), &block.text).unwrap();
            continue;
        }
        let is_tried = ["$proxy", "$admin", "interpose check"]
            .iter()
            .any(|it| block.text.contains(it));
        if block.language != "sh" || !is_tried {
            continue;
        }
        let lines = block.text.replace("target/release/interpose", program);
        let lines = format!("{addresses}{lines}");
        let expected = blocks
            .get(at + 1)
            .filter(|next| next.language == "json" || next.language == "text")
            .unwrap_or_else(|| panic!("nothing is shown for\n{}", block.text));
        let said = if at > 0 && blocks[at - 1].language == "js" {
            // A person who saves a file and types a command has given it more time.
            let found = within(std::time::Duration::from_secs(20), || {
                let said = pasted("sh", site.path(), &lines);
                (shown(&said) == shown(&expected.text)).then_some(said)
            });
            found.unwrap_or_else(|| pasted("sh", site.path(), &lines))
        } else {
            pasted("sh", site.path(), &lines)
        };
        assert_eq!(shown(&said), shown(&expected.text), "{}", block.text);
        compared += 1;
    }
    assert!(compared >= 7, "{compared}");
}

/// Bash and others know comments behind a command; an interactive zsh takes them for words.
#[test]
fn no_line_that_is_to_be_pasted_has_a_comment_behind_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in [
        "README.md",
        "docs/operating.md",
        "docs/handlers.md",
        "docs/wire.md",
    ] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for block in blocks(&text).iter().filter(|it| it.language == "sh") {
            for line in block.text.lines() {
                assert!(!line.contains(" #"), "{page}: {line}");
            }
        }
    }
}
