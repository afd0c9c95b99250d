//! The demo: its API alone, and behind the sidecar with the handlers of `scripts/`.

use std::path::Path;

use super::support::client::{get, request, send_json};
use super::support::demo::Demo;
use super::support::eventually::eventually;
use super::support::legacy::LegacyApi;
use super::support::log::Output;
use super::support::script_dir::ScriptDir;
use super::support::sidecar::Sidecar;

mod alone {
    use super::*;

    #[test]
    fn a_collection_is_filtered_ordered_and_cut() {
        let api = LegacyApi::start();

        let orders = get(
            api.address,
            "/purchaseorders?filter=salesrep_id+%3D+7&order=amount_total%20desc&pagesize=2",
        );

        assert!(
            orders.text().starts_with(
                r#"[{"purchaseorder_id":9007199254740993,"customer_id":9007199254740993,"salesrep_id":7,"amount_total":640.00,"#
            ),
            "{}",
            orders.text()
        );
        assert_eq!(orders.json().as_array().unwrap().len(), 2);
    }

    #[test]
    fn prices_and_large_ids_keep_their_spelling() {
        let api = LegacyApi::start();

        let order = get(api.address, "/purchaseorders/303").text();
        let customer = get(api.address, "/customers/9007199254740993").text();

        assert!(order.contains(r#""amount_total":1.10,"#), "{order}");
        assert!(
            customer.starts_with(r#"{"customer_id":9007199254740993,"#),
            "{customer}"
        );
    }

    #[test]
    fn a_write_is_summarised_and_lasts() {
        let api = LegacyApi::start();
        let change = r#"{"title":"Head of Sales"}"#;

        let written = send_json(api.address, "PUT", "/employees/7", change);

        let summary = written.json();
        assert_eq!(written.status(), 200);
        assert_eq!(summary["txsummary"][0]["title"], "Head of Sales");
        assert_eq!(summary["txsummary"][0]["@metadata"]["verb"], "UPDATE");
        assert_eq!(summary["rulesummary"], serde_json::json!([]));
        let read = get(api.address, "/employees/7").json();
        assert_eq!(read["title"], "Head of Sales");
        assert_eq!(read["name"], "Inês Duarte");
    }

    #[test]
    fn rows_come_and_go() {
        let api = LegacyApi::start();
        let order = r#"{"customer_id":3,"total":1.10}"#;

        let added = send_json(api.address, "POST", "/orders", order);
        let address = added.json()["txsummary"][0]["@metadata"]["href"].clone();
        let address = address.as_str().unwrap();
        let removed = send_json(api.address, "DELETE", address, "");

        assert_eq!(added.status(), 201);
        assert_eq!(
            removed.json()["txsummary"][0]["@metadata"]["verb"],
            "DELETE"
        );
        assert_eq!(get(api.address, address).status(), 404);
    }

    #[test]
    fn many_rows_are_written_together_or_not_at_all() {
        let api = LegacyApi::start();
        let changes = r#"[{"employee_id":7,"title":"On leave"},{"employee_id":99}]"#;

        let refused = send_json(api.address, "PUT", "/employees", changes);

        assert_eq!(refused.status(), 404);
        assert_eq!(get(api.address, "/employees/7").json()["title"], "Sales");
    }

    #[test]
    fn errors_are_json() {
        let api = LegacyApi::start();

        for (method, target, body, status) in [
            ("GET", "/nothing", "", 404),
            ("GET", "/customers/99", "", 404),
            ("GET", "/a/b/c", "", 404),
            ("PATCH", "/customers/1", "{}", 405),
            ("POST", "/customers", "[7]", 400),
            ("POST", "/customers", r#"{"customer_id":1}"#, 409),
            ("PUT", "/customers", "{}", 400),
            ("GET", "/customers?pagesize=few", "", 400),
            ("GET", "/customers?filter=all", "", 400),
        ] {
            let answer = send_json(api.address, method, target, body);

            assert_eq!(answer.status(), status, "{method} {target}");
            assert_eq!(answer.json()["statusCode"], status, "{method} {target}");
            assert!(
                answer.json()["errorMessage"].is_string(),
                "{method} {target}"
            );
        }
    }
}

mod behind_the_sidecar {
    use super::*;

    fn demo() -> (LegacyApi, Sidecar) {
        let api = LegacyApi::start();
        let sidecar = Sidecar::before(api.url())
            .scripts(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"))
            .config("trusted_proxies = [\"127.0.0.1/32\"]\n")
            .start();
        (api, sidecar)
    }

    #[test]
    fn metadata_is_left_out_and_the_rest_stays_as_it_was() {
        let (_api, sidecar) = demo();

        let order = sidecar.get("/purchaseorders/303").text();

        assert_eq!(
            order,
            r#"{"purchaseorder_id":303,"customer_id":2,"salesrep_id":8,"amount_total":1.10,"paid":true,"TheVerb":"GET"}"#
        );
    }

    #[test]
    fn employees_come_with_what_they_sold() {
        let (_api, sidecar) = demo();

        let employees = sidecar.get("/employees").json();

        let sold: Vec<_> = (employees.as_array().unwrap().iter())
            .map(|employee| employee["sold"].as_str().unwrap())
            .collect();
        assert_eq!(sold, ["0.00", "855.60", "1.10"]);
        assert_eq!(employees[1]["largestOrders"][0]["amount_total"], 640.0);
    }

    #[test]
    fn secrets_are_for_https_only() {
        let (_api, sidecar) = demo();
        let over_https =
            b"GET /SecretData HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n\r\n";

        let refused = sidecar.exchange(&request("GET", "/SecretData", ""));
        let given = sidecar.exchange(over_https);

        assert_eq!(refused.status(), 400);
        assert_eq!(
            refused.json()["errorMessage"],
            "Secrets are handed out over HTTPS only"
        );
        assert_eq!(given.status(), 200);
        sidecar.logs(|line| line.contains("secrets were asked for over plain HTTP by 127.0.0.1"));
    }

    #[test]
    fn what_the_shop_adds_never_reaches_the_api() {
        let (api, sidecar) = demo();
        let order = r#"{"order_id":2001,"total":1.10,"shopState":"cart 17"}"#;

        let added = sidecar.send_json("POST", "/orders", order);

        assert_eq!(added.status(), 201);
        let stored = get(api.address, "/orders/2001").text();
        assert!(
            stored.starts_with(r#"{"order_id":2001,"total":1.10,"@metadata""#),
            "{stored}"
        );
    }

    #[test]
    fn an_error_tells_what_to_do_next() {
        let (_api, sidecar) = demo();

        let missing = sidecar.get("/customers/99");

        assert_eq!(missing.status(), 404);
        assert_eq!(
            missing.json()["errorMessage"],
            r#"there is no row with the key "99""#
        );
        assert!(
            missing.json()["hint"]
                .as_str()
                .unwrap()
                .contains("GET the path")
        );
    }
}

mod the_verb {
    use super::*;

    #[test]
    fn works_anywhere_with_the_handlers_that_are_in_the_program() {
        let empty = tempfile::tempdir().unwrap();
        let mut demo = Demo::start_in(empty.path(), &[]);
        let proxy = demo.proxy.strip_prefix("http://").unwrap().parse().unwrap();

        assert!(
            !demo.scripts.starts_with(env!("CARGO_MANIFEST_DIR")),
            "{:?}",
            demo.scripts
        );
        let order = get(proxy, "/purchaseorders/303").text();
        assert!(!order.contains("@metadata"), "{order}");
        std::fs::write(
            demo.scripts.join("response/30-mark.js"),
            "res.headers['X-Mark'] = 'a';\n",
        )
        .unwrap();
        eventually("the edited set", || {
            get(proxy, "/customers/1")
                .head
                .value("X-Mark")
                .map(str::to_owned)
        });

        let said = demo.log().lines().join("\n");
        assert!(said.contains("is removed then"), "{said}");
        let scripts = demo.scripts.clone();
        assert!(scripts.is_dir());
        demo.interrupt();
        assert!(!scripts.exists(), "{scripts:?}");
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    }

    #[test]
    fn takes_no_other_directory_for_its_own() {
        let other = ScriptDir::with(&[("scripts/request/10-other.js", "throw 'no';\n")]);

        let demo = Demo::start_in(other.path(), &[]);

        assert_ne!(demo.scripts, other.path().join("scripts"));
    }

    #[test]
    fn begins_without_a_warning_on_a_usual_machine() {
        for limit in ["1024", "4096", "16384"] {
            let limit = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
            let empty = tempfile::tempdir().unwrap();

            let mut demo = Demo::start_in(empty.path(), &["sh", "-c", &limit]);
            demo.interrupt();

            for line in demo.log().lines_of(Output::Stderr) {
                assert!(line.contains("level=INFO"), "{line}");
            }
        }
    }
}
