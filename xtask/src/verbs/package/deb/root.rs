//! An empty root to install into.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Outcome, project, run};

/// A folder that stands for `/`, with dpkg's records.
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new() -> Outcome<Self> {
        let folder = project::fresh("package/deb-root")?;
        let records = folder.join("var/lib/dpkg");
        for name in ["info", "updates", "triggers"] {
            fs::create_dir_all(records.join(name))?;
        }
        fs::copy("/var/lib/dpkg/status", records.join("status"))?;
        Ok(Self(folder))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// As an administrator would: with its dependencies looked for, and every file owned by root.
    pub(super) fn install(&self, packages: &[PathBuf]) -> Outcome {
        self.dpkg("--install", packages.iter().map(|package| package.display().to_string()))
    }

    /// Removes them, and looks that no file of theirs is left.
    pub(super) fn purge(&self, packages: &[PathBuf]) -> Outcome {
        let names = packages.iter().filter_map(|package| package.file_stem()?.to_str()?.split('_').next());
        self.dpkg("--purge", names.map(str::to_owned))?;
        let left = run::output(
            run::command("find")
                .arg(&self.0)
                .args(["-path", "*/var/lib/dpkg", "-prune", "-o"])
                .args(["-not", "-type", "d", "-print"]),
        )?;
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left}").into()) }
    }

    /// A key is made, listed, accepted, revoked, and then refused.
    pub(super) fn command_works(&self) -> Outcome {
        let folder = project::fresh("package/deb-command")?;
        let version = run::output(self.command(&folder).arg("version"))?;
        if !version.starts_with(&format!("inspire-auth {} ", project::VERSION)) {
            return Err(format!("`inspire-auth version` wrote `{version}`").into());
        }
        let made = run::output(self.command(&folder).args(["--json", "keys", "create", "reporting"]))?;
        let made: serde_json::Value = serde_json::from_str(&made).map_err(|error| format!("{error}: {made}"))?;
        let key = folder.join("credential");
        fs::write(&key, made["credential"].as_str().ok_or("no credential was made")?)?;
        let verify = |allowed: bool| -> Outcome {
            let output =
                run::captured(self.command(&folder).args(["keys", "verify", "--secure", "--header-file"]).arg(&key))?;
            if output.status.code() == Some(if allowed { 0 } else { 3 }) {
                Ok(())
            } else {
                Err(run::both(&output).into())
            }
        };
        verify(true)?;
        if !run::output(self.command(&folder).args(["keys", "list"]))?.contains("reporting") {
            return Err("the key is not listed".into());
        }
        run::output(self.command(&folder).args(["keys", "delete", "reporting", "--yes"]))?;
        verify(false)
    }

    /// bash takes the script and knows the command by it.
    pub(super) fn shell_completes(&self) -> Outcome {
        let script = self.0.join("usr/share/bash-completion/completions/inspire-auth");
        let test = ". \"$1\" && complete -p inspire-auth";
        run::output(run::command("bash").args(["-euc", test, "bash"]).arg(script)).map(drop)
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = run::command(self.0.join("usr/bin/inspire-auth"));
        command.current_dir(folder).env("INSPIRE_AUTH_STORE", folder.join("store.db"));
        command
    }

    fn dpkg(&self, action: &str, packages: impl Iterator<Item = String>) -> Outcome {
        let mut command = run::command("fakeroot");
        command.arg("dpkg").arg(format!("--root={}", self.0.display())).arg(action).args(packages);
        let output = run::captured(&mut command)?;
        if output.status.success() {
            return Ok(());
        }
        // Every package of this machine is recorded without its files, and dpkg says so for each.
        let wrote = run::both(&output);
        let told: Vec<_> = wrote.lines().filter(|line| !line.contains("files list file for package")).collect();
        Err(format!("`{}` ended with {}\n{}", run::shown(&command), output.status, told.join("\n")).into())
    }
}
