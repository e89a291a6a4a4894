//! Where the store is, as a person names it.

use std::path::{Path, PathBuf};

use inspire_auth_core::{PostgresUrl, StoreLocation};

use crate::failure::{Failure, Result};

/// A file, or a database.
pub(crate) enum Place {
    File(PathBuf),
    Postgres(PostgresUrl),
}

impl Place {
    pub(crate) fn of(store: &Path) -> Self {
        match store.to_str().map(StoreLocation::parse) {
            Some(StoreLocation::Postgres(url)) => Self::Postgres(url),
            _ => Self::File(store.to_owned()),
        }
    }

    pub(crate) fn location(&self) -> StoreLocation {
        match self {
            Self::File(path) => StoreLocation::Path(path.clone()),
            Self::Postgres(url) => StoreLocation::Postgres(url.clone()),
        }
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The file, for what is about files alone.
    pub(crate) fn file(&self) -> Result<&Path> {
        self.path().ok_or_else(|| {
            Failure::usage("this is for a store in a file")
                .advise("a PostgreSQL database is backed up by its own means")
        })
    }

    /// The database, for what is about databases alone.
    pub(crate) fn url(&self) -> Result<&PostgresUrl> {
        match self {
            Self::Postgres(url) => Ok(url),
            Self::File(_) => Err(Failure::usage("this is for a store in a PostgreSQL database")
                .advise("give --store postgresql://USER@HOST/DATABASE")),
        }
    }

    /// What may be shown: of a URL neither the password nor what follows the database.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Postgres(url) => {
                let (scheme, rest) = url.expose().split_once("://").unwrap_or(("postgresql", ""));
                let address = rest.split('?').next().unwrap_or_default();
                let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
                format!("{scheme}://{host}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (store, shown) in [
            ("postgresql://me:p%40ss@db:5433/auth?password=other", "postgresql://db:5433/auth"),
            ("postgres://me:p@ss@db/auth", "postgres://db/auth"),
            ("postgresql://db", "postgresql://db"),
            ("/var/lib/keys.db", "/var/lib/keys.db"),
        ] {
            assert_eq!(Place::of(Path::new(store)).shown(), shown);
        }
        assert!(Place::of(Path::new("postgresql.db")).path().is_some());
    }
}
