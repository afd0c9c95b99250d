//! The addresses that are listened at.

use super::*;

#[test]
fn two_listeners_cannot_share_a_port() {
    for (listen, status, other) in [
        ("127.0.0.1:80", "127.0.0.1:80", "status.listen"),
        ("0.0.0.0:80", "127.0.0.1:80", "status.listen"),
        ("[::]:80", "127.0.0.1:80", "status.listen"),
        ("127.0.0.1:9465", "off", "admin.listen"),
    ] {
        let problems = Sources::none()
            .flag(flag::LISTEN, listen)
            .flag(flag::STATUS, status)
            .problems();

        let expected = format!("--listen: listen and {other} can't both have port");
        assert!(problems.contains(&expected), "{problems}");
    }
}

#[test]
fn listeners_on_different_addresses_can_share_a_port() {
    for (status, admin) in [
        ("127.0.0.1:80", "127.0.0.2:80"),
        ("0.0.0.0:80", "[::1]:80"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        Sources::sufficient()
            .flag(flag::STATUS, status)
            .flag(flag::ADMIN, admin)
            .run();
    }
}

#[test]
fn a_listener_can_be_off() {
    let (serving, _) = Sources::sufficient()
        .flag(flag::STATUS, "off")
        .variable("INTERPOSE_ADMIN", "off")
        .run();

    assert_eq!(serving.status, None);
    assert!(serving.admin.is_none());
}

#[test]
fn an_admin_listener_that_others_can_reach_needs_a_token() {
    let open = Sources::sufficient().flag(flag::ADMIN, "0.0.0.0:9465");
    assert!(
        open.problems().contains("admin.token: missing"),
        "{}",
        open.problems()
    );

    let guarded = open
        .sibling("token", "hunter2\n")
        .file("admin.token = 'file:token'");
    let admin = guarded.run().0.admin.expect("the admin listener is on");
    assert_eq!(admin.token.expect("a token is set").expose(), "hunter2");
}
