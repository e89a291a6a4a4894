//! Following what other machines change.
//!
//! One connection listens. It does so before it first looks, so that nothing falls between (PostgreSQL 15, LISTEN). A
//! notification only wakes: what changed is read from the log, from the generation on that is known, and so is whatever
//! happened while there was no connection. Silence is no proof of anything, so it also looks unasked, several times within the
//! longest time that a change may stay unseen, and gives up on a connection that does not answer.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{Shared, engine::Engine, link::Link};
use crate::error::{Code, Error, Result};

/// After a first failure to connect, and after each further one twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often it looks unasked within the longest time that a change may stay unseen.
const BEATS: u32 = 5;

/// What the follower's task has.
pub(super) struct Follower {
    pub(super) shared: Weak<Shared>,
    pub(super) engine: Arc<Engine>,
    /// Rung by each notification, and when the connection ends.
    pub(super) rings: Arc<Notify>,
    /// The connection that it begins with, if there is one already.
    pub(super) link: Option<Link>,
}

impl Follower {
    /// Follows until the store is closed.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        // Whatever was rung before was rung before it looked.
        let mut is_told = true;
        loop {
            let Some(shared) = self.shared.upgrade().filter(|shared| !shared.is_closed()) else { return };
            let beat = shared.options.max_staleness.checked_div(BEATS).unwrap_or(FIRST_PAUSE);
            let patience = beat.max(FIRST_PAUSE);
            if self.link.as_ref().is_none_or(Link::is_broken) {
                self.link = None;
                match open(&shared, &self.engine, &self.rings, patience).await {
                    Ok(link) => self.link = Some(link),
                    Err(error) => {
                        shared.note_away(&error);
                        drop(shared);
                        tokio::time::sleep(jittered(pause)).await;
                        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                        continue;
                    }
                }
                is_told = true;
            }
            if let Some(link) = &self.link {
                let looked = match timeout(patience, shared.look(link, is_told)).await {
                    Ok(looked) => looked,
                    Err(_) => {
                        // What comes next would be the answer to this.
                        link.give_up();
                        Err(super::faults::late())
                    }
                };
                match looked {
                    Ok(()) => pause = FIRST_PAUSE,
                    Err(error) => shared.note_away(&error),
                }
                if link.is_broken() {
                    continue;
                }
            }
            shared.desk.get().close_idle();
            // Nothing of ours keeps the store from being closed meanwhile.
            drop(shared);
            is_told = timeout(beat, self.rings.notified()).await.is_ok();
        }
    }
}

/// Connects and listens.
pub(super) async fn open(
    shared: &Shared,
    engine: &Arc<Engine>,
    rings: &Arc<Notify>,
    patience: Duration,
) -> Result<Link> {
    let link = Link::open_there(engine, &shared.listen, Some(Arc::clone(rings)), patience).await?;
    let listen = format!("LISTEN {}", shared.options.schema);
    match timeout(patience, link.client.batch_execute(&listen)).await {
        Ok(listening) => listening.map_err(|error| super::faults::from_postgres(&error))?,
        Err(_) => {
            link.give_up();
            return Err(Error::with(Code::StoreUnavailable, "the server did not answer in time"));
        }
    }
    Ok(link)
}

/// Between half of it and all: those that lost one server at once do not all come back at once.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0_u8; 2];
    let _ = crate::id::fill_random(&mut random);
    let half = pause.checked_div(2).unwrap_or(pause);
    half.saturating_add(half.mul_f32(f32::from(u16::from_ne_bytes(random)) / f32::from(u16::MAX)))
}
