//! Fields whose names differ only in `_` and `-`. CGI, and with it WSGI and PHP, knows all of them by
//! one name ([RFC 3875 §4.1.18]), so that `X_User` from a client is taken for the `X-User` that
//! somebody here has written or looked at.

use http::HeaderName;

use super::Fields;

/// What becomes of fields with `_` in their names that nobody here knows by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    /// They are forwarded.
    #[default]
    Pass,
    /// They are left out.
    Drop,
}

/// The fields with a dash in their names that the sidecar itself writes, removes or decides by.
const OURS: [&str; 27] = [
    "accept-encoding",
    "access-control-request-method",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-type",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "repr-digest",
    "transfer-encoding",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-request-id",
];

/// A name with `-` for each `_`.
pub fn dashed(name: &[u8]) -> Vec<u8> {
    let dash = |&byte: &u8| if byte == b'_' { b'-' } else { byte };
    name.iter().map(dash).collect()
}

/// Removes the fields with `_` in their names that are ours with `-`, or somebody's who is asked
/// with the name so spelled; all of them where that is configured. This is no edit.
pub fn remove(fields: &mut Fields, others: Underscores, is_known: impl Fn(&str) -> bool) {
    if !fields.have_underscores() {
        return;
    }
    fields.retain(|name| {
        let Some(dashed) = underscored(name) else {
            return true;
        };
        others == Underscores::Pass && !OURS.contains(&&*dashed) && !is_known(&dashed)
    });
}

/// Removes every field that is another one's namesake than itself.
pub fn remove_namesakes_of(fields: &mut Fields, own: &HeaderName) {
    let own_dashed = own.as_str().replace('_', "-");
    fields.retain(|name| name == own || name.as_str().replace('_', "-") != own_dashed);
}

/// Removes the namesakes of what handlers have written under names with `_`, and the fields with
/// `_` that are known to a handler with `-`, but none that a handler wrote.
pub fn remove_behind_handlers(fields: &mut Fields, is_known: impl Fn(&str) -> bool) {
    if !fields.have_underscores() {
        return;
    }
    let edited: Vec<HeaderName> = fields.edited_names().cloned().collect();
    fields.retain(|name| {
        let Some(dashed) = underscored(name) else {
            return true;
        };
        edited.contains(name)
            || !is_known(&dashed) && edited.iter().all(|other| other.as_str() != dashed)
    });
    for own in edited.iter().filter(|name| underscored(name).is_some()) {
        let own_dashed = own.as_str().replace('_', "-");
        fields
            .retain(|name| edited.contains(name) || name.as_str().replace('_', "-") != own_dashed);
    }
}

/// The name with dashes, where it has an underscore.
fn underscored(name: &HeaderName) -> Option<String> {
    let name = name.as_str();
    memchr::memchr(b'_', name.as_bytes()).map(|_| name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::FieldName;
    use super::*;

    fn received(names: &[&str]) -> Fields {
        let mut fields = Fields::default();
        for name in names {
            let lower = name.to_ascii_lowercase().parse().expect("a name");
            fields.receive(lower, name.as_bytes(), HeaderValue::from_static("1"));
        }
        fields
    }

    fn names(fields: &Fields) -> Vec<&str> {
        fields.iter().map(|field| field.name().as_str()).collect()
    }

    #[test]
    fn a_field_with_an_underscore_goes_where_somebody_knows_it_with_a_dash() {
        let all = ["X-User", "X_User", "x_forwarded-for", "user_id", "a_b_c"];
        for (policy, known, left) in [
            (
                Underscores::Pass,
                "",
                &["x-user", "x_user", "user_id", "a_b_c"][..],
            ),
            (Underscores::Pass, "x-user", &["x-user", "user_id", "a_b_c"]),
            (Underscores::Pass, "a-b-c", &["x-user", "x_user", "user_id"]),
            (
                Underscores::Pass,
                "a-b_c",
                &["x-user", "x_user", "user_id", "a_b_c"],
            ),
            (Underscores::Drop, "", &["x-user"]),
        ] {
            let mut fields = received(&all);

            remove(&mut fields, policy, |dashed| dashed == known);

            assert_eq!(names(&fields), left, "{policy:?} {known}");
        }
    }

    #[test]
    fn what_a_handler_wrote_stays_and_its_namesakes_go() {
        let set = |fields: &mut Fields, name: &str| {
            let name = FieldName::parse(name.as_bytes()).expect("a name");
            fields.set(&name, [HeaderValue::from_static("2")]);
        };

        let mut dash = received(&["X_User", "Role_Id", "other_one"]);
        set(&mut dash, "X-User");
        dash.remove("nobody");
        remove_behind_handlers(&mut dash, |dashed| dashed == "role-id");
        assert_eq!(names(&dash), ["other_one", "x-user"]);

        let mut underscore = received(&["X-User", "Other-One"]);
        set(&mut underscore, "X_User");
        remove_behind_handlers(&mut underscore, |_| false);
        assert_eq!(names(&underscore), ["other-one", "x_user"]);

        let mut removed = received(&["X-User", "X_User"]);
        removed.remove("x-user");
        remove_behind_handlers(&mut removed, |_| false);
        assert_eq!(names(&removed), [""; 0]);
    }

    #[test]
    fn a_name_with_an_underscore_has_namesakes_too() {
        let mut fields = received(&["x_user-id", "X-User-Id", "x_user_id", "x-user"]);

        remove_namesakes_of(&mut fields, &HeaderName::from_static("x_user-id"));

        assert_eq!(names(&fields), ["x_user-id", "x-user"]);
    }

    #[test]
    fn our_own_names_have_a_dash_and_stand_once() {
        let mut sorted = OURS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), OURS.len());
        assert!(
            OURS.iter()
                .all(|name| name.contains('-') && !name.contains('_'))
        );
    }
}
