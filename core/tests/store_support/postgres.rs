//! A PostgreSQL server for a test, and a schema of its own on it.

use inspire_auth_core::{
    Id,
    store::{PostgresOptions, PostgresStore},
};
use inspire_auth_test_postgres::{GIVEN, Server, psql};

/// A store of its own, on a server that other tests may use too.
pub struct Database {
    url: String,
    schema: String,
    /// The server, if nobody gave one.
    _server: Option<Server>,
}

impl Database {
    pub fn new() -> Self {
        let (url, server) = match std::env::var(GIVEN) {
            Ok(url) => (url, None),
            Err(_) => {
                let server = Server::start().unwrap();
                (server.url(), Some(server))
            }
        };
        Self::on(url, server)
    }

    /// A schema of its own on a server.
    pub fn on(url: String, server: Option<Server>) -> Self {
        let schema = format!("s{}", Id::random().unwrap().to_string().replace('-', ""));
        let database = Self { url, schema, _server: server };
        PostgresStore::migrate(&database.options(""), &[]).unwrap();
        database
    }

    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Its URL, with further parameters.
    pub fn url(&self, more: &str) -> String {
        let joint = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{joint}schema={}&machine=test{more}", self.url, self.schema)
    }

    pub fn options(&self, more: &str) -> PostgresOptions {
        PostgresOptions::parse(&self.url(more)).unwrap()
    }

    pub fn open(&self) -> PostgresStore {
        self.open_with("")
    }

    pub fn open_with(&self, more: &str) -> PostgresStore {
        PostgresStore::open(self.options(more)).unwrap()
    }

    /// Runs statements in the schema, as a foreign writer does.
    pub fn sql(&self, sql: &str) -> String {
        psql(&self.url, &format!("SET search_path = {}; {sql}", self.schema)).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = psql(&self.url, &format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
    }
}
