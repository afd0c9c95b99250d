//! A text that may be JSON, and where there are many.

use std::fs;
use std::path::Path;

/// Whether a text is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    Yes,
    No,
    /// It is, but nested deeper than the sidecar takes.
    Deep,
    /// It has nothing but blanks, which counts as no body.
    Empty,
    /// RFC 8259 leaves it open.
    Either,
}

/// A text and what is known of it.
pub(super) struct Text {
    pub(super) name: String,
    pub(super) validity: Validity,
    pub(super) bytes: Vec<u8>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Text {
    /// What is sent; to be edited, the text is a member behind the one that is, unless it is none.
    pub(super) fn sent(&self, edits: bool) -> Vec<u8> {
        if edits {
            self.beside("old")
        } else {
            self.bytes.clone()
        }
    }

    /// What has to come of it when it was edited.
    pub(super) fn edited(&self) -> Vec<u8> {
        self.beside("new")
    }

    fn beside(&self, value: &str) -> Vec<u8> {
        match self.validity {
            Validity::Yes | Validity::Deep | Validity::Either => {}
            Validity::No | Validity::Empty => return self.bytes.clone(),
        }
        let (mark, text) = match self.bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(text) => (BYTE_ORDER_MARK, text),
            None => (&b""[..], &self.bytes[..]),
        };
        let head = format!("{{ \"edited\":\"{value}\" ,\n\"kept\" :");
        [mark, head.as_bytes(), text, b"}\n"].concat()
    }
}

/// The texts of `tests/json/texts.txt`.
pub(super) fn corpus() -> Vec<Text> {
    include_str!("../../json/texts.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (validity, rest) = line.split_once(' ').expect("a validity and a name");
            let (name, text) = rest
                .trim_start()
                .split_once(' ')
                .expect("a name and a text");
            Text {
                name: name.to_owned(),
                validity: match validity {
                    "yes" => Validity::Yes,
                    "no" => Validity::No,
                    "deep" => Validity::Deep,
                    "empty" => Validity::Empty,
                    other => panic!("{other} is no validity"),
                },
                bytes: bytes(text.trim_start()),
            }
        })
        .collect()
}

/// Reads `<3 x [>` and `<0A EF>`.
fn bytes(written: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some((plain, special)) = rest.split_once('<') {
        let (special, behind) = special.split_once('>').expect("`<` is closed");
        bytes.extend(plain.as_bytes());
        let special = match special.split_once(" x ") {
            Some((count, text)) => text.repeat(count.parse().expect("a count")).into_bytes(),
            None => special.split(' ').map(byte).collect(),
        };
        bytes.extend(special);
        rest = behind;
    }
    bytes.extend(rest.as_bytes());
    bytes
}

fn byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).expect("two hexadecimal digits")
}

/// The files of `JSONTestSuite`: `y_` is JSON, `n_` is not, `i_` may be taken or not.
pub(super) fn suite(directory: &Path) -> Vec<Text> {
    let files = fs::read_dir(directory).expect("the directory can be read");
    files
        .map(|file| {
            let path = file.expect("the directory can be read").path();
            let name = path
                .file_name()
                .expect("a file has a name")
                .to_string_lossy();
            let bytes = fs::read(&path).expect("the file can be read");
            let validity = match name.as_bytes()[0] {
                _ if bytes.trim_ascii().is_empty() => Validity::Empty,
                b'y' => Validity::Yes,
                b'n' => Validity::No,
                _ => Validity::Either,
            };
            Text {
                name: name.into_owned(),
                validity,
                bytes,
            }
        })
        .collect()
}

/// JSON without the blanks outside its strings and without a byte order mark.
pub(super) fn compact(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let (mut in_string, mut is_escaped) = (false, false);
    let mut keep = |byte: u8| {
        let kept = in_string || !byte.is_ascii_whitespace();
        match byte {
            b'"' if !is_escaped => in_string = !in_string,
            _ => {}
        }
        is_escaped = in_string && byte == b'\\' && !is_escaped;
        kept
    };
    text.iter().copied().filter(|&byte| keep(byte)).collect()
}
