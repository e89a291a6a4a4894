//! What was changed past the log of changes is found, and set right; what others change meanwhile is left to them.

use std::cell::Cell;

use super::*;
use crate::store::{CredentialRow, KeyRow};

/// A store in a file whose triggers a foreign writer took away, and a handle on it that knows some keys.
struct Site {
    folder: tempfile::TempDir,
    auth: InspireAuth,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let auth = InspireAuth::open(options(StoreLocation::Path(folder.path().join("store.db")))).unwrap();
        Self { folder, auth }
    }

    /// Runs statements that no trigger logs.
    fn past_the_log(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        let mut names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<Vec<String>>>().unwrap();
        for name in names {
            connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        connection.execute_batch(sql).unwrap();
    }

    fn reconcile(&self) -> usize {
        self.auth.inner.reconcile(&|| true).unwrap()
    }
}

#[test]
fn each_change_that_no_log_has_is_found_and_set_right() {
    let site = Site::new();
    let created: Vec<Created> = ["kept", "disabled", "deleted", "levels", "secret", "renamed", "ended", "bare"]
        .map(|name| create(&site.auth, name, &["Authenticated/Ops"]))
        .into();
    let asks = |n: usize| code(ask_for(&site.auth, created[n].credential().as_str(), "Authenticated/Ops"));
    assert!((0..created.len()).all(|n| asks(n) == Code::Ok));
    assert_eq!(site.reconcile(), 0);
    site.past_the_log(
        "UPDATE keys SET enabled = 0 WHERE name = 'disabled'; DELETE FROM keys WHERE name = 'deleted'; \
         UPDATE keys SET levels = '[\"Authenticated/Other\"]' WHERE name = 'levels'; \
         UPDATE credentials SET hash = (SELECT c.hash FROM credentials c JOIN keys k ON k.id = c.key_id \
           WHERE k.name = 'kept'), tag = NULL WHERE key_id = (SELECT id FROM keys WHERE name = 'secret'); \
         UPDATE keys SET name = 'new' WHERE name = 'renamed'; \
         UPDATE credentials SET not_after = 5 WHERE key_id = (SELECT id FROM keys WHERE name = 'ended'); \
         DELETE FROM credentials WHERE key_id = (SELECT id FROM keys WHERE name = 'bare')",
    );
    assert!((0..created.len()).all(|n| asks(n) == Code::Ok), "nobody was told");
    assert_eq!(site.reconcile(), 7);
    let refused = Code::InvalidCredential;
    assert_eq!(
        [0, 1, 2, 3, 4, 5, 6, 7].map(asks),
        [Code::Ok, refused, refused, Code::InsufficientLevel, refused, refused, refused, refused]
    );
    let renamed = created[5].credential().replacen("renamed", "new", 1);
    assert_eq!(code(ask(&site.auth, &renamed)), Code::Ok);
    let other = created[0].credential().replacen("kept", "secret", 1);
    assert_eq!(code(ask(&site.auth, &other)), Code::Ok, "a foreign writer's word about a hash counts");
    assert_eq!(site.reconcile(), 0, "and then all is as it should be");
    let events: Vec<_> =
        site.auth.audit(100).unwrap().into_iter().filter(|event| event.event == "store.mended").collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].detail, "7 keys were not what the log of changes says");
}

#[test]
fn many_are_read_all_at_once_and_keys_that_nobody_knew_are_found() {
    let site = Site::new();
    let created = create(&site.auth, "one", &[]);
    site.past_the_log(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
         INSERT INTO keys SELECT randomblob(16), 'basic-token', 'k' || n, '', '[]', 0, 1, 0, 0, NULL, 1, NULL, NULL FROM n",
    );
    assert_eq!(site.reconcile(), 2500);
    assert_eq!(site.auth.inner.index.len(), 2501);
    assert_eq!(code(ask(&site.auth, created.credential().as_str())), Code::Ok);
    site.past_the_log("DELETE FROM keys");
    assert_eq!(site.reconcile(), 2501);
    assert_eq!(site.auth.inner.index.len(), 0);
    assert_eq!(code(ask(&site.auth, created.credential().as_str())), Code::InvalidCredential);
}

/// What is changed while every row is looked at is no fault of anybody's.
#[test]
fn what_others_change_meanwhile_is_not_set_right() {
    let (here, there) = open_two();
    let created = ["a", "b", "c"].map(|name| create(&there, name, &[]));
    assert_eq!(code(ask(&here, created[0].credential().as_str())), Code::Ok);
    there.keys().delete("a", None, &Caller::system()).unwrap();
    create(&there, "d", &[]);
    // Known to the store, and not here yet.
    let suspects = here.inner.suspects(&|| true).unwrap();
    assert_eq!(suspects.len(), 2);
    assert_eq!(here.inner.mend(&suspects).unwrap(), 0);
    assert_eq!(code(ask(&here, created[0].credential().as_str())), Code::InvalidCredential);
    assert_eq!(here.inner.index.len(), 3);
}

#[test]
fn a_handle_that_is_being_closed_waits_for_no_comparison() {
    let auth = open();
    for n in 0..20 {
        create(&auth, &format!("k{n}"), &[]);
    }
    let looked = Cell::new(0);
    let goes_on = || {
        looked.set(looked.get() + 1);
        looked.get() < 5
    };
    assert_eq!(auth.inner.reconcile(&goes_on).unwrap_err().code(), Code::Cancelled);
    assert_eq!(looked.get(), 5);
}

/// Whatever a check depends on is compared: a row that differs in any of it does not fit.
#[test]
fn every_part_of_a_row_that_a_check_depends_on_is_compared() {
    let auth = open();
    let created = create(&auth, "a", &["Authenticated/Ops"]);
    assert_eq!(code(ask(&auth, created.credential().as_str())), Code::Ok);
    let row = stored(&auth, "a");
    let shows = |row: &KeyWithCredentials| auth.inner.index.shows(row, &auth.inner.compiler);
    assert!(shows(&row));
    let of_key: [fn(&mut KeyRow); 6] = [
        |key| key.name.push('b'),
        |key| key.levels.push("Authenticated/Z".into()),
        |key| key.require_secure = !key.require_secure,
        |key| key.enabled = false,
        |key| key.expires_at = Some(9),
        |key| key.revision += 1,
    ];
    let of_credential: [fn(&mut CredentialRow); 6] = [
        |credential| credential.id = crate::Id::random().unwrap(),
        |credential| credential.hash.push('x'),
        |credential| credential.tag = credential.tag.map(|tag| tag ^ 1),
        |credential| credential.not_after = Some(9),
        |credential| credential.scheme = crate::store::Scheme::HmacSha256,
        |credential| {
            credential.origin = crate::store::Origin::Imported;
            credential.strength = crate::store::Strength::Chosen;
        },
    ];
    for (n, change) in of_key.iter().enumerate() {
        let mut other = row.clone();
        change(&mut other.key);
        assert!(!shows(&other), "part {n} of the key");
    }
    for (n, change) in of_credential.iter().enumerate() {
        let mut other = row.clone();
        change(&mut other.credentials[0]);
        assert!(!shows(&other), "part {n} of the credential");
    }
    let mut other = row.clone();
    other.credentials.push(other.credentials[0].clone());
    assert!(!shows(&other));
    other.credentials.clear();
    assert!(!shows(&other));
    let mut same = row;
    same.key.description = "another".into();
    assert!(shows(&same), "no check depends on that");
}
