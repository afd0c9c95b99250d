//! The handlers of the demo: those of `scripts/`, which are in the program.

use std::fs;
use std::io;
use std::path::Path;

/// One file of the set.
struct Script {
    /// Relative to the set's root.
    path: &'static str,
    text: &'static str,
}

macro_rules! script {
    ($path:literal) => {
        Script {
            path: $path,
            text: include_str!(concat!("../../../scripts/", $path)),
        }
    };
}

const SCRIPTS: [Script; 6] = [
    script!("error/10-friendly.js"),
    script!("lib/money.js"),
    script!("request/10-https-for-secrets.js"),
    script!("request/20-drop-useless.js"),
    script!("response/10-no-metadata.js"),
    script!("response/20-employee-orders.js"),
];

/// Writes the handlers below `directory`.
///
/// # Errors
///
/// A file or a directory can't be written.
pub(super) fn write_scripts(directory: &Path) -> io::Result<()> {
    for Script { path, text } in SCRIPTS {
        let file = directory.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
    }
    Ok(())
}

/// Whether the handlers of the demo are below `directory`, edited or not: other sets are not
/// written for its API.
pub(super) fn has_scripts(directory: &Path) -> bool {
    let mut scripts = SCRIPTS.iter();
    scripts.all(|script| directory.join(script.path).is_file())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The files below a directory with their texts.
    fn files(directory: &Path) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut directories = vec![directory.to_owned()];
        while let Some(one) = directories.pop() {
            for entry in fs::read_dir(one).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let name = path.strip_prefix(directory).unwrap().display().to_string();
                    files.insert(name, fs::read_to_string(path).unwrap());
                }
            }
        }
        files
    }

    #[test]
    fn every_script_of_the_repository_is_in_the_program() {
        let written = tempfile::tempdir().unwrap();
        assert!(!has_scripts(written.path()));

        write_scripts(written.path()).unwrap();

        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        assert_eq!(files(written.path()), files(&repository));
        assert!(has_scripts(written.path()) && has_scripts(&repository));
    }
}
