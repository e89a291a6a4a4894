//! An offline installation opens no socket: proved by a system call filter that ends the process at the first.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    dead_code
)]

mod store_support;

use inspire_auth_core::{
    Code, InspireAuth, Options, StoreLocation,
    keys::Caller,
    license::{
        Kind, Release, State,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
        online::Cancel,
    },
};
use store_support::{Folder, in_child};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const KEY: &str = "KEY-KEY-KEY";

/// Ends this process, whichever thread does it, at the first system call that could make or use a socket.
#[allow(unsafe_code, reason = "a filter of system calls is set by one")]
fn forbid_sockets() {
    let numbers = [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_bind, libc::SYS_sendto];
    let statement = |code: u32, k: u32| libc::sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf: 0, k };
    // `seccomp_data` begins with the number of the call.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for (at, number) in numbers.into_iter().enumerate() {
        let to_the_end = u8::try_from(numbers.len() - at).unwrap();
        let code = u16::try_from(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K).unwrap();
        program.push(libc::sock_filter { code, jt: to_the_end, jf: 0, k: u32::try_from(number).unwrap() });
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS));
    let filter = libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: both calls take what is documented for them; `filter` points to a program of `len` statements, which the
    // kernel copies.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    assert!(set, "no filter: {}", std::io::Error::last_os_error());
}

fn at(now: i64) -> Caller<'static> {
    Caller { now: Some(now), ..Caller::system() }
}

#[test]
fn an_offline_installation_opens_no_socket_in_a_year() {
    let folder = Folder::new();
    let path = folder.db();
    assert!(in_child(move || {
        forbid_sockets();
        let signer = SigningKey::from_seed(&[7; 32]);
        let mut options = Options::new(StoreLocation::Path(path));
        options.trusted_keys = vec![TrustedKey::new("vendor", signer.public()).unwrap()];
        options.machine_id = Some("fp".into());
        let auth = InspireAuth::open(options).unwrap();
        let license = auth.license();
        assert!(license.request(Some(KEY), &at(NOW)).is_ok());
        let file = |issued, ttl| {
            let mut license = LicenseDescription::new("l1", KEY);
            license.fingerprint = Some("fp".into());
            license.entitlements = Some(vec!["OFFLINE_LICENSING".into(), "MFA".into()]);
            license.limits.insert("AI_CREDITS_MONTHLY".into(), 100);
            license.ttl = Some(ttl);
            sign(&signer, &license, Kind::Machine, true, Some(issued)).unwrap()
        };
        license.activate_offline(KEY, file(NOW, 200 * 86_400).as_bytes(), false, &at(NOW)).unwrap();
        for day in 0..365 {
            let now = NOW + day * DAY;
            if day == 190 {
                license.refresh(file(now, 400 * 86_400).as_bytes(), &at(now)).unwrap();
            }
            assert_eq!(license.status(Some(now)).unwrap().state, State::Active, "day {day}");
            assert!(license.has_entitlement("MFA", Some(now)).unwrap());
            license.consume(1, &format!("day {day}"), None, Some(now)).unwrap();
            assert_eq!(license.tick(&Cancel::default(), Some(now)).unwrap().next, None);
            assert_eq!(license.revalidate(&at(now)).unwrap_err().code(), Code::NotAvailableOffline);
        }
        let now = NOW + 365 * DAY;
        assert_eq!(license.activate_online(KEY, &at(now)).unwrap_err().code(), Code::UnsupportedOption);
        license.deactivate(&at(now)).unwrap().release == Release::None
    }));
}

#[test]
fn the_filter_notices_a_socket() {
    assert!(!in_child(|| {
        forbid_sockets();
        std::net::TcpStream::connect(("127.0.0.1", 9)).is_err()
    }));
}
