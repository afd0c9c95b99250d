//! A reader of logfmt that knows nothing of who writes it.

/// The pairs of a line, in their order: between single blanks, a bare value up to the next blank,
/// a quoted one as JSON has it.
///
/// # Errors
///
/// The line is something else.
pub(crate) fn read(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = line;
    loop {
        let (key, behind) = rest.split_once('=').ok_or("no = behind a key")?;
        let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
        if key.is_empty() || !key.chars().all(is_name) {
            return Err(format!("no key: {key:?}"));
        }
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(format!("{key} is there twice"));
        }
        let end = if behind.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let value = values.next().ok_or("no value")?;
            let value = value.map_err(|error| format!("{key}: {error}"))?;
            pairs.push((key.to_owned(), value));
            values.byte_offset()
        } else {
            let end = behind.find(' ').unwrap_or(behind.len());
            let value = &behind[..end];
            let is_bare = |it: char| it.is_ascii_graphic() && !matches!(it, '"' | '=');
            if value.is_empty() || !value.chars().all(is_bare) {
                return Err(format!("no bare value of {key}: {value:?}"));
            }
            pairs.push((key.to_owned(), value.to_owned()));
            end
        };
        match behind[end..].strip_prefix(' ') {
            Some(more) => rest = more,
            None if behind.len() == end => return Ok(pairs),
            None => return Err(format!("no blank behind {key}")),
        }
    }
}

#[test]
fn pairs_are_read_and_what_is_none_is_not() {
    let read_all = read(r#"a=1 b="x \"=\" y" c="""#).unwrap();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        read_all,
        [pair("a", "1"), pair("b", "x \"=\" y"), pair("c", "")]
    );
    for line in [
        "",
        "a",
        "a=",
        "a=1  b=2",
        "a=b=c",
        "a=\"b",
        "a=\"b\"c=1",
        "é=1",
        "a=é",
        "a=1 a=2",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}
