//! An SQLite VFS for tests: it fails at call n, and forgets what was not synced.
