//! What several machines on one PostgreSQL see of each other, and what they answer when they see nothing.
#![cfg(feature = "postgres")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod store_support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, Id, InspireAuth, Options, StoreLocation,
    store::{KeyChanges, KeyRow, KeyWithCredentials, OnExpired, PostgresOptions, PostgresStore, Store},
};
use inspire_auth_test_postgres::{Lost, Pooler, Proxy, Server, psql};
use store_support::{add, by_name, credential, dump, in_child, key, names, postgres::Database, write};

/// Longer than anything here takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a handle keeps: it follows a store by what the store says, and by nothing else.
struct Node {
    store: PostgresStore,
    keys: BTreeMap<Id, KeyWithCredentials>,
    generation: u64,
}

impl Node {
    fn new(store: PostgresStore) -> Self {
        let mut node = Self { store, keys: BTreeMap::new(), generation: 0 };
        node.load();
        node
    }

    fn load(&mut self) {
        let mut keys = BTreeMap::new();
        let loaded = self.store.load(&mut |key| {
            keys.insert(key.key.id, key.clone());
            Ok(())
        });
        self.generation = loaded.unwrap();
        self.keys = keys;
    }

    /// The freshness step of a check.
    fn refresh(&mut self) -> Result<(), Code> {
        let newest = self.store.generation().map_err(|error| error.code())?;
        if newest <= self.generation {
            return Ok(());
        }
        let changes = self.store.changes_since(self.generation).map_err(|error| error.code())?;
        match changes.keys {
            KeyChanges::Everything => self.load(),
            KeyChanges::Only(changed) => {
                for (id, key) in changed {
                    match key {
                        Some(key) => self.keys.insert(id, key),
                        None => self.keys.remove(&id),
                    };
                }
                self.generation = changes.generation;
            }
        }
        Ok(())
    }

    /// Whether a key is accepted, by what is known.
    fn accepts(&mut self, id: Id) -> Result<bool, Code> {
        self.refresh().map(|()| self.keys.contains_key(&id))
    }
}

/// T40, over a network.
#[test]
fn a_change_by_one_machine_is_seen_by_another() {
    let database = Database::new();
    let (here, mut there) = (database.open(), Node::new(database.open()));
    let (row, _) = add(&here, "a");
    until("a new key", || there.accepts(row.id).unwrap());
    write(&here, |tx| tx.delete_key(row.id).unwrap());
    until("a revocation", || !there.accepts(row.id).unwrap());
    // From the beginning, though nobody had anything open when it was written.
    let late = Node::new(database.open());
    assert!(late.keys.is_empty() && late.generation == there.generation);
}

#[test]
fn a_foreign_writers_change_is_seen_like_our_own() {
    let database = Database::new();
    let store = database.open();
    let rows: Vec<KeyRow> = (0..6).map(|n| add(&store, &format!("key-{n}")).0).collect();
    let mut node = Node::new(database.open());
    let mut gone = |sql: &str, id: Id| {
        database.sql(sql);
        until(sql, || !node.accepts(id).unwrap());
    };
    gone("DELETE FROM keys WHERE name = 'key-0'", rows[0].id);
    gone(
        "BEGIN; SAVEPOINT s; UPDATE keys SET name = 'x' WHERE name = 'key-1'; ROLLBACK TO s; \
          DELETE FROM keys WHERE name = 'key-1'; COMMIT",
        rows[1].id,
    );
    // As a replication worker writes, for which ordinary triggers do not fire.
    gone("SET session_replication_role = replica; DELETE FROM keys WHERE name = 'key-2'", rows[2].id);
    database.sql("DELETE FROM credentials");
    until("credentials", || {
        node.refresh().unwrap();
        node.keys.values().all(|key| key.credentials.is_empty())
    });
    database.sql("TRUNCATE keys CASCADE");
    until("nothing left", || {
        node.refresh().unwrap();
        node.keys.is_empty()
    });
}

/// What one transaction changes is one generation, however much it is.
#[test]
fn a_transaction_is_one_generation() {
    let database = Database::new();
    let store = database.open();
    let before = store.generation().unwrap();
    let after = write(&store, |tx| {
        for n in 0..50 {
            let row = key(&format!("{n}"));
            tx.insert_key(&row).unwrap();
            tx.insert_credential(&credential(&row, 1)).unwrap();
        }
    });
    assert_eq!(after, before + 1);
    let KeyChanges::Only(keys) = store.changes_since(before).unwrap().keys else { panic!("everything") };
    assert!(keys.len() == 50 && keys.iter().all(|(_, key)| key.as_ref().unwrap().credentials.len() == 1));
}

/// A number that is taken before the commit is not in the order of the commits, and what is committed late under a low one
/// would never be read (research: sequences in outboxes).
#[test]
fn commits_that_overlap_are_all_seen() {
    let database = Database::new();
    let mut node = Node::new(database.open());
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = database.open();
            thread::spawn(move || {
                for n in 0..60 {
                    let (row, _) = add(&store, &format!("{writer}-{n}"));
                    if n % 2 == 0 {
                        write(&store, |tx| tx.delete_key(row.id).unwrap());
                    }
                }
            })
        })
        .collect();
    // Foreign ones hold their transactions open in between, and roll some of them back.
    let foreign: Vec<_> = (0..2)
        .map(|writer| {
            let (url, schema) = (database.url(""), database.schema().to_owned());
            let url = url.split("?schema").next().unwrap().to_owned();
            thread::spawn(move || {
                for n in 0..20 {
                    let end = if n % 3 == 0 { "ROLLBACK" } else { "COMMIT" };
                    let sql = format!(
                        "SET search_path = {schema}; BEGIN; INSERT INTO keys SELECT uuid_send(gen_random_uuid()), 'basic-token', \
                         'foreign-{writer}-{n}', '', '{{}}', true, true, 1, 1, NULL, 1; SELECT pg_sleep(0.01); {end}"
                    );
                    psql(&url, &sql).unwrap();
                }
            })
        })
        .collect();
    let watcher = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                node.refresh().unwrap();
            }
            node
        })
    };
    for thread in writers.into_iter().chain(foreign) {
        thread.join().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let mut node = watcher.join().unwrap();
    let last: u64 = database.sql("SELECT generation FROM meta").parse().unwrap();
    until("the last generation", || {
        node.refresh().unwrap();
        node.generation >= last
    });
    let there: Vec<_> = dump(&database.open()).into_iter().map(|key| (key.key.id, key)).collect();
    assert_eq!(there.len(), 4 * 30 + 2 * 13);
    assert_eq!(node.keys.into_iter().collect::<BTreeMap<_, _>>(), there.into_iter().collect());
}

/// Until when a bound is kept, with what a busy machine takes between a decision and the note of its time.
const BOUND: Duration = Duration::from_secs(1);

/// A node behind a proxy, a writer past it.
fn apart() -> (Server, Proxy, Database, Node) {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let database = Database::on(server.url(), None);
    let options = format!("{}&schema={}&max_staleness=1s", proxy.url(), database.schema());
    let node = Node::new(PostgresStore::open(PostgresOptions::parse(&options).unwrap()).unwrap());
    (server, proxy, database, node)
}

/// Silence is no proof of anything (T28): no connection fails, nothing is heard.
#[test]
fn what_nothing_is_heard_of_is_refused_in_time_and_heard_of_again() {
    let (server, proxy, database, mut node) = apart();
    let store = database.open();
    for round in 0..3 {
        let (row, _) = add(&store, &format!("{round}"));
        until("a new key", || node.accepts(row.id) == Ok(true));
        match round {
            0 => proxy.be_silent(true),
            1 => {
                proxy.refuse(true);
                proxy.cut();
            }
            _ => stop_all(&server, "STOP"),
        }
        let revoked = if round < 2 {
            write(&store, |tx| tx.delete_key(row.id).unwrap());
            Instant::now()
        } else {
            Instant::now()
        };
        // Accepted for a while, by what was known; never past the bound; and by another code than a wrong key.
        loop {
            let began = Instant::now();
            match node.accepts(row.id) {
                Ok(true) => assert!(began.duration_since(revoked) < BOUND, "accepted past the bound"),
                Ok(false) => panic!("nobody could tell it"),
                Err(code) => {
                    assert_eq!(code, Code::StoreStale);
                    break;
                }
            }
        }
        match round {
            0 => {
                proxy.be_silent(false);
                // What was swallowed never comes: only new connections are of use.
                proxy.cut();
            }
            1 => proxy.refuse(false),
            _ => {
                stop_all(&server, "CONT");
                write(&store, |tx| tx.delete_key(row.id).unwrap());
            }
        }
        until("being there again", || node.accepts(row.id) == Ok(false));
    }
}

/// Stops the server with all of its sessions, or lets them go on.
fn stop_all(server: &Server, name: &str) {
    let first = server.pid().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
    for process in children.split_whitespace().map(|pid| pid.parse().unwrap()).chain([first]) {
        let _ = inspire_auth_test_postgres::signal(process, name);
    }
}

/// A connection that is ended again and again, while others write (short form: the long one is a sweep).
#[test]
fn no_revocation_is_missed_however_often_the_connection_is_lost() {
    let (_server, proxy, database, mut node) = apart();
    let store = database.open();
    for round in 0..30 {
        let (row, _) = add(&store, &format!("{round}"));
        until("a new key", || node.accepts(row.id) == Ok(true));
        match round % 3 {
            0 => proxy.cut(),
            1 => drop(database.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port > 0 AND pid <> pg_backend_pid()",
            )),
            _ => {
                proxy.be_silent(true);
                thread::sleep(Duration::from_millis(50));
                proxy.be_silent(false);
            }
        }
        write(&store, |tx| tx.delete_key(row.id).unwrap());
        until("a revocation", || node.accepts(row.id) == Ok(false));
    }
}

/// What took over with less than was committed would revive what was revoked.
#[test]
fn an_older_replica_is_refused_until_somebody_accepts_it() {
    let mut server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let database = Database::on(server.url(), None);
    let options = format!("{}&schema={}&max_staleness=2s", proxy.url(), database.schema());
    let open = || PostgresStore::open(PostgresOptions::parse(&options).unwrap()).unwrap();
    let (kept, revoked) = {
        let store = database.open();
        (add(&store, "kept").0, add(&store, "revoked").0)
    };
    let older = server.copy().unwrap();
    let mut node = Node::new(open());
    let store = database.open();
    write(&store, |tx| tx.delete_key(revoked.id).unwrap());
    until("a revocation", || node.accepts(revoked.id) == Ok(false));

    proxy.lead_to(older.port());
    until("another history", || node.accepts(kept.id) == Err(Code::StoreHistoryChanged));
    for refused in [
        node.store.read(&mut |_| Ok(())).map(drop),
        node.store.write(&mut |_| Ok(())).map(drop),
        node.store.account(&mut |_| Ok(())),
        node.store.load(&mut |_| Ok(())).map(drop),
        node.store.changes_since(0).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::StoreHistoryChanged);
    }
    // One that went on by itself is no better, however far.
    let elsewhere = format!("{}&schema={}", older.tcp_url(), database.schema());
    let elsewhere = PostgresStore::open(PostgresOptions::parse(&elsewhere).unwrap()).unwrap();
    for n in 0..10 {
        add(&elsewhere, &format!("elsewhere-{n}"));
    }
    assert_eq!(node.store.read(&mut |_| Ok(())).unwrap_err().code(), Code::StoreHistoryChanged);
    assert_eq!(node.accepts(kept.id), Err(Code::StoreHistoryChanged));
    // The right one, again.
    proxy.lead_to(server.port());
    until("the same history", || node.accepts(kept.id) == Ok(true));
    assert_eq!(node.accepts(revoked.id), Ok(false));

    proxy.lead_to(older.port());
    until("another history", || node.accepts(kept.id) == Err(Code::StoreHistoryChanged));
    elsewhere.adopt().unwrap();
    until("an adoption", || node.accepts(revoked.id) == Ok(true));
    assert!(names(&node.store).len() == 12);
}

/// An answer that was lost is looked for in the history: nobody is told that a revocation failed which did not.
#[test]
fn a_commit_whose_answer_is_lost_is_known_all_the_same() {
    let (_server, proxy, database, node) = apart();
    let store = &node.store;
    let mut expected = Vec::new();
    for round in 0..6 {
        let lost = if round % 2 == 0 { Lost::Answer } else { Lost::Question };
        let name = format!("{round}");
        let row = key(&name);
        let written = store.write(&mut |tx| {
            tx.insert_key(&row)?;
            proxy.lose("COMMIT", lost);
            Ok(())
        });
        if lost == Lost::Answer {
            assert_eq!(store.generation().unwrap(), written.unwrap());
            expected.push(name);
        } else {
            let error = written.unwrap_err();
            assert!(error.to_string().contains("nothing was changed"), "{error}");
        }
    }
    assert_eq!(names(store), expected);
    assert_eq!(names(&database.open()), expected);
    // Nobody is there to be asked.
    let unknown = store.write(&mut |tx| {
        tx.insert_key(&key("unknown"))?;
        proxy.refuse(true);
        proxy.lose("COMMIT", Lost::Answer);
        Ok(())
    });
    let error = unknown.unwrap_err();
    assert!(error.to_string().contains("not known"), "{error}");
}

#[test]
fn a_host_may_go_on_by_what_it_knows_if_it_says_so() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let database = Database::on(server.url(), None);
    let (row, _) = add(&database.open(), "a");
    let url = format!("{}&schema={}&max_staleness=200ms&on_expired=allow_known", proxy.url(), database.schema());
    let mut node = Node::new(PostgresStore::open(PostgresOptions::parse(&url).unwrap()).unwrap());
    proxy.refuse(true);
    proxy.cut();
    thread::sleep(Duration::from_millis(400));
    assert_eq!(node.accepts(row.id), Ok(true), "{:?}", OnExpired::AllowKnown);
    assert!(node.store.read(&mut |_| Ok(())).is_err(), "what has to ask is not answered");
}

/// What a host needs now and then it has no connection for in between.
#[test]
fn a_connection_that_is_not_needed_is_closed_and_opened_again() {
    let database = Database::new();
    let name = format!("i{}", database.schema());
    let store = database.open_with(&format!("&application_name={name}"));
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
    let sessions = || database.sql(&sql).parse::<u32>().unwrap();
    for _ in 0..2 {
        let (row, _) = add(&store, "a");
        assert!(by_name(&store, "a").is_some());
        assert!(sessions() >= 3);
        write(&store, |tx| tx.delete_key(row.id).unwrap());
        until("they are closed, but for the one that listens", || sessions() == 1);
    }
}

/// Each transaction asks where the database is: that takes no longer the more has happened.
#[test]
fn a_long_history_makes_nothing_slower() {
    let database = Database::new();
    database.sql(
        "INSERT INTO generations SELECT n, token, 'change' FROM generate_series(2, 3000) n, meta; \
         UPDATE meta SET generation = 3000",
    );
    let store = database.open();
    let looked_at = || {
        let sql = "SELECT sum(seq_tup_read) + sum(idx_tup_fetch), sum(idx_scan) FROM pg_stat_user_tables \
                   WHERE relname IN ('generations', 'changes') AND schemaname = '";
        let found = database.sql(&format!("{sql}{}'", database.schema()));
        let (rows, scans) = found.split_once('|').unwrap();
        (rows.parse::<u64>().unwrap(), scans.parse::<u64>().unwrap())
    };
    assert!(by_name(&store, "none").is_none());
    // What a session did is counted a second or so after it came to rest.
    thread::sleep(Duration::from_secs(2));
    let (rows, scans) = looked_at();
    for _ in 0..300 {
        assert!(by_name(&store, "none").is_none());
    }
    until("they are counted", || {
        thread::sleep(Duration::from_millis(200));
        looked_at().1 >= scans + 600
    });
    let looked = looked_at().0 - rows;
    assert!(looked < 300 * 20, "{looked} rows for 300 transactions");
}

/// A pooler gives each transaction whichever connection is free: nothing here depends on having the same one again.
#[test]
fn many_machines_share_the_few_connections_of_a_pooler() {
    let server = Server::start().unwrap();
    let pooler = Pooler::start(&server, 2).unwrap();
    let database = Database::on(server.url(), None);
    let direct = server.url().replace('%', "%25").replace(':', "%3A").replace('/', "%2F");
    let open = |more: &str| {
        let url = format!("{}&schema={}{more}", pooler.url(), database.schema());
        PostgresStore::open(PostgresOptions::parse(&url).unwrap()).unwrap()
    };
    let listening = format!("&listen_url={direct}");
    // Its bound is so long that only a notification is in time.
    let mut nodes: Vec<_> = (0..6).map(|_| Node::new(open(&format!("{listening}&max_staleness=60m")))).collect();
    for round in 0..20 {
        let writer = &nodes[round % 6].store;
        let (row, _) = add(writer, &format!("key {round}"));
        for node in &mut nodes {
            until("a key is known everywhere", || node.accepts(row.id) == Ok(true));
        }
        write(&nodes[(round + 1) % 6].store, |tx| tx.delete_key(row.id).unwrap());
        for node in &mut nodes {
            until("a key is refused everywhere", || node.accepts(row.id) == Ok(false));
        }
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL AND query NOT LIKE 'LISTEN%'";
    let others = database.sql(sessions).parse::<u32>().unwrap();
    assert!(others <= 2 + 6 + 1, "{others}: the pooler's, those that listen and have looked since, and this one");

    // Who forgets `listen_url` hears of nothing, and looks: later, and within the bound all the same.
    let mut late = Node::new(open("&max_staleness=1s"));
    let (row, _) = add(&nodes[0].store, "last");
    until("a key is known", || late.accepts(row.id) == Ok(true));
    write(&nodes[0].store, |tx| tx.delete_key(row.id).unwrap());
    until("a key is refused", || late.accepts(row.id) != Ok(true));
}

/// That nothing is heard, what checks answer then, and that something is heard again, stands in the audit log.
#[test]
fn a_host_is_told_when_nothing_is_heard_and_when_something_is_again() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let database = Database::on(server.url(), None);
    let open = |on_expired: &str| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let url = format!("{}&schema={}&max_staleness=200ms&on_expired={on_expired}", proxy.url(), database.schema());
        let mut options = Options::new(StoreLocation::parse(&url));
        let notes = Arc::clone(&heard);
        options.audit = Some(Arc::new(move |event| {
            notes.lock().unwrap().push((event.event.clone(), event.code, event.detail.contains("allow_known")));
        }));
        (InspireAuth::open(options).unwrap(), heard)
    };
    let nodes = [open("deny"), open("allow_known")];
    proxy.refuse(true);
    proxy.cut();
    for (at, (auth, heard)) in nodes.iter().enumerate() {
        let told = [("store.unheard".to_owned(), Code::StoreStale, at == 1)];
        until("that nothing is heard is told", || *heard.lock().unwrap() == told);
        let asked = auth.license().status(None).map(drop).map_err(|error| error.code());
        assert_eq!(asked, if at == 1 { Ok(()) } else { Err(Code::StoreStale) });
    }
    proxy.refuse(false);
    for (_, heard) in &nodes {
        let is_told = || heard.lock().unwrap().last().unwrap() == &("store.heard".to_owned(), Code::Ok, false);
        until("that something is heard again is told", is_told);
        assert_eq!(heard.lock().unwrap().len(), 2, "once each");
    }
}

/// What is changed past the triggers is found within the time that the host has said.
#[test]
fn a_change_that_no_trigger_logged_is_found_all_the_same() {
    let database = Database::new();
    let auth = InspireAuth::open(Options::new(StoreLocation::parse(&database.url("&reconcile=1s")))).unwrap();
    let there = database.open();
    let row = key("a");
    write(&there, |tx| tx.insert_key(&row).unwrap());
    let has = |name: &str| auth.metrics_text().contains(&format!("inspire_keys {name}\n"));
    until("the key is known", || has("1"));
    let generation = there.generation().unwrap();
    database.sql(
        "ALTER TABLE keys DISABLE TRIGGER USER; DELETE FROM keys; \
         ALTER TABLE keys ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER emptied",
    );
    until("the key is gone", || has("0"));
    assert_eq!(there.generation().unwrap(), generation, "nobody has logged anything");
    until("it is told", || auth.audit(10).unwrap().iter().any(|event| event.event == "store.mended"));
}

/// A forked child has a connection of its own, and its parent keeps the one that it had.
#[test]
fn a_fork_leaves_the_parents_session_alone() {
    let database = Database::new();
    let store = database.open();
    let (row, _) = add(&store, "a");
    let sessions = || {
        let name = format!("f{}", database.schema());
        let sql = "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = '";
        database.sql(&format!("{sql}{name}' ORDER BY pid"))
    };
    let named = database.open_with(&format!("&application_name=f{}", database.schema()));
    assert!(by_name(&named, "a").is_some());
    let before = sessions();
    assert!(before.lines().count() >= 2, "{before}");
    for _ in 0..5 {
        assert!(in_child(|| {
            let mut node = Node::new(named.clone());
            let seen = node.accepts(row.id) == Ok(true);
            let (mine, _) = add(&named, "the child's");
            let done = node.accepts(mine.id) == Ok(true);
            write(&named, |tx| tx.delete_key(mine.id).unwrap());
            seen && done && node.accepts(mine.id) == Ok(false)
        }));
        assert!(by_name(&named, "a").is_some());
        until("the child's sessions end with it", || sessions() == before);
    }
}

#[test]
fn a_raw_clone_answers_stale() {
    let database = Database::new();
    let store = database.open();
    assert!(store_support::wait(store_support::raw_clone(|| {
        store.generation().is_err_and(|error| error.code() == Code::StoreStale)
    })));
    assert!(store.generation().is_ok());
}

/// A host's role does what a host does, and can't write what happened.
#[test]
fn a_role_of_least_privilege_is_enough_and_no_more() {
    let database = Database::new();
    let role = format!("r_{}", database.schema());
    database.sql(&format!("CREATE ROLE {role} LOGIN"));
    let as_role = |url: &str| url.replace("admin@", &format!("{role}@"));
    let refused = PostgresStore::open(PostgresOptions::parse(&as_role(&database.url(""))).unwrap()).unwrap_err();
    assert_eq!(refused.code(), Code::StoreReadOnly, "{refused:?}");

    PostgresStore::migrate(&database.options(""), &[&role]).unwrap();
    let store = PostgresStore::open(PostgresOptions::parse(&as_role(&database.url(""))).unwrap()).unwrap();
    let (row, _) = add(&store, "a");
    store.note_used(&[(row.id, 5)]).unwrap();
    assert_eq!(store.last_used(row.id).unwrap(), Some(5));
    store.account(&mut |book| book.set_used("t", 1, 2)).unwrap();
    write(&store, |tx| tx.set_license(Some(&store_support::license())).unwrap());
    write(&store, |tx| tx.delete_key(row.id).unwrap());
    store.adopt().unwrap();

    let url = as_role(&database.url(""));
    let url = url.split("?schema").next().unwrap();
    for forbidden in [
        "UPDATE meta SET generation = 1",
        "UPDATE meta SET token = ''",
        "DELETE FROM changes",
        "DELETE FROM generations",
        "INSERT INTO generations VALUES (9, '', 'adoption')",
        "ALTER TABLE keys DISABLE TRIGGER logged",
        "TRUNCATE keys CASCADE",
        "UPDATE audit SET detail = ''",
        "SELECT note_change('key', '')",
        "DROP TABLE keys",
    ] {
        let said = psql(url, &format!("SET search_path = {}; {forbidden}", database.schema())).unwrap_err().to_string();
        assert!(said.contains("permission denied") || said.contains("must be owner"), "{forbidden}: {said}");
    }
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// A certificate for a name, and its key, signed by an authority of the test's; all PEM.
struct Certified {
    authority: String,
    certificate: String,
    key: Vec<u8>,
}

/// Made by OpenSSL, which makes keys of every kind: `kind` is what `openssl genpkey` takes.
fn certified(folder: &std::path::Path, kind: &[&str], name: &str, days: &str) -> Certified {
    let openssl = |arguments: &[&str]| {
        let done = std::process::Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let key = |file| openssl(&[&["genpkey", "-out", file][..], kind].concat());
    key("ca.key");
    key("server.key");
    openssl(&["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=authority", "-days", "2", "-out", "ca.crt"]);
    openssl(&["req", "-new", "-key", "server.key", "-subj", "/CN=server", "-out", "server.csr"]);
    std::fs::write(folder.join("names"), format!("subjectAltName={name}\nbasicConstraints=CA:FALSE\n")).unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        days,
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
    let read = |file| std::fs::read(folder.join(file)).unwrap();
    Certified {
        authority: folder.join("ca.crt").to_string_lossy().into_owned(),
        certificate: String::from_utf8(read("server.crt")).unwrap(),
        key: read("server.key"),
    }
}

/// Whoever answers shows that it is the server that was named, by an authority that is trusted, and else hears no password.
#[test]
fn a_server_shows_that_it_is_the_right_one() {
    const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    const ED25519: &[&str] = &["-algorithm", "ED25519"];
    let mut server = Server::start().unwrap();
    let database = Database::on(server.url(), None);
    let folder = tempfile::tempdir().unwrap();
    let here = "DNS:localhost,IP:127.0.0.1";
    let mut others: Option<String> = None;
    for (kind, name, days, is_right) in [
        (RSA, here, "2", true),
        (P256, here, "2", true),
        (P384, here, "2", true),
        (ED25519, here, "2", true),
        (P256, "DNS:elsewhere.example.com", "2", false),
        (P256, here, "-1", false),
    ] {
        let made = folder.path().join(format!("{}-{name}-{days}", kind.last().unwrap()));
        std::fs::create_dir(&made).unwrap();
        let certified = certified(&made, kind, name, days);
        server.use_tls(certified.certificate.as_bytes(), &certified.key).unwrap();
        server.stop().unwrap();
        server.resume().unwrap();
        let open = |host: &str, authority: &str| {
            let port = server.port();
            let url = format!(
                "postgresql://admin@{host}:{port}/postgres?sslrootcert={authority}&schema={}",
                database.schema()
            );
            PostgresStore::open(PostgresOptions::parse(&url).unwrap())
        };
        for host in ["localhost", "127.0.0.1"] {
            let opened = open(host, &certified.authority);
            assert_eq!(opened.is_ok(), is_right, "{kind:?} {name} {days} {host}: {:?}", opened.err());
            if let Ok(store) = opened {
                let encrypted = database.sql(
                    "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0",
                );
                assert_eq!(encrypted, "t");
                drop(store);
            } else {
                let error = opened.unwrap_err();
                assert_eq!(error.code(), Code::StoreUnavailable);
            }
        }
        // Another authority's word is none.
        if let Some(other) = &others {
            assert_eq!(open("localhost", other).unwrap_err().code(), Code::StoreUnavailable);
        }
        others = Some(certified.authority);
    }
    // One that does not speak TLS at all is not spoken to in the clear.
    let plain = Server::start().unwrap();
    let url = format!("postgresql://admin@127.0.0.1:{}/postgres?sslrootcert={}", plain.port(), others.unwrap());
    assert_eq!(PostgresStore::open(PostgresOptions::parse(&url).unwrap()).unwrap_err().code(), Code::StoreUnavailable);
}

#[test]
fn a_password_opens_and_a_wrong_one_is_not_shown() {
    let mut server = Server::start().unwrap();
    let database = Database::on(server.url(), None);
    database.sql("ALTER ROLE admin PASSWORD 'right/one'");
    server.ask_for_passwords().unwrap();
    server.stop().unwrap();
    server.resume().unwrap();
    let open = |password: &str| {
        let url = server.tcp_url().replace("admin@", &format!("admin:{password}@"));
        PostgresStore::open(PostgresOptions::parse(&format!("{url}&schema={}", database.schema())).unwrap())
    };
    assert!(open("right%2Fone").is_ok());
    let error = open("wrong-one").unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable);
    let said = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(said.contains("refused the login") && !said.contains("wrong-one"), "{said}");
}

#[test]
fn what_is_no_store_is_not_opened() {
    let database = Database::new();
    let error = |url: &str| {
        let error = PostgresStore::open(PostgresOptions::parse(url).unwrap()).unwrap_err();
        (error.code(), format!("{error:?}"))
    };
    let nothing = database.url("").replace(database.schema(), "nothing_here");
    let (code, said) = error(&nothing);
    assert!(code == Code::StoreUnavailable && said.contains("store migrate"), "{said}");
    database.sql("UPDATE meta SET version = 99");
    assert_eq!(error(&database.url("")).0, Code::StoreVersion);
    assert_eq!(PostgresStore::migrate(&database.options(""), &[]).unwrap_err().code(), Code::StoreVersion);
    database.sql("UPDATE meta SET version = 1; ALTER DATABASE postgres SET default_transaction_read_only = off");
    // Nobody is there.
    assert_eq!(error("postgresql://me@127.0.0.1:1/x?sslmode=disable").0, Code::StoreUnavailable);
    assert_eq!(error("postgresql://me@%2Fnowhere/x").0, Code::StoreUnavailable);
    let elsewhere = database.url("").replace("/postgres?", "/no_such_database?");
    assert_eq!(error(&elsewhere).0, Code::StoreUnavailable);
    // The next host is.
    let (_, rest) = database.url("").split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let two = format!("postgresql://admin@%2Fnowhere:1,{rest}");
    assert!(PostgresStore::open(PostgresOptions::parse(&two).unwrap()).is_ok());
    // Migrating what is there already changes nothing.
    PostgresStore::migrate(&database.options(""), &[]).unwrap();
    assert!(database.open().generation().is_ok());
}

/// A host's executor is none of ours: from within one, ours answers all the same.
#[test]
fn a_host_may_call_from_an_executor() {
    let database = Database::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = database.open();
        let (row, _) = add(&store, "a");
        assert!(by_name(&store, "a").is_some_and(|key| key.key.id == row.id));
    });
}
