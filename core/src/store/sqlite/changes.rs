//! The change log: what moved since a generation, and how long it is kept.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{faults::Fault, rows, write::Session};
use crate::{
    error::Result,
    store::{Changes, KeyChanges, Reader},
};

/// How many entries are kept. A handle that slept longer than these loads everything anew.
const KEPT: i64 = 100_000;
/// Trimming looks at this many entries' worth of index, so it is done once in so many generations.
const TRIM_EVERY: i64 = 1024;
/// More keys than this are loaded faster all at once.
const MANY: usize = 2_000;

/// What changed after generation `since` in a database that is at `now`.
pub(super) fn since(connection: &Connection, now: i64, since: u64) -> Result<Changes> {
    let generation = u64::try_from(now).unwrap_or(0);
    let everything = || Changes { generation, keys: KeyChanges::Everything, license: true };
    if since == generation {
        return Ok(Changes { generation, keys: KeyChanges::Only(Vec::new()), license: false });
    }
    let since = rows::signed(since);
    let mut keys = BTreeSet::new();
    let mut license = false;
    let sql = "SELECT generation, kind, item FROM changes WHERE generation >= ?1 ORDER BY generation";
    let mut statement = connection.prepare_cached(sql).fault()?;
    let mut found = statement.query([since]).fault()?;
    // Complete after `since` iff the entry itself is still there: the oldest go first. (Only adoptions stay for ever,
    // and an adoption answers with everything anyway.)
    let oldest = found.next().fault()?.map(|row| Ok((row.get(0)?, row.get_ref(1)?.as_str() == Ok("adoption"))));
    if oldest.transpose().fault()? != Some((since, false)) {
        return Ok(everything());
    }
    while let Some(row) = found.next().fault()? {
        match (row.get_ref(1).fault()?.as_str(), rows::id(row.get_ref(2).fault()?)) {
            (Ok("key"), Some(id)) => {
                keys.insert(id);
            }
            (Ok("license"), _) => license = true,
            // A tag key, an adoption, or a kind of a later version.
            _ => return Ok(everything()),
        }
        if keys.len() > MANY {
            return Ok(everything());
        }
    }
    let session = Session::new(connection);
    let keys = keys.into_iter().map(|id| Ok((id, session.key_by_id(id)?))).collect::<Result<_>>()?;
    Ok(Changes { generation, keys: KeyChanges::Only(keys), license })
}

/// Drops the oldest entries past [`KEPT`], once in a while.
pub(super) fn trim(connection: &Connection, before: i64, after: i64) -> Result<()> {
    if before.checked_div(TRIM_EVERY) == after.checked_div(TRIM_EVERY) {
        return Ok(());
    }
    connection
        .execute(
            "DELETE FROM changes WHERE kind <> 'adoption' AND generation <= \
             (SELECT generation FROM changes ORDER BY generation DESC LIMIT 1 OFFSET ?1)",
            params![KEPT],
        )
        .fault()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_goes_once_in_so_many_generations() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE changes (generation INTEGER PRIMARY KEY, token BLOB, kind TEXT, item BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100010)
                 INSERT INTO changes SELECT i, zeroblob(16), 'key', zeroblob(16) FROM n",
            )
            .unwrap();
        let left_after = |before, after| {
            trim(&connection, before, after).unwrap();
            connection.query_row("SELECT count(*) FROM changes", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(left_after(1024, 1025), 100_010);
        assert_eq!(left_after(1024, 2047), 100_010);
        assert_eq!(left_after(1023, 1024), KEPT);
    }
}
