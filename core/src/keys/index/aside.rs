//! What few credentials need, and no warm check: wrong secrets of human-chosen ones, and renewals under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::record::{Mark, Record};
use crate::{id::Id, keys::budget::Failures, lock::lock, per_process::PerProcess};

/// Notes on single credentials, shared by whoever has a copy.
#[derive(Clone)]
pub(crate) struct Aside(Arc<PerProcess<Mutex<Notes>>>);

#[derive(Default)]
struct Notes {
    /// They outlive every change of the record.
    failures: HashMap<Id, Arc<Failures>>,
    /// What a hash is being renewed to, once that is known: once for as long as the key stays as it is.
    renewals: HashMap<Id, Option<Mark>>,
}

impl Aside {
    pub(super) fn new() -> Self {
        Self(Arc::new(PerProcess::new(Mutex::default)))
    }

    fn with<R>(&self, work: impl FnOnce(&mut Notes) -> R) -> R {
        let notes = self.0.get();
        work(&mut lock(&notes))
    }

    /// Wrong secrets lately, of a human-chosen credential.
    pub(crate) fn failures(&self, credential: Id) -> Arc<Failures> {
        self.with(|notes| Arc::clone(notes.failures.entry(credential).or_default()))
    }

    /// Takes on the renewal of a credential's hash; `false` when somebody has.
    pub(crate) fn begin_renewal(&self, credential: Id) -> bool {
        self.with(|notes| {
            let is_new = !notes.renewals.contains_key(&credential);
            notes.renewals.entry(credential).or_default();
            is_new
        })
    }

    /// Says what a hash is renewed to, before anybody can see it: it is the same secret's, and whoever knows that one knows it
    /// still.
    pub(crate) fn foresee_renewal(&self, credential: Id, to: Mark) {
        self.with(|notes| {
            if let Some(renewal) = notes.renewals.get_mut(&credential) {
                *renewal = Some(to);
            }
        });
    }

    pub(crate) fn give_up_renewal(&self, credential: Id) {
        self.with(|notes| notes.renewals.remove(&credential));
    }

    /// Whether this process renews a credential's hash to that of this mark.
    pub(super) fn renews(&self, credential: Id, to: Mark) -> bool {
        self.with(|notes| notes.renewals.get(&credential) == Some(&Some(to)))
    }

    /// Forgets renewals of what these records said, and everything about credentials that are not `left`.
    pub(super) fn forget(&self, before: &[Record], left: impl Fn(Id) -> bool) {
        self.with(|notes| {
            for Record { credential, .. } in before {
                notes.renewals.remove(credential);
                if !left(*credential) {
                    notes.failures.remove(credential);
                }
            }
        });
    }
}
