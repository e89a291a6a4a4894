//! Virtual environments: one with the tools that make packages, and a new one for each package that is tested.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::{archive, elf};
use crate::{
    Outcome, cli, project, python, run,
    stages::{Report, bindings},
};

/// What the package has under other names; each of them is asked for, so that its name is known to be right.
const EXTRAS: &str = "[starlette,fastapi,django,flask,openfeature]";

/// What all that is built with zig has to run on: glibc 2.17, of 2012.
pub(super) const GLIBC: &str = "2.17";

/// One of the programs that packages are made with; it finds the others.
pub(super) fn tool(name: &str) -> Outcome<Command> {
    let python = tools()?;
    let ours = python.parent().map(Path::to_path_buf);
    let theirs = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(ours.into_iter().chain(env::split_paths(&theirs))).map_err(|error| error.to_string())?;
    let mut command = run::command(python.with_file_name(name));
    command.env("PATH", path);
    Ok(command)
}

/// The interpreter that has maturin, zig and auditwheel.
pub(super) fn tools() -> Outcome<PathBuf> {
    python::environment_with("venv-package", &project::root().join("xtask/src/verbs/package/requirements.txt"))
}

/// Installs a package into a new environment and runs its tests there, from a folder that has nothing but them.
pub(super) fn test(who: &str, package: &Path, environment: &[(&str, &Path)], report: &mut Report) -> Outcome {
    let folder = project::fresh(&format!("package/{who}-venv"))?;
    run::output(run::command("python3").args(["-m", "venv"]).arg(&folder))?;
    let python = folder.join("bin/python");
    run::output(python::pip(&python).args(["install", "--quiet", "--requirement"]).arg(python::requirements()))?;
    let mut install = python::pip(&python);
    install.args(["install", "--quiet"]).arg(format!("{}{EXTRAS}", package.display()));
    install.envs(environment.iter().copied());
    if report.count(&format!("{who}: pip installs it"), run::output(&mut install)).is_none() {
        return Ok(());
    }
    let root = project::fresh(&format!("package/{who}-tests"))?;
    archive::copy(
        &["bindings/python/tests", "bindings/python/pyproject.toml", "bindings/python/README.md", "examples/python"],
        &root,
    )?;
    let tests = root.join(python::FOLDER);
    let where_from = "import inspire_auth, inspire_auth._inspire_auth as native; print(inspire_auth.__file__, native.__file__, sep='\\n')";
    let imported = run::output(within(&python, &tests).args(["-c", where_from]))?;
    let foreign = imported.lines().find(|file| !Path::new(file).starts_with(folder.join("lib")));
    let at_home = foreign.map_or(Ok(()), |file| Err(format!("it was imported from {file}").into()));
    report.count(&format!("{who}: what is imported is what was installed"), at_home);
    let library = Path::new(imported.lines().next_back().unwrap_or_default());
    report.count(&format!("{who}: its SQLite is built as ours"), elf::sqlite_is_ours(library));
    let mut pytest = within(&python, &tests);
    pytest.args(["-m", "pytest", "tests", "-q", "-rs", "-p", "no:cacheprovider"]);
    bindings::pytest(report, cli::told(&mut pytest)?)
}

/// The interpreter, in a folder, with nothing from outside.
fn within(python: &Path, folder: &Path) -> Command {
    let mut command = run::command(python);
    command.current_dir(folder).env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
