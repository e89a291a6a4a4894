//! `license doctor`: what it finds here, on the way to a licensing server, and what it would send.

#![cfg(test)]

mod support;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use support::{Ran, Sandbox, Served, Vendor, ran};

/// The outcome of each check, and its code behind a space where it has one.
fn outcomes(ran: &Ran) -> BTreeMap<String, String> {
    let document = ran.document();
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let outcome = |check: &Value| format!("{} {}", text(check, "outcome"), text(check, "code")).trim_end().to_owned();
    document["checks"].as_array().unwrap().iter().map(|check| (text(check, "check"), outcome(check))).collect()
}

/// What a check found.
fn found(ran: &Ran, name: &str) -> String {
    let document = ran.document();
    let check = document["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone();
    check["found"].as_str().unwrap().to_owned()
}

fn doctor(vendor: &Vendor, more: &[&str]) -> Ran {
    let ran = vendor.json(&[&["license", "doctor"], more].concat());
    assert_eq!(ran.err, "", "{ran:?}");
    ran
}

/// A port where nobody listens: it was free a moment ago.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn create(vendor: &Vendor) {
    let made = vendor.sandbox.json(&["issuer", "license", "create", "--db", "licenses.db", "--entitle", "MFA"]).json();
    vendor.sandbox.write("license.key", made["license"]["key"].as_str().unwrap());
}

#[test]
fn without_a_server_everything_is_looked_at_and_nothing_connected_to() {
    let vendor = Vendor::activated();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut command = vendor.sandbox.command(&["license", "doctor", "--json", "--trusted-keys-file", "acme.pub"]);
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    command.args(["--machine-id", Vendor::MACHINE]).env("HTTPS_PROXY", &proxy).env("ALL_PROXY", &proxy);
    let ran = ran(&mut command, b"");
    assert_eq!((ran.exit, &ran.document()["result"]), (Some(0), &json!("ok")), "{ran:?}");
    let found = outcomes(&ran);
    for (name, outcome) in &found {
        assert_eq!(outcome, if name == "licensing server" { "skipped" } else { "ok" }, "{name}");
    }
    for name in ["store file", "store folder", "store", "machine id", "trusted keys", "license", "clock"] {
        assert!(found.contains_key(name), "{name}");
    }
    assert_eq!(ran.document()["clock_offset"], json!(null));
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let page = vendor.run(&["license", "doctor"]).ok();
    assert!(page.contains("OUTCOME") && page.contains("from the machine_id option"), "{page}");
}

#[test]
fn what_is_wrong_here_is_named() {
    let vendor = Vendor::activated();
    let sandbox = &vendor.sandbox;
    let nothing_trusted = sandbox.json(&["license", "doctor", "--machine-id", Vendor::MACHINE]);
    let found = outcomes(&nothing_trusted);
    assert_eq!((nothing_trusted.exit, found["trusted keys"].as_str()), (Some(3), "warn"));
    assert_eq!(found["license"], "fail LICENSE_SIGNATURE_INVALID");
    let another_machine = ["license", "doctor", "--trusted-keys-file", "acme.pub", "--machine-id", "machine-2"];
    assert_eq!(outcomes(&sandbox.json(&another_machine))["license"], "fail MACHINE_MISMATCH");

    let line = std::fs::read_to_string(sandbox.path("acme.pub")).unwrap();
    sandbox.write("ended.pub", format!("{} 2020-01-01T00:00:00Z\n", line.trim().replacen("acme", "old", 1)));
    let ended = doctor(&vendor, &["--trusted-keys-file", "ended.pub"]);
    assert_eq!((ended.exit, outcomes(&ended)["trusted keys"].as_str()), (Some(0), "warn"));
    assert!(self::found(&ended, "trusted keys").contains("old (ended 2020-01-01"), "{ended:?}");

    let missing = doctor(&vendor, &["--store", "none.db"]);
    assert_eq!((missing.exit, outcomes(&missing)["license"].as_str()), (Some(6), "skipped"));
    assert!(!sandbox.path("none.db").exists());
    sandbox.write("letter.db", "this is a letter, not a database ".repeat(40));
    let letter = doctor(&vendor, &["--store", "letter.db"]);
    assert_eq!((letter.exit, outcomes(&letter)["store"].as_str()), (Some(1), "fail STORE_CORRUPT"));
    let folder = sandbox.arg("");
    assert_eq!(outcomes(&doctor(&vendor, &["--store", &folder]))["store file"], "fail INVALID_ARGUMENT");
    // Nobody has named a store: the rest is looked at all the same.
    let mut homeless = Command::new(support::PROGRAM);
    let homeless = ran(homeless.env_clear().args(["license", "doctor", "--machine-id", "f", "--json"]), b"");
    assert_eq!((homeless.exit, outcomes(&homeless)["store"].as_str()), (Some(0), "skipped"));

    let empty = Vendor::new();
    empty.sandbox.run(&["keys", "create", "one"]).ok();
    let unlicensed = doctor(&empty, &[]);
    assert_eq!((unlicensed.exit, outcomes(&unlicensed)["license"].as_str()), (Some(0), "warn UNLICENSED"));
}

#[cfg(unix)]
#[test]
fn a_store_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let vendor = Vendor::activated();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(vendor.sandbox.path("store.db"), open).unwrap();
    let ran = doctor(&vendor, &[]);
    assert_eq!((ran.exit, &ran.document()["result"]), (Some(0), &json!("warn")));
    assert_eq!(outcomes(&ran)["store file"], "warn");
    assert!(found(&ran, "store file").contains("mode 0644"));
}

#[test]
fn each_step_to_a_server_is_shown() {
    let vendor = Vendor::new();
    create(&vendor);
    let served = Served::start(&vendor, &[]);
    let server = ["--server", &served.url];
    vendor.run(&[&["license", "activate", "--key-file", "license.key"], &server[..]].concat()).ok();
    let ran = doctor(&vendor, &server);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let found = outcomes(&ran);
    for name in [
        "license",
        "server address",
        "name resolution",
        "connection",
        "server answer",
        "server signature",
        "server clock",
    ] {
        assert_eq!(found[name], "ok", "{name}");
    }
    assert_eq!((found["proxy"].as_str(), found["TLS"].as_str()), ("skipped", "skipped"));
    assert!(ran.document()["clock_offset"].is_i64());
    assert!(self::found(&ran, "server signature").contains("acme"));
}

#[test]
fn what_is_wrong_with_a_server_is_named() {
    let vendor = Vendor::new();
    let look = |words: &str, more: &[&str]| {
        let served = Served::start(&vendor, &["--fail", words]);
        let ran = doctor(&vendor, &[&["--server", &served.url], more].concat());
        (ran.exit, outcomes(&ran), ran)
    };
    vendor.sandbox.run(&["keys", "create", "one"]).ok();
    for (words, name, outcome, exit) in [
        ("status=503", "server answer", "fail SERVER_STATUS", 9),
        ("status=429", "server answer", "fail SERVER_RATE_LIMITED", 9),
        ("redirect=http://127.0.0.1:1/", "server answer", "fail SERVER_STATUS", 9),
        ("truncate", "server answer", "fail SERVER_ANSWER_MALFORMED", 9),
        ("signature=bad", "server signature", "fail SERVER_SIGNATURE_INVALID", 3),
        ("signature=none", "server signature", "fail SERVER_SIGNATURE_INVALID", 3),
        ("body=changed", "server signature", "fail SERVER_SIGNATURE_INVALID", 3),
        ("date=-600", "server clock", "fail CLOCK_SKEW", 8),
        ("date=600", "server clock", "fail CLOCK_SKEW", 8),
    ] {
        let (code, found, ran) = look(words, &[]);
        assert_eq!((code, found[name].as_str()), (Some(exit), outcome), "{words}: {ran:?}");
    }
    let (_, found, ran) = look("date=-600", &[]);
    assert_eq!(found["server signature"], "ok", "the time is wrong, and by whom it is told is not: {ran:?}");
    assert!(ran.document()["clock_offset"].as_i64().unwrap() < -300);
    let (exit, found, _) = look("delay=60s", &["--timeout", "1s"]);
    assert_eq!((exit, found["server answer"].as_str()), (Some(8), "fail NETWORK_TIMEOUT"));
}

#[test]
fn what_is_wrong_on_the_way_is_named() {
    let vendor = Vendor::new();
    vendor.sandbox.run(&["keys", "create", "one"]).ok();
    let at = |url: &str, more: &[&str]| {
        let ran = doctor(&vendor, &[&["--server", url], more].concat());
        (ran.exit, outcomes(&ran), ran)
    };
    let closed = format!("http://{}/v1", nobody());
    let (exit, found, ran) = at(&closed, &[]);
    assert_eq!((exit, found["connection"].as_str()), (Some(8), "fail NETWORK_CONNECT"));
    assert_eq!((found["name resolution"].as_str(), found["server answer"].as_str()), ("ok", "skipped"), "{ran:?}");
    let (exit, found, _) = at("http://h.example/v1", &[]);
    assert_eq!((exit, found["server address"].as_str()), (Some(2), "fail INVALID_ARGUMENT"));

    // A proxy that nobody is behind, and one that refuses.
    vendor.sandbox.write("proxy", format!("http://me:geheim@{}", nobody()));
    let (exit, found, ran) = at(&closed, &["--proxy-file", "proxy"]);
    assert_eq!((exit, found["connection"].as_str()), (Some(8), "fail NETWORK_PROXY"));
    assert!(!ran.out.contains("geheim") && !ran.out.contains("me:"), "{ran:?}");
    let refuses = listen(|mut stream| {
        if read_request(&mut stream).is_empty() {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
    });
    vendor.sandbox.write("proxy", format!("http://me:geheim@{refuses}"));
    let (exit, found, ran) = at("https://licensing.example/v1", &["--proxy-file", "proxy"]);
    assert_eq!((exit, found["proxy"].as_str()), (Some(8), "fail NETWORK_PROXY"), "{ran:?}");
    assert_eq!((found["connection"].as_str(), found["TLS"].as_str()), ("ok", "skipped"));
    assert!(!ran.out.contains("geheim"), "{ran:?}");
    vendor.sandbox.write("proxy", "ftp://nowhere");
    let (exit, found, _) = at(&closed, &["--proxy-file", "proxy"]);
    assert_eq!((exit, found["proxy"].as_str()), (Some(2), "fail INVALID_ARGUMENT"));
}

/// Has an authority of its own certify a server on this machine. The authority is in `ca.pem`, the server's in `cert.pem`.
fn certify(sandbox: &Sandbox, change: impl FnOnce(&mut CertificateParams)) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    sandbox.write("ca.pem", authority.pem());
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    sandbox.write("cert.pem", params.signed_by(&key, &authority).unwrap().pem());
    sandbox.write("tls.key", key.serialize_pem());
}

#[test]
fn a_certificate_is_accepted_with_its_authority_alone() {
    let vendor = Vendor::new();
    let sandbox = &vendor.sandbox;
    sandbox.run(&["keys", "create", "one"]).ok();
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "tls.key"];
    certify(sandbox, |_| ());
    let served = Served::start(&vendor, &tls);
    let look = |served: &Served, more: &[&str]| {
        let ran = doctor(&vendor, &[&["--server", &served.url], more].concat());
        (ran.exit, outcomes(&ran)["TLS"].clone(), found(&ran, "TLS"))
    };
    let (exit, outcome, found) = look(&served, &[]);
    assert_eq!((exit, outcome.as_str()), (Some(8), "fail NETWORK_TLS"), "{found}");
    assert!(found.contains("certificate"), "{found}");
    assert_eq!(look(&served, &["--ca-file", "ca.pem"]).1, "ok");
    assert_eq!(look(&served, &["--ca-file", "none.pem"]).1, "fail NETWORK_TLS");

    // One that nobody but itself has signed.
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    sandbox.write("cert.pem", own.pem());
    sandbox.write("tls.key", key.serialize_pem());
    let served = Served::start(&vendor, &tls);
    assert_eq!(look(&served, &[]).1, "fail NETWORK_TLS");
    assert_eq!(look(&served, &["--ca-file", "cert.pem"]).1, "ok");

    certify(sandbox, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let served = Served::start(&vendor, &tls);
    let (_, outcome, found) = look(&served, &["--ca-file", "ca.pem"]);
    assert_eq!(outcome, "fail NETWORK_TLS");
    assert!(found.contains("expired"), "{found}");
}

#[test]
fn what_failed_before_is_remembered() {
    let vendor = Vendor::new();
    create(&vendor);
    let served = Served::start(&vendor, &[]);
    let url = served.url.clone();
    let server = ["--server", &url];
    vendor.run(&[&["license", "activate", "--key-file", "license.key"], &server[..]].concat()).ok();
    drop(served);
    vendor.run(&[&["license", "revalidate"], &server[..]].concat()).fails(8);
    assert_eq!(outcomes(&doctor(&vendor, &[]))["last attempt"], "warn NETWORK_CONNECT");
    vendor.run(&[&["license", "deactivate", "--yes"], &server[..]].concat()).ok();
    let ran = doctor(&vendor, &[]);
    assert_eq!((ran.exit, outcomes(&ran)["pending releases"].as_str()), (Some(0), "warn"));
    let key = std::fs::read_to_string(vendor.sandbox.path("license.key")).unwrap();
    assert!(!ran.out.contains(&key));
}

/// Accepts connections and has `serve` answer each, on a thread of its own, until the test ends.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = std::sync::Arc::clone(&serve);
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

/// A request's head, and as much of a body as it says; empty where none came.
fn read_request(stream: &mut impl Read) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").map(|length| length.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(more) => text.push_str(std::str::from_utf8(&buffer[..more]).unwrap()),
        }
    }
}

/// Stands before a server, passes on what comes and goes, and tells each request.
fn recorded(server: &str) -> (SocketAddr, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let server = server.to_owned();
    let address = listen(move |mut stream| {
        let request = read_request(&mut stream);
        let mut onward = TcpStream::connect(&server).unwrap();
        onward.write_all(request.as_bytes()).unwrap();
        tell.send(request).unwrap();
        let mut back = onward.try_clone().unwrap();
        let mut answer = stream.try_clone().unwrap();
        thread::spawn(move || io::copy(&mut back, &mut answer));
        // Until the asker has what it wants, and leaves.
        let _ = io::copy(&mut stream, &mut onward);
        let _ = onward.shutdown(std::net::Shutdown::Both);
    });
    (address, told)
}

/// Without the number that is another each time.
fn without_nonce(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(nonce) = body.pointer_mut("/meta/nonce") {
        *nonce = json!(0);
    }
    if let Some(id) = body.pointer_mut("/data/relationships/license/data/id") {
        *id = json!("told by the server");
    }
    body
}

#[test]
fn what_would_be_sent_is_what_is_sent() {
    let vendor = Vendor::new();
    create(&vendor);
    let key = std::fs::read_to_string(vendor.sandbox.path("license.key")).unwrap();
    let served = Served::start(&vendor, &[]);
    let (address, told) = recorded(served.host());
    let server = format!("http://{address}/v1");
    let shown = |more: &[&str]| {
        let arguments = [&["license", "doctor", "--show-request", "--server", &server], more].concat();
        let requests = vendor.json(&arguments).json();
        (requests["errand"].clone(), requests["requests"].as_array().unwrap().clone())
    };
    let compare = |requests: Vec<Value>| {
        for request in requests {
            let sent = told.recv().unwrap();
            let (head, body) = sent.split_once("\r\n\r\n").unwrap();
            let (line, headers) = head.split_once("\r\n").unwrap();
            let target = request["url"].as_str().unwrap().strip_prefix(&format!("http://{address}")).unwrap();
            assert_eq!(line, format!("{} {target} HTTP/1.1", request["method"].as_str().unwrap()));
            let mut expected: Vec<String> = request["headers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|header| format!("{}: {}", header["name"].as_str().unwrap(), header["value"].as_str().unwrap()))
                .collect();
            let is_http = |line: &str| line.starts_with("host: ") || line.starts_with("content-length: ");
            let mut headers: Vec<&str> = headers.lines().filter(|line| !is_http(line)).collect();
            expected.sort_unstable();
            headers.sort_unstable();
            assert_eq!(headers, expected, "{line}");
            assert_eq!(without_nonce(body), without_nonce(request["body"].as_str().unwrap()), "{line}");
        }
        assert!(told.try_recv().is_err(), "nothing more was sent");
    };
    let with_key = ["--key-file", "license.key", "--reveal"];
    let (errand, requests) = shown(&with_key);
    assert_eq!((errand, requests.len()), (json!("activation"), 3));
    assert!(told.try_recv().is_err(), "nothing was sent");
    vendor.run(&["license", "activate", "--key-file", "license.key", "--server", &server]).ok();
    compare(requests);
    let (errand, requests) = shown(&["--reveal"]);
    assert_eq!((errand, requests.len()), (json!("revalidation"), 2));
    vendor.run(&["license", "revalidate", "--server", &server]).ok();
    compare(requests);

    for more in [&["--key-file", "license.key"][..], &[]] {
        let arguments = [&["license", "doctor", "--show-request", "--server", &server], more].concat();
        for masked in [vendor.run(&arguments).ok(), vendor.json(&arguments).json().to_string()] {
            assert!(
                !masked.contains(&key) && masked.contains(&format!("********{}", &key[key.len() - 4..])),
                "{masked}"
            );
            assert!(masked.contains("validate-key") && masked.contains("check-out"), "{masked}");
        }
    }
    assert!(told.try_recv().is_err(), "nothing was sent");
}

#[test]
fn there_must_be_something_to_send() {
    let vendor = Vendor::activated();
    let show = ["license", "doctor", "--show-request"];
    assert_eq!(vendor.json(&show).error(2), "INVALID_ARGUMENT");
    let server = [&show[..], &["--server", "https://h.example/v1"]].concat();
    assert_eq!(vendor.json(&server).error(7), "NOT_AVAILABLE_OFFLINE");
    vendor.json(&["license", "doctor", "--reveal"]).fails(2);
    let empty = Vendor::new();
    empty.sandbox.run(&["keys", "create", "one"]).ok();
    assert_eq!(empty.json(&server).error(5), "UNLICENSED");
    // An activation is shown before there is a store, and makes none.
    let arguments = [&server[..], &["--key-file", "license.key", "--store", "none.db"]].concat();
    assert!(empty.run(&arguments).ok().contains("POST https://h.example/v1/machines\n"));
    assert!(!empty.sandbox.path("none.db").exists());
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it() {
    let vendor = Vendor::new();
    let (tell, told) = mpsc::channel();
    let silent = listen(move |mut stream| {
        let request = read_request(&mut stream);
        if !request.is_empty() {
            tell.send(()).unwrap();
            // Open until the other side has gone.
            let _ = io::copy(&mut stream, &mut io::sink());
        }
    });
    let url = format!("http://{silent}/v1");
    let arguments = ["license", "doctor", "--machine-id", "f", "--timeout", "10m", "--server", &url];
    let mut child = vendor.sandbox.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    told.recv().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
