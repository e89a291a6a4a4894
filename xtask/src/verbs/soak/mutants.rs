//! Mutation testing of the code that decides: each changed line must make a test fail.
//!
//! What may survive stands in `.cargo/mutants.toml`, each with its reason.

use std::{fs, path::Path};

use crate::{
    Failure, Outcome, need, project,
    run::{self, say},
};

/// The modules that parse, verify, revoke, and judge levels and routes.
const FILES: &[&str] = &[
    "core/src/keys/credential.rs",
    "core/src/keys/levels.rs",
    "core/src/keys/phc.rs",
    "core/src/keys/authenticate.rs",
    "core/src/routes/**",
    "core/src/license/armour.rs",
    "core/src/license/envelope.rs",
    "core/src/license/keys.rs",
    "core/src/license/open.rs",
    "core/src/license/payload.rs",
    "core/src/license/checks.rs",
    "core/src/store/sqlite/freshness.rs",
    "core/src/store/sqlite/changes.rs",
    "core/src/store/sqlite/write.rs",
    "platform/src/page/protocol.rs",
];

/// One slice: goes on with the mutants that no earlier slice has seen caught.
pub(super) fn run(minutes: &str, afresh: bool) -> Outcome {
    if !need::has_nextest() {
        return Err(Failure::Failed("cargo-nextest is missing: cargo xtask tools".to_owned()));
    }
    let program = need::cargo_mutants()?;
    let folder = project::work("mutants");
    let tree = checkout(&folder)?;
    if afresh {
        let _ = fs::remove_dir_all(folder.join("mutants.out"));
    }
    let mut command = run::command("timeout");
    command.arg("--signal=INT").arg("--kill-after=60").arg(format!("{minutes}m"));
    command.arg(program).args(["mutants", "--in-place", "--iterate", "--no-shuffle", "--test-tool=nextest"]);
    command.args(["--baseline=skip", "--timeout=180", "--build-timeout=600"]);
    command.args(["--test-package=inspire-auth-core,inspire-auth-platform", "--colors=never"]);
    command.arg("--output").arg(&folder);
    for file in FILES {
        command.args(["--file", file]);
    }
    // A target folder that outlives the slices: only the mutated crate is compiled again.
    command.current_dir(&tree).env("CARGO_TARGET_DIR", folder.join("target")).env_remove("CARGO");
    say(&format!("mutating for {minutes} minutes, in a copy of the last commit"));
    let status = command.status().map_err(|error| format!("timeout: {error}"))?;
    // 124: the slice is over. 2 and 3: some were missed, or hung. Anything else is no result.
    if !matches!(status.code(), Some(0 | 2 | 3 | 124)) {
        return Err(format!("cargo-mutants ended with {status}; see {}", folder.join("mutants.out").display()).into());
    }
    tell(&folder.join("mutants.out"), status.code() != Some(124))
}

/// A clone of the last commit, with what its tests read beside it.
fn checkout(folder: &Path) -> Outcome<std::path::PathBuf> {
    let tree = folder.join("tree");
    if !tree.join(".git").exists() {
        fs::create_dir_all(folder)?;
        run::output(run::command("git").args(["clone", "--quiet", "--shared"]).arg(project::root()).arg(&tree))?;
    }
    let commit = run::output(run::command("git").args(["rev-parse", "HEAD"]))?;
    let git = || {
        let mut git = run::command("git");
        git.arg("-C").arg(&tree);
        git
    };
    run::output(git().args(["fetch", "--quiet", "origin", commit.trim()]))?;
    run::output(git().args(["checkout", "--quiet", "--force", "--detach", commit.trim()]))?;
    let beside = project::root().with_file_name("shared");
    let link = folder.join("shared");
    if beside.exists() && !link.exists() {
        std::os::unix::fs::symlink(fs::canonicalize(beside)?, link)?;
    }
    Ok(tree)
}

/// Says what the slices have come to.
fn tell(out: &Path, whole: bool) -> Outcome {
    let lines = |name: &str| fs::read_to_string(out.join(name)).unwrap_or_default();
    let count = |name: &str| lines(name).lines().count();
    let (missed, hung) = (lines("missed.txt"), lines("timeout.txt"));
    say(&format!(
        "caught {}, did not compile {}, survived {}, hung {}; {}",
        count("caught.txt") + count("previously_caught.txt"),
        count("unviable.txt"),
        count("missed.txt"),
        count("timeout.txt"),
        if whole { "every mutant was tried" } else { "the slice is over; the same command goes on" },
    ));
    if missed.is_empty() && hung.is_empty() {
        return Ok(());
    }
    Err(format!("these survived (a test is missing, or .cargo/mutants.toml a reason):\n{missed}{hung}").into())
}
