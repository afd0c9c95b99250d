//! Secrets that handlers may ask for by name: `g.sys.system.getSecret`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The texts behind `[secrets]`, by name. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, Arc<str>>);

impl Secrets {
    /// Secrets as they were read when the process began.
    pub fn new(texts: impl IntoIterator<Item = (String, Arc<str>)>) -> Self {
        Self(texts.into_iter().collect())
    }

    /// The text behind `name`, to be handed to the handler that asked for it.
    pub fn expose(&self, name: &str) -> Option<&Arc<str>> {
        self.0.get(name)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_given_by_name_and_never_shown() {
        let secrets = Secrets::new([("crm".to_owned(), Arc::from("s3cret"))]);

        assert_eq!(secrets.expose("crm").map(|text| &**text), Some("s3cret"));
        assert_eq!(secrets.expose("other"), None);
        assert_eq!(format!("{secrets:?}"), r#"{"crm"}"#);
    }
}
