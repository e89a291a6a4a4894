//! The machines that use a license.

use inspire_auth_core::{Code, Error, Id, Result};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Store, faults::Fault as _, license};

const SELECT: &str = "SELECT id, license, fingerprint, name, created_at, pinged_at FROM machines";

/// A machine that uses a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// A UUID; another one each time that a machine is registered.
    pub id: String,
    /// The id of its license.
    pub license: String,
    /// What tells it from others; unique among the machines of a license.
    pub fingerprint: String,
    /// What it is called, if anything.
    pub name: Option<String>,
    /// When it was registered, Unix seconds.
    pub created_at: i64,
    /// When it said last that it is there, Unix seconds.
    pub pinged_at: Option<i64>,
}

/// Why a machine was not registered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The license has a machine with this fingerprint.
    FingerprintTaken,
    /// The fingerprint is the id of another machine.
    FingerprintConflict,
    /// So many machines use the license already.
    LimitExceeded(u32),
    /// The store could not do it.
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Machine {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            license: row.get("license")?,
            fingerprint: row.get("fingerprint")?,
            name: row.get("name")?,
            created_at: row.get("created_at")?,
            pinged_at: row.get("pinged_at")?,
        })
    }
}

impl Store {
    /// Registers a machine for a license, unless its machines are as many as they may be: judged and done as one.
    ///
    /// # Errors
    /// Why not; `NOT_FOUND` when there is no such license.
    pub fn register(&self, license: &str, fingerprint: &str, name: Option<&str>, now: i64) -> Result<Machine, Refusal> {
        self.transaction(|transaction| {
            let license = license::find(transaction, license)?.ok_or(Error::new(Code::NotFound))?;
            if find(transaction, &license.id, fingerprint)?.is_some_and(|known| known.fingerprint == fingerprint) {
                return Err(Refusal::FingerprintTaken);
            }
            let is_an_id = "SELECT count(*) FROM machines WHERE id = ?1";
            if transaction.query_row(is_an_id, [fingerprint], |row| row.get::<_, u32>(0)).fault()? > 0 {
                return Err(Refusal::FingerprintConflict);
            }
            let most = license.max_machines.filter(|_| !license.allow_overrun);
            if let Some(most) = most
                && count(transaction, &license.id)? >= most
            {
                return Err(Refusal::LimitExceeded(most));
            }
            let machine = Machine {
                id: Id::random()?.to_string(),
                license: license.id,
                fingerprint: fingerprint.to_owned(),
                name: name.map(str::to_owned),
                created_at: now,
                pinged_at: None,
            };
            transaction
                .execute(
                    "INSERT INTO machines (id, license, fingerprint, name, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![machine.id, machine.license, machine.fingerprint, machine.name, machine.created_at],
                )
                .fault()?;
            Ok(machine)
        })
    }

    /// The machines of a license (by its id), the oldest first.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn machines(&self, license: &str) -> Result<Vec<Machine>> {
        self.read(|connection| {
            let query = format!("{SELECT} WHERE license = ?1 ORDER BY created_at, id");
            let mut statement = connection.prepare_cached(&query).fault()?;
            let machines = statement.query_map([license], Machine::from_row).fault()?;
            machines.collect::<rusqlite::Result<_>>().fault()
        })
    }

    /// The machine of a license (by its id) with this id or fingerprint.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn machine(&self, license: &str, id_or_fingerprint: &str) -> Result<Option<Machine>> {
        self.read(|connection| find(connection, license, id_or_fingerprint))
    }

    /// Takes a machine off its license (by its id). Whether there was one with this id or fingerprint.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn remove_machine(&self, license: &str, id_or_fingerprint: &str) -> Result<bool> {
        self.transaction(|transaction| {
            let found = find(transaction, license, id_or_fingerprint)?;
            let Some(machine) = found else { return Ok(false) };
            transaction.execute("DELETE FROM machines WHERE id = ?1", [machine.id]).fault()?;
            Ok(true)
        })
    }

    /// Notes that a machine is there.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn ping(&self, machine: &str, now: i64) -> Result<()> {
        self.transaction(|transaction| {
            transaction.execute("UPDATE machines SET pinged_at = ?2 WHERE id = ?1", params![machine, now]).fault()?;
            Ok(())
        })
    }
}

/// By id before fingerprint: the two never agree.
fn find(connection: &Connection, license: &str, id_or_fingerprint: &str) -> Result<Option<Machine>> {
    let query = format!("{SELECT} WHERE license = ?1 AND (id = ?2 OR fingerprint = ?2)");
    let mut statement = connection.prepare_cached(&query).fault()?;
    statement.query_row([license, id_or_fingerprint], Machine::from_row).optional().fault()
}

fn count(connection: &Connection, license: &str) -> Result<u32> {
    let query = "SELECT count(*) FROM machines WHERE license = ?1";
    connection.query_row(query, [license], |row| row.get(0)).fault()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Barrier, thread};

    use super::{super::NewLicense, *};

    const NOW: i64 = 1_800_000_000;

    fn store_with(max_machines: u32, allow_overrun: bool) -> (Store, String) {
        let store = Store::in_memory().unwrap();
        let new = NewLicense { max_machines: Some(max_machines), allow_overrun, ..NewLicense::default() };
        let id = store.create(&new, NOW).unwrap().id;
        (store, id)
    }

    #[test]
    fn a_machine_is_registered_found_and_removed() {
        let (store, license) = store_with(2, false);
        let machine = store.register(&license, "fp", Some("door 1"), NOW).unwrap();
        for name in [&machine.id, "fp"] {
            assert_eq!(store.machine(&license, name).unwrap().as_ref(), Some(&machine));
        }
        assert!(matches!(store.register(&license, "fp", None, NOW), Err(Refusal::FingerprintTaken)));
        assert!(matches!(store.register(&license, &machine.id, None, NOW), Err(Refusal::FingerprintConflict)));
        store.ping(&machine.id, NOW + 5).unwrap();
        assert_eq!(store.machines(&license).unwrap()[0].pinged_at, Some(NOW + 5));
        assert!(store.remove_machine(&license, "fp").unwrap());
        assert!(!store.remove_machine(&license, "fp").unwrap());
        assert_ne!(store.register(&license, "fp", None, NOW).unwrap().id, machine.id, "another machine, another id");
    }

    #[test]
    fn machines_are_their_licenses_own() {
        let (store, license) = store_with(2, false);
        let other = store.create(&NewLicense::default(), NOW).unwrap().id;
        let machine = store.register(&license, "fp", None, NOW).unwrap();
        assert_eq!(store.machine(&other, &machine.id).unwrap(), None);
        assert!(!store.remove_machine(&other, &machine.id).unwrap());
        assert!(store.register(&other, "fp", None, NOW).is_ok(), "a fingerprint is unique within a license");
        let nobody = store.register("nobody", "fp", None, NOW).unwrap_err();
        assert!(matches!(nobody, Refusal::Store(error) if error.code() == Code::NotFound));
    }

    #[test]
    fn a_limit_holds_and_can_be_overrun_where_the_vendor_allows() {
        let (store, license) = store_with(1, false);
        store.register(&license, "a", None, NOW).unwrap();
        assert!(matches!(store.register(&license, "b", None, NOW), Err(Refusal::LimitExceeded(1))));
        let (store, license) = store_with(1, true);
        store.register(&license, "a", None, NOW).unwrap();
        store.register(&license, "b", None, NOW).unwrap();
        assert_eq!(store.machines(&license).unwrap().len(), 2);
    }

    #[test]
    fn many_at_once_never_get_past_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("licenses.db");
        let new = NewLicense { max_machines: Some(3), ..NewLicense::default() };
        let license = Store::open(&path).unwrap().create(&new, NOW).unwrap().id;
        let start = Barrier::new(8);
        let registered: HashSet<String> = thread::scope(|scope| {
            let attempts: Vec<_> = (0..8)
                .map(|number| {
                    let (path, license, start) = (&path, &license, &start);
                    scope.spawn(move || {
                        let store = Store::open(path).unwrap();
                        start.wait();
                        store.register(license, &format!("fp{number}"), None, NOW).ok().map(|machine| machine.id)
                    })
                })
                .collect();
            attempts.into_iter().filter_map(|attempt| attempt.join().unwrap()).collect()
        });
        assert_eq!(registered.len(), 3);
        assert_eq!(Store::open(&path).unwrap().machines(&license).unwrap().len(), 3);
    }
}
