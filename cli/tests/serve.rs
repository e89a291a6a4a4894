//! `serve`: the checker, from its first word to its last. What gateways make of it is in tests/gateways.

#![cfg(test)]
#![cfg(unix)]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use support::{Sandbox, mode};

const TABLE: &str =
    r#"{"routes": [{"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated/Read"]}}]}"#;

/// A checker at work, and what it said first.
struct Serving {
    child: Child,
    said: Value,
}

impl Serving {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.command(&[&["serve", "--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { said: serde_json::from_str(&line).unwrap(), child }
    }

    /// Ends it by a signal; what else it wrote.
    fn end(mut self, signal: &str) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{signal}");
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sandbox() -> (Sandbox, String) {
    let (sandbox, credential) = Sandbox::with_key(&["--level", "Authenticated/Read"]);
    sandbox.write("routes.json", TABLE);
    (sandbox, credential)
}

fn asked(sandbox: &Sandbox, socket: &str, lines: &str) -> String {
    let mut stream = UnixStream::connect(sandbox.path(socket)).unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_checker_answers_until_it_is_told_to_end() {
    let (sandbox, credential) = sandbox();
    let arguments = ["--gateway", "nginx", "--routes", "routes.json", "--secure", "--listen", "unix:checker.sock"];
    for signal in ["-TERM", "-INT"] {
        let serving = Serving::start(&sandbox, &arguments);
        assert_eq!(serving.said["listening"], "unix:checker.sock");
        assert_eq!(serving.said["metrics"], Value::Null);
        let strip: Vec<&str> = serving.said["strip"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for name in ["X-Inspire-Key", "X-Inspire-Key-Id", "X-Inspire-Levels", "X-Inspire-Warning", "Authorization"] {
            assert!(strip.contains(&name), "{strip:?}");
        }
        assert_eq!(mode(&sandbox.path("checker.sock")), 0o660);
        let original = "X-Original-Method: GET\r\nX-Original-URI: /data/x\r\n";
        let granted = asked(&sandbox, "checker.sock", &format!("{original}Authorization: Bearer {credential}\r\n"));
        assert!(granted.starts_with("HTTP/1.1 200 ") && granted.contains("x-inspire-key: one"), "{granted}");
        let refused = asked(&sandbox, "checker.sock", original);
        assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("NO_CREDENTIAL"), "{refused}");
        assert_eq!(serving.end(signal), "", "one document, and nothing more");
        assert!(!sandbox.path("checker.sock").exists());
    }
}

#[test]
fn one_requirement_may_stand_for_a_table() {
    let (sandbox, credential) = sandbox();
    let arguments = ["--gateway", "caddy", "--listen", "unix:c.sock", "--socket-mode", "600", "--forwarded-proto"];
    let serving = Serving::start(&sandbox, &[&arguments[..], &["--require", "Authenticated/Read"]].concat());
    assert_eq!(mode(&sandbox.path("c.sock")), 0o600);
    let bearer = format!("Authorization: Bearer {credential}\r\n");
    let said = asked(&sandbox, "c.sock", &format!("X-Forwarded-Proto: https\r\n{bearer}"));
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    for plain in ["", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n"] {
        let said = asked(&sandbox, "c.sock", &format!("{plain}{bearer}"));
        assert!(said.starts_with("HTTP/1.1 403 ") && said.contains("SECURE_CHANNEL_REQUIRED"), "{said}");
    }
    // A second one does not take the place of the first.
    let more = ["serve", "--gateway", "caddy", "--require", "Authenticated", "--listen", "unix:c.sock"];
    sandbox.run(&more).fails(7);
    assert!(asked(&sandbox, "c.sock", "").starts_with("HTTP/1.1 401 "));
    drop(serving);
    // Killed, it left its socket behind: the next one takes that over.
    assert!(sandbox.path("c.sock").exists());
    let next = Serving::start(&sandbox, &more[1..]);
    assert!(asked(&sandbox, "c.sock", "").starts_with("HTTP/1.1 401 "));
    assert_eq!(next.end("-TERM"), "");
}

#[test]
fn what_can_not_be_served_is_said_before_anything_is() {
    let (sandbox, _) = sandbox();
    let fails = |exit: i32, arguments: &[&str]| {
        let error = sandbox.run(&[&["serve"], arguments].concat()).fails(exit);
        assert!(!error.is_empty());
        error
    };
    let table = ["--gateway", "nginx", "--routes", "routes.json"];
    let with = |more: &[&'static str]| [&table[..], more].concat();
    assert!(fails(2, &[]).contains("--gateway"));
    assert!(fails(2, &["--gateway", "nginx"]).contains("--routes"));
    assert!(fails(2, &["--gateway", "apache", "--require", "Authenticated"]).contains("nginx"));
    fails(2, &with(&["--require", "Authenticated"]));
    fails(2, &with(&["--secure", "--forwarded-proto"]));
    fails(2, &with(&["--entitlement", "MFA"]));
    fails(2, &with(&["--listen", "somewhere"]));
    fails(2, &with(&["--listen", "unix:c.sock", "--socket-mode", "999"]));
    fails(2, &with(&["--hash-memory", "0"]));
    fails(2, &["--gateway", "nginx", "--require", "any(A"]);
    fails(6, &["--gateway", "nginx", "--routes", "none.json"]);
    fails(6, &with(&["--listen", "unix:nowhere/c.sock"]));
    assert!(fails(2, &with(&["--listen", "0.0.0.0:0"])).contains("loopback"));
    sandbox.write("kept", "somebody's file");
    fails(7, &with(&["--listen", "unix:kept"]));
    assert_eq!(std::fs::read_to_string(sandbox.path("kept")).unwrap(), "somebody's file");
    assert_eq!(sandbox.run(&["serve", "--gateway", "nginx", "--require", "A", "--store", "none.db"]).exit, Some(6));
}
