//! Addresses and queries (WHATWG URL).

use rquickjs::{Array, Ctx, Error, Object, String as Text};
use url::form_urlencoded::{Serializer, parse};
use url::{Url, quirks};

use crate::engine::argument::TextArgument;
use crate::engine::fence::native;
use crate::engine::value;

pub(super) fn offer<'js>(natives: &Object<'js>) -> rquickjs::Result<()> {
    natives.set(
        "parseUrl",
        native(
            |ctx: Ctx<'js>, url: TextArgument<'js>, base: Option<TextArgument<'js>>| {
                let length = url.len() + base.as_ref().map_or(0, |base| base.len());
                let _charge = value::charged(&ctx, MADE * length)?;
                Ok::<_, Error>(parsed(&url, base.as_deref()))
            },
        ),
    )?;
    natives.set(
        "writeUrl",
        native(
            |ctx: Ctx<'js>, url: TextArgument<'js>, part: String, value: TextArgument<'js>| {
                let _charge = value::charged(&ctx, MADE * (url.len() + value.len()))?;
                Ok::<_, Error>(written(&url, &part, &value))
            },
        ),
    )?;
    natives.set(
        "parseQuery",
        native(|ctx: Ctx<'js>, query: TextArgument<'js>| pairs(&ctx, &query)),
    )?;
    natives.set(
        "writeQuery",
        native(|ctx: Ctx<'js>, pairs: Array<'js>| query(&ctx, &pairs)),
    )
}

/// What an address is made of while it is parsed, for each byte of its text: the address, escaped,
/// and its parts.
const MADE: usize = 12;

/// What a query's byte may become, and a buffer that grows has twice as much.
const ESCAPED: usize = 2 * 3;

/// The pairs of a query, each a list of two. One at a time, so that most of it is the script's own
/// memory.
fn pairs<'js>(ctx: &Ctx<'js>, query: &str) -> rquickjs::Result<Array<'js>> {
    let list = Array::new(ctx.clone())?;
    // The longest part, decoded, whatever is no UTF-8 replaced.
    let _charge = value::charged(ctx, ESCAPED * query.len())?;
    for (at, (name, value)) in parse(query.as_bytes()).enumerate() {
        let pair = Array::new(ctx.clone())?;
        pair.set(0, &*name)?;
        pair.set(1, &*value)?;
        list.set(at, pair)?;
    }
    Ok(list)
}

/// The query of pairs.
fn query<'js>(ctx: &Ctx<'js>, pairs: &Array<'js>) -> rquickjs::Result<Text<'js>> {
    let charge = value::charged(ctx, 0)?;
    let mut serializer = Serializer::new(String::new());
    for pair in pairs.iter::<Array<'js>>() {
        let pair = pair?;
        let (name, value): (TextArgument<'js>, TextArgument<'js>) = (pair.get(0)?, pair.get(1)?);
        let takes = ESCAPED * (name.len() + value.len() + 2);
        if charge.grow(takes).is_err() {
            return Err(value::out_of_memory(ctx));
        }
        serializer.append_pair(&name, &value);
    }
    Text::from_str(ctx.clone(), &serializer.finish())
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
