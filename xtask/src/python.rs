//! The Python package, built as a wheel and installed into a virtual environment of our own: tests and examples use
//! what a user would install, never the source folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    Failure, Outcome,
    need::{self, Tool},
    project, run,
    run::say,
};

/// The folder of the package, from the root.
pub(crate) const FOLDER: &str = "bindings/python";

/// The environment's interpreter, with the package as it is now and everything that its tests need.
pub(crate) fn installed() -> Outcome<&'static Path> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| install().map_err(|failure| failure.to_string()));
    installed.as_deref().map_err(|message| Failure::Failed(message.clone()))
}

/// The wheel as it is now.
pub(crate) fn wheel() -> Outcome<PathBuf> {
    installed()?;
    only_wheel(&project::work("wheels"))
}

/// A program of the environment, such as `pyright`, to be run in the package's folder.
pub(crate) fn program(name: &str) -> Outcome<Command> {
    let python = installed()?;
    let mut command = run::command(python.with_file_name(name));
    command.current_dir(project::root().join(FOLDER));
    Ok(command)
}

fn install() -> Outcome<PathBuf> {
    let python = environment()?;
    let stamp = project::work("venv").join("installed");
    let root = project::root();
    let sources =
        [FOLDER, "core/src", "core/Cargo.toml", "platform/src", "platform/Cargo.toml", "Cargo.toml", "Cargo.lock"];
    project::unless_built(&stamp, &sources.map(|source| root.join(source)), || {
        let wheels = project::fresh("wheels")?;
        run::output(maturin(&python, "build")?.args(["--release", "--locked", "--quiet", "--out"]).arg(&wheels))?;
        let wheel = only_wheel(&wheels)?;
        run::output(pip(&python).args(["install", "--quiet", "--force-reinstall", "--no-deps"]).arg(wheel)).map(drop)
    })?;
    Ok(python)
}

/// The interpreter of `target/xtask/venv`, which has what the tests of the package need.
pub(crate) fn environment() -> Outcome<PathBuf> {
    environment_with("venv", &requirements())
}

/// What the tests of the package need.
pub(crate) fn requirements() -> PathBuf {
    project::root().join(FOLDER).join("requirements-test.txt")
}

/// The interpreter of `target/xtask/NAME`, made anew when the requirements have changed.
pub(crate) fn environment_with(name: &str, requirements: &Path) -> Outcome<PathBuf> {
    need::all(&[Tool::PythonVenv])?;
    let folder = project::work(name);
    let python = folder.join("bin/python");
    let wanted = fs::read(requirements)?;
    let stamp = folder.join("requirements.txt");
    if fs::read(&stamp).is_ok_and(|there| there == wanted) && python.exists() {
        return Ok(python);
    }
    say(&format!("making a virtual environment in {} (a minute the first time)", folder.display()));
    run::output(run::command("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run::output(pip(&python).args(["install", "--quiet", "--requirement"]).arg(requirements))?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

/// maturin of the environment, on the package.
pub(crate) fn maturin(python: &Path, verb: &str) -> Outcome<Command> {
    let mut command = run::command(python.with_file_name("maturin"));
    command.arg(verb).arg("--manifest-path").arg(project::root().join(FOLDER).join("Cargo.toml"));
    command.env("CARGO_TARGET_DIR", project::target());
    Ok(command)
}

/// pip of an environment.
pub(crate) fn pip(python: &Path) -> Command {
    let mut command = run::command(python);
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
    command
}

/// The one wheel in a folder.
pub(crate) fn only_wheel(folder: &Path) -> Outcome<PathBuf> {
    match project::files(folder, "whl").as_slice() {
        [wheel] => Ok(wheel.clone()),
        found => Err(format!("{} wheels in {}", found.len(), folder.display()).into()),
    }
}
