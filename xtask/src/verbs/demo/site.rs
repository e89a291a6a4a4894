//! What an administrator and a vendor do, with the command line: a store, keys, and licenses for this machine.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{Outcome, project, run};

/// The id of the vendor's signing key.
const VENDOR: &str = "demo-vendor";
/// What the customer types, and what is in the license.
pub(super) const LICENSE_KEY: &str = "DEMO-1111-2222-3333";

/// Outlives us, and removes the folder when its standard input ends, which comes also when we are killed. More than one
/// try, since a gateway that is ending at the same time may still be writing.
const KEEPER: &str = r#"
trap '' HUP INT TERM
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && exit 0
    sleep 0.2
done
exit 1
"#;

/// A temporary folder with a store; gone when this is dropped.
pub(super) struct Site {
    folder: PathBuf,
    keeper: Child,
    /// `NAME:KEY` of a key with the level Authenticated/Gateway/Read.
    pub(super) reader: String,
    /// One with Authenticated/Gateway/Write as well.
    pub(super) writer: String,
    /// One without any level.
    pub(super) bare: String,
    /// One like `reader`, to be revoked.
    pub(super) doomed: String,
    /// What the gateway is to believe: `ID=HEX`.
    pub(super) trusted: String,
    /// The fingerprint to be told to everyone, where the machine has none of its own.
    pub(super) machine_id: Option<String>,
}

impl Site {
    pub(super) fn new() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("inspire-auth-demo.{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let keeper = Command::new("sh").args(["-c", KEEPER, "keeper"]).arg(&folder).stdin(Stdio::piped()).spawn()?;
        let mut site = Self {
            folder,
            keeper,
            reader: String::new(),
            writer: String::new(),
            bare: String::new(),
            doomed: String::new(),
            trusted: String::new(),
            machine_id: None,
        };
        let (read, write) = ("Authenticated/Gateway/Read", "Authenticated/Gateway/Write");
        site.reader = site.key("reader", &[read])?;
        site.writer = site.key("writer", &[read, write])?;
        site.bare = site.key("bare", &[])?;
        site.doomed = site.key("doomed", &[read])?;
        site.license()?;
        Ok(site)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("gateway.db")
    }

    pub(super) fn cli(&self) -> PathBuf {
        project::target().join("release").join("inspire-auth")
    }

    /// Revokes a key, in a process of its own.
    pub(super) fn revoke(&self, name: &str) -> Outcome {
        self.ask(&["keys", "delete", name, "--yes"]).map(drop)
    }

    /// Installs one of the licenses, in a process of its own: `basic`, or `walls`, which holds VIDEO_WALL_SYNC.
    pub(super) fn activate(&self, license: &str) -> Outcome {
        let file = self.path(&format!("{license}.lic"));
        self.ask(&["license", "activate", "--file", &file, "--key-file", &self.path("license.key")]).map(drop)
    }

    pub(super) fn key(&self, name: &str, levels: &[&str]) -> Outcome<String> {
        let mut arguments = vec!["keys", "create", name];
        arguments.extend(levels.iter().flat_map(|level| ["--level", level]));
        text(&self.ask(&arguments)?, "credential")
    }

    /// A signing key, and two machine files of one license: the second, newer one holds more.
    fn license(&mut self) -> Outcome {
        let made = self.ask(&["issuer", "keygen", "--out-dir", &self.path("vendor"), "--id", VENDOR])?;
        self.trusted = format!("{VENDOR}={}", text(&made, "public_key")?);
        let fingerprint = match self.ask(&["machine", "id"]) {
            Ok(machine) => text(&machine, "fingerprint")?,
            Err(_) => {
                self.machine_id = Some(format!("demo-machine-{}", std::process::id()));
                text(&self.ask(&["machine", "id"])?, "fingerprint")?
            }
        };
        fs::write(self.path("license.key"), LICENSE_KEY)?;
        for (name, entitlements) in
            [("basic", json!(["OFFLINE_LICENSING"])), ("walls", json!(["OFFLINE_LICENSING", "VIDEO_WALL_SYNC"]))]
        {
            let description = json!({
                "id": "demo-license", "key": LICENSE_KEY, "name": "Demonstration",
                "fingerprint": fingerprint, "entitlements": entitlements, "limits": {"MAX_DISPLAYS": 4},
            });
            let input = self.path(&format!("{name}.json"));
            fs::write(&input, description.to_string())?;
            let secret = self.signing_key();
            self.ask(&[
                "issuer",
                "sign",
                "--key",
                &secret,
                "--in",
                &input,
                "--out",
                &self.path(&format!("{name}.lic")),
            ])?;
        }
        Ok(())
    }

    /// Runs the command line; what it answers.
    pub(super) fn ask(&self, arguments: &[&str]) -> Outcome<Value> {
        let mut command = self.command(&self.store(), self.machine_id.as_deref());
        let written = run::output(command.args(arguments))?;
        serde_json::from_str(&written).map_err(|error| format!("`{}`: {error}", run::shown(&command)).into())
    }

    /// Runs the command line on another machine of the site: what it answers, or the code that it fails with.
    pub(super) fn try_on(&self, machine: Option<&str>, arguments: &[&str]) -> Outcome<Result<Value, String>> {
        let store = machine.map_or_else(|| self.store(), |machine| self.folder.join(format!("{machine}.db")));
        let mut command = self.command(&store, machine.or(self.machine_id.as_deref()));
        let output = run::captured(command.args(arguments))?;
        let said = if output.status.success() { &output.stdout } else { &output.stderr };
        let document: Value = serde_json::from_slice(said)
            .map_err(|error| format!("`{}`: {error}\n{}", run::shown(&command), run::both(&output)))?;
        if output.status.success() {
            return Ok(Ok(document));
        }
        let code = document.pointer("/error/code").and_then(Value::as_str).unwrap_or("no code");
        Ok(Err(code.to_owned()))
    }

    fn command(&self, store: &Path, machine_id: Option<&str>) -> Command {
        let mut command = Command::new(self.cli());
        command.env_remove("INSPIRE_AUTH_STORE").env_remove("INSPIRE_AUTH_SERVER");
        command.args(["--json", "--quiet", "--no-input", "--store"]).arg(store);
        if !self.trusted.is_empty() {
            command.args(["--trusted-key", &self.trusted]);
        }
        if let Some(machine_id) = machine_id {
            command.args(["--machine-id", machine_id]);
        }
        command
    }

    /// The vendor's signing key.
    pub(super) fn signing_key(&self) -> String {
        self.path(&format!("vendor/{VENDOR}.key"))
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn text(document: &Value, member: &str) -> Outcome<String> {
    let value = document.get(member).and_then(Value::as_str);
    Ok(value.ok_or_else(|| format!("the command line's answer has no `{member}`"))?.to_owned())
}
