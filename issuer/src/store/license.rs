//! Licenses, and what a vendor does with them.

use std::{collections::BTreeMap, fmt};

use inspire_auth_core::{Code, Error, Id, Result};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{
    Store,
    faults::{Fault as _, is_taken},
};

/// The columns that [`License::from_row`] reads.
const SELECT: &str = "SELECT id, key, name, product, expires_at, suspended, banned, max_machines, allow_overrun, \
                      require_heartbeat, limits, created_at, updated_at FROM licenses";

/// What a vendor decides when a license is made. The default grants nothing, never ends, and any number of machines may
/// use it.
#[derive(Clone, Default)]
pub struct NewLicense {
    /// The key that the customer types: 6 to 4096 visible ASCII characters. `None`: one of 120 random bits is made.
    pub key: Option<String>,
    /// What status pages show.
    pub name: Option<String>,
    /// The id of the product.
    pub product: Option<String>,
    /// When the license ends, Unix seconds. `None`: never.
    pub expires_at: Option<i64>,
    /// How many machines may use it at once. `None`: any number.
    pub max_machines: Option<u32>,
    /// Whether more machines may all the same.
    pub allow_overrun: bool,
    /// Whether files say that a machine which falls silent is taken off.
    pub require_heartbeat: bool,
    /// Limits by name, such as `MAX_DISPLAYS`; -1 is unlimited.
    pub limits: BTreeMap<String, i64>,
    /// Granted codes, in any case.
    pub entitlements: Vec<String>,
}

/// A license.
#[derive(Clone, PartialEq, Eq)]
pub struct License {
    /// A UUID.
    pub id: String,
    /// The key that the customer types.
    pub key: String,
    /// What status pages show.
    pub name: Option<String>,
    /// The id of the product.
    pub product: Option<String>,
    /// When it ends, Unix seconds. `None`: never.
    pub expires_at: Option<i64>,
    /// Whether it may not be used for the time being.
    pub suspended: bool,
    /// Whether its owner may not use any.
    pub banned: bool,
    /// How many machines may use it at once. `None`: any number.
    pub max_machines: Option<u32>,
    /// Whether more machines may all the same.
    pub allow_overrun: bool,
    /// Whether files say that a machine which falls silent is taken off.
    pub require_heartbeat: bool,
    /// Limits by name.
    pub limits: BTreeMap<String, i64>,
    /// Granted codes: capitals, sorted, unique.
    pub entitlements: Vec<String>,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it was changed last, Unix seconds.
    pub updated_at: i64,
}

impl License {
    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Keygen's word for how it stands.
    #[must_use]
    pub fn status(&self, now: i64) -> &'static str {
        const SOON: i64 = 3 * 86_400;
        match self {
            _ if self.banned => "BANNED",
            _ if self.suspended => "SUSPENDED",
            _ if self.has_ended(now) => "EXPIRED",
            _ if self.has_ended(now.saturating_add(SOON)) => "EXPIRING",
            _ => "ACTIVE",
        }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let limits: String = row.get("limits")?;
        Ok(Self {
            id: row.get("id")?,
            key: row.get("key")?,
            name: row.get("name")?,
            product: row.get("product")?,
            expires_at: row.get("expires_at")?,
            suspended: row.get("suspended")?,
            banned: row.get("banned")?,
            max_machines: row.get("max_machines")?,
            allow_overrun: row.get("allow_overrun")?,
            require_heartbeat: row.get("require_heartbeat")?,
            limits: serde_json::from_str(&limits).map_err(|_| rusqlite::Error::InvalidQuery)?,
            entitlements: Vec::new(),
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }

    /// Brings names into their one form, and refuses what no file could carry.
    fn settle(&mut self) -> Result<()> {
        let wrong = |what: &'static str| Err(Error::with(Code::InvalidArgument, what));
        if !(6..=4096).contains(&self.key.len()) || !self.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("a license key has 6 to 4096 visible ASCII characters");
        }
        if [&self.name, &self.product].into_iter().flatten().any(|text| text.is_empty() || text.len() > 255) {
            return wrong("a name or product has 1 to 255 bytes");
        }
        if self.expires_at.is_some_and(|end| !(0..=LAST_MOMENT).contains(&end)) {
            return wrong("a license ends between the years 1970 and 9999");
        }
        self.limits = settle_limits(&self.limits)?;
        self.entitlements = self.entitlements.iter().map(|code| code.trim().to_ascii_uppercase()).collect();
        self.entitlements.sort_unstable();
        self.entitlements.dedup();
        if self.entitlements.iter().any(|code| code.is_empty() || code.len() > 255 || code.contains(char::is_control)) {
            return wrong("an entitlement's code has 1 to 255 bytes");
        }
        Ok(())
    }
}

/// The end of the year 9999.
const LAST_MOMENT: i64 = 253_402_300_799;

fn settle_limits(limits: &BTreeMap<String, i64>) -> Result<BTreeMap<String, i64>> {
    let mut settled = BTreeMap::new();
    let mut folded = Vec::new();
    for (name, limit) in limits {
        let name = name.trim().to_ascii_uppercase();
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name || name.len() > 64 {
            return Err(Error::with(Code::InvalidArgument, "a limit's name is such as MAX_DISPLAYS"));
        }
        if *limit < -1 {
            return Err(Error::with(Code::InvalidArgument, "a limit is -1 (unlimited), 0 or more"));
        }
        // Clients compare names without the `_`.
        folded.push(name.replace('_', ""));
        settled.insert(name, *limit);
    }
    folded.sort_unstable();
    let all = folded.len();
    folded.dedup();
    if folded.len() < all {
        return Err(Error::with(Code::InvalidArgument, "two limits have the same name"));
    }
    Ok(settled)
}

impl fmt::Debug for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("License").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewLicense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLicense").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a license.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `NAME_TAKEN` when another license has this key; a `STORE_*` code.
    pub fn create(&self, new: &NewLicense, now: i64) -> Result<License> {
        let mut license = License {
            id: Id::random()?.to_string(),
            key: match &new.key {
                Some(key) => key.clone(),
                None => generate_key()?,
            },
            name: new.name.clone(),
            product: new.product.clone(),
            expires_at: new.expires_at,
            suspended: false,
            banned: false,
            max_machines: new.max_machines,
            allow_overrun: new.allow_overrun,
            require_heartbeat: new.require_heartbeat,
            limits: new.limits.clone(),
            entitlements: new.entitlements.clone(),
            created_at: now,
            updated_at: now,
        };
        license.settle()?;
        self.transaction(|transaction| {
            let inserted = transaction.execute(
                "INSERT INTO licenses (id, key, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)",
                params![license.id, license.key, now],
            );
            match inserted {
                Err(error) if is_taken(&error) => {
                    return Err(Error::with(Code::NameTaken, "another license has this key"));
                }
                other => other.fault()?,
            };
            write(transaction, &license)
        })?;
        Ok(license)
    }

    /// All licenses, the oldest first.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn licenses(&self) -> Result<Vec<License>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY created_at, id")).fault()?;
            let licenses = statement.query_map([], License::from_row).fault()?;
            licenses.map(|license| with_entitlements(connection, license.fault()?)).collect()
        })
    }

    /// The license with this id or key.
    ///
    /// # Errors
    /// `NOT_FOUND`; a `STORE_*` code.
    pub fn license(&self, id_or_key: &str) -> Result<License> {
        self.read(|connection| find(connection, id_or_key))?.ok_or(Error::new(Code::NotFound))
    }

    /// The license with this key.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn license_by_key(&self, key: &str) -> Result<Option<License>> {
        Ok(self.read(|connection| find(connection, key))?.filter(|license| license.key == key))
    }

    /// Changes a license, named by its id or key; id, key and times stay as they are.
    ///
    /// # Errors
    /// `NOT_FOUND`; `INVALID_ARGUMENT`; a `STORE_*` code.
    pub fn change(&self, id_or_key: &str, now: i64, change: impl FnOnce(&mut License)) -> Result<License> {
        self.transaction(|transaction| {
            let found = find(transaction, id_or_key)?.ok_or(Error::new(Code::NotFound))?;
            let mut license = found.clone();
            change(&mut license);
            (license.id, license.key, license.created_at) = (found.id, found.key, found.created_at);
            license.updated_at = now;
            license.settle()?;
            write(transaction, &license)?;
            Ok(license)
        })
    }

    /// Suspends a license: from the next validation on it may not be used.
    ///
    /// # Errors
    /// `NOT_FOUND`; a `STORE_*` code.
    pub fn suspend(&self, id_or_key: &str, now: i64) -> Result<License> {
        self.change(id_or_key, now, |license| license.suspended = true)
    }

    /// Ends a suspension or a ban.
    ///
    /// # Errors
    /// `NOT_FOUND`; a `STORE_*` code.
    pub fn reinstate(&self, id_or_key: &str, now: i64) -> Result<License> {
        self.change(id_or_key, now, |license| (license.suspended, license.banned) = (false, false))
    }

    /// Bans a license, as Keygen does it to all of an owner.
    ///
    /// # Errors
    /// `NOT_FOUND`; a `STORE_*` code.
    pub fn ban(&self, id_or_key: &str, now: i64) -> Result<License> {
        self.change(id_or_key, now, |license| license.banned = true)
    }

    /// Gives a license another end; `None` is never.
    ///
    /// # Errors
    /// `NOT_FOUND`; `INVALID_ARGUMENT`; a `STORE_*` code.
    pub fn renew(&self, id_or_key: &str, expires_at: Option<i64>, now: i64) -> Result<License> {
        self.change(id_or_key, now, |license| license.expires_at = expires_at)
    }

    /// Sets a limit, or takes it away.
    ///
    /// # Errors
    /// `NOT_FOUND`; `INVALID_ARGUMENT`; a `STORE_*` code.
    pub fn set_limit(&self, id_or_key: &str, name: &str, limit: Option<i64>, now: i64) -> Result<License> {
        let name = name.trim().to_ascii_uppercase();
        self.change(id_or_key, now, |license| {
            license.limits.remove(&name);
            license.limits.extend(limit.map(|limit| (name, limit)));
        })
    }

    /// Grants entitlements, and takes others away; codes in any case.
    ///
    /// # Errors
    /// `NOT_FOUND`; `INVALID_ARGUMENT`; a `STORE_*` code.
    pub fn entitle(&self, id_or_key: &str, add: &[String], remove: &[String], now: i64) -> Result<License> {
        self.change(id_or_key, now, |license| {
            license.entitlements.retain(|code| !remove.iter().any(|other| other.trim().eq_ignore_ascii_case(code)));
            license.entitlements.extend_from_slice(add);
        })
    }
}

pub(super) fn find(connection: &Connection, id_or_key: &str) -> Result<Option<License>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1 OR key = ?1")).fault()?;
    let found = statement.query_row([id_or_key], License::from_row).optional().fault()?;
    found.map(|license| with_entitlements(connection, license)).transpose()
}

fn with_entitlements(connection: &Connection, mut license: License) -> Result<License> {
    let query = "SELECT code FROM entitlements WHERE license = ?1 ORDER BY code";
    let mut statement = connection.prepare_cached(query).fault()?;
    let codes = statement.query_map([&license.id], |row| row.get(0)).fault()?;
    license.entitlements = codes.collect::<rusqlite::Result<_>>().fault()?;
    Ok(license)
}

/// Writes what may change of a license that is there.
fn write(transaction: &Transaction<'_>, license: &License) -> Result<()> {
    let limits = serde_json::to_string(&license.limits).map_err(|_| Error::new(Code::Internal))?;
    transaction
        .execute(
            "UPDATE licenses SET name = ?2, product = ?3, expires_at = ?4, suspended = ?5, banned = ?6, \
             max_machines = ?7, allow_overrun = ?8, require_heartbeat = ?9, limits = ?10, updated_at = ?11 WHERE id = ?1",
            params![
                license.id,
                license.name,
                license.product,
                license.expires_at,
                license.suspended,
                license.banned,
                license.max_machines,
                license.allow_overrun,
                license.require_heartbeat,
                limits,
                license.updated_at,
            ],
        )
        .fault()?;
    transaction.execute("DELETE FROM entitlements WHERE license = ?1", [&license.id]).fault()?;
    let mut statement = transaction.prepare_cached("INSERT INTO entitlements VALUES (?1, ?2)").fault()?;
    for code in &license.entitlements {
        statement.execute([&license.id, code]).fault()?;
    }
    Ok(())
}

/// `A1B2C3-...`: five groups of six hexadecimal digits.
fn generate_key() -> Result<String> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).map_err(|_| Error::with(Code::Internal, "the operating system refuses randomness"))?;
    let groups = bytes.chunks(3).map(|group| group.iter().map(|byte| format!("{byte:02X}")).collect::<String>());
    Ok(groups.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn store() -> Store {
        Store::in_memory().unwrap()
    }

    fn code<T>(result: Result<T>) -> Code {
        result.err().map_or(Code::Ok, |error| error.code())
    }

    #[test]
    fn a_license_is_made_found_and_listed() {
        let store = store();
        let new = NewLicense {
            name: Some("Plant 3".into()),
            max_machines: Some(2),
            limits: [("max_displays".to_owned(), 4)].into(),
            entitlements: vec!["mfa".into(), "AI ".into(), "MFA".into()],
            ..NewLicense::default()
        };
        let made = store.create(&new, NOW).unwrap();
        assert_eq!((made.id.len(), made.key.len(), made.key.matches('-').count()), (36, 34, 4));
        assert_eq!(made.entitlements, ["AI", "MFA"]);
        assert_eq!(made.limits["MAX_DISPLAYS"], 4);
        assert_eq!(store.license(&made.id).unwrap(), made);
        assert_eq!(store.license(&made.key).unwrap(), made);
        assert_eq!(store.license_by_key(&made.key).unwrap(), Some(made.clone()));
        assert_eq!(store.license_by_key(&made.id).unwrap(), None, "an id is no key");
        assert_eq!(store.licenses().unwrap(), std::slice::from_ref(&made));
        assert_ne!(store.create(&new, NOW).unwrap().key, made.key);
        assert_eq!(code(store.license("nobody")), Code::NotFound);
        assert!(!format!("{made:?}").contains(&made.key));
    }

    #[test]
    fn a_vendors_verbs_change_what_they_name() {
        let store = store();
        let id = store.create(&NewLicense::default(), NOW).unwrap().id;
        assert!(store.suspend(&id, NOW + 1).unwrap().suspended);
        assert_eq!(store.license(&id).unwrap().updated_at, NOW + 1);
        assert!(store.ban(&id, NOW).unwrap().banned);
        let reinstated = store.reinstate(&id, NOW).unwrap();
        assert!(!reinstated.suspended && !reinstated.banned);
        assert_eq!(store.renew(&id, Some(NOW + 9), NOW).unwrap().expires_at, Some(NOW + 9));
        assert_eq!(store.renew(&id, None, NOW).unwrap().expires_at, None);
        assert_eq!(store.set_limit(&id, "Seats", Some(-1), NOW).unwrap().limits, [("SEATS".to_owned(), -1)].into());
        assert!(store.set_limit(&id, "seats", None, NOW).unwrap().limits.is_empty());
        let (mfa, ai) = (vec!["mfa".to_owned()], vec!["Ai".to_owned()]);
        assert_eq!(store.entitle(&id, &mfa, &[], NOW).unwrap().entitlements, ["MFA"]);
        assert_eq!(store.entitle(&id, &ai, &mfa, NOW).unwrap().entitlements, ["AI"]);
        assert_eq!(store.license(&id).unwrap().entitlements, ["AI"]);
        assert_eq!(code(store.suspend("nobody", NOW)), Code::NotFound);
    }

    #[test]
    fn what_no_file_could_carry_is_refused_and_changes_nothing() {
        let store = store();
        let id = store.create(&NewLicense { key: Some("KEY-ONE".into()), ..NewLicense::default() }, NOW).unwrap().id;
        let create = |change: fn(&mut NewLicense)| {
            let mut new = NewLicense::default();
            change(&mut new);
            code(store.create(&new, NOW))
        };
        assert_eq!(create(|new| new.key = Some("KEY-ONE".into())), Code::NameTaken);
        let wrong: [fn(&mut NewLicense); 8] = [
            |new| new.key = Some("SHORT".into()),
            |new| new.key = Some("KEY WITH SPACE".into()),
            |new| new.key = Some("KEY\nHEADER: x".into()),
            |new| new.name = Some(String::new()),
            |new| new.expires_at = Some(i64::MAX),
            |new| new.limits = [("MAX_DISPLAYS".to_owned(), 1), ("MAXDISPLAYS".to_owned(), 2)].into(),
            |new| new.limits = [("no name".to_owned(), 1)].into(),
            |new| new.entitlements = vec![" ".into()],
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            assert_eq!(create(change), Code::InvalidArgument, "{number}");
        }
        assert_eq!(code(store.set_limit(&id, "SEATS", Some(-2), NOW)), Code::InvalidArgument);
        assert_eq!((store.licenses().unwrap().len(), store.license(&id).unwrap().updated_at), (1, NOW));
    }

    #[test]
    fn a_status_is_keygens() {
        let mut license = store().create(&NewLicense::default(), NOW).unwrap();
        assert_eq!(license.status(NOW), "ACTIVE");
        license.expires_at = Some(NOW + 3 * 86_400 + 1);
        assert_eq!((license.status(NOW), license.status(NOW + 1)), ("ACTIVE", "EXPIRING"));
        assert_eq!(license.status(NOW + 3 * 86_400 + 1), "EXPIRED");
        license.suspended = true;
        assert_eq!(license.status(NOW), "SUSPENDED");
        license.banned = true;
        assert_eq!(license.status(NOW), "BANNED");
    }
}
