//! The checker as a gateway meets it: heads of requests over a socket, and what comes back.

#![cfg(test)]

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    thread,
};

use inspire_auth_checker::{Arrival, Gateway, Guard, Listen, Options, Running, start};
use inspire_auth_core::{
    HashParameters, InspireAuth, StoreLocation,
    keys::{Caller, NewKey, Requirement},
    routes::Routes,
};

const TABLE: &str = r#"{"routes": [
    {"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated/Ops"]}},
    {"prefix": "/open", "methods": ["GET"], "require": {"any": ["Public"]}},
    {"prefix": "/wall", "methods": ["GET"], "require": {"any": ["Authenticated"]}, "entitlement": "VIDEO_WALL_SYNC"}
]}"#;

struct Site {
    auth: InspireAuth,
    good: String,
    weak: String,
    running: Running,
}

/// What came back: the status, and the headers, their names in small letters.
#[derive(Debug)]
struct Reply(u16, Vec<(String, String)>);

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.1.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn options(auth: &InspireAuth, gateway: Gateway, listen: Listen) -> Options {
    let guard = Guard::Routes(Routes::parse(TABLE).unwrap());
    Options { auth: auth.clone(), guard, gateway, arrival: Arrival::Secure, listen, metrics: None, levels: true }
}

fn port(address: &str) -> Listen {
    Listen::Loopback(address.parse().unwrap())
}

fn site(gateway: Gateway, change: impl FnOnce(&mut Options)) -> Site {
    let mut of_auth = inspire_auth_core::Options::new(StoreLocation::Memory);
    of_auth.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    let auth = InspireAuth::open(of_auth).unwrap();
    let create = |name: &str, level: &str| {
        let key = NewKey { levels: vec![level.to_owned()], ..NewKey::named(name) };
        auth.keys().create(&key, &Caller::system()).unwrap().credential().as_str().to_owned()
    };
    let (good, weak) = (create("good", "Authenticated/Ops"), create("weak", "Authenticated/Other"));
    let mut options = options(&auth, gateway, port("127.0.0.1:0"));
    change(&mut options);
    Site { good, weak, running: start(options).unwrap(), auth }
}

fn exchange(mut stream: impl Read + Write, head: &str) -> Reply {
    stream.write_all(format!("{head}Host: checker\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (head, _) = said.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Reply(status, lines.filter_map(header).collect())
}

impl Site {
    fn ask(&self, head: &str) -> Reply {
        exchange(TcpStream::connect(self.running.at().strip_prefix("http://").unwrap()).unwrap(), head)
    }

    /// As nginx asks.
    fn nginx(&self, method: &str, path: &str, credential: Option<&str>) -> Reply {
        let credential = credential.map_or(String::new(), |it| format!("Authorization: Bearer {it}\r\n"));
        let asked = format!("X-Original-Method: {method}\r\nX-Original-URI: {path}\r\n");
        self.ask(&format!("GET /check HTTP/1.1\r\n{asked}{credential}"))
    }
}

#[test]
fn a_grant_names_the_key_and_a_refusal_names_nobody() {
    let site = site(Gateway::Nginx, |_| ());
    for _ in 0..2 {
        let granted = site.nginx("GET", "/data/x?y=1", Some(&site.good));
        assert_eq!(granted.0, 200, "{granted:?}");
        assert_eq!(
            (granted.header("x-inspire-key"), granted.header("cache-control")),
            (Some("good"), Some("no-store"))
        );
        assert_eq!(granted.header("x-inspire-levels"), Some("Authenticated,Authenticated/Ops"));
        assert_eq!(granted.header("x-inspire-key-id").map(str::len), Some(36));
    }
    let wrong = format!("good:{}", site.weak.split_once(':').unwrap().1);
    for (reply, status, own, code, challenged) in [
        (site.nginx("GET", "/data", None), 401, "401", "NO_CREDENTIAL", true),
        (site.nginx("GET", "/data", Some(&wrong)), 401, "401", "INVALID_CREDENTIAL", true),
        (site.nginx("GET", "/data", Some("no colon")), 401, "400", "MALFORMED_CREDENTIAL", true),
        (site.nginx("GET", "/data", Some(&site.weak)), 403, "403", "INSUFFICIENT_LEVEL", true),
        (site.nginx("PUT", "/data", Some(&site.good)), 403, "403", "ROUTE_DENIED", false),
        (site.nginx("GET", "/elsewhere", Some(&site.good)), 403, "403", "ROUTE_DENIED", false),
        (site.nginx("GET", "/data/../open", Some(&site.good)), 401, "400", "PATH_NOT_CANONICAL", false),
        (site.nginx("GET", "/wall", Some(&site.good)), 403, "403", "UNLICENSED", false),
    ] {
        let told = (reply.0, reply.header("x-inspire-auth-status"), reply.header("x-inspire-auth-error"));
        assert_eq!(told, (status, Some(own), Some(code)));
        assert!(reply.1.iter().all(|(name, _)| !name.starts_with("x-inspire-key") && name != "x-inspire-levels"));
        assert_eq!(reply.header("www-authenticate").is_some(), challenged, "{reply:?}");
    }
    let anybody = site.nginx("GET", "/open", None);
    assert!(anybody.0 == 200 && anybody.header("x-inspire-key").is_none());
    // A revoked key is refused by the next question.
    site.auth.keys().delete("good", None, &Caller::system()).unwrap();
    assert_eq!(site.nginx("GET", "/data", Some(&site.good)).0, 401);
}

/// The question's own path and method, and headers of another gateway, are what a client may have chosen.
#[test]
fn what_the_gateway_did_not_say_is_no_grant() {
    let site = site(Gateway::Nginx, |_| ());
    let key = format!("Authorization: Bearer {}\r\n", site.good);
    for head in [
        format!("GET /data HTTP/1.1\r\n{key}"),
        format!("GET /data HTTP/1.1\r\nX-Original-URI: /data\r\n{key}"),
        format!("GET /data HTTP/1.1\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /data\r\n{key}"),
        format!("GET /x HTTP/1.1\r\nX-Original-Method: GET\r\nX-Original-URI: /open\r\nX-Original-URI: /data\r\n{key}"),
    ] {
        assert_eq!(site.ask(&head).0, 500, "{head}");
    }
}

#[test]
fn the_channel_is_what_the_gateway_says_in_one_word() {
    for (arrival, proto, status) in [
        (Arrival::Plain, "X-Forwarded-Proto: https\r\n", 403),
        (Arrival::Secure, "", 200),
        (Arrival::Forwarded, "X-Forwarded-Proto: https\r\n", 200),
        (Arrival::Forwarded, "X-Forwarded-Proto: http\r\n", 403),
        (Arrival::Forwarded, "", 403),
        (Arrival::Forwarded, "X-Forwarded-Proto: https, http\r\n", 403),
        (Arrival::Forwarded, "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", 403),
    ] {
        let site = site(Gateway::Caddy, |options| {
            let requirement = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
            options.guard = Guard::All { requirement, entitlement: None };
            options.arrival = arrival;
        });
        let reply = site.ask(&format!("GET /any HTTP/1.1\r\n{proto}Authorization: Bearer {}\r\n", site.good));
        assert_eq!(reply.0, status, "{arrival:?} {proto}");
    }
}

#[test]
fn metrics_are_served_apart() {
    let site = site(Gateway::Envoy, |options| options.metrics = Some("127.0.0.1:0".parse().unwrap()));
    let metrics = || TcpStream::connect(site.running.metrics().unwrap()).unwrap();
    let told = exchange(metrics(), "GET /metrics HTTP/1.1\r\n");
    assert!(told.0 == 200 && told.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert_eq!(exchange(metrics(), "GET /data HTTP/1.1\r\n").0, 404);
    // A client of Envoy chooses the path: there it is one as any other.
    assert_eq!(site.ask("GET /metrics HTTP/1.1\r\n").0, 403);
}

#[test]
fn a_socket_has_its_permissions_is_taken_over_when_left_and_goes_with_the_checker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checker.sock");
    let site = site(Gateway::Nginx, |_| ());
    let open = || start(options(&site.auth, Gateway::Nginx, Listen::Unix(path.clone(), 0o660)));
    // Left by one that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let running = open().unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let asked = "X-Original-Method: GET\r\nX-Original-URI: /data\r\n";
    let head = format!("GET / HTTP/1.1\r\n{asked}Authorization: Bearer {}\r\n", site.good);
    let answers = || exchange(UnixStream::connect(&path).unwrap(), &head).0;
    assert_eq!(answers(), 200);
    assert!(open().is_err(), "somebody listens there");
    assert_eq!(answers(), 200);
    running.stop();
    assert!(folder.path().read_dir().unwrap().next().is_none());
    std::fs::write(&path, "somebody's").unwrap();
    assert!(open().is_err() && std::fs::read(&path).unwrap() == b"somebody's");
}

#[test]
fn nobody_else_reaches_it_and_many_ask_at_once() {
    let site = site(Gateway::Envoy, |_| ());
    assert!(start(options(&site.auth, Gateway::Envoy, port("0.0.0.0:0"))).is_err());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (key, status) in [(&site.good, 200), (&site.weak, 403)].into_iter().cycle().take(100) {
                    let reply = site.ask(&format!("GET /data HTTP/1.1\r\nAuthorization: Bearer {key}\r\n"));
                    assert_eq!(reply.0, status);
                }
            });
        }
    });
}
