//! The witness: after each death a fresh process says what the database holds, in SQL and by a fresh handle.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use inspire_auth_core::Code;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    board::{Mapped, QUESTIONS, SLOTS},
    children::{PATIENCE, enlist},
    inquest::Answers,
    keys::REQUIRED,
    reader::{answers, requirement},
    writer::open,
};

/// What the witness saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct Testimony {
    /// What SQLite and the laws of the tables have to object.
    pub damage: Vec<String>,
    /// Every key, in SQL.
    pub rows: Vec<Row>,
    /// What a fresh handle answers, for every key.
    pub answers: Answers,
}

/// A key in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it holds the required level.
    pub entitled: bool,
    /// Its revision.
    pub revision: i64,
}

/// `--as=witness STARTER BOARD STORE ORDER`: `ORDER` is which of the two meets the dead writer's leavings first.
///
/// # Errors
/// When the store can't be opened or read.
pub fn play(arguments: &[String]) -> Outcome {
    let [board, store, order] = enlist(arguments)? else { return Err("witness: bad arguments".into()) };
    let board = Mapped::inherited(board.parse()?)?;
    let store = Path::new(store);
    let (damage, rows, answers) = if order == "library-first" {
        let answers = by_the_library(store, &board)?;
        let (damage, rows) = by_sql(store)?;
        (damage, rows, answers)
    } else {
        let (damage, rows) = by_sql(store)?;
        (damage, rows, by_the_library(store, &board)?)
    };
    serde_json::to_writer(std::io::stdout().lock(), &Testimony { damage, rows, answers })?;
    Ok(())
}

/// The database itself, on a connection of our own: the library has no say here.
fn by_sql(store: &Path) -> Result<(Vec<String>, Vec<Row>), Box<dyn std::error::Error + Send + Sync>> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    let mut damage: Vec<String> =
        connection.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    damage.retain(|line| line != "ok");
    for (law, sql) in [
        (
            "a key without exactly one credential",
            "SELECT count(*) FROM keys k WHERE 1 <> (SELECT count(*) FROM credentials c WHERE c.key_id = k.id)",
        ),
        ("a credential of no key", "SELECT count(*) FROM credentials WHERE key_id NOT IN (SELECT id FROM keys)"),
        (
            "a change log that does not end where the store is",
            "SELECT count(*) FROM meta WHERE (generation, token) IS NOT \
             (SELECT generation, token FROM changes ORDER BY generation DESC LIMIT 1)",
        ),
    ] {
        if connection.query_row(sql, [], |row| row.get::<_, i64>(0))? != 0 {
            damage.push(law.to_owned());
        }
    }
    let rows = connection
        .prepare("SELECT name, enabled, levels, revision FROM keys ORDER BY name")?
        .query_map([], |row| {
            Ok(Row {
                name: row.get(0)?,
                enabled: row.get(1)?,
                entitled: row.get::<_, String>(2)? == format!("[\"{REQUIRED}\"]"),
                revision: row.get(3)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok((damage, rows))
}

/// What a handle that was opened after the death answers.
fn by_the_library(store: &Path, board: &Mapped) -> Result<Answers, Box<dyn std::error::Error + Send + Sync>> {
    let begun = Instant::now();
    let auth = loop {
        match open(store) {
            Err(error) if error.code() == Code::StoreLocked && begun.elapsed() < PATIENCE => board.count(error.code()),
            opened => break opened?,
        }
    };
    let requirement = requirement(&auth)?;
    let mut all = [[0; QUESTIONS]; SLOTS];
    for (row, slot) in all.iter_mut().zip(&board.slots) {
        *row = answers(&auth, board, &slot.view(), &requirement)?;
    }
    Ok(all)
}
