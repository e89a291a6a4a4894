//! A small gateway: HTTP on loopback, guarded by API keys, security levels and a license.
//!
//! ```text
//! export INSPIRE_AUTH_STORE=/tmp/gateway.db
//! inspire-auth keys create operator --level Authenticated/Gateway/Write --allow-insecure
//! cargo run -p inspire-auth-example -- /tmp/gateway.db 8080
//! curl -i -H 'Authorization: Bearer operator:isk_...' http://127.0.0.1:8080/data/api/v1/resources
//! ```
//!
//! A third argument names a file that `inspire-auth issuer keygen` wrote (`ID HEX`): whose licenses are believed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::{error::Error, sync::Arc, thread, time::Duration};

use inspire_auth_core::keys::{Channel, Presented, Request, Requirement};
use inspire_auth_core::{Code, InspireAuth, Options, license::keys::TrustedKey};

/// What a route asks of its callers: levels, and perhaps an entitlement of the license.
struct Route {
    method: &'static str,
    path: &'static str,
    requirement: Requirement,
    entitlement: Option<&'static str>,
}

/// Everything that a request is decided with; shared by all threads.
struct Gateway {
    auth: InspireAuth,
    routes: Vec<Route>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let store = arguments.next().ok_or("usage: inspire-auth-example STORE [PORT [TRUSTED_KEYS]]")?;
    let port: u16 = arguments.next().unwrap_or_else(|| "8080".to_owned()).parse()?;

    // 1. Open the store once. Any number of threads, and processes, use it together.
    let mut options = Options::at(store);
    if let Some(file) = arguments.next() {
        for line in std::fs::read_to_string(file)?.lines() {
            let (id, key) = line.split_once(' ').ok_or("a trusted key is `ID HEX`")?;
            options.trusted_keys.push(TrustedKey::parse(id, key)?);
        }
    }
    let auth = InspireAuth::open(options)?;

    // 2. Compile what the routes ask for. A check is then a few bit operations.
    let route = |method, path, spec: &str, entitlement| -> inspire_auth_core::Result<Route> {
        Ok(Route { method, path, requirement: auth.requirement(&spec.parse()?)?, entitlement })
    };
    let routes = vec![
        route("GET", "/data/api/v1/resources", "any(Authenticated/Gateway/Read, Authenticated/Gateway/Write)", None)?,
        route("POST", "/data/api/v1/sync", "Authenticated/Gateway/Write", None)?,
        route("GET", "/data/api/v1/modes", "Authenticated", None)?,
        route("GET", "/video-walls", "Authenticated", Some("VIDEO_WALL_SYNC"))?,
        route("GET", "/openapi", "Public", None)?,
    ];
    let gateway = Arc::new(Gateway { auth, routes });

    // 3. Serve: a thread a connection, one request each.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    for connection in listener.incoming() {
        let (gateway, connection) = (Arc::clone(&gateway), connection?);
        thread::spawn(move || serve(&gateway, connection));
    }
    Ok(())
}

impl Gateway {
    /// The whole decision about one request: status, more headers, body.
    fn answer(&self, request: &httparse::Request<'_, '_>) -> (u16, String, String) {
        let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
        // What no route names is refused before any credential is looked at.
        let Some(route) = self.routes.iter().find(|route| route.path == path) else {
            return (404, String::new(), problem("no such route"));
        };
        if request.method != Some(route.method) {
            return (405, format!("Allow: {}\r\n", route.method), problem("no such method"));
        }
        // All headers, raw and in order: the library finds the credential, and refuses a second one.
        let headers: Vec<(&[u8], &[u8])> =
            request.headers.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
        let mut check = Request::new(Presented::Headers(&headers), &route.requirement);
        // This example speaks no TLS. Behind a proxy that does, say `Channel::Secure`; never read it from a header.
        check.channel = Channel::Plain;
        check.entitlement = route.entitlement;
        match self.auth.authenticate(&check) {
            Ok(_) if path == "/openapi" => (200, String::new(), self.openapi()),
            Ok(caller) => (200, String::new(), format!("{{\"caller\":\"{}\"}}", caller.name().unwrap_or("anyone"))),
            Err(error) => self.refuse(error.code()),
        }
    }

    /// A refusal, as the library says it is to be answered. The code is public; the exact reason is in the audit log.
    fn refuse(&self, code: Code) -> (u16, String, String) {
        let http = self.auth.http(code);
        let challenge = http.challenge.map(|challenge| format!("WWW-Authenticate: {challenge}\r\n"));
        let retry = http.retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n"));
        (http.status, [challenge, retry].into_iter().flatten().collect(), problem(code.name()))
    }

    /// The routes, as OpenAPI tells them.
    fn openapi(&self) -> String {
        let path = |route: &Route| {
            let (path, method) = (route.path, route.method.to_lowercase());
            format!("\"{path}\":{{\"{method}\":{{\"x-requirement\":\"{}\"}}}}", route.requirement.spec())
        };
        let paths: Vec<String> = self.routes.iter().map(path).collect();
        format!("{{\"openapi\":\"3.1.0\",\"paths\":{{{}}}}}", paths.join(","))
    }
}

fn problem(code: &str) -> String {
    format!("{{\"error\":\"{code}\"}}")
}

/// Reads one request, of at most 16 KiB of head, and answers it.
fn serve(gateway: &Gateway, mut connection: TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let (status, more, body) = match request.parse(&head) {
            Ok(httparse::Status::Complete(_)) => gateway.answer(&request),
            Ok(httparse::Status::Partial) if head.len() < 16 * 1024 => {
                let mut more = [0; 4096];
                match connection.read(&mut more)? {
                    0 => return Ok(()),
                    read => head.extend(more.iter().take(read)),
                }
                continue;
            }
            _ => (400, String::new(), problem("bad request")),
        };
        let length = body.len();
        write!(
            connection,
            "HTTP/1.1 {status} \r\n{more}Content-Type: application/json\r\nContent-Length: {length}\r\n"
        )?;
        write!(connection, "Connection: close\r\n\r\n{body}")?;
        // What the caller still sends is read before the end, or its system might throw our answer away.
        connection.shutdown(Shutdown::Write)?;
        return io::copy(&mut connection.take(1 << 20), &mut io::sink()).map(|_| ());
    }
}
