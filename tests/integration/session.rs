//! `platform.session`, `getSecret` and `platform.store` as operators configure them.

use serde_json::json;

use super::support::eventually::eventually;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json as answer_json};

#[test]
fn a_session_comes_from_the_fields_that_are_configured_and_no_other() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let scripts = ScriptDir::with(&[(
        "10-who.request.js",
        "// @match /who\nreturn JSON.parse(JSON.stringify(platform.session));\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[session]\n\"user.id\" = \"x-user-id\"\nrole.name = \"X-Role\"\n")
        .start();

    let known = sidecar.exchange(
        b"GET /who HTTP/1.1\r\nHost: a.test\r\nX-User-Id: 7\r\nX-Role: clerk\r\nX-App: web\r\n\r\n",
    );
    let unknown = sidecar.get("/who");

    let session = known.json();
    assert_eq!(session["user"]["id"], "7", "{session}");
    assert_eq!(session["role"]["name"], "clerk");
    assert!(!known.text().contains("web"));
    assert!(!unknown.text().contains("clerk"));
}

#[test]
fn a_secret_is_given_by_name_and_shows_in_no_log() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let scripts = ScriptDir::with(&[(
        "10-secret.request.js",
        "// @match /secret\n\
         return { known: (await g.sys.system.getSecret('crm')) === 's3cr' + 'et-7' };\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[secrets]\ncrm = \"env:CRM_TOKEN\"\n")
        .env("CRM_TOKEN", "s3cret-7")
        .start();

    assert_eq!(sidecar.get("/secret").json(), json!({"known": true}));
    assert!(!sidecar.log().has(|line| line.contains("s3cret-7")));
}

#[test]
fn the_store_keeps_what_is_configured_and_no_more() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let scripts = ScriptDir::with(&[(
        "10-store.request.js",
        "// @match /store\n\
         for (const key of ['a', 'b', 'c']) platform.store.set(key, key);\n\
         platform.store.set('long', 'x'.repeat(2000));\n\
         return ['a', 'b', 'c', 'long'].map((key) => platform.store.get(key));\n",
    )]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[store]\ncapacity = 2\nmemory = \"1KiB\"\nttl = \"1s\"\n")
        .start();

    assert_eq!(sidecar.get("/store").json(), json!([null, "b", "c", null]));
}

#[test]
fn a_value_without_a_time_is_kept_for_as_long_as_is_configured() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let scripts = ScriptDir::with(&[
        (
            "10-store.request.js",
            "// @match /set\nplatform.store.set('usual', 1);\nplatform.store.set('long', 2, 60);\nreturn 'set';\n",
        ),
        (
            "20-get.request.js",
            "return [platform.store.get('usual'), platform.store.get('long')];\n",
        ),
    ]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .config("[store]\nttl = \"500ms\"\n")
        .start();

    sidecar.get("/set");

    eventually("the end of its time", || {
        let kept = sidecar.get("/get").json();
        assert_eq!(kept[1], 2, "its handler gave it a minute");
        kept[0].is_null().then_some(())
    });
}

#[test]
fn what_is_stored_survives_a_reload() {
    let upstream = Upstream::answering(|_| answer_json("{}"));
    let count = "// @match /count\n\
                 const count = (platform.store.get('count') || 0) + 1;\n\
                 platform.store.set('count', count);\n";
    let scripts = ScriptDir::with(&[("10-count.request.js", &format!("{count}return count;\n"))]);
    let sidecar = Sidecar::before(upstream.url())
        .scripts(scripts.path())
        .start();
    let old = sidecar.live_generation();
    assert_eq!(sidecar.get("/count").text(), "1");
    assert_eq!(sidecar.get("/count").text(), "2");

    let changed = format!("{count}return [count];\n");
    scripts.write("10-count.request.js", &changed);
    sidecar.generation_after(&old);

    assert_eq!(sidecar.get("/count").text(), "[3]");
}
