//! Secrets, and the tokens whose keys are some.

use crate::transaction::SessionSource;

use super::*;

#[test]
fn a_secret_may_come_from_any_variable() {
    let (serving, _) = Sources::sufficient()
        .file("admin.token = 'env:INTERPOSE_ADMIN_SECRET'")
        .variable("INTERPOSE_ADMIN_SECRET", "hunter2")
        .run();

    let token = serving.admin.expect("the admin listener is on").token;
    assert_eq!(token.expect("a token is set").expose(), "hunter2");
}

#[test]
fn handlers_may_have_secrets_by_name() {
    let (serving, _) = Sources::sufficient()
        .file("[secrets]\ncrm = 'env:INTERPOSE_CRM'\n'billing.key' = 'file:key'")
        .sibling("key", "b\n")
        .variable("INTERPOSE_CRM", "hunter2")
        .run();

    let texts: Vec<_> = serving
        .secrets
        .iter()
        .map(|(name, secret)| (name.as_str(), secret.expose()))
        .collect();
    assert_eq!(texts, [("billing.key", "b"), ("crm", "hunter2")]);
    assert!(!format!("{serving:?}").contains("hunter2"));

    let problems = Sources::sufficient()
        .file("[secrets]\na = 'hunter2'\nb = 'env:GONE'\nc = 'file:gone'")
        .problems();
    for expected in [
        "secrets.a: no reference",
        "secrets.b: the variable GONE is not set",
        "secrets.c: gone could not be read",
    ] {
        assert!(problems.contains(expected), "{problems}");
    }
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn values_of_a_session_come_from_headers_and_from_claims() {
    let (serving, config) = Sources::sufficient()
        .file(
            "[session]\nuser.id = 'claim:sub'\napp = 'X-App'\n\
             [token]\nalgorithm = 'HS256'\nkeys = ['env:INTERPOSE_KEY', 'file:old']",
        )
        .variable("INTERPOSE_KEY", "hunter2")
        .sibling("old", "hunter1\n")
        .run();

    let claim = SessionSource::Claim("sub".to_owned());
    assert_eq!(config.session["user.id"], claim);
    let token = serving.token.expect("there is a table");
    assert_eq!(token.header, "authorization");
    let keys: Vec<_> = token.keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, ["hunter2", "hunter1"]);
    assert!(!format!("{token:?}").contains("hunter"));
}

#[test]
fn claims_that_nobody_verifies_are_a_problem() {
    for (text, missing) in [
        ("session.user = 'claim:sub'", &["algorithm", "keys"][..]),
        ("token.keys = ['env:KEY']", &["algorithm"]),
        ("token.algorithm = 'HS256'", &["keys"]),
        ("token.algorithm = 'HS256'\ntoken.keys = []", &[]),
    ] {
        let sources = Sources::sufficient().file(text).variable("KEY", "hunter2");
        let problems = sources.problems();

        for key in missing {
            assert!(
                problems.contains(&format!("token.{key}: missing")),
                "{problems}"
            );
        }
        assert!(for_check(&sources.inputs).is_err(), "{text}");
    }
}

#[test]
fn a_key_of_another_kind_than_the_algorithm_is_a_problem() {
    let with = |algorithm: &str, key: &str| {
        let table = format!("[token]\nalgorithm = '{algorithm}'\nkeys = ['file:key']");
        Sources::sufficient().file(&table).sibling("key", key)
    };
    let public = "-----BEGIN PUBLIC KEY-----\n";
    let (no_secret, no_key) = (with("HS256", public), with("RS256", "hunter2"));

    let problems = no_secret.problems();
    assert!(
        problems.contains("token.keys: a key in PEM is no secret"),
        "{problems}"
    );
    let problems = no_key.problems();
    assert!(problems.contains("token.keys: no public key"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
    assert!(for_check(&no_key.inputs).is_ok(), "a check opens nothing");
    let problems = with("none", public).problems();
    assert!(
        problems.contains("token.algorithm: \"none\" is not one of HS256"),
        "{problems}"
    );
}

#[test]
fn a_secret_that_is_not_there_is_a_problem_only_where_it_is_needed() {
    let sources = Sources::sufficient().file("admin.token = 'file:gone'");

    assert!(
        sources
            .problems()
            .contains("admin.token: gone could not be read")
    );
    assert!(for_check(&sources.inputs).is_ok());
}
