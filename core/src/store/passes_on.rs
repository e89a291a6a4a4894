//! For tests: a store that is another one but for a method or two.

/// Methods of `Store` that ask `self.store` and nothing else.
macro_rules! passes_on {
    ($($method:ident)*) => { $(passes_on!(@ $method);)* };
    (@ generation) => {
        fn generation(&self) -> Result<u64> {
            self.store.generation()
        }
    };
    (@ load) => {
        fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64> {
            self.store.load(each)
        }
    };
    (@ changes_since) => {
        fn changes_since(&self, since: u64) -> Result<Changes> {
            self.store.changes_since(since)
        }
    };
    (@ read) => {
        fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
            self.store.read(body)
        }
    };
    (@ write) => {
        fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
            self.store.write(body)
        }
    };
    (@ account) => {
        fn account(&self, body: &mut dyn FnMut(&mut dyn Ledger) -> Result<()>) -> Result<()> {
            self.store.account(body)
        }
    };
    (@ wait_for_change) => {
        fn wait_for_change(&self, seen: u64, timeout: Duration) -> Result<u64> {
            self.store.wait_for_change(seen, timeout)
        }
    };
    (@ tag_key) => {
        fn tag_key(&self) -> Result<TagKey> {
            self.store.tag_key()
        }
    };
    (@ adopt) => {
        fn adopt(&self) -> Result<()> {
            self.store.adopt()
        }
    };
    (@ note_used) => {
        fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
            self.store.note_used(batch)
        }
    };
    (@ last_used) => {
        fn last_used(&self, key: Id) -> Result<Option<i64>> {
            self.store.last_used(key)
        }
    };
    (@ append_audit) => {
        fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
            self.store.append_audit(events)
        }
    };
    (@ audit) => {
        fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
            self.store.audit(limit)
        }
    };
}

pub(crate) use passes_on;
