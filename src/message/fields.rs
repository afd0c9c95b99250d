//! Header fields: ordered, case-insensitive, spelled as they were sent.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::capitals::{Capitals, has_underscore};
use super::field_text;

/// One header field.
#[derive(Debug, Clone)]
pub struct Field {
    name: HeaderName,
    spelling: Spelling,
    value: HeaderValue,
    /// Whether it was written since the message was received.
    is_edited: bool,
}

/// How a name is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spelling {
    /// In lower case, but for these letters.
    Capitals(Capitals),
    /// So; it is long.
    Sent(Bytes),
}

impl Spelling {
    /// The spelling of a name as it was sent; `keep` is asked for one that is long.
    fn of(sent: &[u8], keep: impl FnOnce() -> Bytes) -> Self {
        Capitals::of(sent).map_or_else(|| Self::Sent(keep()), Self::Capitals)
    }

    /// `Title-Case`, as most programs spell; one that is long stays in lower case.
    fn title(name: &HeaderName) -> Self {
        let name = name.as_str().as_bytes();
        Capitals::of_title(name)
            .map_or_else(|| Self::Sent(Bytes::copy_from_slice(name)), Self::Capitals)
    }
}

/// A field's name as somebody spells it.
#[derive(Debug, Clone)]
pub struct FieldName {
    name: HeaderName,
    spelling: Spelling,
}

impl FieldName {
    /// Reads a name, in any case.
    ///
    /// # Errors
    ///
    /// [`BadField::Name`] where no field can be called so (RFC 9110 §5.1).
    pub fn parse(sent: &[u8]) -> Result<Self, BadField> {
        Ok(Self {
            name: HeaderName::from_bytes(sent).map_err(|_| BadField::Name)?,
            spelling: Spelling::of(sent, || Bytes::copy_from_slice(sent)),
        })
    }

    /// The name, in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl Field {
    /// A field of our own, spelled in `Title-Case`.
    pub fn new(name: HeaderName, value: HeaderValue) -> Self {
        Self {
            spelling: Spelling::title(&name),
            name,
            value,
            is_edited: false,
        }
    }

    /// The name, in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Writes the name as it was sent, in `Title-Case` where nobody sent it otherwise.
    pub fn put_name(&self, out: &mut Vec<u8>) {
        match &self.spelling {
            Spelling::Capitals(capitals) => {
                let start = out.len();
                out.extend_from_slice(self.name.as_str().as_bytes());
                capitals.raise(&mut out[start..]);
            }
            Spelling::Sent(sent) => out.extend_from_slice(sent),
        }
    }

    /// The value, without the blanks around it.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }
}

/// The header fields of one message, in the order they were sent.
///
/// Remembers which names a handler wrote ([`Fields::is_edited`]), so that whoever
/// forwards the message can leave the others exactly as they were.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    list: Vec<Field>,
    /// The names that were taken away since the message was received.
    removed: Vec<HeaderName>,
    /// Whether a name with `_` has been among them.
    have_underscores: bool,
}

impl Fields {
    /// No fields, with room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity),
            removed: Vec::new(),
            have_underscores: false,
        }
    }

    /// Whether there may be a field with `_` in its name.
    pub fn have_underscores(&self) -> bool {
        self.have_underscores
    }

    /// The names that were written or taken away since the message was received.
    pub fn edited_names(&self) -> impl Iterator<Item = &HeaderName> {
        let written = self.list.iter().filter(|field| field.is_edited);
        written.map(|field| &field.name).chain(&self.removed)
    }

    /// Makes room for `count` more.
    pub fn reserve(&mut self, count: usize) {
        self.list.reserve(count);
    }

    /// Adds a field as it was received: this is no edit.
    pub fn receive(&mut self, name: HeaderName, sent: &[u8], value: HeaderValue) {
        self.have_underscores |= has_underscore(sent);
        self.list.push(Field {
            name,
            spelling: Spelling::of(sent, || Bytes::copy_from_slice(sent)),
            value,
            is_edited: false,
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
        self.have_underscores |= has_underscore(name);
        let spelling = Spelling::of(name, || head.slice_ref(name));
        let name = HeaderName::from_bytes(name).map_err(|_| BadField::Name)?;
        let value =
            HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| BadField::Value)?;
        self.list.push(Field {
            name,
            spelling,
            value,
            is_edited: false,
        });
        Ok(())
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.list
            .iter()
            .filter(move |field| field.name == *name)
            .map(|field| &field.value)
    }

    /// Whether there is a field `name`.
    pub fn has(&self, name: &HeaderName) -> bool {
        self.all(name).next().is_some()
    }

    /// Every value of `name` as text, joined as one list; `None` where there is none.
    pub fn joined(&self, name: &HeaderName) -> Option<String> {
        let values: Vec<&[u8]> = self.all(name).map(HeaderValue::as_bytes).collect();
        let joined = || field_text::shown(&values.join(&b", "[..])).into_owned();
        (!values.is_empty()).then(joined)
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<str>) -> Option<&HeaderValue> {
        self.get_all(name).next()
    }

    /// The first value of `name` as text; `None` where it isn't visible ASCII.
    pub fn get_str(&self, name: impl AsRef<str>) -> Option<&str> {
        self.get(name)?.to_str().ok()
    }

    /// Every value of a name that somebody wrote, in any case.
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

    /// Gives `name` exactly these values, where its first one stood or else at the end; none
    /// take it away.
    ///
    /// A name that is there keeps its spelling.
    pub fn set(&mut self, name: &FieldName, values: impl IntoIterator<Item = HeaderValue>) {
        let FieldName { name, spelling } = name;
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            return self.remove(name);
        };
        let at = match self.list.iter().position(|field| field.name == *name) {
            Some(at) => {
                self.list[at].value = first;
                self.drop_repeats(at);
                at
            }
            None => {
                self.have_underscores |= has_underscore(name.as_str().as_bytes());
                self.list.push(Field {
                    name: name.clone(),
                    spelling: spelling.clone(),
                    value: first,
                    is_edited: true,
                });
                self.list.len() - 1
            }
        };
        self.list[at].is_edited = true;
        for (place, value) in (at + 1..).zip(values) {
            let field = Field {
                value,
                ..self.list[at].clone()
            };
            self.list.insert(place, field);
        }
    }

    /// Gives `name` one value, spelled in `Title-Case` where it wasn't there.
    pub fn insert(&mut self, name: impl Into<HeaderName>, value: HeaderValue) {
        let name = name.into();
        if let Some(at) = self.list.iter().position(|field| field.name == name) {
            self.list[at].value = value;
            self.list[at].is_edited = true;
            self.drop_repeats(at);
        } else {
            self.have_underscores |= has_underscore(name.as_str().as_bytes());
            self.list.push(Field {
                is_edited: true,
                ..Field::new(name, value)
            });
        }
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
        if !self.removed.contains(&name) {
            self.removed.push(name);
        }
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

    /// Whether `name` was written or removed since the message was received.
    pub fn is_edited(&self, name: &HeaderName) -> bool {
        let mut written = self.list.iter().filter(|field| field.is_edited);
        written.any(|field| field.name == *name) || self.removed.contains(name)
    }

    /// Takes the fields as they are for the ones received.
    pub fn forget_edits(&mut self) {
        self.removed.clear();
        for field in &mut self.list {
            field.is_edited = false;
        }
    }

    /// Gives `name` one value as [`insert`](Self::insert) does, in a message that goes on
    /// to the next connection: this is no edit. Gives the value in whose place it stands.
    pub fn replace(&mut self, field: Field) -> Option<HeaderValue> {
        match self.list.iter().position(|known| known.name == field.name) {
            Some(at) => {
                let before = std::mem::replace(&mut self.list[at].value, field.value);
                self.drop_repeats(at);
                Some(before)
            }
            None => {
                self.list.push(field);
                None
            }
        }
    }

    /// Takes away what has the same name as the first of them, at `first`.
    fn drop_repeats(&mut self, first: usize) {
        let (before, behind) = self.list.split_at(first + 1);
        let name = &before[first].name;
        if behind.iter().all(|field| field.name != *name) {
            return;
        }
        let name = name.clone();
        let mut place = 0..;
        self.list
            .retain(|field| place.next() == Some(first) || field.name != name);
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

#[cfg(test)]
mod tests {
    use http::header;

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

    fn spelled(name: &str) -> FieldName {
        FieldName::parse(name.as_bytes()).expect("a name")
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
        assert!(!fields.is_edited(&header::SET_COOKIE));
    }

    #[test]
    fn setting_a_field_keeps_its_place_and_spelling_and_marks_only_it() {
        let mut fields = received(&[("a", "1"), ("X-weird", "w"), ("b", "2"), ("x-WEIRD", "v")]);

        fields.set(&spelled("x-Weird"), ["new".parse().expect("a value")]);

        let expected = [("a", "1"), ("X-weird", "new"), ("b", "2")];
        assert_eq!(
            shown(&fields),
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        let is_edited = |name| fields.is_edited(&HeaderName::from_static(name));
        assert_eq!(["a", "x-weird", "b"].map(is_edited), [false, true, false]);
    }

    #[test]
    fn several_values_stand_one_behind_the_other_where_the_first_stood() {
        let values = |texts: [&'static str; 3]| texts.map(HeaderValue::from_static);
        let mut fields = received(&[("A", "1"), ("B", "2"), ("A", "3")]);

        fields.set(&spelled("a"), values(["x", "y", "z"]));
        fields.set(&spelled("NEW"), values(["p", "q", "r"]));

        let expected = [
            ("A", "x"),
            ("A", "y"),
            ("A", "z"),
            ("B", "2"),
            ("NEW", "p"),
            ("NEW", "q"),
            ("NEW", "r"),
        ];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(shown(&fields), expected);
    }

    #[test]
    fn a_name_is_spelled_as_it_was_sent() {
        for name in [
            "Title-Case",
            "lower-case",
            "UPPER",
            "X-mIxed",
            "-a-",
            "X--9a",
            "etag",
            &"A-Long-Name-".repeat(6),
        ] {
            assert_eq!(shown(&received(&[(name, "1")]))[0].0, name);
        }
    }

    #[test]
    fn removing_what_is_not_there_is_no_edit() {
        let mut fields = received(&[("a", "1")]);

        fields.remove("b");
        assert!(!fields.is_edited(&HeaderName::from_static("b")));

        fields.remove("A");
        assert!(fields.is_edited(&HeaderName::from_static("a")));
        fields.forget_edits();
        assert!(!fields.is_edited(&HeaderName::from_static("a")));
        assert_eq!(fields.iter().count(), 0);
    }
}
