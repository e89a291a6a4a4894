//! A folder with a store of its own, and the real command run in it.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The command under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_inspire-auth");

/// What one run of the command gave.
#[derive(Debug)]
pub struct Ran {
    pub exit: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Standard output, after a success.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.exit, Some(0), "{self:?}");
        self.out
    }

    /// Standard output as one JSON document, after a success that had nothing to say on standard error.
    #[track_caller]
    pub fn json(self) -> Value {
        assert_eq!((self.exit, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.document()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Standard error, after a failure with this exit code that left standard output empty.
    #[track_caller]
    pub fn fails(self, exit: i32) -> String {
        assert_eq!((self.exit, self.out.as_str()), (Some(exit), ""), "{self:?}");
        self.err
    }

    /// The code of `{"error": ...}`, after a failure with this exit code.
    #[track_caller]
    pub fn error(self, exit: i32) -> String {
        let error = self.fails(exit);
        let document: Value = serde_json::from_str(&error).unwrap_or_else(|problem| panic!("{problem}: {error}"));
        let error = &document["error"];
        let members: Vec<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["action", "code", "message", "number", "retryable"]);
        error["code"].as_str().unwrap().to_owned()
    }
}

/// A folder of its own, and a store in it.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With one key, `one`, whose credential is returned.
    pub fn with_key(arguments: &[&str]) -> (Self, String) {
        let sandbox = Self::new();
        let create = [&["keys", "create", "one"], arguments].concat();
        let credential = sandbox.run(&create).ok().trim_end().to_owned();
        (sandbox, credential)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.arg(name)
    }

    /// The command, with the sandbox's store and the cheapest hash, and nothing of this process's surroundings.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("INSPIRE_AUTH_STORE", self.path("store.db")).current_dir(self.folder.path());
        command.args(arguments).args(["--hash-m", "64", "--hash-t", "1"]);
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.run_with(arguments, "")
    }

    /// With this on standard input.
    pub fn run_with<S: AsRef<OsStr>>(&self, arguments: &[S], input: impl AsRef<[u8]>) -> Ran {
        ran(&mut self.command(arguments), input.as_ref())
    }

    pub fn json<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        let mut command = self.command(arguments);
        ran(command.arg("--json"), b"")
    }
}

/// Runs a command to its end.
pub fn ran(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ran {
        exit: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The permission bits of a file.
#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777
}

/// A vendor: a signing key, and a machine file for the machine `machine-1` under the license key `KEY-1234-5678`.
pub struct Vendor {
    pub sandbox: Sandbox,
}

impl Vendor {
    pub const LICENSE_KEY: &str = "KEY-1234-5678";
    pub const MACHINE: &str = "machine-1";

    pub fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.run(&["issuer", "keygen", "--out-dir", ".", "--id", "acme"]).ok();
        sandbox.write("license.key", format!("{}\n", Self::LICENSE_KEY));
        Self { sandbox }
    }

    /// Signs a file; `more` is merged into the description.
    pub fn sign(&self, name: &str, more: Value) -> String {
        let mut description = serde_json::json!({
            "id": "license-1", "key": Self::LICENSE_KEY, "name": "Plant 3", "fingerprint": Self::MACHINE,
            "limits": {"MAX_DISPLAYS": 25, "AI_CREDITS_MONTHLY": -1},
            "entitlements": ["MFA", "OFFLINE_LICENSING", "CUSTOM"],
        });
        for (member, value) in more.as_object().unwrap() {
            description[member] = value.clone();
        }
        let input = self.sandbox.write("description.json", description.to_string());
        let out = self.sandbox.arg(name);
        self.sandbox.run(&["issuer", "sign", "--key", "acme.key", "--in", &input, "--out", &out]).ok();
        out
    }

    /// A command with the vendor's trusted key and the machine's fingerprint.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.sandbox.run(&Self::trusting(arguments))
    }

    pub fn json(&self, arguments: &[&str]) -> Ran {
        self.sandbox.json(&Self::trusting(arguments))
    }

    fn trusting<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--trusted-keys-file", "acme.pub", "--machine-id", Self::MACHINE]].concat()
    }

    /// With a license installed.
    pub fn activated() -> Self {
        let vendor = Self::new();
        vendor.sign("site.lic", serde_json::json!({}));
        vendor.run(&["license", "activate", "--file", "site.lic", "--key-file", "license.key"]).ok();
        vendor
    }
}

/// A licensing server, and where it is.
pub struct Served {
    pub child: Child,
    pub url: String,
}

impl Served {
    /// Starts one with the vendor's signing key and the store `licenses.db`.
    pub fn start(vendor: &Vendor, arguments: &[&str]) -> Self {
        let start = ["issuer", "serve", "--db", "licenses.db", "--key", "acme.key", "--listen", "127.0.0.1:0"];
        let mut command: Command = vendor.sandbox.command(&[&start[..], arguments, &["--json"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Self { url: said["url"].as_str().unwrap().to_owned(), child }
    }

    /// Its address and port.
    pub fn host(&self) -> &str {
        self.url.split_once("://").unwrap().1.strip_suffix("/v1").unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
