//! Where the database is, and whether that continues what this handle has seen.
//!
//! A server that took over with less than the former one had committed, or that was put back to an older state, is one that
//! would revive what was revoked: see the rules of `DESIGN` in docs/clusters.md.

use tokio_postgres::{Client, Row, types::Type};

use super::schema::VERSION;
use crate::error::{Code, Error, Result};

/// One entry of a store's history: no two histories share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) store: [u8; 16],
    pub(super) generation: i64,
    pub(super) token: [u8; 16],
}

/// What a transaction found, and what of its log tells whether it continues a known mark.
#[derive(Debug)]
pub(super) struct State {
    pub(super) mark: Mark,
    version: i32,
    /// The token that the log has for the known generation.
    token_of_known: Option<[u8; 16]>,
    /// The oldest generation in the log, adoptions aside, which say nothing about how far it goes.
    oldest: Option<i64>,
    /// The newest adoption.
    adopted: Option<i64>,
}

/// How what was found stands to what is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Continues,
    /// Another history, which an operator has accepted since.
    Adopted,
}

const STATE: &str = "SELECT m.store_id, m.generation, m.token, m.version, \
     (SELECT g.token FROM generations g WHERE g.generation = $1), \
     (SELECT min(g.generation) FROM generations g WHERE g.kind <> 'adoption'), \
     (SELECT max(g.generation) FROM generations g WHERE g.kind = 'adoption') FROM meta m";

/// Asks for it, in the open transaction.
pub(super) async fn state(client: &Client, known: i64) -> std::result::Result<Vec<Row>, tokio_postgres::Error> {
    client.query_typed(STATE, &[(&known, Type::INT8)]).await
}

/// Reads what [`state`] answered.
pub(super) fn read(rows: &[Row]) -> Result<State> {
    let unreadable = || Error::with(Code::StoreCorrupt, "the schema is not one of this library");
    let row = rows.first().ok_or_else(unreadable)?;
    let bytes = |at| -> Option<[u8; 16]> { row.try_get::<_, Option<&[u8]>>(at).ok()??.try_into().ok() };
    let number = |at| row.try_get::<_, Option<i64>>(at).ok().flatten();
    let version = row.try_get::<_, i32>(3).map_err(|_| unreadable())?;
    if version != VERSION {
        let what = format!("version {version}; this library knows {VERSION}: run `inspire-auth store migrate`");
        return Err(Error::with(Code::StoreVersion, what));
    }
    let (Some(store), Some(generation), Some(token)) = (bytes(0), number(1), bytes(2)) else {
        return Err(unreadable());
    };
    Ok(State {
        mark: Mark { store, generation, token },
        version,
        token_of_known: bytes(4),
        oldest: number(5),
        adopted: number(6),
    })
}

impl State {
    /// Whether this continues `known`, for which it was asked.
    ///
    /// # Errors
    /// `STORE_HISTORY_CHANGED` when it does not.
    pub(super) fn judge(&self, known: &Mark) -> Result<Verdict> {
        debug_assert_eq!(self.version, VERSION);
        if self.mark == *known {
            return Ok(Verdict::Continues);
        }
        if self.mark.store == known.store {
            if self.token_of_known == Some(known.token) {
                return Ok(Verdict::Continues);
            }
            // Late: the entry was trimmed.
            if self.token_of_known.is_none() && self.oldest.is_some_and(|oldest| known.generation < oldest) {
                return Ok(Verdict::Continues);
            }
        }
        if self.adopted.is_some_and(|at| at > known.generation) {
            return Ok(Verdict::Adopted);
        }
        Err(Error::new(Code::StoreHistoryChanged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(store: u8, generation: i64, token: u8) -> Mark {
        Mark { store: [store; 16], generation, token: [token; 16] }
    }

    fn found(mark: Mark, token_of_known: Option<u8>, oldest: i64, adopted: Option<i64>) -> State {
        let token_of_known = token_of_known.map(|token| [token; 16]);
        State { mark, version: VERSION, token_of_known, oldest: Some(oldest), adopted }
    }

    #[test]
    fn a_history_continues_when_it_has_what_is_known() {
        let known = mark(1, 50, 5);
        assert_eq!(found(known, Some(5), 1, None).judge(&known).unwrap(), Verdict::Continues);
        assert_eq!(found(mark(1, 60, 6), Some(5), 1, None).judge(&known).unwrap(), Verdict::Continues);
        assert_eq!(
            found(mark(1, 600_000, 6), None, 500_000, None).judge(&known).unwrap(),
            Verdict::Continues,
            "trimmed"
        );
    }

    #[test]
    fn another_history_is_refused_until_somebody_accepts_it() {
        let known = mark(1, 50, 5);
        for other in [
            // An older replica, at the same store.
            found(mark(1, 49, 4), None, 1, None),
            // One that went its own way: the same number, and higher ones.
            found(mark(1, 50, 9), Some(9), 1, None),
            found(mark(1, 80, 9), Some(9), 1, None),
            // Another store altogether, however similar.
            found(mark(2, 50, 5), Some(5), 1, None),
            found(mark(2, 90, 5), Some(5), 1, None),
            // Adopted, but before what is known.
            found(mark(1, 49, 4), None, 1, Some(40)),
        ] {
            assert_eq!(other.judge(&known).unwrap_err().code(), Code::StoreHistoryChanged, "{other:?}");
        }
        assert_eq!(found(mark(1, 99, 4), None, 1, Some(99)).judge(&known).unwrap(), Verdict::Adopted);
        assert_eq!(found(mark(2, 99, 4), None, 1, Some(99)).judge(&known).unwrap(), Verdict::Adopted);
    }
}
