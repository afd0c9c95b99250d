//! `interpose demo`: a small legacy API, the proxy before it, and what to try.

mod scripts;

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;

use crate::app;
use crate::config::{self, Inputs, flag};

/// The handlers where the demo is started in the repository.
const SCRIPTS: &str = "scripts";

/// As many clients as the usual limit of 1,024 open files is enough for.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

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
    let handlers = DemoScripts::find()?;
    let legacy = std::net::TcpListener::bind("127.0.0.1:0")?;
    let inputs = Inputs {
        flags: vec![
            (flag::LISTEN, free(PREFERRED)),
            (flag::UPSTREAM, format!("http://{}", legacy.local_addr()?)),
            (flag::SCRIPTS, handlers.path().display().to_string()),
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
    config.limits.max_connections = CLIENTS;
    // What is printed can be tried at once.
    config.require_handlers = true;
    app::run_demo(serving, config, legacy, |bound| {
        print!("{}", table(&handlers, bound));
    })?;
    Ok(())
}

/// Where the handlers of the demo are.
enum DemoScripts {
    /// In the repository that the demo is started in.
    OfRepository(&'static Path),
    /// In a directory of their own, which is gone with the demo.
    Written(TempDir),
}

impl DemoScripts {
    fn find() -> io::Result<Self> {
        let here = Path::new(SCRIPTS);
        if scripts::has_scripts(here) {
            return Ok(Self::OfRepository(here));
        }
        let directory = tempfile::Builder::new()
            .prefix("interpose-demo-")
            .tempdir()?;
        scripts::write_scripts(directory.path())?;
        Ok(Self::Written(directory))
    }

    fn path(&self) -> &Path {
        match self {
            Self::OfRepository(path) => path,
            Self::Written(directory) => directory.path(),
        }
    }

    /// What becomes of them in the end, where that is not as expected.
    fn end(&self) -> &'static str {
        match self {
            Self::OfRepository(_) => "",
            Self::Written(_) => " The directory is removed then: copy what you want to keep.",
        }
    }
}

/// The address, or any free one where somebody else has it.
fn free(address: &str) -> String {
    match std::net::TcpListener::bind(address) {
        Ok(_) => address.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

fn table(scripts: &DemoScripts, bound: &app::Bound) -> String {
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
End with Ctrl-C.{end}

",
        scripts = scripts.path().display(),
        end = scripts.end(),
        status = shown(*status),
        admin = shown(*admin),
    )
}
