//! What changed lately, as it was read: so that a check follows a change without asking the server.

use std::collections::{BTreeMap, VecDeque};

use futures_util::future;
use tokio_postgres::{Client, Row, types::Type};

use super::{
    history::{self, State},
    rows::{self, CREDENTIAL, KEY, signed},
    session::add_credentials,
};
use crate::{
    error::{Error, Result},
    id::Id,
    store::{Changes, KeyChanges, KeyWithCredentials},
};

/// More keys than this at once are loaded faster all at once.
const MANY: usize = 2_000;
/// How many keys' changes are kept at hand.
const KEPT: usize = 10_000;

type Keys = Vec<(Id, Option<KeyWithCredentials>)>;

/// What changed from one generation to another, as far as it can be told.
#[derive(Debug)]
pub(super) struct Delta {
    /// `None`: everything may have.
    pub(super) keys: Option<Keys>,
    pub(super) license: bool,
}

impl Delta {
    pub(super) const EVERYTHING: Self = Self { keys: None, license: true };
}

/// The newest changes, one after another.
#[derive(Debug, Default)]
pub(super) struct Feed {
    head: u64,
    steps: VecDeque<Step>,
    keys: usize,
}

#[derive(Debug)]
struct Step {
    from: u64,
    to: u64,
    delta: Delta,
}

impl Feed {
    /// Nothing is known of what came before `generation`.
    pub(super) fn restart(&mut self, generation: u64) {
        *self = Self { head: generation, ..Self::default() };
    }

    /// The newest generation to which the changes lead.
    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    /// Adds what changed up to a generation, from the head or before it.
    pub(super) fn push(&mut self, to: u64, delta: Delta) {
        if to <= self.head {
            return;
        }
        self.keys = self.keys.saturating_add(delta.keys.as_ref().map_or(0, Vec::len));
        self.steps.push_back(Step { from: self.head, to, delta });
        self.head = to;
        while self.keys > KEPT || self.steps.len() > KEPT {
            let Some(oldest) = self.steps.pop_front() else { return };
            self.keys = self.keys.saturating_sub(oldest.delta.keys.map_or(0, |keys| keys.len()));
        }
    }

    /// What changed since a generation; `None` when that is not known here.
    pub(super) fn since(&self, since: u64) -> Option<Changes> {
        if since == self.head {
            return Some(Changes { generation: self.head, keys: KeyChanges::Only(Vec::new()), license: false });
        }
        let mut steps = self.steps.iter().skip_while(|step| step.to <= since).peekable();
        steps.peek().filter(|step| step.from <= since)?;
        let (mut keys, mut license) = (BTreeMap::new(), false);
        for step in steps {
            license |= step.delta.license;
            let Some(changed) = &step.delta.keys else {
                return Some(Changes { generation: self.head, keys: KeyChanges::Everything, license: true });
            };
            keys.extend(changed.iter().map(|(id, key)| (*id, key)));
        }
        let keys = KeyChanges::Only(keys.into_iter().map(|(id, key)| (id, key.clone())).collect());
        Some(Changes { generation: self.head, keys, license })
    }
}

const NEWS: &str = "SELECT \
     EXISTS (SELECT 1 FROM generations WHERE generation = $1 AND kind <> 'adoption') \
       AND NOT EXISTS (SELECT 1 FROM generations WHERE generation > $1 AND kind = 'adoption') \
       AND NOT EXISTS (SELECT 1 FROM changes WHERE generation > $1 AND kind NOT IN ('key', 'license')), \
     EXISTS (SELECT 1 FROM changes WHERE generation > $1 AND kind = 'license')";
/// One more than [`MANY`] shows that there are too many.
const CHANGED: &str = "SELECT DISTINCT item FROM changes WHERE generation > $1 AND kind = 'key' LIMIT 2001";

/// What changed after a generation, all of one snapshot.
pub(super) struct Pulled {
    pub(super) state: State,
    pub(super) delta: Delta,
}

/// Reads it in one round trip: the statements are sent one behind the other, none waits for another's answer.
pub(super) async fn pull(client: &Client, begin: &str, known: i64, since: u64) -> Result<Pulled> {
    let since = signed(since);
    let parameters = [(&since as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8)];
    let keys = format!("SELECT c.item, {KEY} FROM ({CHANGED}) c LEFT JOIN keys k ON k.id = c.item");
    let credentials =
        format!("SELECT {CREDENTIAL} FROM credentials c WHERE c.key_id IN ({CHANGED}) ORDER BY c.created_at, c.id");
    let (begun, state, news, (keys, credentials), ended) = future::join5(
        client.batch_execute(begin),
        history::state(client, known),
        client.query_typed(NEWS, &parameters),
        future::join(client.query_typed(&keys, &parameters), client.query_typed(&credentials, &parameters)),
        client.batch_execute("END"),
    )
    .await;
    let fault = |error: tokio_postgres::Error| super::faults::from_postgres(&error);
    begun.map_err(fault)?;
    let state = history::read(&state.map_err(fault)?)?;
    let (news, keys, credentials) = (news.map_err(fault)?, keys.map_err(fault)?, credentials.map_err(fault)?);
    ended.map_err(fault)?;
    let delta = delta(&news, &keys, &credentials).ok_or_else(|| Error::new(crate::error::Code::StoreCorrupt))?;
    Ok(Pulled { state, delta })
}

/// As [`pull`], of the state alone.
pub(super) async fn look(client: &Client, begin: &str, known: i64) -> Result<State> {
    let (begun, state, ended) =
        future::join3(client.batch_execute(begin), history::state(client, known), client.batch_execute("END")).await;
    let fault = |error: tokio_postgres::Error| super::faults::from_postgres(&error);
    begun.map_err(fault)?;
    let state = history::read(&state.map_err(fault)?)?;
    ended.map_err(fault)?;
    Ok(state)
}

fn delta(news: &[Row], keys: &[Row], credentials: &[Row]) -> Option<Delta> {
    let news = news.first()?;
    let (is_complete, license) = (news.try_get::<_, bool>(0).ok()?, news.try_get::<_, bool>(1).ok()?);
    if !is_complete || keys.len() > MANY {
        return Some(Delta::EVERYTHING);
    }
    let mut gone = Vec::new();
    let mut there = Vec::new();
    for row in keys {
        // What is no id is nobody's.
        let Some(id) = row.try_get(0).ok().and_then(rows::id) else { continue };
        match rows::key(row, 1) {
            Some(key) => there.push(KeyWithCredentials { key, credentials: Vec::new() }),
            None => gone.push((id, None)),
        }
    }
    add_credentials(&mut there, credentials);
    let keys = gone.into_iter().chain(there.into_iter().map(|key| (key.key.id, Some(key)))).collect();
    Some(Delta { keys: Some(keys), license })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(ids: &[u8]) -> Delta {
        Delta { keys: Some(ids.iter().map(|id| (Id::from_bytes([*id; 16]), None)).collect()), license: false }
    }

    fn ids(changes: Option<Changes>) -> Option<(u64, Vec<u8>)> {
        let changes = changes?;
        let KeyChanges::Only(keys) = changes.keys else { return Some((changes.generation, vec![0])) };
        Some((changes.generation, keys.iter().map(|(id, _)| id.to_bytes()[0]).collect()))
    }

    #[test]
    fn what_is_handed_on_is_what_came_after() {
        let mut feed = Feed::default();
        feed.restart(10);
        assert_eq!(ids(feed.since(10)), Some((10, vec![])));
        assert_eq!(ids(feed.since(9)), None, "before it begins");
        feed.push(11, gone(&[1]));
        feed.push(14, gone(&[2, 3]));
        feed.push(14, gone(&[9]));
        feed.push(12, gone(&[9]));
        assert_eq!(ids(feed.since(10)), Some((14, vec![1, 2, 3])));
        assert_eq!(ids(feed.since(11)), Some((14, vec![2, 3])));
        assert_eq!(ids(feed.since(12)), Some((14, vec![2, 3])), "more than asked for, never less");
        assert_eq!(ids(feed.since(14)), Some((14, vec![])));
        assert_eq!(ids(feed.since(15)), None);
        assert_eq!(ids(feed.since(u64::MAX)), None);
        feed.push(15, Delta::EVERYTHING);
        feed.push(16, gone(&[4]));
        assert_eq!(ids(feed.since(11)), Some((16, vec![0])), "everything");
        assert_eq!(ids(feed.since(15)), Some((16, vec![4])));
    }

    #[test]
    fn what_is_old_is_forgotten_and_then_not_known() {
        let mut feed = Feed::default();
        for generation in 1..=u64::try_from(KEPT).unwrap() + 5 {
            feed.push(generation, gone(&[1]));
        }
        assert!(feed.since(4).is_none());
        assert_eq!(ids(feed.since(5)), Some((feed.head(), vec![1])));
        assert!(feed.keys <= KEPT && feed.steps.len() <= KEPT);
    }
}
