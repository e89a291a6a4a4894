//! Real connections, over loopback, to servers that misbehave.

use std::{
    io::{Read as _, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use super::*;

/// Accepts connections and has `serve` answer each, on a thread of its own, until the test ends.
pub(in super::super) fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

/// Reads a request's head, and as much of a body as it says.
pub(in super::super) fn read_request(stream: &mut impl io::Read) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
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
            Ok(more) => bytes.extend(&buffer[..more]),
        }
    }
}

/// A server that reads a request and answers with these bytes.
fn answers(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    listen(move |mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(&bytes);
    })
}

fn at(url: &str, change: impl FnOnce(&mut Server)) -> (Http, HttpRequest) {
    let mut server = Server::at(url);
    server.proxy = Proxy::None;
    server.connect_timeout = Duration::from_secs(2);
    change(&mut server);
    let base = Base::of(&server).unwrap();
    let request = HttpRequest {
        method: "POST",
        url: base.url(&base.target("/x?a=%2Fb")),
        headers: vec![("authorization", "License KEY".to_owned()), ("accept-encoding", "identity".to_owned())],
        body: b"{}".to_vec(),
    };
    (Http::new(&server, &base).unwrap(), request)
}

pub(super) fn send_within(time: Duration, url: &str, change: impl FnOnce(&mut Server)) -> Result<HttpResponse, Code> {
    let (http, request) = at(url, change);
    let begun = Instant::now();
    let answer = http.send(&request, Instant::now() + time, &Cancel::default());
    // Who is held is held for good, by the servers of these tests.
    assert!(begun.elapsed() < time + Duration::from_secs(30), "{:?} of {time:?}", begun.elapsed());
    answer.map_err(|error| {
        let told = format!("{error} {error:?}");
        assert!(!told.contains("KEY"), "{told}");
        error.code()
    })
}

fn send(address: SocketAddr) -> Result<HttpResponse, Code> {
    send_within(Duration::from_secs(5), &format!("http://{address}/v1"), |_| ())
}

#[test]
fn a_request_is_sent_byte_for_byte_and_an_answer_read_whole() {
    let (seen, requests) = mpsc::channel();
    let address = listen(move |mut stream| {
        seen.send(read_request(&mut stream)).unwrap();
        let answer = "HTTP/1.1 422 No\r\nKeygen-Signature: x\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 4\r\n\r\nbody";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let answer = send(address).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (422, &b"body"[..]));
    let named = |name: &str| answer.headers.iter().filter(|(other, _)| other == name).count();
    assert_eq!((named("keygen-signature"), named("x-two")), (1, 2));
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /v1/x?a=%2Fb HTTP/1.1\r\n"), "{request}");
    let lines: Vec<String> = request.lines().map(str::to_ascii_lowercase).collect();
    for line in [&format!("host: {address}"), "authorization: license key", "accept-encoding: identity"] {
        assert_eq!(lines.iter().filter(|other| *other == line).count(), 1, "{line}: {request}");
    }
    assert!(request.ends_with("\r\n\r\n{}"), "{request}");
}

#[test]
fn each_kind_of_answer_is_an_answer() {
    for status in [200, 201, 204, 301, 302, 307, 400, 401, 429, 500, 503] {
        let text = format!("HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(send(answers(text)).unwrap().status, status);
    }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(send(answers(chunked)).unwrap().body, b"abc");
    let largest = [b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n", &vec![b'x'; MAX_BODY][..]].concat();
    assert_eq!(send(answers(largest)).unwrap().body.len(), MAX_BODY);
}

#[test]
fn each_failure_of_the_network_has_its_code() {
    let short = Duration::from_millis(600);
    // Nobody listens: the port was free a moment ago.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(send(nobody), Err(Code::NetworkConnect));
    assert_eq!(send_within(Duration::from_secs(8), "https://name.invalid", |_| ()), Err(Code::NetworkDns));
    // Nothing is ever said; a byte at a time is said; the body never ends.
    let silent = listen(|mut stream| {
        read_request(&mut stream);
        thread::sleep(Duration::from_secs(5));
    });
    let trickle = |head: &'static str| {
        listen(move |mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        })
    };
    for address in
        [silent, trickle("HTTP/1.1 200 OK\r\nX-"), trickle("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")]
    {
        assert_eq!(send_within(short, &format!("http://{address}"), |_| ()), Err(Code::NetworkTimeout));
    }
    // No HTTP, half an answer, too much of one.
    let endless = listen(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for address in [
        answers("SSH-2.0-OpenSSH\r\n"),
        answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        answers("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        answers(header),
        endless,
    ] {
        assert_eq!(send(address), Err(Code::ServerAnswerMalformed));
    }
    // No TLS where TLS is meant; a proxy that refuses, or is not there.
    let plain = listen(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        // Until the other side has had enough.
        let _ = stream.read(&mut [0; 4096]);
    });
    assert_eq!(
        send_within(Duration::from_secs(5), &format!("https://localhost:{}", plain.port()), |_| ()),
        Err(Code::NetworkTls)
    );
    let by = |proxy: String| {
        send_within(Duration::from_secs(5), "https://licensing.invalid", |server| server.proxy = Proxy::Url(proxy))
    };
    let refusing = answers("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(by(format!("http://user:password@{refusing}")), Err(Code::NetworkProxy));
    assert_eq!(by(format!("http://{nobody}")), Err(Code::NetworkProxy));
    assert_eq!(by("http://proxy.invalid:8080".to_owned()), Err(Code::NetworkProxy));
}

#[test]
fn the_policy_covers_the_proxy() {
    let mut server = Server::at("https://h.example");
    server.allowed_hosts = Some(vec!["h.example".to_owned()]);
    let new = |server: &Server| Http::new(server, &Base::of(server).unwrap()).map(drop).map_err(|error| error.code());
    server.proxy = Proxy::Url("http://proxy.example:8080".to_owned());
    assert_eq!(new(&server), Err(Code::NetworkPolicy));
    server.allowed_hosts.as_mut().unwrap().push("proxy.example".to_owned());
    assert_eq!(new(&server), Ok(()));
    server.proxy = Proxy::Url("not a proxy".to_owned());
    assert_eq!(new(&server), Err(Code::InvalidArgument));
}

#[test]
fn a_file_of_authorities_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for text in ["", "x", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, text).unwrap();
        let answer =
            send_within(Duration::from_secs(2), "https://h.invalid", |server| server.ca_file = Some(path.clone()));
        assert_eq!(answer, Err(Code::NetworkTls), "{text}");
    }
    let missing = folder.path().join("none.pem");
    let answer = send_within(Duration::from_secs(2), "https://h.invalid", |server| server.ca_file = Some(missing));
    assert_eq!(answer, Err(Code::NetworkTls));
}

#[test]
fn a_call_that_waits_is_interrupted() {
    let (seen, requests) = mpsc::channel();
    let address = listen(move |mut stream| {
        read_request(&mut stream);
        seen.send(()).unwrap();
        // Until the other end is gone.
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
        seen.send(()).unwrap();
    });
    let (http, request) = at(&format!("http://{address}/v1"), |_| ());
    let cancel = Cancel::default();
    thread::scope(|scope| {
        let call = scope.spawn(|| http.send(&request, Instant::now() + Duration::from_hours(1), &cancel));
        requests.recv().unwrap();
        cancel.cancel();
        assert!(call.join().unwrap().is_err());
    });
    requests.recv().unwrap();
    let late = http.send(&request, Instant::now() + Duration::from_hours(1), &cancel);
    assert!(late.is_err() && requests.try_recv().is_err(), "it was cancelled before it began");
}
