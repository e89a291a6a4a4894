//! The Node package, built in its own folder, where its tests and the examples find it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    Failure, Outcome, cli,
    need::{self, Tool},
    project, run,
    run::say,
};

/// The folder of the package, from the root.
pub(crate) const FOLDER: &str = "bindings/node";

/// Installs what the package's lock file names, builds the addon as it is now, and returns the package's folder.
pub(crate) fn built() -> Outcome<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|failure| failure.to_string())).clone().map_err(Failure::Failed)
}

fn build() -> Outcome<PathBuf> {
    need::all(&[Tool::Node])?;
    let root = project::root();
    let folder = root.join(FOLDER);
    install(&folder)?;
    let built = project::work("node").join("built");
    let sources = [
        "bindings/node/src",
        "bindings/node/build.rs",
        "bindings/node/Cargo.toml",
        "bindings/node/package.json",
        "core/src",
        "core/Cargo.toml",
        "platform/src",
        "platform/Cargo.toml",
        "Cargo.toml",
        "Cargo.lock",
    ];
    if project::files(&folder, "node").is_empty() && built.exists() {
        std::fs::remove_file(&built)?; // somebody took away what was built
    }
    project::unless_built(&built, &sources.map(|source| root.join(source)), || {
        run::output(npm(&folder).args(["run", "--silent", "build"]).env("CARGO_TARGET_DIR", project::target()))
            .map(drop)
    })?;
    Ok(folder)
}

/// Installs what a folder's lock file names (`npm ci`), or without one its `package.json` (`npm install`); unless that is
/// done.
pub(crate) fn install(folder: &Path) -> Outcome {
    need::all(&[Tool::Node])?;
    let lock = folder.join("package-lock.json");
    let (verb, list) = if lock.exists() { ("ci", lock) } else { ("install", folder.join("package.json")) };
    if project::is_newer(&folder.join("node_modules/.package-lock.json"), &[list]) {
        return Ok(());
    }
    say(&format!("npm {verb} in {}", folder.strip_prefix(project::root()).unwrap_or(folder).display()));
    run::output(npm(folder).args([verb, "--no-audit", "--no-fund", "--loglevel", "error"])).map(drop)
}

/// The tests of a folder as its `test` script runs them, but with a report that can be counted, and not for ever.
pub(crate) fn tests(folder: &Path) -> Outcome<Command> {
    let package = std::fs::read_to_string(folder.join("package.json"))?;
    let package: serde_json::Value =
        serde_json::from_str(&package).map_err(|error| format!("package.json: {error}"))?;
    let script = package["scripts"]["test"].as_str().and_then(|script| script.strip_prefix("node --test "));
    let files = script.ok_or("the `test` script is not `node --test` and files")?;
    let mut command = run::command("sh");
    command.args(["-c", &format!("exec node --test --test-reporter=tap --test-timeout=600000 {files}")]);
    // Those of online licensing have it serve.
    command.env("INSPIRE_AUTH_CLI", cli::built()?);
    command.current_dir(folder);
    Ok(command)
}

/// npm in a folder.
pub(crate) fn npm(folder: &Path) -> Command {
    let mut command = run::command("npm");
    command.current_dir(folder);
    command
}
