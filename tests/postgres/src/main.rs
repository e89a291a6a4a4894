//! Starts a private PostgreSQL server, prints its URL, and stops it when its standard input ends.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let server = inspire_auth_test_postgres::Server::start()?;
    println!("{}", server.url());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(server);
    Ok(())
}
