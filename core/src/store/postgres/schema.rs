//! The tables, the triggers that log every change to them, and what a role of least privilege may do.
//!
//! The triggers, not our code, move the generation and write the change log, so that a change made by a foreign writer
//! (`psql`, an older version of the library, a replication worker) is logged exactly like our own. A number that is taken
//! from the row of `meta` under its lock is in the order of the commits; one of a sequence is not.

use std::{sync::Arc, time::Instant};

use super::{PATIENCE, engine::Engine, link::Link, options::PostgresOptions};
use crate::{
    error::{Code, Error, Result},
    id::{Id, fill_random},
};

/// The schema that this version of the library makes and understands.
pub(super) const VERSION: i32 = 1;

/// `MIGRATIONS[n]` leads from version n to n + 1.
const MIGRATIONS: [&str; VERSION as usize] = [include_str!("schema.sql")];

/// What is logged, and by which function.
const LOGGED: [(&str, &str); 8] = [
    ("keys", "log_key"),
    ("credentials", "log_credential"),
    ("license", "log_license"),
    ("license_marks", "log_license"),
    ("license_burials", "log_license"),
    ("license_releases", "log_license"),
    ("installation", "log_license"),
    ("tag_keys", "log_everything"),
];

/// What a host's role needs, and no more: it can neither write the log nor the generation but by what the triggers do.
const GRANTS: &str = "
    GRANT USAGE ON SCHEMA :schema TO :role;
    GRANT SELECT ON ALL TABLES IN SCHEMA :schema TO :role;
    GRANT UPDATE (writer) ON :schema.meta TO :role;
    GRANT UPDATE ON :schema.ledger TO :role;
    GRANT INSERT, UPDATE, DELETE ON :schema.keys, :schema.credentials, :schema.license, :schema.license_marks,
        :schema.license_burials, :schema.license_releases, :schema.installation, :schema.credit_periods,
        :schema.credit_operations, :schema.clock_seen, :schema.last_used TO :role;
    GRANT INSERT, DELETE ON :schema.audit TO :role;
    GRANT EXECUTE ON FUNCTION :schema.adopt(bigint) TO :role;
";

/// The triggers on every table that a check depends on, which fire for a replication worker too.
fn triggers(schema: &str) -> String {
    let mut sql = String::new();
    for (table, function) in LOGGED {
        sql.push_str(&format!(
            "CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON {schema}.{table} \
             FOR EACH ROW EXECUTE FUNCTION {schema}.{function}();
             CREATE TRIGGER emptied AFTER TRUNCATE ON {schema}.{table} \
             FOR EACH STATEMENT EXECUTE FUNCTION {schema}.log_everything();
             ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER emptied;\n"
        ));
    }
    sql
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes the schema, or brings an older one up to date, in one transaction, and lets `roles` use it. Safe in any number of
/// processes at once: whoever comes second finds it done.
///
/// # Errors
/// `STORE_VERSION` when it is of a newer version, `INVALID_ARGUMENT`, a `STORE_*` code by cause.
pub(super) fn migrate(options: &PostgresOptions, roles: &[&str]) -> Result<()> {
    if roles.iter().any(|role| role.is_empty() || role.len() > 63 || role.contains('\0')) {
        return Err(Error::with(Code::InvalidArgument, "a role has a name of 1 to 63 bytes"));
    }
    let engine = Arc::new(Engine::start()?);
    let done = (|| {
        let link = Link::open(&engine, &Arc::new(options.main.clone()), None, soon())?;
        let schema = &options.schema;
        // Two numbers that no other program is likely to lock under: "insp" and the schema.
        let begin = format!(
            "BEGIN; SET LOCAL lock_timeout = '30s'; \
             SELECT pg_advisory_xact_lock(1768845168, hashtext('{schema}')); SET LOCAL search_path = {schema}, pg_temp"
        );
        link.batch(&begin, soon())?;
        let from = version(&link, schema)?;
        if from > VERSION {
            return Err(Error::with(Code::StoreVersion, format!("version {from}; this library knows {VERSION}")));
        }
        if from == 0 {
            link.batch(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"), soon())?;
        }
        for step in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
            link.batch(&step.replace(":schema", schema), soon())?;
        }
        if from == 0 {
            link.batch(&populate()?, soon())?;
            link.batch(&triggers(schema), soon())?;
            link.batch(&format!("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC"), soon())?;
        }
        link.batch(&format!("UPDATE meta SET version = {VERSION} WHERE version <> {VERSION}"), soon())?;
        for role in roles {
            link.batch(&GRANTS.replace(":schema", schema).replace(":role", &quoted(role)), soon())?;
        }
        link.batch("COMMIT", soon())
    })();
    engine.stop();
    done
}

fn soon() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE.saturating_mul(3)).unwrap_or(now)
}

/// Which version is there; 0 for none.
fn version(link: &Link, schema: &str) -> Result<i32> {
    let found = link.query(&format!("SELECT to_regclass('{schema}.meta') IS NOT NULL"), &[], soon())?;
    if !found.first().and_then(|row| row.try_get::<_, bool>(0).ok()).unwrap_or(false) {
        return Ok(0);
    }
    let found = link.query("SELECT version FROM meta", &[], soon())?;
    found
        .first()
        .and_then(|row| row.try_get::<_, i32>(0).ok())
        .ok_or(Error::with(Code::StoreCorrupt, "the schema is not one of this library"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a store has from its first moment: its identity, the first entry of its history, and its tag key.
fn populate() -> Result<zeroize::Zeroizing<String>> {
    let mut token = [0_u8; 16];
    fill_random(&mut token)?;
    let mut secret = zeroize::Zeroizing::new([0_u8; 16]);
    fill_random(&mut *secret)?;
    // A random id too: a tag made in another store must not be taken for one of this store's.
    let mut id = [0_u8; 4];
    fill_random(&mut id)?;
    let id = u32::from_be_bytes(id).max(1);
    let (store, token, secret) = (hex(&Id::random()?.to_bytes()), hex(&token), zeroize::Zeroizing::new(hex(&*secret)));
    Ok(zeroize::Zeroizing::new(format!(
        "INSERT INTO meta (version, store_id, generation, token) VALUES ({VERSION}, '\\x{store}', 1, '\\x{token}');
         INSERT INTO generations VALUES (1, '\\x{token}', 'created');
         INSERT INTO tag_keys VALUES ({id}, '\\x{}')",
        *secret
    )))
}
