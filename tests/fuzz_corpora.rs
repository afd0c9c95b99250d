//! The inputs that fuzzing has found worth keeping, on every test run.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "../fuzz/src/targets.rs"]
#[expect(unreachable_pub, reason = "public for the package that fuzzes them")]
mod targets;

#[test]
fn what_has_to_hold_holds_for_every_kept_input() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, target) in targets::ALL {
        let folder = seeds.join(name);
        let inputs = fs::read_dir(&folder).expect("every target has seeds");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a directory entry can be read").path();
            let data = fs::read(&path).expect("a seed can be read");
            assert!(catch_unwind(|| target(&data)).is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}
