//! Namespaces of a sidecar's own, in which a test may take away what the machine has.

use std::path::Path;
use std::process::{Command, Stdio};

/// The command that runs a sidecar in user and mount namespaces of its own, where `setup`, lines
/// of shell, is done first. `None`, and said so, where the system gives nobody any: there the
/// test has nothing to show.
pub(crate) fn own_namespaces(setup: &str) -> Option<Vec<String>> {
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    let mut probe = Command::new(unshare[0]);
    probe.args(&unshare[1..]).arg("true").stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        println!("not shown here: no user namespaces");
        return None;
    }
    let script = format!("{setup}\nexec \"$0\" \"$@\"");
    let words = unshare.into_iter().chain(["sh", "-ec", &script]);
    Some(words.map(str::to_owned).collect())
}

/// Writes to a file as the process `id` sees it from within its namespaces.
#[track_caller]
pub(crate) fn write_within(id: u32, path: &Path, text: &str) {
    let path = path.display();
    let status = Command::new("nsenter")
        .args(["--preserve-credentials", "--user", "--target"])
        .arg(id.to_string())
        .args(["sh", "-c", &format!("printf %s '{text}' > '{path}'")])
        .status();
    assert!(status.unwrap().success(), "{path}");
}
