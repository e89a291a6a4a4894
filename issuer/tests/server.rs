//! Starting, stopping, TLS, and the log.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)] // an overflow in a test is a failed test

mod support;

use std::{
    net::TcpStream,
    sync::{Arc, Mutex},
};

use inspire_auth_core::Code;
use inspire_auth_issuer::{Failure, Options, Server, Store, Tls};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use support::{Site, signer};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

#[test]
fn a_server_that_is_stopped_listens_no_more() {
    let site = Site::new();
    let addr = site.server.addr();
    // A connection that is kept open does not keep it up.
    let idle = TcpStream::connect(addr).unwrap();
    assert_eq!(site.send("GET", "/ping", None, "").status, 200);
    site.server.stop();
    assert!(TcpStream::connect(addr).is_err());
    drop(idle);
}

#[test]
fn what_it_can_not_start_with_is_said() {
    let site = Site::new();
    let start = |change: fn(&mut Options)| {
        let mut options = Options::new(Store::in_memory().unwrap(), signer());
        change(&mut options);
        Server::start(options).map(drop).map_err(|error| error.code())
    };
    let mut taken = Options::new(Store::in_memory().unwrap(), signer());
    taken.listen = site.server.addr();
    assert_eq!(Server::start(taken).map(drop).map_err(|error| error.code()), Err(Code::NetworkConnect));
    for wrong in ["", "a b", "a\"", "\n", &"a".repeat(65)] {
        let mut options = Options::new(Store::in_memory().unwrap(), signer());
        options.account = Some(wrong.to_owned());
        assert_eq!(Server::start(options).map(drop).map_err(|error| error.code()), Err(Code::InvalidArgument));
    }
    let missing = start(|options| options.tls = Some(Tls { cert: "/nowhere".into(), key: "/nowhere".into() }));
    assert_eq!(missing, Err(Code::InvalidArgument));
}

#[test]
fn https_has_the_certificate_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let tls = Tls { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&tls.cert, certificate.pem()).unwrap();
    std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    let site = Site::with(|options| options.tls = Some(tls.clone()));
    let root = Certificate::from_der(certificate.der()).to_owned();
    let config = TlsConfig::builder()
        .root_certs(RootCerts::from(vec![root]))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder().proxy(None).tls_config(config).build().new_agent();
    let port = site.server.addr().port();
    assert_eq!(agent.get(format!("https://localhost:{port}/v1/ping")).call().unwrap().status(), 200);
    assert!(agent.get(format!("https://127.0.0.1:{port}/v1/ping")).call().is_err(), "another name");
    assert!(agent.get(format!("http://127.0.0.1:{port}/v1/ping")).call().is_err(), "no TLS");
    let another = KeyPair::generate().unwrap();
    std::fs::write(&tls.key, another.serialize_pem()).unwrap();
    let mut options = Options::new(Store::in_memory().unwrap(), signer());
    options.tls = Some(tls);
    assert_eq!(Server::start(options).map(drop).map_err(|error| error.code()), Err(Code::InvalidArgument));
}

#[test]
fn the_log_says_what_happened_and_no_key() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let site = Site::with(|options| {
        options.log = Some(Arc::new(move |entry| {
            let status = entry.status.map(|status| status.as_u16());
            sink.lock().unwrap().push((format!("{entry:?}"), entry.route.clone(), status, entry.code));
        }));
    });
    let license = site.license(|_| ());
    let body = json!({"meta": {"key": license.key}}).to_string();
    site.send("POST", "/licenses/actions/validate-key", None, &body);
    site.send("GET", &format!("/licenses/{}?auth=license:{}", license.key, license.key), None, "");
    site.send("GET", &format!("/nothing/{}", license.key), Some(&license.key), "");
    site.server.script().push(Failure::Drop);
    let _ = site.try_send("GET", "/me", Some(&license.key), "");
    let lines = lines.lock().unwrap();
    let seen: Vec<_> = lines.iter().map(|(_, route, status, code)| (route.as_str(), *status, *code)).collect();
    assert_eq!(
        seen[..4],
        [
            ("/v1/licenses/actions/validate-key", Some(200), Some("NO_MACHINES")),
            ("/v1/licenses/{license}", Some(200), None),
            ("-", Some(404), Some("NOT_FOUND")),
            ("-", None, None),
        ]
    );
    assert!(lines.iter().all(|(line, ..)| !line.contains(&license.key)), "{lines:?}");
}
