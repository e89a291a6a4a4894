//! Mutation testing of the code that decides: each changed line must make a test fail.
//!
//! What may survive stands in `.cargo/mutants.toml`, each with its reason.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Failure, Outcome, need, project,
    run::{self, say},
};

/// Files that are changed, and where their own tests are.
struct Area {
    name: &'static str,
    files: &'static [&'static str],
    /// The test programs that hold the tests nearest to it, as arguments of cargo.
    programs: &'static [&'static str],
    /// Those tests, as a filter of nextest.
    tests: &'static str,
}

/// The modules that parse, verify, revoke, and judge levels and routes.
const AREAS: &[Area] = &[
    Area {
        name: "credential",
        files: &["core/src/keys/credential.rs"],
        programs: &["--lib"],
        tests: "test(keys::credential)",
    },
    Area { name: "levels", files: &["core/src/keys/levels.rs"], programs: &["--lib"], tests: "test(keys::levels)" },
    Area { name: "phc", files: &["core/src/keys/phc.rs"], programs: &["--lib"], tests: "test(keys::phc)" },
    Area {
        name: "verify",
        files: &["core/src/keys/authenticate.rs"],
        programs: &["--lib"],
        tests: "test(keys::tests::decision) | test(keys::tests::rotation)",
    },
    Area { name: "routes", files: &["core/src/routes/**"], programs: &["--lib"], tests: "test(routes::)" },
    Area {
        name: "licenses",
        files: &[
            "core/src/license/armour.rs",
            "core/src/license/envelope.rs",
            "core/src/license/keys.rs",
            "core/src/license/open.rs",
            "core/src/license/payload.rs",
            "core/src/license/checks.rs",
        ],
        programs: &["--lib", "--test=license_vectors"],
        tests: "(test(license::) | binary(license_vectors)) - test(flipped)",
    },
    Area {
        name: "revocation",
        files: &[
            "core/src/store/sqlite/freshness.rs",
            "core/src/store/sqlite/changes.rs",
            "core/src/store/sqlite/write.rs",
            "platform/src/page/protocol.rs",
        ],
        programs: &[
            "--lib",
            "--test=store_page",
            "--test=store_history",
            "--test=store_sqlite",
            "--test=store_contract",
        ],
        tests: "(test(store::) | test(page::) | binary(/^store_/)) - test(what_lies_in_the_pages_place)",
    },
];

/// Every test but two that take a minute each, of files and hashes that others made.
const ALL: &str = "not (test(every_flipped_bit) | test(strings_of_others))";

/// One slice: goes on with the mutants that no earlier slice has seen caught.
///
/// All areas are gone through twice: with the tests nearest to each, which take seconds and catch nearly all, and then,
/// for what they let live, with [`ALL`].
pub(super) fn run(minutes: &str, afresh: bool) -> Outcome {
    if !need::has_nextest() {
        return Err(Failure::Failed("cargo-nextest is missing: cargo xtask tools".to_owned()));
    }
    let minutes: u64 = minutes.parse().map_err(|_| Failure::Usage("--minutes takes a number".to_owned()))?;
    let until = Instant::now() + Duration::from_secs(minutes.saturating_mul(60));
    let program = need::cargo_mutants()?;
    let folder = project::work("mutants");
    let tree = checkout(&folder)?;
    say(&format!("mutating for {minutes} minutes, in a copy of the last commit"));
    if afresh {
        for area in AREAS {
            let _ = fs::remove_dir_all(folder.join(area.name));
        }
    }
    let mut whole = true;
    for nearest in [true, false] {
        for area in AREAS {
            whole = whole && go_through(area, nearest, &program, &tree, &folder, until)?;
        }
    }
    tell(&folder, whole)
}

/// Whether every mutant of the area that nobody noticed yet has been tried, by the tests nearest to it or by all.
fn go_through(area: &Area, nearest: bool, program: &Path, tree: &Path, folder: &Path, until: Instant) -> Outcome<bool> {
    let results = folder.join(area.name);
    let gone_through = results.join("gone-through-with-the-nearest-tests");
    fs::create_dir_all(&results)?;
    if nearest && gone_through.exists() {
        return Ok(true);
    }
    let left = until.saturating_duration_since(Instant::now()).as_secs();
    if left == 0 {
        return Ok(false);
    }
    say(&format!("{}: {}", area.name, if nearest { "the tests nearest to it" } else { "every test" }));
    let mut command = run::command("timeout");
    command.arg("--signal=INT").arg("--kill-after=60").arg(format!("{left}s"));
    command.arg(program).args(["mutants", "--in-place", "--iterate", "--no-shuffle", "--test-tool=nextest"]);
    command.args(["--baseline=skip", "--build-timeout=600", "--colors=never"]);
    command.arg(if nearest { "--timeout=30" } else { "--timeout=900" });
    command.args(["--test-package=inspire-auth-core,inspire-auth-platform", "--output"]).arg(&results);
    for file in area.files {
        command.args(["--file", file]);
    }
    // Noticed: a test that never ends is a failure of any run.
    let mut hung = lines_of(&results.join(HUNG));
    command.args(hung.iter().flat_map(|name| ["--exclude-re".to_owned(), format!("^{}$", escaped(name))]));
    if nearest {
        command.args(area.programs.iter().map(|program| format!("--cargo-arg={program}")));
    }
    // Many tests wait for a poll, so more of them than there are processors go at a time.
    command.args(["--", "--test-threads=8", "-E", if nearest { area.tests } else { ALL }]);
    // A target folder that outlives the slices: only the mutated crate is compiled again.
    command.current_dir(tree).env("CARGO_TARGET_DIR", folder.join("target")).env_remove("CARGO");
    command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    let status = command.status().map_err(|error| format!("timeout: {error}"))?;
    hung.extend(lines_of(&results.join("mutants.out/timeout.txt")));
    fs::write(results.join(HUNG), hung.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    match status.code() {
        Some(124) => Ok(false),
        // 2 and 3: some were missed, or hung.
        Some(0 | 2 | 3) => {
            if nearest {
                fs::write(&gone_through, "")?;
            }
            Ok(true)
        }
        _ => Err(format!("cargo-mutants ended with {status}; see {}", results.display()).into()),
    }
}

/// Where the mutants are noted under which a test did not end.
const HUNG: &str = "hung.txt";

fn lines_of(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A text as a regular expression that matches it alone.
fn escaped(text: &str) -> String {
    let special =
        |c: char| !(c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '/' | '<' | '>' | '\'' | ',' | ';' | '='));
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
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
fn tell(folder: &Path, whole: bool) -> Outcome {
    let lines = |name: &str| {
        let files = AREAS.iter().map(|area| folder.join(area.name).join(name));
        files.flat_map(|file| lines_of(&file)).collect::<Vec<String>>()
    };
    let of_slice = |name: &str| lines(&format!("mutants.out/{name}"));
    let (missed, hung) = (of_slice("missed.txt"), lines(HUNG));
    say(&format!(
        "caught {}, did not compile {}, survived {}; under {} no test ended, which a slow machine can do too:\n{}\n{}",
        of_slice("caught.txt").len() + of_slice("previously_caught.txt").len(),
        of_slice("unviable.txt").len(),
        missed.len(),
        hung.len(),
        hung.join("\n"),
        if whole { "every mutant was tried" } else { "the slice is over; the same command goes on" },
    ));
    if missed.is_empty() {
        return Ok(());
    }
    let missed = missed.join("\n");
    Err(format!("these survived so far (a test is missing, or .cargo/mutants.toml a reason):\n{missed}").into())
}
