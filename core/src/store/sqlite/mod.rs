//! stub
/// stub
#[derive(Debug)]
pub struct SqliteStore;
/// stub
#[derive(Debug)]
pub struct RestoreOptions;
/// stub
#[derive(Debug)]
pub struct RestoreReport;
