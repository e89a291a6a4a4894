//! What a store must hold: a model of what the library promises, beside which its answers are laid.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, LazyLock},
};

use inspire_auth_core::{
    Code, Error, HashParameters, InspireAuth, Options, Result, StoreLocation,
    keys::{
        Caller, Channel, Import, ImportFormat, KeyRecord, KeyUpdate, ListFilter, NewKey, Presented, Request,
        Requirement,
    },
    license::{
        Kind, State,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
    },
    store::{CredentialRow, MemoryStore, RestoreOptions, SqliteStore, Store, Strength},
};

/// A time at which the license is in force.
const NOW: i64 = 1_800_000_000;
const LICENSE_KEY: &str = "ABCD-EFGH-IJKL";

/// What a sweep does to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after the call that it makes")]
pub enum Op {
    Create {
        name: String,
    },
    /// A key whose secret was made elsewhere.
    Import {
        name: String,
    },
    Duplicate {
        name: String,
        copy: String,
    },
    Rotate {
        name: String,
    },
    Rename {
        name: String,
        to: String,
    },
    Update {
        name: String,
        level: String,
    },
    Enable {
        name: String,
    },
    Disable {
        name: String,
    },
    Delete {
        name: String,
    },
    /// Into the file of this number in the folder for backups.
    Backup {
        number: u32,
    },
    Restore {
        number: u32,
    },
    Adopt,
    Activate,
    Deactivate,
}

/// A key, as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Tells keys apart that have the same name one after the other.
    serial: u32,
    enabled: bool,
    level: String,
    revision: u64,
    /// `None` when the call that made it did not tell.
    secret: Option<String>,
}

/// What a store must hold after a number of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oracle {
    keys: BTreeMap<String, Expected>,
    /// `name:secret` of what was deleted, renamed or rotated away: nothing may ever bring it back.
    dead: BTreeSet<String>,
    backups: BTreeMap<u32, BTreeSet<u32>>,
    licensed: bool,
    serial: u32,
}

/// How a credential fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It must be granted.
    Alive,
    /// It must be refused.
    Dead,
}

impl Oracle {
    /// What the store must hold after `op`, which told `secret`; or how it must refuse.
    ///
    /// # Errors
    /// The code that the library must answer.
    pub fn after(&self, op: &Op, secret: Option<&str>) -> std::result::Result<Self, Code> {
        let mut next = self.clone();
        let secret = secret.map(str::to_owned);
        let name_is_free = |name: &String| if self.keys.contains_key(name) { Err(Code::NameTaken) } else { Ok(()) };
        match op {
            Op::Create { name } | Op::Import { name } => {
                name_is_free(name)?;
                let secret = if matches!(op, Op::Import { .. }) { Some(IMPORTED.secret.clone()) } else { secret };
                next.add(name, secret, String::new());
            }
            Op::Duplicate { name, copy } => {
                let original = self.keys.get(name).ok_or(Code::NotFound)?;
                name_is_free(copy)?;
                let (level, enabled) = (original.level.clone(), original.enabled);
                next.add(copy, secret, level).enabled = enabled;
            }
            Op::Rotate { name } => {
                next.bury(name);
                next.changed(name)?.secret = secret;
            }
            Op::Rename { name, to } => {
                next.changed(name)?;
                name_is_free(to)?;
                next.bury(name);
                if let Some(key) = next.keys.remove(name) {
                    next.keys.insert(to.clone(), key);
                }
            }
            Op::Update { name, level } => next.changed(name)?.level.clone_from(level),
            Op::Enable { name } => next.changed(name)?.enabled = true,
            Op::Disable { name } => next.changed(name)?.enabled = false,
            Op::Delete { name } => {
                next.bury(name);
                next.keys.remove(name).ok_or(Code::NotFound)?;
            }
            Op::Backup { number } => {
                next.backups.insert(*number, self.keys.values().map(|key| key.serial).collect());
            }
            Op::Restore { number } => {
                // What was deleted since stays deleted, what was made since goes; what is in both is newer here.
                let kept = self.backups.get(number).ok_or(Code::StoreUnavailable)?;
                for (name, key) in &self.keys {
                    if !kept.contains(&key.serial) {
                        next.bury(name);
                        next.keys.remove(name);
                    }
                }
            }
            Op::Adopt => {}
            Op::Activate => next.licensed = true,
            Op::Deactivate => {
                if !self.licensed {
                    return Err(Code::Unlicensed);
                }
                next.licensed = false;
            }
        }
        Ok(next)
    }

    fn add(&mut self, name: &str, secret: Option<String>, level: String) -> &mut Expected {
        self.serial += 1;
        let key = Expected { serial: self.serial, enabled: true, level, revision: 1, secret };
        self.keys.entry(name.to_owned()).insert_entry(key).into_mut()
    }

    fn changed(&mut self, name: &str) -> std::result::Result<&mut Expected, Code> {
        let key = self.keys.get_mut(name).ok_or(Code::NotFound)?;
        key.revision += 1;
        Ok(key)
    }

    fn bury(&mut self, name: &str) {
        if let Some(secret) = self.keys.get(name).and_then(|key| key.secret.as_ref()) {
            self.dead.insert(format!("{name}:{secret}"));
        }
    }

    /// The names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.keys.keys()
    }

    /// The newest backup.
    #[must_use]
    pub fn backup(&self) -> Option<u32> {
        self.backups.keys().next_back().copied()
    }

    /// Every credential that was ever told, and how it fares.
    #[must_use]
    pub fn credentials(&self) -> BTreeMap<String, Standing> {
        let mut all: BTreeMap<String, Standing> =
            self.dead.iter().map(|credential| (credential.clone(), Standing::Dead)).collect();
        for (name, key) in &self.keys {
            if let Some(secret) = &key.secret {
                let standing = if key.enabled { Standing::Alive } else { Standing::Dead };
                all.insert(format!("{name}:{secret}"), standing);
            }
        }
        all
    }

    /// What differs between this and what a store shows; `None` when nothing does.
    #[must_use]
    pub fn differs(&self, shown: &Shown) -> Option<String> {
        let expected: BTreeMap<&str, (bool, &str, u64)> = self
            .keys
            .iter()
            .map(|(name, key)| (name.as_str(), (key.enabled, key.level.as_str(), key.revision)))
            .collect();
        let found: BTreeMap<&str, (bool, &str, u64)> = shown
            .keys
            .iter()
            .map(|key| {
                let level = key.levels.first().map_or("", String::as_str);
                (key.name.as_str(), (key.enabled, level, key.revision))
            })
            .collect();
        let mut differences: Vec<String> = Vec::new();
        for name in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let (expected, found) = (expected.get(name), found.get(name));
            if expected != found {
                differences.push(format!("{name}: expected {expected:?}, found {found:?}"));
            }
        }
        if self.licensed != shown.licensed {
            differences.push(format!("licensed: expected {}, found {}", self.licensed, shown.licensed));
        }
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}

/// What a store shows of itself.
#[derive(Debug)]
pub struct Shown {
    keys: Vec<KeyRecord>,
    licensed: bool,
}

/// A store that is open.
#[derive(Debug)]
pub struct Handle {
    /// The store itself, for what is asked of it directly.
    pub store: SqliteStore,
    /// The library on it.
    pub auth: InspireAuth,
}

/// A secret that was made elsewhere, and its hash.
struct Imported {
    secret: String,
    hash: String,
}

static IMPORTED: LazyLock<Imported> = LazyLock::new(|| {
    let made = (|| {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new()?);
        let auth = InspireAuth::open(options(StoreLocation::Custom(Arc::clone(&store))))?;
        let created = auth.keys().create(&NewKey::named("elsewhere"), &Caller::system())?;
        let mut credential: Option<CredentialRow> = None;
        store.read(&mut |reader| {
            credential = reader.key_by_name("elsewhere")?.and_then(|mut key| key.credentials.pop());
            Ok(())
        })?;
        let credential = credential.ok_or(Error::from(Code::NotFound))?;
        Ok::<_, Error>(Imported { secret: created.key.to_string(), hash: credential.hash })
    })();
    // Without it no sweep can run, and nothing here can go wrong but memory.
    made.unwrap_or_else(|_| Imported { secret: String::new(), hash: String::new() })
});

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

static LICENSE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut license = LicenseDescription::new("l1", LICENSE_KEY);
    license.ttl = Some(100 * 24 * 3600);
    license.fingerprint = Some("fp".into());
    license.entitlements = Some(vec!["OFFLINE_LICENSING".into()]);
    sign(&signer(), &license, Kind::Machine, true, Some(NOW)).map(String::into_bytes).unwrap_or_default()
});

static ANY_KEY: LazyLock<Option<Requirement>> =
    LazyLock::new(|| Requirement::compile(&"Authenticated".parse().ok()?).ok());

/// Hashes that take next to no time; a license is trusted.
fn options(store: StoreLocation) -> Options {
    let mut options = Options::new(store);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    options.trusted_keys = TrustedKey::new("vendor", signer().public()).into_iter().collect();
    options.machine_id = Some("fp".into());
    options
}

/// The file for the backup of this number.
fn backup_file(folder: &Path, number: u32) -> std::path::PathBuf {
    folder.join(format!("{number}.backup"))
}

impl Handle {
    /// Opens the store at `path`, and makes it when there is none.
    ///
    /// # Errors
    /// The library's.
    pub fn open(path: &Path) -> Result<Self> {
        let store = SqliteStore::open(path)?;
        let auth = InspireAuth::open(options(StoreLocation::Custom(Arc::new(store.clone()))))?;
        Ok(Self { store, auth })
    }

    /// Does it, and returns the secret if there is a new one. Backups are in the folder `backups`.
    ///
    /// # Errors
    /// The library's.
    pub fn perform(&self, op: &Op, backups: &Path) -> Result<Option<String>> {
        let (keys, system) = (self.auth.keys(), &Caller::system());
        let at = &Caller::system().at(NOW);
        let mut secret = None;
        match op {
            Op::Create { name } => secret = Some(keys.create(&NewKey::named(name), system)?.key),
            Op::Import { name } => {
                let key = NewKey::named(name);
                let hash = IMPORTED.hash.clone();
                let import = Import { key, format: ImportFormat::Phc, hash, strength: Strength::Random };
                keys.import(&import, system)?;
            }
            Op::Duplicate { name, copy } => secret = Some(keys.duplicate(name, copy, None, system)?.key),
            Op::Rotate { name } => secret = Some(keys.rotate(name, 0, None, system)?.key),
            Op::Rename { name, to } => drop(keys.rename(name, to, None, system)?),
            Op::Update { name, level } => {
                let revision = keys.get(name)?.revision;
                let update = KeyUpdate { levels: Some(vec![level.clone()]), ..KeyUpdate::default() };
                keys.update(name, revision, &update, system)?;
            }
            Op::Enable { name } => drop(keys.set_enabled(name, true, None, system)?),
            Op::Disable { name } => drop(keys.set_enabled(name, false, None, system)?),
            Op::Delete { name } => keys.delete(name, None, system)?,
            Op::Backup { number } => self.store.backup(&backup_file(backups, *number))?,
            Op::Restore { number } => {
                self.store.restore(&backup_file(backups, *number), RestoreOptions::default())?;
            }
            Op::Adopt => self.store.adopt()?,
            Op::Activate => drop(self.auth.license().activate_offline(LICENSE_KEY, &LICENSE, false, at)?),
            Op::Deactivate => drop(self.auth.license().deactivate(at)?),
        }
        Ok(secret.map(|secret| secret.to_string()))
    }

    /// What a request with this credential (`name:secret`) gets.
    ///
    /// # Errors
    /// The library's.
    pub fn present(&self, credential: &str) -> Result<()> {
        let value = format!("Bearer {credential}");
        let requirement = ANY_KEY.as_ref().ok_or(Error::from(Code::Internal))?;
        let mut request = Request::new(Presented::Authorization(value.as_bytes()), requirement);
        request.channel = Channel::Secure;
        self.auth.authenticate(&request).map(drop)
    }

    /// What the store shows of itself.
    ///
    /// # Errors
    /// The library's.
    pub fn show(&self) -> Result<Shown> {
        let keys = self.auth.keys().list(&ListFilter::default())?;
        let licensed = self.auth.license().status(Some(NOW))?.state == State::Active;
        Ok(Shown { keys, licensed })
    }
}

/// What was found to be wrong.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// An acknowledged write is not there, or something is there that nobody wrote.
    Lost(String),
    /// A credential that was revoked is granted.
    Revived(String),
    /// A good credential is refused.
    Refused(String),
    /// The library can't say.
    Failed(Code),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "not what was acknowledged: {what}"),
            Self::Revived(who) => write!(f, "REVIVED: {who} is granted"),
            Self::Refused(what) => write!(f, "refused: {what}"),
            Self::Failed(code) => write!(f, "the library answers {}", code.entry().name),
        }
    }
}

/// The name in a credential: secrets are not for messages.
fn name_in(credential: &str) -> String {
    credential.split(':').next().unwrap_or_default().to_owned()
}

/// Which of the states a store must be in it is in; every credential fares accordingly.
///
/// # Errors
/// What is wrong. A revoked credential that is granted comes before everything else.
pub fn judge<'a>(handle: &Handle, candidates: &[&'a Oracle]) -> std::result::Result<&'a Oracle, Wrong> {
    // What is dead in all of them is dead, whatever else is found.
    for credential in
        candidates.first().iter().flat_map(|oracle| oracle.credentials()).map(|(credential, _)| credential)
    {
        let dead = candidates.iter().all(|oracle| oracle.credentials().get(&credential) != Some(&Standing::Alive));
        if dead && handle.present(&credential).is_ok() {
            return Err(Wrong::Revived(name_in(&credential)));
        }
    }
    let shown = handle.show().map_err(|error| Wrong::Failed(error.code()))?;
    let Some(found) = candidates.iter().find(|oracle| oracle.differs(&shown).is_none()) else {
        let differences: Vec<String> = candidates.iter().filter_map(|oracle| oracle.differs(&shown)).collect();
        return Err(Wrong::Lost(differences.join(" | or ")));
    };
    for (credential, standing) in found.credentials() {
        match (standing, handle.present(&credential).map_err(|error| error.code())) {
            (Standing::Alive, Ok(())) | (Standing::Dead, Err(Code::InvalidCredential)) => {}
            (Standing::Dead, Ok(())) => return Err(Wrong::Revived(name_in(&credential))),
            (_, Err(code)) => {
                return Err(Wrong::Refused(format!("{} gets {}", name_in(&credential), code.entry().name)));
            }
        }
    }
    Ok(found)
}

/// Whether SQLite finds the database whole; a file that is not there is.
///
/// # Errors
/// What SQLite says.
pub fn is_intact(path: &Path) -> std::result::Result<(), String> {
    if !path.exists() {
        return Ok(());
    }
    let found = rusqlite::Connection::open(path).and_then(|connection| {
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
    });
    match found {
        Ok(lines) if lines == ["ok"] => Ok(()),
        Ok(lines) => Err(lines.join("; ")),
        Err(error) => Err(error.to_string()),
    }
}

/// A folder in memory where there is one: what is shown is what SQLite asks of a file system, not what a disk does.
///
/// # Errors
/// Those of the system.
pub fn scratch() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::Builder::new().prefix("inspire-").tempdir_in(memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    }
}
