//! stub
use super::*;
/// stub
#[derive(Debug)]
pub struct MemoryStore;
#[allow(clippy::missing_errors_doc, missing_docs, clippy::unimplemented)]
impl MemoryStore {
    pub fn new() -> Result<Self> {
        Ok(Self)
    }
}
impl Store for MemoryStore {
    fn generation(&self) -> Result<u64> {
        unimplemented!()
    }
    fn load(&self, _: &mut dyn FnMut(KeyWithCredentials) -> Result<()>) -> Result<u64> {
        unimplemented!()
    }
    fn changes_since(&self, _: u64) -> Result<Changes> {
        unimplemented!()
    }
    fn read(&self, _: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        unimplemented!()
    }
    fn write(&self, _: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
        unimplemented!()
    }
    fn wait_for_change(&self, _: u64, _: Duration) -> Result<u64> {
        unimplemented!()
    }
    fn tag_key(&self) -> Result<TagKey> {
        unimplemented!()
    }
    fn adopt(&self) -> Result<()> {
        unimplemented!()
    }
    fn note_used(&self, _: &[(Id, i64)]) -> Result<()> {
        unimplemented!()
    }
    fn last_used(&self, _: Id) -> Result<Option<i64>> {
        unimplemented!()
    }
    fn append_audit(&self, _: &[AuditEvent]) -> Result<()> {
        unimplemented!()
    }
    fn audit(&self, _: usize) -> Result<Vec<AuditEvent>> {
        unimplemented!()
    }
}
