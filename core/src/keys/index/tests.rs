//! The index under changes: against a map, and with checks going on meanwhile.

use std::{collections::BTreeMap, thread};

use proptest::prelude::*;

use super::*;
use crate::{
    keys::{hash::Hasher, mac::ProcessMac, seal::Sealer},
    options::{HashParameters, Options, StoreLocation},
    store::{CredentialRow, KeyRow, Origin, Scheme, Strength},
};

fn compiler() -> Compiler {
    let mut options = Options::new(StoreLocation::Memory);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    Compiler {
        mac: ProcessMac::random().unwrap(),
        mode: options.mode,
        sealer: Sealer::new(&options.peppers).unwrap(),
        hasher: Arc::new(Hasher::new(&options).unwrap()),
    }
}

fn id(n: u64) -> Id {
    Id::from_halves(7, n)
}

/// Key `n` with this name, revision, levels and number of credentials.
fn row(n: u64, name: &str, revision: u64, levels: &[String], credentials: u64) -> KeyWithCredentials {
    let key = KeyRow {
        id: id(n),
        kind: "basic-token".into(),
        name: name.into(),
        description: String::new(),
        levels: levels.to_vec(),
        require_secure: true,
        enabled: true,
        created_at: 1,
        updated_at: 1,
        expires_at: None,
        revision,
        seal: None,
        seal_key_id: None,
    };
    let credential = |at: u64| CredentialRow {
        id: Id::from_halves(n, at + 1),
        key_id: id(n),
        scheme: Scheme::Argon2,
        hash: format!("{n} {at}"),
        tag: Some(5),
        tag_key_id: Some(1),
        pepper_id: None,
        origin: Origin::Generated,
        strength: Strength::Random,
        not_after: None,
        created_at: 1,
    };
    KeyWithCredentials { key, credentials: (0..credentials).map(credential).collect() }
}

fn find<'i>(index: &'i Index, name: &str) -> Option<Found<'i>> {
    let name = index.tag_of(name.as_bytes());
    index.settled(|| index.find(name)).filter(|found| found.exists)
}

/// What a key is found to be: its id, revision, levels, and how many credentials it has.
type Seen = (Id, u64, Vec<String>, usize);

fn seen(index: &Index, name: &str) -> Option<Seen> {
    let found = find(index, name)?;
    let all = index.credentials(found).unwrap();
    assert!(all.iter().all(|one| one.exists && one.record.id == found.record.id));
    assert_eq!(index.by_id(found.record.id).unwrap().unwrap().record, found.record);
    let levels = index.levels(&found).names();
    // A key without credentials has a record of one that nobody has.
    let count = all.iter().filter(|one| one.record.credential != Id::NIL).count();
    Some((found.record.id, found.record.revision, levels, count))
}

fn levels(n: u64) -> Vec<String> {
    // Some beyond the first 64 paths that a process knows.
    vec![format!("L/{n}")]
}

fn expected(row: &KeyWithCredentials) -> Seen {
    let mut levels = row.key.levels.clone();
    levels.push("Authenticated".into());
    levels.sort_unstable();
    (row.key.id, row.key.revision, levels, row.credentials.len())
}

#[derive(Debug, Clone)]
enum Step {
    Put { key: u64, name: u64, levels: u64, credentials: u64 },
    Remove(u64),
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    let put = (0..30_u64, 0..40_u64, 0..90_u64, 0..4_u64).prop_map(|(key, name, levels, credentials)| Step::Put {
        key,
        name,
        levels,
        credentials,
    });
    prop_oneof![6 => put, 2 => (0..30_u64).prop_map(Step::Remove), 1 => Just(Step::Rebuild)]
}

proptest! {
    /// An index is a map by name and by id, whatever changes together: names are taken, given up and swapped.
    #[test]
    fn it_shows_what_the_store_holds(batches in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..40)) {
        let (compiler, index) = (compiler(), Index::new(1).unwrap());
        let mut model: BTreeMap<u64, KeyWithCredentials> = BTreeMap::new();
        let mut revision = 0;
        for batch in batches {
            let mut touched = BTreeMap::new();
            let mut rebuild = false;
            for step in batch {
                revision += 1;
                match step {
                    Step::Put { key, name, levels: l, credentials } => {
                        let name = format!("name-{name}");
                        // Names are unique in a store.
                        if !model.iter().any(|(n, row)| *n != key && row.key.name == name) {
                            model.insert(key, row(key, &name, revision, &levels(l), credentials));
                            touched.insert(key, ());
                        }
                    }
                    Step::Remove(key) => {
                        model.remove(&key);
                        touched.insert(key, ());
                    }
                    Step::Rebuild => rebuild = true,
                }
            }
            if rebuild {
                let all: Vec<_> = model.values().cloned().collect();
                let load = |each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>| {
                    all.iter().try_for_each(each)?;
                    Ok(9)
                };
                prop_assert_eq!(index.in_turn(|| index.rebuild(&compiler, load)).unwrap(), 9);
            } else {
                let changes: Vec<_> = touched.keys().map(|key| (id(*key), model.get(key).cloned())).collect();
                index.in_turn(|| index.apply(&changes, &compiler));
            }
            let names: BTreeMap<&str, &KeyWithCredentials> =
                model.values().map(|row| (row.key.name.as_str(), row)).collect();
            for name in (0..40).map(|n| format!("name-{n}")) {
                prop_assert_eq!(seen(&index, &name), names.get(name.as_str()).map(|row| expected(row)));
            }
            // What stands in for a name that nobody has can always be told, and is never taken for it.
            for name in (0..20).map(|n| format!("nobody-{n}")) {
                let all = index.find(index.tag_of(name.as_bytes())).and_then(|found| index.credentials(found));
                prop_assert!(all.is_some_and(|all| all.iter().all(|one| !one.exists)));
            }
            prop_assert_eq!(index.len(), model.len());
            for key in 0..30 {
                prop_assert_eq!(index.by_id(id(key)).unwrap().is_some(), model.contains_key(&key));
            }
        }
        // What is not used any more is used again.
        index.in_turn(|| index.apply(&(0..30).map(|key| (id(key), None)).collect::<Vec<_>>(), &compiler));
        prop_assert_eq!(index.len(), 0);
        let used = index.used.load(Ordering::Relaxed);
        let all: Vec<_> = (0..u64::from(used)).map(|n| (id(n), Some(row(n, &n.to_string(), 1, &[], 1)))).collect();
        index.in_turn(|| index.apply(&all, &compiler));
        prop_assert_eq!(index.used.load(Ordering::Relaxed), used);
    }
}

/// Two keys swap their names, again and again, and others come and go: neither name is ever without its key, and no check sees
/// a key under a name that it never had.
#[test]
fn a_name_that_always_has_a_key_is_never_missing() {
    let (compiler, index) = (compiler(), Index::new(1).unwrap());
    let put = |n: u64, name: &str, revision| (id(n), Some(row(n, name, revision, &levels(n), 1 + revision % 3)));
    index.in_turn(|| index.apply(&[put(1, "a", 0), put(2, "b", 0)], &compiler));
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for revision in 1..3_000 {
                let (first, second) = if revision % 2 == 0 { ("a", "b") } else { ("b", "a") };
                index.in_turn(|| {
                    index.apply(&[put(1, first, revision), put(2, second, revision)], &compiler);
                    let others: Vec<_> = (10..20).map(|n| put(n, &format!("{n}"), revision)).collect();
                    index.apply(&others, &compiler);
                    index.apply(&(10..20).map(|n| (id(n), None)).collect::<Vec<_>>(), &compiler);
                });
            }
        });
        while !changes.is_finished() {
            for name in ["a", "b"] {
                let found = find(&index, name).expect("it always has a key");
                assert!([id(1), id(2)].contains(&found.record.id));
            }
            assert!(find(&index, "c").is_none());
        }
    });
}

#[test]
fn a_memo_lives_as_long_as_its_hash() {
    let (compiler, index) = (compiler(), Index::new(1).unwrap());
    let apply = |row: KeyWithCredentials| index.in_turn(|| index.apply(&[(row.key.id, Some(row))], &compiler));
    let digest = Digest::from_bits((3, 4));
    let knows = |name: &str| find(&index, name).unwrap().is_right(digest, 0);
    let mut key = row(1, "n", 1, &[], 1);
    apply(key.clone());
    assert!(!knows("n"));
    index.learn(&find(&index, "n").unwrap(), digest);
    assert!(knows("n"));
    // Another revision, another name: the same secret.
    key.key.revision = 2;
    apply(key.clone());
    assert!(knows("n"));
    key.key.name = "m".into();
    apply(key.clone());
    assert!(knows("m") && find(&index, "n").is_none());
    // A second credential before it, as a rotation makes.
    let mut rotated = key.clone();
    rotated.credentials.insert(0, row(9, "", 1, &[], 1).credentials.remove(0));
    apply(rotated);
    let all = index.credentials(find(&index, "m").unwrap()).unwrap();
    assert!(all.len() == 2 && !all[0].is_right(digest, 0) && all[1].is_right(digest, 0));
    apply(key.clone());
    assert!(knows("m"));
    // Another hash is another secret, but where this process has made it of the same one.
    let renewed = "another".to_owned();
    key.credentials[0].hash.clone_from(&renewed);
    assert!(index.aside.begin_renewal(key.credentials[0].id) && !index.aside.begin_renewal(key.credentials[0].id));
    index.aside.foresee_renewal(key.credentials[0].id, compiler.mark(&renewed));
    apply(key.clone());
    assert!(knows("m"));
    key.credentials[0].hash = "a third".into();
    apply(key.clone());
    assert!(!knows("m"));
    assert!(index.aside.begin_renewal(key.credentials[0].id), "the key is another one now");
}

/// What was found before a key changed teaches nothing about what stands in its place.
#[test]
fn nothing_is_learnt_about_what_took_its_place() {
    let (compiler, index) = (compiler(), Index::new(1).unwrap());
    index.in_turn(|| index.apply(&[(id(1), Some(row(1, "n", 1, &[], 1)))], &compiler));
    let found = find(&index, "n").unwrap();
    index.in_turn(|| index.apply(&[(id(1), None), (id(2), Some(row(2, "m", 1, &[], 1)))], &compiler));
    index.in_turn(|| index.apply(&[(id(3), Some(row(3, "n", 1, &[], 1)))], &compiler));
    let digest = Digest::from_bits((3, 4));
    index.learn(&found, digest);
    assert!(!index.note_used(&found, 5));
    for name in ["n", "m"] {
        let now = find(&index, name).unwrap();
        assert!(!now.is_right(digest, 0) && now.record.last_used == i64::MIN);
    }
    let now = find(&index, "n").unwrap();
    assert!(index.note_used(&now, 5) && !index.note_used(&now, 6));
    assert_eq!(find(&index, "n").unwrap().record.last_used, 5);
}

/// As a fork leaves it in the child: in the middle of a change, of which nothing can be said.
#[test]
fn what_was_left_torn_is_made_anew() {
    let (compiler, index) = (compiler(), Index::new(1).unwrap());
    let rows = [row(1, "a", 1, &levels(1), 2), row(2, "b", 1, &levels(2), 1)];
    let load = || {
        let rows = rows.clone();
        move |each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>| {
            rows.iter().try_for_each(each)?;
            Ok(3)
        }
    };
    index.in_turn(|| index.rebuild(&compiler, load())).unwrap();
    let found = find(&index, "a").unwrap();
    found.slot.0[0].fetch_or(1, Ordering::Relaxed);
    index.is_changing.store(true, Ordering::Relaxed);
    assert!(index.find(index.tag_of(b"a")).is_none(), "it can't be told");
    index.in_turn(|| {
        assert!(index.is_torn());
        index.rebuild(&compiler, load()).unwrap();
    });
    assert!(!index.is_torn());
    for row in &rows {
        assert_eq!(seen(&index, &row.key.name), Some(expected(row)));
    }
    assert_eq!(index.len(), 2);
}

/// A load that fails leaves what was there.
#[test]
fn a_load_that_fails_takes_nothing_away() {
    let (compiler, index) = (compiler(), Index::new(1).unwrap());
    index.in_turn(|| index.apply(&[(id(1), Some(row(1, "a", 1, &[], 1)))], &compiler));
    let fails = |each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>| {
        each(&row(2, "b", 1, &[], 1))?;
        Err(crate::Error::new(crate::Code::StoreLocked))
    };
    assert!(index.in_turn(|| index.rebuild(&compiler, fails)).is_err());
    assert!(find(&index, "a").is_some() && !index.is_torn());
}
