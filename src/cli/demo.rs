//! `interpose demo`: a small legacy API, the proxy before it, and what to try.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::app;
use crate::config::{self, Inputs, flag};

/// The handlers that come with the repository.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

/// Where the demo listens unless the port is taken.
const PREFERRED: &str = "127.0.0.1:8080";

/// Runs the verb until the process is asked to end.
pub fn demo() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("interpose: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Box<dyn std::error::Error>> {
    let scripts = scripts()
        .ok_or("there is no directory scripts/ here; start the demo from the repository")?;
    let legacy = std::net::TcpListener::bind("127.0.0.1:0")?;
    let inputs = Inputs {
        flags: vec![
            (flag::LISTEN, free(PREFERRED)),
            (flag::UPSTREAM, format!("http://{}", legacy.local_addr()?)),
            (flag::SCRIPTS, scripts.display().to_string()),
            (flag::STATUS, free("127.0.0.1:9464")),
            (flag::ADMIN, free("127.0.0.1:9465")),
            (flag::ACCESS_LOG, "off".to_owned()),
        ],
        file: None,
        file_text: None,
        variables: Vec::new(),
    };
    let (serving, mut config) = config::for_run(&inputs)?;
    // So that the HTTPS that a proxy before us would report can be tried with curl.
    config.trusted_proxies = vec!["127.0.0.1/32".parse()?];
    app::run_demo(serving, config, legacy, |bound| {
        print!("{}", table(&scripts, bound));
    })?;
    Ok(())
}

/// The repository's handlers, from its root or from where it was built.
fn scripts() -> Option<PathBuf> {
    ["scripts", SCRIPTS]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.join("request").is_dir())
}

/// The address, or any free one where somebody else has it.
fn free(address: &str) -> String {
    match std::net::TcpListener::bind(address) {
        Ok(_) => address.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

fn table(scripts: &Path, bound: &app::Bound) -> String {
    let app::Bound {
        proxy,
        status,
        admin,
        upstream,
    } = bound;
    let shown = |address: Option<std::net::SocketAddr>| {
        address.map_or_else(|| "off".to_owned(), |address| format!("http://{address}"))
    };
    format!(
        "
  the API with its handlers   http://{proxy}
  the legacy API itself       {upstream}
  handlers                    {scripts}
  status                      {status}/readyz
  admin                       {admin}/generations

Try:

  curl -i http://{proxy}/employees
  curl -i {upstream}/employees
  curl -i http://{proxy}/purchaseorders/303
  curl -i http://{proxy}/SecretData
  curl -i http://{proxy}/SecretData -H 'X-Forwarded-Proto: https'
  curl -i http://{proxy}/orders -H 'Content-Type: application/json' -d '{{\"customer_id\":1,\"total\":1.10,\"shopState\":1}}'
  curl -i http://{proxy}/customers/99

Now edit a file in {scripts} and ask again: the change is live within a second.
End with Ctrl-C.

",
        scripts = scripts.display(),
        status = shown(*status),
        admin = shown(*admin),
    )
}
