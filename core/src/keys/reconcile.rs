//! Whether what is in memory is what the store holds.
//!
//! Every row is looked at beside the checks, which go on. What does not fit may have been changed in that moment: only what still
//! does not fit at one and the same generation of both is set right.

use std::{collections::HashSet, time::Duration};

use crate::{
    auth::Inner,
    error::{Code, Error, Result},
    id::Id,
};

/// How often it is tried to see both at one generation, while others write.
const TRIES: u32 = 8;
/// How long in between.
const PAUSE: Duration = Duration::from_millis(20);
/// More than these are read faster with all others.
const MANY: usize = 2_000;

impl Inner {
    /// The keys of which something else may be in memory than in the store.
    pub(crate) fn suspects(&self, goes_on: &dyn Fn() -> bool) -> Result<Vec<Id>> {
        let going_on = || if goes_on() { Ok(()) } else { Err(Error::with(Code::Cancelled, "the handle is closed")) };
        let (mut suspects, mut known) = (Vec::new(), 0_usize);
        self.store.load(&mut |row| {
            going_on()?;
            known = known.saturating_add(usize::from(self.index.has(row.key.id)));
            if !self.index.shows(row, &self.compiler) {
                suspects.push(row.key.id);
            }
            Ok(())
        })?;
        if known != self.index.len() {
            let mut present = HashSet::with_capacity(known);
            self.store.load(&mut |row| {
                going_on()?;
                present.insert(row.key.id);
                Ok(())
            })?;
            suspects.extend(self.index.ids().filter(|id| !present.contains(id)));
        }
        suspects.sort_unstable();
        suspects.dedup();
        Ok(suspects)
    }

    /// Sets right what is in memory of these keys, and of the license; returns of how many keys that was needed.
    pub(crate) fn mend(&self, suspects: &[Id]) -> Result<usize> {
        for _ in 0..TRIES {
            if let Some(mended) = self.index.in_turn(|| self.mend_in_turn(suspects))? {
                return Ok(mended);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(0)
    }

    /// `None` when the store has something newer than is in memory.
    fn mend_in_turn(&self, suspects: &[Id]) -> Result<Option<usize>> {
        self.catch_up_in_turn()?;
        if suspects.len() > MANY {
            self.rebuild_in_turn()?;
            return Ok(Some(suspects.len()));
        }
        let mut wrong = None;
        self.store.read(&mut |reader| {
            if reader.generation()? != self.index.generation() {
                return Ok(());
            }
            let mut differing = Vec::new();
            for id in suspects {
                let row = reader.key_by_id(*id)?;
                let fits = match &row {
                    Some(row) => self.index.shows(row, &self.compiler),
                    None => !self.index.has(*id),
                };
                if !fits {
                    differing.push((*id, row));
                }
            }
            wrong = Some(differing);
            self.license.reload(reader)
        })?;
        Ok(wrong.map(|wrong| {
            self.index.apply(&wrong, &self.compiler);
            wrong.len()
        }))
    }
}
