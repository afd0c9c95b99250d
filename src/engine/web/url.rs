//! Addresses and queries (WHATWG URL).

use rquickjs::Object;
use url::form_urlencoded::{Serializer, parse};
use url::{Url, quirks};

use crate::engine::fence::native;

pub(super) fn offer(natives: &Object<'_>) -> rquickjs::Result<()> {
    natives.set(
        "parseUrl",
        native(|url: String, base: Option<String>| parsed(&url, base.as_deref())),
    )?;
    natives.set(
        "writeUrl",
        native(|url: String, part: String, value: String| written(&url, &part, &value)),
    )?;
    natives.set(
        "parseQuery",
        native(|query: String| -> Vec<Vec<String>> {
            parse(query.as_bytes())
                .map(|(name, value)| vec![name.into_owned(), value.into_owned()])
                .collect()
        }),
    )?;
    natives.set(
        "writeQuery",
        native(|pairs: Vec<Vec<String>>| -> String {
            let pairs = pairs.iter().filter_map(|pair| match &pair[..] {
                [name, value] => Some((name, value)),
                _ => None,
            });
            Serializer::new(String::new()).extend_pairs(pairs).finish()
        }),
    )
}

/// The parts of an address in the prelude's order; `None` where it is none.
fn parsed(url: &str, base: Option<&str>) -> Option<Vec<String>> {
    let url = match base {
        Some(base) => Url::parse(base).ok()?.join(url).ok()?,
        None => Url::parse(url).ok()?,
    };
    Some(parts(&url))
}

fn parts(url: &Url) -> Vec<String> {
    [
        quirks::href(url),
        &quirks::origin(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ]
    .map(str::to_owned)
    .into()
}

/// The parts of an address once one of them is written; `None` where it can't be written so.
fn written(url: &str, part: &str, value: &str) -> Option<Vec<String>> {
    let mut url = Url::parse(url).ok()?;
    match part {
        "protocol" => quirks::set_protocol(&mut url, value).ok()?,
        "username" => quirks::set_username(&mut url, value).ok()?,
        "password" => quirks::set_password(&mut url, value).ok()?,
        "host" => quirks::set_host(&mut url, value).ok()?,
        "hostname" => quirks::set_hostname(&mut url, value).ok()?,
        "port" => quirks::set_port(&mut url, value).ok()?,
        "pathname" => quirks::set_pathname(&mut url, value),
        "search" => quirks::set_search(&mut url, value),
        "hash" => quirks::set_hash(&mut url, value),
        _ => return None,
    }
    Some(parts(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_parts_and_keeps_them_when_one_is_written() {
        let parts = parsed("../b?x=1#h", Some("https://u:p@h.test:8443/a/c/")).expect("it is one");
        assert_eq!(
            parts,
            [
                "https://u:p@h.test:8443/a/b?x=1#h",
                "https://h.test:8443",
                "https:",
                "u",
                "p",
                "h.test:8443",
                "h.test",
                "8443",
                "/a/b",
                "?x=1",
                "#h",
            ]
        );

        let parts = written(&parts[0], "search", "y=ö").expect("it can be written");
        assert_eq!(parts[0], "https://u:p@h.test:8443/a/b?y=%C3%B6#h");
        assert_eq!(written(&parts[0], "port", "many"), None);
        assert_eq!(parsed("/a", None), None);
    }
}
