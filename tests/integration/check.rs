//! `interpose check`: what would run when, and everything that is wrong with a set.

use serde_json::{Value, json};

use super::support::process::{Ended, run_to_end};
use super::support::script_dir::{Files, ScriptDir};

/// Checks a directory with further arguments.
#[track_caller]
fn check(scripts: &ScriptDir, args: &[&str]) -> Ended {
    let directory = scripts.path().to_str().expect("its path is text");
    run_to_end(&[&["check", "--scripts", directory], args].concat())
}

/// The report on these files as JSON, and the exit status.
#[track_caller]
fn report(files: &Files) -> (Value, Option<i32>) {
    let ended = check(&ScriptDir::with(files), &["--format", "json"]);
    assert_eq!(ended.stderr, "");
    let report = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| {
        panic!("no JSON ({error}): {}", ended.stdout);
    });
    (report, ended.code)
}

/// `file:line:column` of each.
fn places(diagnostics: &Value) -> Vec<String> {
    let one = |found: &Value| {
        let file = found["file"].as_str().expect("a file is named");
        format!("{file}:{}:{}", found["line"], found["column"])
    };
    let all = diagnostics.as_array().expect("diagnostics are a list");
    all.iter().map(one).collect()
}

/// The only error of a set, with its place before it.
#[track_caller]
fn error(files: &Files) -> (String, Value) {
    let (mut report, code) = report(files);
    assert_eq!((code, &report["ok"]), (Some(1), &json!(false)));
    let mut places = places(&report["errors"]);
    assert_eq!(places.len(), 1, "{report}");
    (places.remove(0), report["errors"][0].take())
}

/// The only warning of a set without errors, with its place before it.
#[track_caller]
fn warning(files: &Files) -> (String, Value) {
    let (mut report, code) = report(files);
    assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{report}");
    let mut places = places(&report["warnings"]);
    assert_eq!(places.len(), 1, "{report}");
    (places.remove(0), report["warnings"][0].take())
}

#[track_caller]
fn assert_says(diagnostic: &Value, words: &[&str]) {
    let message = diagnostic["message"].as_str().expect("it has a message");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}

mod a_sound_set {
    use super::*;

    const FILES: &Files<'static> = &[
        (
            "request/20-b.js",
            "// @match POST /orders/**\n// @timeout 20ms\njson = json;\n",
        ),
        ("10-a.request.js", ""),
        ("_c.request.js", ""),
        ("B.request.js", ""),
        ("30-off.request.js.off", ""),
        ("10-strip.post_hook.js", "// @match GET /**\njson.a = 1;\n"),
        (
            "error/90-friendly.js",
            "// @onError skip\nres.headers['X'] = '1';\n",
        ),
        ("audit.post_process.js", ""),
        ("later.queued.js", ""),
        ("cors.options.js", ""),
        ("lib/money.js", "module.exports = 1;\n"),
        ("tests/10-a.request.js", "throw ("),
        ("notes.txt", "throw ("),
    ];

    #[test]
    fn its_handlers_are_told_in_the_order_in_which_they_run() {
        let (report, code) = report(FILES);

        assert_eq!(code, Some(0), "{report}");
        assert_eq!(report["ok"], true);
        assert_eq!(
            report["order"],
            json!({
                "request": ["10-a", "20-b", "_c", "B"],
                "response": ["10-strip"],
                "error": ["90-friendly"],
                "post_process": ["audit"],
                "queued": ["later"],
                "options": ["cors"],
            })
        );
        assert_eq!(report["errors"], json!([]));
        assert_eq!(report["warnings"], json!([]));
    }

    #[test]
    fn each_handler_is_told_with_what_it_declares_those_that_are_off_too() {
        let (report, _) = report(FILES);

        let handlers = report["handlers"].as_array().unwrap();
        let named = |file: &str| {
            let found = handlers.iter().find(|handler| handler["file"] == file);
            found.unwrap_or_else(|| panic!("no {file} in {report}"))
        };
        assert_eq!(handlers.len(), 10);
        let posted = named("request/20-b.js");
        assert_eq!(posted["name"], "20-b");
        assert_eq!(posted["kind"], "request");
        assert_eq!(posted["active"], true);
        assert_eq!(posted["matches"], json!(["POST /orders/**"]));
        assert_eq!(posted["timeout_ms"], 20);
        assert_eq!(posted["sees_body"], true);
        assert_eq!(named("30-off.request.js.off")["active"], false);
        assert_eq!(named("10-strip.post_hook.js")["kind"], "response");
        assert_eq!(named("error/90-friendly.js")["on_error"], "skip");
        assert_eq!(named("10-a.request.js")["on_error"], "fail");
        assert_eq!(named("10-a.request.js")["sees_body"], false);
    }

    #[test]
    fn people_read_the_same_as_text() {
        let ended = check(&ScriptDir::with(FILES), &[]);

        assert_eq!(ended.code, Some(0), "{}", ended.said);
        assert_eq!(ended.stderr, "");
        assert_eq!(
            ended.stdout,
            "\
request
  10-a  (10-a.request.js)
  20-b  (request/20-b.js, @match POST /orders/**, sees bodies)
  _c  (_c.request.js)
  B  (B.request.js)
response
  10-strip  (10-strip.post_hook.js, @match GET /**, sees bodies)
error
  90-friendly  (error/90-friendly.js)
post_process
  audit  (audit.post_process.js)
queued
  later  (later.queued.js)
options
  cors  (cors.options.js)
off: 30-off.request.js.off
fails open: error/90-friendly.js
10 handlers, 0 errors, 0 warnings"
        );
    }

    #[test]
    fn what_is_off_is_checked_all_the_same() {
        let (place, found) = error(&[("10-a.request.js.off", "throw (\n")]);

        assert_eq!(place, "10-a.request.js.off:1:8");
        assert_eq!(found["excerpt"], "throw (");
    }
}

mod errors {
    use super::*;

    #[test]
    fn all_are_told_at_once_with_place_and_excerpt() {
        let files: &Files = &[
            ("10-a.request.js", "// Broken.\n\nvar b = = 2;\n"),
            ("20-b.response.js", "const ünder = 1; let json = 2;\n"),
            ("lib/c.js", "// Too.\nvar c = = 3;\n"),
            ("30-d.response.js", "json.seen = true;\n"),
        ];
        let (found, code) = report(files);

        assert_eq!(code, Some(1));
        assert_eq!(found["ok"], false);
        assert_eq!(
            places(&found["errors"]),
            [
                "10-a.request.js:3:9",
                "20-b.response.js:1:22",
                "lib/c.js:2:9"
            ]
        );
        let excerpts: Vec<_> = (0..3).map(|at| &found["errors"][at]["excerpt"]).collect();
        assert_eq!(
            excerpts,
            [
                "var b = = 2;",
                "const ünder = 1; let json = 2;",
                "var c = = 3;"
            ]
        );

        let ended = check(&ScriptDir::with(files), &[]);
        assert_eq!(ended.code, Some(1));
        for at in 0..3 {
            let error = &found["errors"][at];
            let (place, message) = (&places(&found["errors"])[at], error["message"].as_str());
            let lines = format!(
                "error: {place}: {}\n    {}\n",
                message.unwrap(),
                error["excerpt"].as_str().unwrap()
            );
            assert!(
                ended.stdout.contains(&lines),
                "no {lines} in {}",
                ended.stdout
            );
        }
        assert!(
            ended.stdout.ends_with("3 handlers, 3 errors, 0 warnings"),
            "{}",
            ended.stdout
        );
    }

    #[test]
    fn old_spellings_are_told_with_the_modern_one() {
        for (text, place, excerpt, words) in [
            (
                "var a = [];\nfor each (var x in a) { }\n",
                "10-a.request.js:2:1",
                "for each (var x in a) { }",
                &["for each", "for (const x of"][..],
            ),
            (
                "\nif (req.path == “/a”) return;\n",
                "10-a.request.js:2:17",
                "if (req.path == “/a”) return;",
                &["curly", "straight"],
            ),
            (
                "// A list.\nvar list = new (Java.type('java.util.ArrayList'))();\n",
                "10-a.request.js:2:17",
                "var list = new (Java.type('java.util.ArrayList'))();",
                &["`Java`", "`[]`"],
            ),
        ] {
            let (found, error) = error(&[("10-a.request.js", text)]);

            assert_eq!(found, place);
            assert_eq!(error["excerpt"], excerpt);
            assert_says(&error, words);
        }
    }

    #[test]
    fn a_name_of_java_that_the_handler_declares_itself_is_its_own() {
        let (report, code) = report(&[("10-a.request.js", "var Java = 1;\nreturn Java;\n")]);

        assert_eq!(code, Some(0), "{report}");
    }

    #[test]
    fn json_declared_anew_is_told_with_the_way_out() {
        for word in ["let json = 1;", "const json = 1;", "class json {}"] {
            let (place, found) = error(&[("10-a.request.js", word)]);

            assert!(place.starts_with("10-a.request.js:1:"), "{place}");
            assert_says(&found, &["`json = …`"]);
        }
    }

    #[test]
    fn what_the_files_say_of_themselves_must_agree() {
        for (files, place, words) in [
            (&[("10-a.js", "")][..], "10-a.js:1:1", &["10-a"][..]),
            (
                &[("request/10-a.response.js", "")],
                "request/10-a.response.js:1:1",
                &["request", "response"],
            ),
            (
                &[("10-a.request.js", ""), ("request/10-a.js", "")],
                "request/10-a.js:1:1",
                &["10-a.request.js"],
            ),
            (
                &[
                    ("10-a.request.js", "// @timeout 20ms\n"),
                    ("10-a.json", r#"{"timeout": "30ms"}"#),
                ],
                "10-a.request.js:1:4",
                &["@timeout", "10-a.json"],
            ),
            (
                &[
                    ("10-a.request.js", ""),
                    ("10-a.json", "{}"),
                    ("10-a.request.json", "{}"),
                ],
                "10-a.request.js:1:1",
                &["10-a.json", "10-a.request.json"],
            ),
            (
                &[("10-a.request.js", "//\n// @timeout soon\n")],
                "10-a.request.js:2:4",
                &["@timeout", "20ms"],
            ),
            (
                &[("10-a.request.js", "const x = require('./lib/x');\n")],
                "10-a.request.js:1:19",
                &["./lib/x"],
            ),
            (
                &[("10-a.request.js", ""), ("lib/rates.json", "{\"a\": 1,\n}")],
                "lib/rates.json:2:1",
                &[],
            ),
        ] {
            let (found, error) = error(files);

            assert_eq!(found, place, "{error}");
            assert_says(&error, words);
        }
    }
}

mod warnings {
    use super::*;

    #[test]
    fn a_body_taken_for_what_it_is_not() {
        let (place, found) = warning(&[("10-a.request.js", "// @match /a\n  json.name = 1;\n")]);
        assert_eq!(place, "10-a.request.js:2:3");
        assert_eq!(found["excerpt"], "  json.name = 1;");
        assert_says(&found, &["text", "JSON.parse(json)"]);

        let (place, found) = warning(&[(
            "10-a.response.js",
            "// @match /a\nvar data = JSON.parse(json);\n",
        )]);
        assert_eq!(place, "10-a.response.js:2:12");
        assert_says(&found, &["parsed"]);
    }

    #[test]
    fn a_handler_that_reads_every_body() {
        for name in ["10-a.request.js", "10-a.response.js", "10-a.error.js"] {
            let (place, found) =
                warning(&[(name, "// Writes the body to the log.\nlog.info(json);\n")]);
            assert_eq!(place, format!("{name}:1:1"));
            assert_says(&found, &["@match", "body"]);
        }
        for text in [
            "// @match /a\nlog.info(json);\n",
            "// @event shop.orders.get\nlog.info(json);\n",
            "log.info(req.path);\n",
        ] {
            let (report, code) = report(&[("10-a.response.js", text)]);
            let reads = |warning: &Value| {
                let message = warning["message"].as_str().expect("it has a message");
                message.contains("reads the body")
            };
            let warnings = report["warnings"].as_array().expect("a list");
            assert!(code == Some(0) && !warnings.iter().any(reads), "{report}");
        }
    }

    #[test]
    fn a_handler_that_can_match_no_event() {
        let files: &Files = &[("crm.orders.get.request.js", ""), ("check.toml", "")];
        let (place, found) = warning(files);
        assert_eq!(place, "crm.orders.get.request.js:1:1");
        assert_says(&found, &["`crm`", "never runs"]);

        // The configuration knows the service.
        let scripts = ScriptDir::with(files);
        scripts.write(
            "check.toml",
            "[[service]]\nname = \"crm\"\nprefix = \"/\"\n",
        );
        let config = scripts.path().join("check.toml");
        let ended = check(&scripts, &["--config", config.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.stdout.ends_with("1 handlers, 0 errors, 0 warnings"),
            "{}",
            ended.stdout
        );
        assert!(
            ended.stdout.contains("@event crm.orders.get"),
            "{}",
            ended.stdout
        );
    }

    #[test]
    fn a_handler_whose_own_words_no_request_fits() {
        let scripts = ScriptDir::with(&[
            (
                "crm.orders.get.request.js",
                "// @match GET /crm/customers/**\n",
            ),
            ("crm.orders.{id}.get.request.js", "// @match GET /crm/**\n"),
            ("10-cors.options.js", "// @match GET /crm/**\n"),
            (
                "check.toml",
                "[[service]]\nname = \"crm\"\nprefix = \"/crm\"\n",
            ),
        ]);
        let config = scripts.path().join("check.toml");

        let ended = check(&scripts, &["--config", config.to_str().unwrap()]);

        assert_eq!(ended.code, Some(0), "a warning is no error");
        for said in [
            "10-cors.options.js:1:1: never runs: a preflight is OPTIONS",
            "crm.orders.get.request.js:1:1: never runs: no request fits both",
            "3 handlers, 0 errors, 2 warnings",
        ] {
            assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
        }
    }

    #[test]
    fn numbers_of_mixed_width() {
        let (_, found) = warning(&[("9-x.request.js", ""), ("10-x.request.js", "")]);

        assert_says(&found, &["`10-x` runs before `9-x`"]);
    }

    #[test]
    fn a_word_that_is_one_slip_away_from_a_directive() {
        let (place, found) = warning(&[("10-a.request.js", "// @mach /orders\n// @param x\n")]);

        assert_eq!(place, "10-a.request.js:1:4");
        assert_says(&found, &["@mach", "@match"]);
    }

    #[test]
    fn a_name_that_is_assigned_and_never_declared() {
        let (place, found) = warning(&[(
            "10-a.request.js",
            "var total;\nfor (i = 0; i < 3; i++) total = i;\n",
        )]);

        assert_eq!(place, "10-a.request.js:2:6");
        assert_says(&found, &["`i`"]);
    }
}

#[test]
fn a_directory_that_cannot_be_read_exits_with_2() {
    let scripts = ScriptDir::with(&[("a-file", "")]);
    for name in ["missing", "a-file"] {
        let directory = scripts.path().join(name);
        let directory = directory.to_str().unwrap();

        for format in ["text", "json"] {
            let ended = run_to_end(&["check", "--scripts", directory, "--format", format]);

            assert_eq!(ended.code, Some(2), "{name}: {}", ended.said);
            if format == "text" {
                assert_eq!(ended.stdout, "");
                assert!(ended.stderr.contains(directory), "{}", ended.stderr);
                assert!(!ended.said.contains(":1:1"), "{}", ended.said);
                assert!(ended.said.contains("scripts.directory"), "{}", ended.said);
            } else {
                let report: Value = serde_json::from_str(&ended.stdout).unwrap();
                assert_eq!(report["errors"][0]["file"], directory, "{report}");
                assert_eq!(report["errors"][0]["line"], 0, "{report}");
            }
        }
    }
}

#[test]
fn every_end_has_one_json_object_of_the_same_form_and_its_exit_code() {
    let files = ScriptDir::with(&[
        ("good/10-a.request.js", ""),
        ("broken/10-a.request.js", "throw ("),
        ("nested/10-a.request.js", "x = [[["),
        ("none.txt", ""),
        ("unknown.toml", "[limits]\nhandler_tme = \"1s\"\n"),
        ("syntax.toml", "[limits\n"),
    ]);
    let large = "x".repeat(2 * 1024 * 1024);
    files.write("large/10-a.request.js", &large);
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    for (args, code) in [
        (vec!["--scripts".to_owned(), at("good")], 0),
        (vec!["--scripts".to_owned(), at("broken")], 1),
        (vec!["--scripts".to_owned(), at("nested")], 1),
        (vec!["--scripts".to_owned(), at("large")], 1),
        (vec!["--scripts".to_owned(), at("missing")], 2),
        (vec!["--scripts".to_owned(), at("none.txt")], 2),
        (
            vec![
                "--config".to_owned(),
                at("unknown.toml"),
                "--scripts".to_owned(),
                at("good"),
            ],
            64,
        ),
        (
            vec![
                "--config".to_owned(),
                at("syntax.toml"),
                "--scripts".to_owned(),
                at("good"),
            ],
            64,
        ),
        (
            vec![
                "--config".to_owned(),
                at("missing.toml"),
                "--scripts".to_owned(),
                at("good"),
            ],
            64,
        ),
        (vec![], 64),
    ] {
        let mut words = vec!["check".to_owned(), "--format".to_owned(), "json".to_owned()];
        words.extend(args.iter().cloned());

        let ended = run_to_end(&words);

        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.said);
        assert_eq!(ended.stderr, "", "{args:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["ok"], code == 0, "{args:?}: {report}");
        for list in ["handlers", "errors", "warnings"] {
            assert!(report[list].is_array(), "{args:?}: {report}");
        }
        assert!(report["order"].is_object(), "{args:?}: {report}");
        assert_eq!(
            report["errors"] == json!([]),
            code == 0,
            "{args:?}: {report}"
        );
        for error in report["errors"].as_array().unwrap() {
            assert_ne!(error["file"], "", "{args:?}: {report}");
            assert_ne!(error["message"], "", "{args:?}: {report}");
        }
    }
}

#[test]
fn the_directory_may_stand_in_the_configuration_relative_to_its_file() {
    let root = ScriptDir::with(&[
        (
            "config/check.toml",
            "[scripts]\ndirectory = \"../handlers\"\n",
        ),
        ("handlers/10-a.request.js", ""),
    ]);
    let config = root.path().join("config/check.toml");

    let ended = run_to_end(&[
        "check",
        "--config",
        config.to_str().unwrap(),
        "--format",
        "json",
    ]);

    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["order"]["request"], json!(["10-a"]));
}
