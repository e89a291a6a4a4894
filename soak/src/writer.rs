//! The writer: changes keys as fast as it can, says of each what it is about to do and that it is done, and dies.

use std::{
    path::Path,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use fastrand::Rng;
use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options, Result,
    keys::{Caller, Created, Import, ImportFormat, KeyUpdate, NewKey},
    store::Strength,
};

use crate::{
    Outcome,
    board::{Board, Mapped, SLOTS},
    children::enlist,
    doom::{self, Fate},
    keys::{Change, Key, OTHER, REQUIRED, Slot},
};

/// The smallest Argon2id: what is swept is the store.
pub const HASH: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

/// A handle on the swept store.
///
/// # Errors
/// Those of the opening.
pub fn open(store: &Path) -> Result<InspireAuth> {
    let mut options = Options::at(store);
    options.hash = HASH;
    InspireAuth::open(options)
}

/// `--as=writer STARTER BOARD STORE SEED FATE NUMBER REST`
///
/// After most changes it rests for up to REST microseconds.
///
/// # Errors
/// What the library refused, which it must not.
pub fn play(arguments: &[String]) -> Outcome {
    let [board, store, seed, fate, number, rest] = enlist(arguments)? else {
        return Err("writer: bad arguments".into());
    };
    let board = Mapped::inherited(board.parse()?)?;
    let fate = Fate::of(fate, number.parse()?).ok_or("writer: bad fate")?;
    doom::arrange(fate)?;
    let mut rng = Rng::with_seed(seed.parse()?);
    let auth = open(Path::new(store))?;
    doom::begin(fate);
    let rest: u64 = rest.parse()?;
    let mut done = 0;
    while fate != Fate::Retired(done) {
        if let Err(error) = change_one(&auth, &board, &mut rng) {
            board.fail(&error.to_string());
            return Err(error);
        }
        done += 1;
        if rest > 0 && rng.u32(..4) > 0 {
            thread::sleep(Duration::from_micros(rng.u64(..rest)));
        }
    }
    Ok(())
}

/// Makes one change of one key, and keeps the board's books about it.
///
/// # Errors
/// What the library refused, which it must not.
pub fn change_one(auth: &InspireAuth, board: &Board, rng: &mut Rng) -> Outcome {
    let (slot, before) = choose(board, rng);
    let change = choose_change(&before, rng);
    let mut after = announced(change, &before, rng);
    let import = (change == Change::Import).then(|| import(&after)).transpose()?;

    slot.announce(&after);
    board.announced.0.fetch_add(1, Ordering::SeqCst);
    let begun = Instant::now();
    loop {
        match perform(auth, &before, &after, import.as_ref()) {
            Ok(created) => {
                if let Some(created) = created {
                    after.header = format!("Bearer {}", created.credential().as_str()).into_bytes();
                    after.known = true;
                }
                break;
            }
            Err(error) if matches!(error.code(), Code::Busy | Code::StoreLocked) => board.count(error.code()),
            Err(error) => {
                slot.withdraw();
                return Err(format!("{change:?} of {before:?}: {error}").into());
            }
        }
    }
    // The call has returned: whoever sees the next line must not meet the old record.
    slot.acknowledge(&after);
    board.took.0.store(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
    board.acknowledged.0.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Mostly a key that is refused, so that most are granted most of the time.
fn choose<'b>(board: &'b Board, rng: &mut Rng) -> (&'b Slot, Key) {
    if rng.u32(..4) > 0 {
        let begin = rng.usize(..SLOTS);
        for at in 0..SLOTS {
            let slot = &board.slots[(begin + at) % SLOTS];
            let key = slot.view().settled;
            if !crate::keys::is_granted(key.answer()) {
                return (slot, key);
            }
        }
    }
    let slot = &board.slots[rng.usize(..SLOTS)];
    (slot, slot.view().settled)
}

fn choose_change(key: &Key, rng: &mut Rng) -> Change {
    let among: &[Change] = match key {
        Key { present: false, .. } => &[Change::Create, Change::Import],
        Key { known: false, .. } => &[Change::Delete, Change::Rotate],
        Key { enabled: false, .. } => &[Change::Enable, Change::Enable, Change::Enable, Change::Delete, Change::Rename],
        Key { entitled: false, .. } => &[Change::Relevel, Change::Relevel, Change::Relevel, Change::Disable],
        _ => &[Change::Delete, Change::Disable, Change::Relevel, Change::Rename, Change::Rotate],
    };
    among[rng.usize(..among.len())]
}

/// What will be true, as far as it is known before.
fn announced(change: Change, before: &Key, rng: &mut Rng) -> Key {
    let mut after = Key { change, revision: before.revision + 1, ..before.clone() };
    match change {
        Change::Create | Change::Import => {
            after = Key { present: true, enabled: true, entitled: true, revision: 1, ..after };
            after.known = change == Change::Import;
            if change == Change::Import {
                let secret: String = (0..32).map(|_| rng.alphanumeric()).collect();
                after.header = format!("Bearer {}:{secret}", after.name).into_bytes();
            }
        }
        Change::Delete => after.present = false,
        Change::Disable => after.enabled = false,
        Change::Enable => after.enabled = true,
        Change::Relevel => after.entitled = !before.entitled,
        Change::Rename => {
            after.name = next_name(&before.name);
            if let Some(secret) = before.header.iter().position(|byte| *byte == b':') {
                after.header = [b"Bearer ", after.name.as_bytes(), &before.header[secret..]].concat();
            }
        }
        Change::Rotate => after.known = false,
    }
    if after.ends_credential() && before.known {
        after.former.clone_from(&before.header);
    }
    after
}

/// A name that this key never had: what was good once is never good again. (A key that is made anew has the name of the
/// deleted one, and another secret.)
fn next_name(name: &str) -> String {
    let (slot, number) = name.split_once('.').unwrap_or((name, "0"));
    format!("{slot}.{}", number.parse::<u64>().unwrap_or(0) + 1)
}

fn import(key: &Key) -> std::result::Result<Import, Box<dyn std::error::Error + Send + Sync>> {
    let secret = key.header.split(|byte| *byte == b':').next_back().unwrap_or_default();
    let salt: [u8; 16] = std::array::from_fn(|_| fastrand::u8(..));
    let parameters =
        Params::new(HASH.memory_kib, HASH.iterations, HASH.parallelism, Some(32)).map_err(|error| error.to_string())?;
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(secret, &salt, &mut hash)
        .map_err(|error| error.to_string())?;
    let hash = format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        HASH.memory_kib,
        HASH.iterations,
        HASH.parallelism,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    );
    Ok(Import { key: new_key(key), format: ImportFormat::Phc, hash, strength: Strength::Random })
}

fn new_key(key: &Key) -> NewKey {
    NewKey { levels: levels(key.entitled), ..NewKey::named(&key.name) }
}

fn levels(entitled: bool) -> Vec<String> {
    vec![if entitled { REQUIRED } else { OTHER }.to_owned()]
}

fn perform(auth: &InspireAuth, before: &Key, after: &Key, import: Option<&Import>) -> Result<Option<Created>> {
    let (keys, caller) = (auth.keys(), Caller::system());
    let revision = Some(before.revision);
    match after.change {
        Change::Create => return keys.create(&new_key(after), &caller).map(Some),
        Change::Rotate => return keys.rotate(&before.name, 0, revision, &caller).map(Some),
        Change::Import => import.map_or(Ok(()), |import| keys.import(import, &caller).map(drop))?,
        Change::Delete => keys.delete(&before.name, revision, &caller)?,
        Change::Disable | Change::Enable => {
            keys.set_enabled(&before.name, after.enabled, revision, &caller)?;
        }
        Change::Relevel => {
            let update = KeyUpdate { levels: Some(levels(after.entitled)), ..KeyUpdate::default() };
            keys.update(&before.name, before.revision, &update, &caller)?;
        }
        Change::Rename => {
            keys.rename(&before.name, &after.name, revision, &caller)?;
        }
    }
    Ok(None)
}
