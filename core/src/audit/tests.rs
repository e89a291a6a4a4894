//! The audit file as a host meets it: what is in it, when it can't be written, and when somebody has touched it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{names::rotated, verify, verify_with_head};
use crate::{
    AuditFailure, AuditFile, Code, Error, HashParameters, Id, InspireAuth, Options, Result, StoreLocation,
    keys::{
        Caller, Channel, Created, Import, ImportFormat, KeyUpdate, NewKey, Presented, Principal, Request, Requirement,
    },
    store::{
        AuditEvent, Changes, KeyWithCredentials, Ledger, MemoryStore, Reader, Store, Strength, TagKey, Transaction,
        passes_on::passes_on,
    },
};

/// A folder, and a log in it.
struct Site {
    folder: TempDir,
    file: AuditFile,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = AuditFile::at(folder.path().join("audit.log"));
        Self { folder, file }
    }

    fn chained() -> Self {
        let mut site = Self::new();
        site.file.chain = true;
        site
    }

    fn denying() -> Self {
        let mut site = Self::new();
        site.file.on_failure = AuditFailure::DenyMutations;
        site
    }

    fn path(&self) -> &Path {
        &self.file.path
    }

    fn options(&self) -> Options {
        self.options_on(StoreLocation::Memory)
    }

    fn options_on(&self, store: StoreLocation) -> Options {
        let mut options = Options::new(store);
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        options.write_requirement = Some("Authenticated/Write".parse().unwrap());
        options.audit_file = Some(self.file.clone());
        options
    }

    fn open(&self) -> InspireAuth {
        InspireAuth::open(self.options()).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Event and subject of each line.
    fn events(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.lines().iter().map(|line| (text(&line["event"]), text(&line["subject"]))).collect()
    }
}

fn create(auth: &InspireAuth, name: &str) -> Created {
    let mut key = NewKey::named(name);
    key.levels = vec!["Authenticated/Write".to_owned()];
    auth.keys().create(&key, &Caller::system()).unwrap()
}

fn ask(auth: &InspireAuth, value: &str) -> Result<Principal> {
    let requirement = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &requirement);
    request.channel = Channel::Secure;
    auth.authenticate(&request)
}

fn counter(auth: &InspireAuth, sample: &str) -> u64 {
    let text = auth.metrics_text();
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample}: {text}")).parse().unwrap()
}

fn pair(event: &str, subject: &str) -> (String, String) {
    (event.to_owned(), subject.to_owned())
}

#[test]
fn every_change_is_a_line_before_the_call_returns() {
    let site = Site::new();
    let auth = site.open();
    let keys = auth.keys();
    let system = Caller::system().at(1_782_000_000);
    keys.create(&NewKey::named("a"), &system).unwrap();
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng".to_owned();
    let import = Import { key: NewKey::named("i"), format: ImportFormat::Phc, hash, strength: Strength::Chosen };
    keys.import(&import, &system).unwrap();
    let many = ["m", "n"].map(|name| Import { key: NewKey::named(name), ..import.clone() });
    keys.import_all(&many, &system).unwrap();
    keys.update("a", 1, &KeyUpdate { description: Some("d".into()), ..KeyUpdate::default() }, &system).unwrap();
    keys.rename("a", "b", None, &system).unwrap();
    keys.set_enabled("b", false, None, &system).unwrap();
    keys.set_enabled("b", true, None, &system).unwrap();
    keys.duplicate("b", "c", None, &system).unwrap();
    keys.rotate("c", 0, None, &system).unwrap();
    keys.delete("c", None, &system).unwrap();
    auth.adopt_store().unwrap();
    let expected = [
        ("key.created", "a"),
        ("key.imported", "i"),
        ("keys.imported", ""),
        ("key.updated", "a"),
        ("key.renamed", "a"),
        ("key.disabled", "b"),
        ("key.enabled", "b"),
        ("key.duplicated", "c"),
        ("key.rotated", "c"),
        ("key.deleted", "c"),
        ("store.adopted", ""),
    ];
    assert_eq!(site.events(), expected.map(|(event, subject)| pair(event, subject)));
    let lines = site.lines();
    for line in &lines {
        assert_eq!(
            (&line["actor"], &line["outcome"], &line["code"]),
            (&"system".into(), &"success".into(), &"OK".into())
        );
        assert!(line.get("prev").is_none() && line["ocsf"]["class_uid"] == 3004);
    }
    assert_eq!(lines[0]["time"], "2026-06-21T00:00:00.000Z");
    assert_eq!(
        (&lines[1]["detail"], &lines[2]["detail"], &lines[4]["detail"], &lines[7]["detail"]),
        (&"chosen".into(), &"2 keys".into(), &"now b".into(), &"of b".into())
    );
    // The store's own log has them too, and the counters.
    let stored: Vec<String> = auth.audit(100).unwrap().into_iter().rev().map(|event| event.event).collect();
    assert_eq!(stored, expected.map(|(event, _)| event));
    assert_eq!(counter(&auth, "inspire_mutations_total{event=\"key.enabled\"}"), 1);
    assert_eq!(fs::metadata(site.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

/// What a service account tried and was not allowed to do is what an auditor looks for first.
#[test]
fn a_change_that_the_actor_may_not_make_is_recorded() {
    let site = Site::new();
    let auth = site.open();
    let mut weak = NewKey::named("weak");
    weak.levels = vec!["Authenticated/Read".to_owned()];
    let weak = auth.keys().create(&weak, &Caller::system()).unwrap();
    let principal = ask(&auth, &format!("Bearer {}", weak.credential().as_str())).unwrap();
    let by = Caller::by(&principal);
    assert_eq!(auth.keys().create(&NewKey::named("x"), &by).unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(auth.keys().delete("weak", None, &by).unwrap_err().code(), Code::PermissionDenied);
    // What is merely wrong is no denial.
    assert_eq!(auth.keys().delete("nobody", None, &Caller::system()).unwrap_err().code(), Code::NotFound);
    auth.flush().unwrap();
    let lines = site.lines();
    assert_eq!(site.events()[1..], [pair("key.created.failed", "x"), pair("key.deleted.failed", "weak")]);
    for line in &lines[1..] {
        assert_eq!((&line["actor"], &line["code"]), (&"key:weak".into(), &"PERMISSION_DENIED".into()));
        assert_eq!(line["outcome"], "failure");
    }
}

/// Puts something in the way of the log, and takes it away again.
struct Obstacle {
    name: &'static str,
    raise: fn(&Site),
    clear: fn(&Site),
}

fn obstacles() -> Vec<Obstacle> {
    vec![
        Obstacle {
            name: "a folder in its place",
            raise: |site| fs::create_dir(site.path()).unwrap(),
            clear: |site| fs::remove_dir(site.path()).unwrap(),
        },
        Obstacle {
            name: "no folder",
            raise: |site| fs::rename(site.folder.path(), site.folder.path().with_extension("away")).unwrap(),
            clear: |site| fs::rename(site.folder.path().with_extension("away"), site.folder.path()).unwrap(),
        },
        Obstacle {
            name: "a symbolic link to a file",
            raise: |site| {
                fs::write(site.folder.path().join("target"), "").unwrap();
                std::os::unix::fs::symlink(site.folder.path().join("target"), site.path()).unwrap();
            },
            clear: |site| {
                assert_eq!(fs::read(site.folder.path().join("target")).unwrap(), b"", "the link was followed");
                fs::remove_file(site.path()).unwrap();
            },
        },
        Obstacle {
            name: "a device",
            raise: |site| std::os::unix::fs::symlink("/dev/full", site.path()).unwrap(),
            clear: |site| fs::remove_file(site.path()).unwrap(),
        },
    ]
}

/// T28: the policy says no, so nothing is changed, whatever is wrong with the file; and it goes on by itself when that
/// is mended.
#[test]
fn a_mutation_that_cannot_be_recorded_is_denied() {
    for obstacle in obstacles() {
        let site = Site::denying();
        (obstacle.raise)(&site);
        let auth = site.open();
        let before = auth.store().generation().unwrap();
        let refused = auth.keys().create(&NewKey::named("k"), &Caller::system()).unwrap_err();
        assert_eq!(refused.code(), Code::AuditUnavailable, "{}", obstacle.name);
        assert_eq!(auth.adopt_store().unwrap_err().code(), Code::AuditUnavailable, "{}", obstacle.name);
        assert_eq!(auth.store().generation().unwrap(), before, "{}", obstacle.name);
        assert_eq!(auth.keys().get("k").unwrap_err().code(), Code::NotFound, "{}", obstacle.name);
        assert_eq!(auth.http(Code::AuditUnavailable).status, 503);
        assert!(counter(&auth, "inspire_audit_failures_total") > 0);

        (obstacle.clear)(&site);
        let created = create(&auth, "k");
        // What failed before is written whenever the thread for that comes to it: before this, as a rule.
        assert!(site.events().contains(&pair("key.created", "k")), "{}: {:?}", obstacle.name, site.events());

        // Again, with a handle that has had the file open: a revocation is a change like any other, and says so.
        fs::remove_file(site.path()).unwrap();
        (obstacle.raise)(&site);
        let delete = || auth.keys().delete("k", None, &Caller::system());
        assert_eq!(delete().unwrap_err().code(), Code::AuditUnavailable, "{}", obstacle.name);
        // T29: no check is failed by it, and none is granted by it.
        assert!(ask(&auth, &format!("Bearer {}", created.credential().as_str())).is_ok(), "{}", obstacle.name);
        assert_eq!(ask(&auth, "Bearer k:wrong").unwrap_err().code(), Code::InvalidCredential, "{}", obstacle.name);
        let _ = auth.flush();
        (obstacle.clear)(&site);
        delete().unwrap();
        assert_eq!(
            ask(&auth, &format!("Bearer {}", created.credential().as_str())).unwrap_err().code(),
            Code::InvalidCredential
        );
        auth.flush().unwrap();
        let text = site.text();
        assert!(text.contains("key.deleted") && text.contains("audit.dropped"), "{}: {text}", obstacle.name);
    }
}

#[test]
fn by_default_a_change_is_made_all_the_same_and_written_when_that_is_possible() {
    for obstacle in obstacles() {
        let site = Site::new();
        (obstacle.raise)(&site);
        let auth = site.open();
        create(&auth, "k");
        assert_eq!(auth.keys().get("k").unwrap().name, "k");
        assert!(counter(&auth, "inspire_audit_failures_total") > 0, "{}", obstacle.name);
        (obstacle.clear)(&site);
        auth.flush().unwrap();
        create(&auth, "l");
        auth.flush().unwrap();
        let events = site.events();
        // The first one was tried again with a batch; the thread that writes batches may have come too early with it,
        // and then its number is told.
        let told = events.contains(&pair("key.created", "k")) || events.contains(&pair("audit.dropped", ""));
        assert!(told && events.contains(&pair("key.created", "l")), "{}: {events:?}", obstacle.name);
    }
}

/// A store in memory whose commits fail on demand, after the body has run.
#[derive(Debug)]
struct Uncommitting {
    store: MemoryStore,
    fails: AtomicBool,
}

impl Store for Uncommitting {
    fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
        self.store.write(&mut |tx| {
            body(tx)?;
            if self.fails.load(Ordering::SeqCst) { Err(Error::new(Code::StoreFull)) } else { Ok(()) }
        })
    }
    passes_on!(generation load changes_since read wait_for_change account tag_key adopt note_used last_used append_audit audit);
}

#[test]
fn a_commit_that_fails_is_told_by_a_second_line() {
    let site = Site::chained();
    let store = Arc::new(Uncommitting { store: MemoryStore::new().unwrap(), fails: AtomicBool::new(true) });
    let location = StoreLocation::Custom(Arc::clone(&store) as Arc<dyn Store>);
    let auth = InspireAuth::open(site.options_on(location)).unwrap();
    assert_eq!(auth.keys().create(&NewKey::named("k"), &Caller::system()).unwrap_err().code(), Code::StoreFull);
    assert_eq!(site.events(), [pair("key.created", "k"), pair("key.created.failed", "k")]);
    assert_eq!(site.lines()[1]["code"], "STORE_FULL");
    assert_eq!(counter(&auth, "inspire_mutations_total{event=\"key.created\"}"), 0);
    store.fails.store(false, Ordering::SeqCst);
    create(&auth, "k");
    assert_eq!(verify(site.path()).unwrap().lines, 3);
}

/// What is refused is written by a thread of its own: never by the one that checks, and nothing waits for it.
#[test]
fn denials_are_written_on_the_side_and_bounded() {
    const ASKED: usize = 5000;
    let site = Site::new();
    let heard = Arc::new(Mutex::new(0_usize));
    let mut options = site.options();
    let hears = Arc::clone(&heard);
    options.audit = Some(Arc::new(move |event| *hears.lock().unwrap() += usize::from(event.event == "key.refused")));
    let auth = InspireAuth::open(options).unwrap();
    create(&auth, "k");
    // Somebody else has the file: whoever waited for it would have given up by the end, and said so.
    let other = fs::File::options().append(true).open(site.path()).unwrap();
    other.lock().unwrap();
    for _ in 0..ASKED {
        assert_eq!(ask(&auth, "Bearer nobody:wrong").unwrap_err().code(), Code::InvalidCredential);
    }
    assert_eq!(counter(&auth, "inspire_audit_failures_total"), 0);
    assert_eq!(site.events(), [pair("key.created", "k")]);
    other.unlock().unwrap();
    auth.flush().unwrap();
    auth.flush().unwrap();
    assert_eq!(*heard.lock().unwrap(), ASKED, "the host's own sink hears every one");
    let written = site.events().iter().filter(|(event, _)| event == "key.refused").count();
    let dropped: usize = site
        .lines()
        .iter()
        .filter(|line| line["event"] == "audit.dropped")
        .map(|line| line["detail"].as_str().unwrap().split(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(written + dropped, ASKED, "each was written or is accounted for");
    assert!(dropped > 0 && written >= 1000, "{written} {dropped}");
    assert_eq!(usize::try_from(counter(&auth, "inspire_audit_dropped_total")).unwrap(), dropped);
    // A change has room even so.
    auth.keys().delete("k", None, &Caller::system()).unwrap();
    assert!(auth.audit(5000).unwrap().iter().any(|event| event.event == "key.deleted"));
}

/// T37: whatever is sent, no part of a secret is in the file, in the store's log, or in the metrics.
#[test]
fn no_secret_is_ever_written() {
    let site = Site::new();
    let auth = site.open();
    let created = create(&auth, "k");
    let secret = created.key.as_str();
    let whole = created.credential();
    let mut sent = 0;
    for value in [
        format!("Bearer {}", whole.as_str()),
        format!("Bearer {secret}"),
        format!("Bearer {secret}:k"),
        format!("Bearer k:{secret}x"),
        format!("Bearer k:{}", &secret[1..]),
        format!("Basic {secret}"),
        format!("Bearer k\n:{secret}"),
        format!("Bearer {secret}:{secret}"),
        secret.to_owned(),
        format!("Bearer k:{secret}, Bearer k:{secret}"),
        format!("Bearer \u{7f}{secret}\u{2028}"),
    ] {
        for end in 0..=value.len() {
            if let Some(part) = value.get(..end) {
                let _ = ask(&auth, part);
                sent += 1;
            }
            if sent % 500 == 0 {
                let _ = auth.flush();
            }
        }
    }
    auth.keys().rotate("k", 0, None, &Caller::system()).unwrap();
    auth.flush().unwrap();
    let seen = format!("{}{:?}{}{auth:?}", site.text(), auth.audit(10_000).unwrap(), auth.metrics_text());
    // A prefix alone, `isk_`, is no secret.
    for start in (4..secret.len() - 12).step_by(4) {
        let part = &secret[start..start + 12];
        assert!(!seen.contains(part), "a part of the secret was written");
    }
    assert!(site.text().lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn a_chain_holds_over_rotation_handles_and_threads() {
    let mut site = Site::chained();
    (site.file.max_bytes, site.file.keep) = (64 << 10, 1000);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let open = || InspireAuth::open(site.options_on(StoreLocation::Custom(Arc::clone(&store)))).unwrap();
    let handles: Vec<InspireAuth> = (0..4).map(|_| open()).collect();
    std::thread::scope(|scope| {
        for (at, auth) in handles.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..100 {
                    create(auth, &format!("k{at}-{n}"));
                    let _ = ask(auth, "Bearer nobody:wrong");
                }
                auth.flush().unwrap();
            });
        }
    });
    let verified = verify(site.path()).unwrap();
    assert!(verified.lines >= 800 && verified.files.len() > 3, "{verified:?}");
    assert!(verified.from_the_beginning && verified.torn == 0 && verified.unchained == 0);
    assert_eq!(verify_with_head(site.path(), &verified.head).unwrap(), verified);
    create(&handles[0], "last");
    // An older head is still in it.
    verify_with_head(site.path(), &verified.head).unwrap();
}

/// A log of three files, the last of which has several lines.
fn log() -> Site {
    let mut site = Site::chained();
    (site.file.max_bytes, site.file.keep) = (64 << 10, 1000);
    let auth = site.open();
    let mut n = 0;
    while !rotated(site.path(), 2).exists() || site.text().lines().count() < 20 {
        create(&auth, &format!("k{n}"));
        n += 1;
    }
    site
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn what_was_changed_removed_inserted_or_moved_is_found_and_where() {
    type Tampering = (&'static str, fn(&mut Vec<String>), u64);
    let cases: [Tampering; 6] = [
        ("changed", |lines| lines[9] = lines[9].replace("success", "failure"), 11),
        ("removed", |lines| drop(lines.remove(9)), 10),
        ("inserted", |lines| lines.insert(9, lines[3].clone()), 10),
        ("moved", |lines| lines.swap(8, 9), 9),
        ("unchained", |lines| lines.insert(9, lines[9].replace("\"prev\"", "\"next\"")), 10),
        ("first", |lines| drop(lines.remove(0)), 1),
    ];
    for (name, tamper, line) in cases {
        for number in [0, 1] {
            let site = log();
            verify(site.path()).unwrap();
            let file = if number == 0 { site.path().to_owned() } else { rotated(site.path(), number) };
            change(&file, tamper);
            let broken = verify(site.path()).unwrap_err();
            assert_eq!(broken.code(), Code::Conflict, "{name}");
            let place = format!("{}:{line}: ", file.display());
            assert!(broken.detail().unwrap().starts_with(&place), "{name}: {:?} {place}", broken.detail());
        }
    }
    let site = log();
    fs::remove_file(rotated(site.path(), 1)).unwrap();
    let broken = verify(site.path()).unwrap_err();
    assert!(broken.detail().unwrap().starts_with(&format!("{}:1: ", site.path().display())), "{:?}", broken.detail());
}

/// Nothing follows the last line, so only who keeps its hash elsewhere knows that it is gone.
#[test]
fn a_log_that_was_cut_off_is_found_by_its_head() {
    let site = log();
    let head = verify(site.path()).unwrap().head;
    change(site.path(), |lines| drop(lines.pop()));
    verify(site.path()).unwrap();
    assert_eq!(verify_with_head(site.path(), &head).unwrap_err().code(), Code::Conflict);
    fs::remove_file(rotated(site.path(), 2)).unwrap();
    assert!(!verify(site.path()).unwrap().from_the_beginning);
    for wrong in ["", "00", "not hexadecimal"] {
        assert_eq!(verify_with_head(site.path(), wrong).unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn a_line_that_a_crash_tore_is_no_end_of_the_log() {
    let site = Site::chained();
    let auth = site.open();
    create(&auth, "a");
    create(&auth, "b");
    for (round, cut) in [1, 10, 200].into_iter().enumerate() {
        let text = fs::read(site.path()).unwrap();
        fs::write(site.path(), &text[..text.len() - cut]).unwrap();
        let torn = verify(site.path()).unwrap();
        // Without its end alone, the line is whole.
        let expected = u64::try_from(round).unwrap();
        assert_eq!(torn.torn, expected, "{cut}");
        // The same handle goes on, and another one that knows nothing.
        create(&auth, &format!("c{round}"));
        create(&site.open(), &format!("d{round}"));
        let verified = verify(site.path()).unwrap();
        assert_eq!(verified.torn, expected);
        if round == 1 {
            assert_eq!(verified.first_torn, Some((site.path().to_owned(), 4)));
        }
    }
    // A power cut may leave a hole of zeros.
    let mut text = fs::read(site.path()).unwrap();
    text.extend([0; 300_000]);
    fs::write(site.path(), &text).unwrap();
    create(&auth, "after");
    assert_eq!(verify(site.path()).unwrap().torn, 3);
}

#[test]
fn a_log_without_a_chain_says_so_and_may_begin_one() {
    let site = Site::new();
    create(&site.open(), "a");
    assert_eq!(verify(site.path()).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(verify(&site.folder.path().join("none")).unwrap_err().code(), Code::AuditUnavailable);
    let chained = Site { file: AuditFile { chain: true, ..site.file.clone() }, ..site };
    create(&chained.open(), "b");
    create(&chained.open(), "c");
    let verified = verify(chained.path()).unwrap();
    assert_eq!((verified.lines, verified.unchained), (3, 1));
    // The last line before the chain is part of it.
    change(chained.path(), |lines| lines[0] = lines[0].replace("success", "failure"));
    assert_eq!(verify(chained.path()).unwrap_err().code(), Code::Conflict);
}

#[test]
fn a_chain_goes_on_whoever_writes() {
    let site = Site::chained();
    create(&site.open(), "a");
    let plain = Site { file: AuditFile { chain: false, ..site.file.clone() }, ..site };
    create(&plain.open(), "b");
    // In a new file as well.
    fs::rename(plain.path(), rotated(plain.path(), 1)).unwrap();
    let other = plain.open();
    create(&other, "c");
    create(&other, "d");
    let verified = verify(plain.path()).unwrap();
    assert_eq!((verified.lines, verified.unchained, verified.from_the_beginning), (4, 0, true));
    assert_eq!(verified.files.len(), 2);
}

#[test]
fn rotation_keeps_so_many_files_of_such_a_size_and_others_follow() {
    let mut site = Site::new();
    (site.file.max_bytes, site.file.keep) = (64 << 10, 2);
    let (one, two) = (site.open(), site.open());
    for n in 0..600 {
        create(if n % 2 == 0 { &one } else { &two }, &format!("k{n}"));
    }
    let mut files: Vec<PathBuf> =
        fs::read_dir(site.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files, [site.path().to_owned(), rotated(site.path(), 1), rotated(site.path(), 2)]);
    for file in files {
        let stat = fs::metadata(&file).unwrap();
        assert!(stat.len() <= 64 << 10 && stat.permissions().mode() & 0o777 == 0o600);
    }
    assert_eq!(site.events().last().unwrap(), &pair("key.created", "k599"));
    // Moved away by somebody else, it begins anew.
    fs::rename(site.path(), site.folder.path().join("moved")).unwrap();
    create(&one, "next");
    assert_eq!(site.events(), [pair("key.created", "next")]);
    // A mode that an administrator gave stays.
    fs::set_permissions(rotated(site.path(), 1), fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(site.path()).unwrap();
    create(&two, "again");
    assert_eq!(fs::metadata(site.path()).unwrap().permissions().mode() & 0o777, 0o640);
}
