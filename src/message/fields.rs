//! Header fields: ordered, case-insensitive, spelled as they were sent.

use bytes::{BufMut, Bytes};
use http::{HeaderName, HeaderValue};

/// One header field.
#[derive(Debug, Clone)]
pub struct Field {
    name: HeaderName,
    /// The name as sent, where that is not the usual `Title-Case`.
    spelling: Option<Bytes>,
    value: HeaderValue,
}

impl Field {
    /// A field of our own, spelled in `Title-Case`.
    pub fn new(name: HeaderName, value: HeaderValue) -> Self {
        Self {
            name,
            spelling: None,
            value,
        }
    }

    /// The name, in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The name as it was sent; `None` for the usual `Title-Case`.
    pub fn spelling(&self) -> Option<&Bytes> {
        self.spelling.as_ref()
    }

    /// Writes the name as it was sent, in `Title-Case` where nobody sent it otherwise.
    pub fn put_name(&self, out: &mut impl BufMut) {
        if let Some(sent) = &self.spelling {
            out.put_slice(sent);
            return;
        }
        let mut starts_word = true;
        for part in self.name.as_str().as_bytes().chunks(32) {
            let mut usual = [0; 32];
            for (place, &byte) in usual.iter_mut().zip(part) {
                *place = title_case(byte, starts_word);
                starts_word = byte == b'-';
            }
            out.put_slice(&usual[..part.len()]);
        }
    }

    /// The value, without the blanks around it.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }
}

/// The header fields of one message, in the order they were sent.
///
/// Remembers which names a handler wrote ([`Fields::edits`]), so that whoever
/// forwards the message can leave the others exactly as they were.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    list: Vec<Field>,
    edits: Vec<HeaderName>,
}

impl Fields {
    /// No fields, with room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
            edits: Vec::new(),
        }
    }

    /// Makes room for `count` more.
    pub fn reserve(&mut self, count: usize) {
        self.list.reserve(count);
    }

    /// Adds a field as it was received: this is no edit.
    pub fn receive(&mut self, name: HeaderName, sent: &[u8], value: HeaderValue) {
        let spelling = (!is_title_case(sent)).then(|| Bytes::copy_from_slice(sent));
        self.list.push(Field {
            name,
            spelling,
            value,
        });
    }

    /// Adds a field as it was received. `name` and `value` lie within `head`, whose memory
    /// is shared.
    ///
    /// # Errors
    ///
    /// [`BadField`] where one of them can't stand in a head.
    pub fn receive_within(
        &mut self,
        head: &Bytes,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), BadField> {
        let spelling = (!is_title_case(name)).then(|| head.slice_ref(name));
        let name = HeaderName::from_bytes(name).map_err(|_| BadField::Name)?;
        let value =
            HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| BadField::Value)?;
        self.list.push(Field {
            name,
            spelling,
            value,
        });
        Ok(())
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<str>) -> Option<&HeaderValue> {
        self.get_all(name).next()
    }

    /// The first value of `name` as text; `None` where it isn't visible ASCII.
    pub fn get_str(&self, name: impl AsRef<str>) -> Option<&str> {
        self.get(name)?.to_str().ok()
    }

    /// Every value of `name`, in order.
    pub fn get_all(&self, name: impl AsRef<str>) -> impl Iterator<Item = &HeaderValue> {
        self.list
            .iter()
            .filter(move |field| field.name.as_str().eq_ignore_ascii_case(name.as_ref()))
            .map(|field| &field.value)
    }

    /// Whether there is a field `name`.
    pub fn contains(&self, name: impl AsRef<str>) -> bool {
        self.get(name).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.list.iter()
    }

    /// Gives `name` exactly these values, where its first one stood or else at the end.
    ///
    /// `sent` spells a name that wasn't there; one that was keeps its spelling.
    pub fn set(&mut self, name: &HeaderName, sent: &[u8], values: Vec<HeaderValue>) {
        let place = self.list.iter().position(|field| field.name == *name);
        let spelling = match place {
            Some(at) => self.list[at].spelling.clone(),
            None => (!is_title_case(sent)).then(|| Bytes::copy_from_slice(sent)),
        };
        if place.is_some() {
            self.list.retain(|field| field.name != *name);
        }
        let at = place.unwrap_or(self.list.len());
        let written = values.into_iter().map(|value| Field {
            name: name.clone(),
            spelling: spelling.clone(),
            value,
        });
        self.list.splice(at..at, written);
        self.mark(name);
    }

    /// Gives `name` one value, spelled in `Title-Case` where it wasn't there.
    pub fn insert(&mut self, name: impl Into<HeaderName>, value: HeaderValue) {
        let name = name.into();
        if let Some(at) = self.list.iter().position(|field| field.name == name) {
            self.list[at].value = value;
            let mut seen = false;
            self.list
                .retain(|field| field.name != name || !std::mem::replace(&mut seen, true));
        } else {
            self.list.push(Field::new(name.clone(), value));
        }
        self.mark(&name);
    }

    /// Takes every field `name` away. Does nothing where there is none.
    pub fn remove(&mut self, name: impl AsRef<str>) {
        let Some(at) = self
            .list
            .iter()
            .position(|field| field.name.as_str().eq_ignore_ascii_case(name.as_ref()))
        else {
            return;
        };
        let name = self.list[at].name.clone();
        self.list.retain(|field| field.name != name);
        self.mark(&name);
    }

    /// Whether the same names have the same values, in the same order.
    pub fn are_same(&self, other: &Self) -> bool {
        let pair = |field: &Field| (field.name.clone(), field.value.clone());
        self.list.iter().map(pair).eq(other.list.iter().map(pair))
    }

    /// Takes away what doesn't pass on with the message: this is no edit.
    pub fn retain(&mut self, mut keeps: impl FnMut(&HeaderName) -> bool) {
        self.list.retain(|field| keeps(&field.name));
    }

    /// The names that were written or removed since the message was received, each once.
    pub fn edits(&self) -> &[HeaderName] {
        &self.edits
    }

    /// Takes the fields as they are for the ones received.
    pub fn forget_edits(&mut self) {
        self.edits.clear();
    }

    /// Gives `name` one value as [`insert`](Self::insert) does, in a message that goes on
    /// to the next connection: this is no edit.
    pub fn replace(&mut self, field: Field) {
        let mut places = self
            .list
            .iter_mut()
            .filter(|known| known.name == field.name);
        let Some(first) = places.next() else {
            return self.list.push(field);
        };
        first.value = field.value;
        if places.next().is_some() {
            let mut seen = false;
            self.list
                .retain(|known| known.name != field.name || !std::mem::replace(&mut seen, true));
        }
    }

    fn mark(&mut self, name: &HeaderName) {
        if !self.edits.contains(name) {
            self.edits.push(name.clone());
        }
    }
}

/// What is wrong with a field that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// Its name is no token.
    #[error("a field's name is none")]
    Name,
    /// Its value has control characters.
    #[error("a field's value has control characters")]
    Value,
}

/// Whether a name is spelled `Like-This`, as most programs send it.
fn is_title_case(sent: &[u8]) -> bool {
    let mut starts_word = true;
    sent.iter().all(|&byte| {
        let usual = title_case(byte, starts_word);
        starts_word = byte == b'-';
        byte == usual
    })
}

fn title_case(byte: u8, starts_word: bool) -> u8 {
    if starts_word {
        byte.to_ascii_uppercase()
    } else {
        byte.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(sent: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in sent {
            let value = HeaderValue::from_str(value).expect("a plain value");
            fields.receive(
                name.to_ascii_lowercase().parse().expect("a name"),
                name.as_bytes(),
                value,
            );
        }
        fields
    }

    fn shown(fields: &Fields) -> Vec<(String, String)> {
        let text = |field: &Field| {
            let mut name = Vec::new();
            field.put_name(&mut name);
            let name = String::from_utf8(name).expect("text");
            (name, field.value().to_str().expect("plain").to_owned())
        };
        fields.iter().map(text).collect()
    }

    #[test]
    fn a_field_is_found_in_any_case_and_repeats_keep_their_order() {
        let fields = received(&[
            ("Set-Cookie", "a=1"),
            ("X-weird", "w"),
            ("SET-COOKIE", "b=2"),
        ]);

        let cookies: Vec<_> = fields.get_all("sEt-cookie").collect();

        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(shown(&fields)[0].0, "Set-Cookie");
        assert_eq!(shown(&fields)[1].0, "X-weird");
        assert!(fields.edits().is_empty());
    }

    #[test]
    fn setting_a_field_keeps_its_place_and_spelling_and_marks_only_it() {
        let mut fields = received(&[("a", "1"), ("X-weird", "w"), ("b", "2"), ("x-WEIRD", "v")]);

        fields.set(
            &"x-weird".parse().expect("a name"),
            b"x-Weird",
            vec!["new".parse().expect("a value")],
        );

        let expected = [("a", "1"), ("X-weird", "new"), ("b", "2")];
        assert_eq!(
            shown(&fields),
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert_eq!(fields.edits(), ["x-weird"]);
    }

    #[test]
    fn removing_what_is_not_there_is_no_edit() {
        let mut fields = received(&[("a", "1")]);

        fields.remove("b");
        assert!(fields.edits().is_empty());

        fields.remove("A");
        assert_eq!(fields.edits(), ["a"]);
        assert_eq!(fields.iter().count(), 0);
    }
}
