//! `issuer serve` and `issuer license ...`, verb by verb.

#![cfg(test)]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use support::{Sandbox, Vendor};

const DB: [&str; 2] = ["--db", "licenses.db"];

/// `issuer license VERB ...`, on the one store.
fn verb(sandbox: &Sandbox, verb: &str, arguments: &[&str]) -> support::Ran {
    sandbox.json(&[&["issuer", "license", verb], arguments, &DB].concat())
}

fn create(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    verb(sandbox, "create", arguments).json()["license"].clone()
}

#[test]
fn a_license_is_made_changed_and_shown() {
    let sandbox = Sandbox::new();
    let made = create(
        &sandbox,
        &[
            "--name",
            "Plant 3",
            "--product",
            "gateway",
            "--max-machines",
            "2",
            "--expires",
            "2030-01-31T12:00:00Z",
            "--limit",
            "max_displays=25",
            "--limit",
            "AI_CREDITS_MONTHLY=-1",
            "--entitle",
            "mfa",
            "--entitle",
            "AI",
        ],
    );
    let id = made["id"].as_str().unwrap();
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["limits"], json!({"AI_CREDITS_MONTHLY": -1, "MAX_DISPLAYS": 25}));
    assert_eq!(made["entitlements"], json!(["AI", "MFA"]));
    assert_eq!((&made["expires_at"], &made["product"]), (&json!(1_896_091_200), &json!("gateway")));

    let changed = |name: &str, arguments: &[&str]| verb(&sandbox, name, arguments).json();
    assert_eq!(changed("suspend", &[id])["licenses"][0]["status"], "SUSPENDED");
    assert_eq!(changed("reinstate", &[id])["licenses"][0]["status"], "ACTIVE");
    assert_eq!(changed("renew", &[id, "--expires", "never"])["license"]["expires_at"], Value::Null);
    let entitled = changed("entitle", &[id, "--add", "video_wall_sync", "--remove", "mfa"]);
    assert_eq!(entitled["license"]["entitlements"], json!(["AI", "VIDEO_WALL_SYNC"]));
    let limited = changed("limit", &[id, "--set", "MAX_DISPLAYS=none", "--set", "seats=3", "--max-machines", "any"]);
    assert_eq!(limited["license"]["limits"], json!({"AI_CREDITS_MONTHLY": -1, "SEATS": 3}));
    assert_eq!(limited["license"]["max_machines"], Value::Null);
    let listed = changed("list", &[]);
    assert_eq!(listed["licenses"], json!([limited["license"]]));

    // The key is shown where it is made, and to whoever asks for it.
    for arguments in [&["show", id][..], &["list"], &["limit", id, "--set", "x=1"], &["suspend", id]] {
        let shown = sandbox.run(&[&["issuer", "license"], arguments, &DB].concat());
        assert_eq!(shown.exit, Some(0), "{shown:?}");
        assert!(!format!("{}{}", shown.out, shown.err).contains(key), "{shown:?}");
    }
    let shown = sandbox.run(&["issuer", "license", "show", id, "--show-key", "--db", "licenses.db"]).ok();
    assert!(shown.contains(key) && shown.contains("Plant 3"), "{shown}");
}

#[test]
fn what_can_not_be_is_refused() {
    let sandbox = Sandbox::new();
    assert!(verb(&sandbox, "list", &[]).fails(6).contains("licenses.db"), "a misspelt path makes no store");
    assert!(!sandbox.path("licenses.db").exists());
    let id = create(&sandbox, &[])["id"].as_str().unwrap().to_owned();
    assert_eq!(verb(&sandbox, "show", &["nobody"]).error(6), "NOT_FOUND");
    assert_eq!(verb(&sandbox, "remove-machine", &[&id, "nobody"]).error(6), "NOT_FOUND");
    for wrong in [
        &["create", "--limit", "MAX_DISPLAYS"][..],
        &["create", "--limit", "MAX_DISPLAYS=-2"],
        &["create", "--expires", "tomorrow"],
        &["limit", &id],
        &["limit", &id, "--max-machines", "-1"],
        &["entitle", &id],
        &["renew", &id],
    ] {
        assert_eq!(verb(&sandbox, wrong[0], &wrong[1..]).error(2), "INVALID_ARGUMENT", "{wrong:?}");
    }
    sandbox.write("license.key", "OUR-OWN-KEY\n");
    let ours = ["--key-file", "license.key"];
    assert_eq!(create(&sandbox, &ours)["key"], "OUR-OWN-KEY");
    assert_eq!(verb(&sandbox, "create", &ours).error(7), "NAME_TAKEN");
    let store = sandbox.arg("store.db");
    sandbox.run(&["keys", "create", "one"]).ok();
    assert_eq!(sandbox.json(&["issuer", "license", "list", "--db", &store]).error(1), "STORE_CORRUPT");
}

/// A server, and where it is.
struct Served {
    child: Child,
    host: String,
}

impl Served {
    fn start(vendor: &Vendor, arguments: &[&str]) -> Self {
        let start = ["issuer", "serve", "--db", "licenses.db", "--key", "acme.key", "--listen", "127.0.0.1:0"];
        let mut command: Command = vendor.sandbox.command(&[&start[..], arguments, &["--json"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let host = said["url"].as_str().unwrap().strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
        Self { host: host.to_owned(), child }
    }

    /// The status line and all that follows.
    fn validate(&self, key: &str) -> String {
        let body = json!({"meta": {"key": key}}).to_string();
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let request = format!(
            "POST /v1/licenses/actions/validate-key HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_answers_for_what_the_tools_change_and_ends_when_it_is_told() {
    let vendor = Vendor::new();
    let key = create(&vendor.sandbox, &[])["key"].as_str().unwrap().to_owned();
    let mut served = Served::start(&vendor, &["--fail", "status=503,retry-after=9"]);
    assert!(served.validate(&key).starts_with("HTTP/1.1 503 "));
    let answer = served.validate(&key);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"code\":\"NO_MACHINES\""), "{answer}");
    let id = verb(&vendor.sandbox, "list", &[]).json()["licenses"][0]["id"].as_str().unwrap().to_owned();
    verb(&vendor.sandbox, "suspend", &[&id]).json();
    assert!(served.validate(&key).contains("\"code\":\"SUSPENDED\""));
    #[cfg(unix)]
    {
        let pid = served.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(served.child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        served.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        served.child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one document, and nothing more");
    }
}

#[test]
fn a_server_that_can_not_start_says_why() {
    let vendor = Vendor::new();
    let taken = Served::start(&vendor, &[]);
    let start = |arguments: &[&str]| {
        let start = ["issuer", "serve", "--db", "licenses.db", "--key", "acme.key"];
        vendor.sandbox.json(&[&start[..], arguments].concat())
    };
    assert_eq!(start(&["--listen", &taken.host]).error(1), "NETWORK_CONNECT");
    for wrong in [
        &["--fail", "explode"][..],
        &["--listen", "nowhere"],
        &["--account", "a b"],
        &["--tls-cert", "cert.pem"],
        &["--tls-cert", "acme.pub", "--tls-key", "acme.key"],
    ] {
        assert_eq!(start(wrong).error(2), "INVALID_ARGUMENT", "{wrong:?}");
    }
}
