//! What is done by itself, and a fork: a child does it too, from its first question about the license on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod store_support;

use std::{
    cell::RefCell,
    os::unix::net::UnixDatagram,
    sync::Arc,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, Error, InspireAuth, Options, Result, StoreLocation,
    license::online::{Cancel, HttpRequest, HttpResponse, Server, Transport},
    store::ReleaseRow,
};
use store_support::in_child;

/// No connection; says who tried.
#[derive(Debug)]
struct Cut(UnixDatagram);

impl Transport for Cut {
    fn send(&self, _: &HttpRequest, _: Instant, cancel: &Cancel) -> Result<HttpResponse> {
        self.0.send(&std::process::id().to_ne_bytes()).unwrap();
        // A call that is under way when the process forks, and ends with its handle.
        while !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Error::new(Code::NetworkConnect))
    }
}

#[test]
fn a_child_goes_on_by_itself_while_its_parent_asks() {
    let (calls, theirs) = UnixDatagram::pair().unwrap();
    let mut options = Options::new(StoreLocation::Memory);
    options.machine_id = Some("fp".into());
    let mut server = Server::at("https://h.example/v1");
    server.transport = Some(Arc::new(Cut(theirs)));
    server.auto_refresh = true;
    options.server = Some(server);
    let auth = InspireAuth::open(options).unwrap();
    let pending = ReleaseRow {
        machine: "fp".into(),
        license: "l1".into(),
        license_key: "KEY".into(),
        fingerprint: "fp".into(),
        since: 1,
        attempted: None,
    };
    auth.store().write(&mut |tx| tx.put_release(&pending)).unwrap();
    let caller = || {
        let mut id = [0; 4];
        calls.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        calls.recv(&mut id).unwrap();
        u32::from_ne_bytes(id)
    };
    // It looked before there was anything to do, and looks again after what a query notices.
    auth.license().status(None).unwrap();
    while calls.set_read_timeout(Some(Duration::from_millis(20))).is_ok() && calls.recv(&mut [0; 4]).is_err() {
        auth.store().write(&mut |tx| tx.set_license(None)).unwrap();
        auth.license().status(None).unwrap();
    }
    let auth = RefCell::new(Some(auth));
    assert!(in_child(|| {
        // SAFETY: alarm has no preconditions.
        #[allow(unsafe_code, reason = "the child must end even when it hangs")]
        unsafe {
            libc::alarm(30)
        };
        auth.borrow().as_ref().unwrap().license().status(None).unwrap();
        let mine = caller() == std::process::id();
        // It waits for the child's own call, and not for its parent's.
        drop(auth.take());
        mine
    }));
    drop(auth);
    assert!(calls.set_nonblocking(true).is_ok() && calls.recv(&mut [0; 4]).is_err(), "nobody asks any more");
}
