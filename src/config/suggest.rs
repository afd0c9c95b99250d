//! Did you mean: the known name that is nearest to an unknown one.

/// How alike two names must be to be taken for a slip, from 0 to 1.
const ALIKE: f64 = 0.7;

/// The name nearest to `wanted`, where one is near enough.
pub(super) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(wanted, name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// What was probably meant by the key `wanted`: a slip in its last part, a key of that
/// very name in another table, a slip anywhere, or else a slip in its table, which is
/// then all that is suggested.
pub(super) fn nearest_key<'a>(wanted: &str, known: &[&'a str]) -> Option<&'a str> {
    let (table, name) = split(wanted);
    let siblings: Vec<&str> = known
        .iter()
        .copied()
        .filter(|key| split(key).0 == table)
        .collect();
    let slip = nearest(name, siblings.iter().map(|key| split(key).1))
        .and_then(|meant| siblings.iter().copied().find(|key| split(key).1 == meant));
    slip.or_else(|| known.iter().copied().find(|key| split(key).1 == name))
        .or_else(|| nearest(wanted, known.iter().copied()))
        .or_else(|| nearest(head(wanted), known.iter().map(|key| head(key))))
}

/// The table at the top that a key lies in, or the key itself.
fn head(key: &str) -> &str {
    key.split(['.', '[']).next().unwrap_or(key)
}

/// Splits a dotted key into its table and the rest.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] = [
        "drain.timeout",
        "limits.handler_memory",
        "limits.handler_time",
        "listen",
        "service",
        "session.NAME",
        "status.listen",
    ];

    #[test]
    fn slips_lead_to_the_key_that_was_meant() {
        for (wanted, meant) in [
            ("limits.handler_tme", "limits.handler_time"),
            ("limts.handler_time", "limits.handler_time"),
            ("limits_handler_time", "limits.handler_time"),
            ("handler_time", "limits.handler_time"),
            ("limits.timeout", "drain.timeout"),
            ("lisen", "listen"),
            ("sesion.user.id", "session"),
            ("servce[0].name", "service"),
        ] {
            assert_eq!(nearest_key(wanted, &KNOWN), Some(meant), "{wanted}");
        }
    }

    #[test]
    fn what_is_like_nothing_gets_no_suggestion() {
        assert_eq!(nearest_key("colour", &KNOWN), None);
        assert_eq!(nearest("", ["on", "off"]), None);
    }
}
