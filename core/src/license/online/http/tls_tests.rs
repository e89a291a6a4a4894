//! Certificates that are to be believed, and those that are not.

use std::{io::Write as _, net::SocketAddr};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::{
    super::transport::HttpResponse,
    tests::{listen, read_request, send_within},
    *,
};

/// An authority that nobody trusts but whoever is given its certificate.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server that has a certificate of this authority, and answers 204.
    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> SocketAddr {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        listen(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            stream.conn.send_close_notify();
            let _ = stream.flush();
        })
    }
}

/// Asks `host`, trusting this authority.
fn ask(host: &str, server: SocketAddr, trusted: Option<&Authority>) -> Result<HttpResponse, Code> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    send_within(Duration::from_secs(5), &format!("https://{host}:{}/v1", server.port()), |settings| {
        if let Some(Authority(issuer)) = trusted {
            std::fs::write(&path, issuer.pem()).unwrap();
            settings.ca_file = Some(path.clone());
        }
    })
}

#[test]
fn an_authority_of_the_hosts_is_trusted_and_no_other() {
    let (ours, another) = (Authority::new(), Authority::new());
    let server = ours.server("localhost", |_| ());
    assert_eq!(ask("localhost", server, Some(&ours)).unwrap().status, 204);
    assert_eq!(ask("localhost", server, Some(&another)), Err(Code::NetworkTls));
    assert_eq!(ask("localhost", server, None), Err(Code::NetworkTls));
    let by_address = ours.server("127.0.0.1", |_| ());
    assert_eq!(ask("127.0.0.1", by_address, Some(&ours)).unwrap().status, 204);
}

#[test]
fn a_certificate_is_for_its_name_and_its_time() {
    let ours = Authority::new();
    type Change = fn(&mut CertificateParams);
    let cases: [(&str, Change); 4] = [
        ("other.example", |_| ()),
        ("127.0.0.1", |_| ()),
        ("localhost", |params| params.not_after = date_time_ymd(2020, 1, 1)),
        ("localhost", |params| params.not_before = date_time_ymd(4000, 1, 1)),
    ];
    for (name, change) in cases {
        let server = ours.server(name, change);
        assert_eq!(ask("localhost", server, Some(&ours)), Err(Code::NetworkTls), "{name}");
    }
}
