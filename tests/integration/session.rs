//! `platform.session`, `getSecret` and `platform.store` as operators configure them.

use serde_json::json;

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
