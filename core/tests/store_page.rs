//! The revocation page: what it makes quick, and what happens when it is missing, foreign, damaged or behind.
#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod store_support;

use std::{
    fs::File,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code,
    store::{SqliteStore, Store},
};
use inspire_auth_platform::page::{NewPage, Page};
use store_support::{Folder, add, foreign, in_child, names, write};

/// Checks until `is_so`, which must be within the two seconds that a poll takes at most.
fn until(store: &SqliteStore, is_so: impl Fn(&SqliteStore) -> bool) {
    let begun = Instant::now();
    loop {
        store.generation().unwrap();
        if is_so(store) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "not noticed within two seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the page alone answers. (A poll may fall due in between, so it is asked again.)
fn is_quick(store: &SqliteStore) -> bool {
    (0..3).any(|_| {
        store.generation().unwrap();
        store.generation_now().unwrap().is_some()
    })
}

fn page(folder: &Folder) -> Page {
    Page::open(&folder.page(), &folder.db()).unwrap()
}

fn root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_new_store_has_a_page_and_checks_are_answered_from_it() {
    let folder = Folder::new();
    let store = folder.open();
    assert!(store.page_in_use() == Some(true));
    assert_eq!(std::fs::metadata(folder.page()).unwrap().size(), 4096);
    let (_, generation) = add(&store, "a");
    assert!(is_quick(&store));
    assert!(page(&folder).counters().shows(generation));
    // Who comes later uses the same one.
    let inode = std::fs::metadata(folder.page()).unwrap().ino();
    drop(store);
    let store = folder.open();
    assert!(store.page_in_use() == Some(true) && is_quick(&store));
    assert_eq!(std::fs::metadata(folder.page()).unwrap().ino(), inode);
    assert_eq!(store.generation().unwrap(), generation);
}

#[test]
fn a_write_of_nothing_moves_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    assert_eq!(write(&store, |_| ()), generation);
    assert!(store.write(&mut |_| Err(Code::Conflict.into())).is_err());
    assert!(page(&folder).counters().shows(generation));
    assert!(is_quick(&store));
}

#[test]
fn a_deleted_page_is_done_without_until_the_next_writer_makes_one() {
    let folder = Folder::new();
    let (store, other) = (folder.open(), folder.open());
    let (_, generation) = add(&store, "a");
    std::fs::remove_file(folder.page()).unwrap();
    until(&store, |store| store.page_in_use() == Some(false));
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(store.generation_now().unwrap(), None);
    // Always right, only slower.
    let foreign = foreign(&folder.db());
    foreign.execute_batch("UPDATE keys SET enabled = 0").unwrap();
    assert!(store.generation().unwrap() > generation, "without a page even a foreign writer is seen at once");

    // This handle may still map the former page, and marks it as recycled.
    let (_, generation) = add(&other, "b");
    assert_eq!(store.generation().unwrap(), generation);
    assert!(store.page_in_use() == Some(true) && other.page_in_use() == Some(true));
    assert!(page(&folder).is_settled() && is_quick(&store));
}

/// The writer can't reach the former page, which the reader still maps and believes in.
#[test]
fn a_writer_that_makes_a_page_returns_when_nobody_believes_the_former_one() {
    let folder = Folder::new();
    let store = folder.open();
    add(&store, "a");
    for round in 0..3 {
        std::fs::remove_file(folder.page()).unwrap();
        let name = format!("b{round}");
        let writer = folder.open();
        until(&store, |store| is_quick(store) || store.page_in_use() == Some(false));
        let (_, generation) = add(&writer, &name);
        assert!(store.generation().unwrap() >= generation);
        assert!(page(&folder).is_settled(), "who waited says so, and nobody waits again");
        add(&writer, &format!("c{round}"));
        assert!(store.generation().unwrap() > generation);
    }
    until(&store, |store| store.page_in_use() == Some(true));
}

/// The same for one that can't even make a page, since a folder has its name.
#[test]
fn a_writer_without_a_page_returns_when_nobody_believes_the_former_one() {
    let folder = Folder::new();
    let store = folder.open();
    add(&store, "a");
    std::fs::rename(folder.page(), folder.path().join("aside")).unwrap();
    std::fs::create_dir(folder.page()).unwrap();
    let writer = folder.open();
    assert!(writer.page_in_use() == Some(false));
    store.generation().unwrap();
    let (_, generation) = add(&writer, "b");
    assert_eq!(store.generation().unwrap(), generation);
    until(&store, |store| store.page_in_use() == Some(false));
    let (_, generation) = add(&store, "c");
    assert_eq!(writer.generation().unwrap(), generation);
    assert_eq!(writer.generation_now().unwrap(), None);

    // The former page comes back, and is not believed: the database does not name it any more.
    std::fs::remove_dir(folder.page()).unwrap();
    std::fs::rename(folder.path().join("aside"), folder.page()).unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(store.generation().unwrap(), generation);
    assert!(store.page_in_use() == Some(false));
    let (_, generation) = add(&writer, "d");
    assert_eq!(store.generation().unwrap(), generation);
    until(&store, |store| store.page_in_use() == Some(true));
}

#[test]
fn a_page_that_is_replaced_is_not_believed() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    // Another store's; then this store's own, but not the one that the database names.
    let other = Folder::new();
    add(&other.open(), "other");
    std::fs::rename(other.page(), folder.page()).unwrap();
    until(&store, |store| store.page_in_use() == Some(false));
    let (_, later) = add(&store, "b");
    assert!(later > generation && store.page_in_use() == Some(true) && is_quick(&store));
    let id = *page(&folder).store();
    let new = NewPage { store: id, id: [9; 16], committed: generation, floor: generation, settled: true };
    let planted = Page::create(&folder.page(), &folder.db(), &new).unwrap();
    until(&store, |store| store.page_in_use() == Some(false));
    let late = folder.open();
    assert!(late.page_in_use() == Some(true), "whoever opens the store makes another");
    assert!(!planted.is_at(&folder.page()));
    let (_, generation) = add(&late, "c");
    assert_eq!(store.generation().unwrap(), generation);
}

#[test]
fn what_lies_in_the_pages_place_is_replaced_not_used() {
    let folder = Folder::new();
    let elsewhere = folder.path().join("elsewhere");
    drop(folder.open());
    let whole = std::fs::read(folder.page()).unwrap();
    let other = Folder::new();
    drop(other.open());
    let mode = |mode| std::fs::set_permissions(folder.page(), PermissionsExt::from_mode(mode)).unwrap();
    let lay: [(&str, &dyn Fn()); 9] = [
        ("nothing", &|| ()),
        ("empty", &|| std::fs::write(folder.page(), "").unwrap()),
        ("cut", &|| std::fs::write(folder.page(), &whole[..100]).unwrap()),
        ("garbage", &|| std::fs::write(folder.page(), vec![0xa5; 4096]).unwrap()),
        ("another store's", &|| assert_eq!(std::fs::copy(other.page(), folder.page()).unwrap(), 4096)),
        ("writable by all", &|| {
            std::fs::write(folder.page(), &whole).unwrap();
            mode(0o666);
        }),
        ("a symbolic link", &|| {
            std::fs::write(&elsewhere, &whole).unwrap();
            symlink(&elsewhere, folder.page()).unwrap();
        }),
        ("a hard link", &|| {
            std::fs::write(&elsewhere, &whole).unwrap();
            std::fs::hard_link(&elsewhere, folder.page()).unwrap();
        }),
        ("somebody else's", &|| {
            std::fs::write(folder.page(), &whole).unwrap();
            if root() {
                std::os::unix::fs::chown(folder.page(), Some(12345), None).unwrap();
            } else {
                mode(0o666);
            }
        }),
    ];
    let mut expected = Vec::new();
    for (at, (what, lay)) in lay.into_iter().enumerate() {
        std::fs::remove_file(folder.page()).unwrap();
        lay();
        let store = folder.open();
        assert!(store.page_in_use() == Some(true), "{what}");
        let name = format!("key-{at}");
        let (_, generation) = add(&store, &name);
        expected.push(name);
        assert_eq!(store.generation().unwrap(), generation, "{what}");
        let made = std::fs::symlink_metadata(folder.page()).unwrap();
        assert!(made.is_file() && made.nlink() == 1 && made.mode() & 0o777 == 0o600, "{what}");
        assert_eq!(made.uid(), std::fs::metadata(folder.db()).unwrap().uid(), "{what}");
        if elsewhere.exists() {
            assert_eq!(std::fs::read(&elsewhere).unwrap(), whole, "{what}: nothing was written through it");
            std::fs::remove_file(&elsewhere).unwrap();
        }
        assert_eq!(names(&store), expected);
    }
}

#[test]
fn a_page_that_is_cut_or_overwritten_under_a_handle_is_noticed() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    // `clean` goes with what is cut off, and comes back with the next check, since the machine's page stays mapped.
    store.generation().unwrap();
    File::options().write(true).open(folder.page()).unwrap().set_len(100).unwrap();
    assert_eq!(store.generation_now().unwrap(), None);
    assert_eq!(store.generation().unwrap(), generation);
    until(&store, |store| store.page_in_use() == Some(false));
    let (_, generation) = add(&store, "b");
    assert!(store.page_in_use() == Some(true) && is_quick(&store));

    // Nothing is left of it at all, and nobody asked since: it is looked at before it is touched.
    store.generation().unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    File::options().write(true).open(folder.page()).unwrap().set_len(0).unwrap();
    assert_eq!(store.generation().unwrap(), generation);
    assert!(store.page_in_use() == Some(false));
    let (_, generation) = add(&store, "c");
    assert!(is_quick(&store));

    // Garbage: the counters show nothing that was ever verified, and the next writer makes another page.
    store.generation().unwrap();
    let file = File::options().write(true).open(folder.page()).unwrap();
    file.write_all_at(&[0xa5; 4096], 0).unwrap();
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(store.generation_now().unwrap(), None);
    let (_, generation) = add(&store, "d");
    assert_eq!(store.generation().unwrap(), generation);
    assert!(is_quick(&store));
    assert_eq!(names(&folder.open()), ["a", "b", "c", "d"]);
}

/// What reads on the check's connection looks at the files, and the next check takes the time of that look for its own.
#[test]
fn a_look_at_the_files_is_one_at_the_page_whoever_looks() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    store.generation().unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    std::fs::remove_file(folder.page()).unwrap();
    store.changes_since(generation).unwrap();
    assert_eq!(store.generation().unwrap(), generation);
    assert!(store.page_in_use() == Some(false));
}

/// Nobody asked for a second, so that nobody knows that the page is still whole.
#[test]
fn an_idle_handle_looks_at_its_page_before_it_touches_it() {
    let cut = |folder: &Folder| File::options().write(true).open(folder.page()).unwrap().set_len(0).unwrap();
    for what in ["read", "write"] {
        let folder = Folder::new();
        drop(folder.open());
        assert!(
            in_child(|| {
                let store = folder.open();
                add(&store, "a");
                store.generation().unwrap();
                std::thread::sleep(Duration::from_millis(1000));
                cut(&folder);
                match what {
                    "read" => assert_eq!(names(&store), ["a"]),
                    _ => drop(add(&store, "b")),
                }
                store.generation().is_ok()
            }),
            "{what}"
        );
    }
    // And a transaction may take long.
    let folder = Folder::new();
    drop(folder.open());
    assert!(in_child(|| {
        let store = folder.open();
        let generation = write(&store, |tx| {
            tx.insert_key(&store_support::key("a")).unwrap();
            cut(&folder);
        });
        store.generation().unwrap() == generation && page(&folder).counters().shows(generation)
    }));
}

/// A copy of the database that names no page takes its place, while hosts of the former one map theirs.
#[test]
fn a_page_that_the_database_does_not_name_is_recycled() {
    for behind in [false, true] {
        let folder = Folder::new();
        let backup = folder.path().join("backup.db");
        let store = folder.open();
        let (revoked, mut generation) = add(&store, "revoked");
        store.backup(&backup).unwrap();
        foreign(&backup).execute_batch("UPDATE meta SET page = NULL").unwrap();
        if behind {
            generation = add(&store, "later").1;
        }
        let host = page(&folder);
        drop(store);
        std::fs::rename(&backup, folder.db()).unwrap();
        assert!(host.counters().shows(generation), "what the hosts believe until they poll");
        let late = folder.open();
        if behind {
            late.adopt().unwrap();
        }
        write(&late, |tx| tx.delete_key(revoked.id).unwrap());
        assert!(!host.counters().shows(generation) && host.is_recycled(), "{behind}");
        assert!(page(&folder).is_settled() && is_quick(&late));
    }
}

/// `cp -p` and `mv`, `rsync`: what is announced in the copy does not reach those who map the original.
#[test]
fn a_copy_of_the_page_is_not_the_page() {
    for open_before in [true, false] {
        let folder = Folder::new();
        let mut store = folder.open();
        let (_, generation) = add(&store, "a");
        store.generation().unwrap();
        let (host, copy) = (page(&folder), folder.path().join("copy"));
        std::fs::copy(folder.page(), &copy).unwrap();
        std::fs::rename(&copy, folder.page()).unwrap();
        if !open_before {
            store = folder.open();
        }
        let (_, later) = add(&store, "b");
        let now = page(&folder);
        assert!(now.id() != host.id() && now.is_settled() && now.counters().shows(later));
        if open_before {
            assert!(!host.counters().shows(generation), "it was mapped here, so everybody could be told");
        }
    }
}

#[test]
fn an_older_database_beside_its_page_is_refused_until_it_is_adopted() {
    let folder = Folder::new();
    let backup = folder.path().join("backup.db");
    let store = folder.open();
    let (revoked, _) = add(&store, "revoked");
    store.backup(&backup).unwrap();
    let last = write(&store, |tx| tx.delete_key(revoked.id).unwrap());
    drop(store);
    // Nothing runs, and the whole database is put back: only the page is left to tell.
    std::fs::rename(&backup, folder.db()).unwrap();
    let store = folder.open();
    let refused = Code::StoreHistoryChanged;
    assert_eq!(store.generation().unwrap_err().code(), refused);
    assert_eq!(store.load(&mut |_| Ok(())).unwrap_err().code(), refused);
    assert_eq!(store.write(&mut |tx| tx.delete_key(revoked.id)).unwrap_err().code(), refused);
    assert_eq!(folder.open().generation().unwrap_err().code(), refused);
    store.adopt().unwrap();
    assert!(store.generation().unwrap() > last);
    assert_eq!(names(&store), ["revoked"]);
    let other = folder.open();
    assert_eq!(other.generation().unwrap(), store.generation().unwrap());
    add(&other, "goes on");
    assert_eq!(names(&store), ["goes on", "revoked"]);
    assert!(is_quick(&store) && is_quick(&other));
}

#[test]
fn a_writer_that_was_killed_after_its_commit_is_seen_at_once_and_made_good() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    assert!(is_quick(&store));
    // What it did up to its end: announce, commit.
    let shell = foreign(&folder.db());
    let announced = page(&folder).counters().commit(generation + 1, || -> Result<(), ()> {
        shell.execute_batch("UPDATE keys SET enabled = 0").unwrap();
        Err(())
    });
    assert!(announced.is_err());
    assert_eq!(store.generation().unwrap(), generation + 1);
    assert!(page(&folder).counters().shows(generation + 1));
    assert!(is_quick(&store));
}

#[test]
fn a_writer_that_was_killed_before_its_commit_burns_a_number() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    page(&folder).counters().commit(generation + 7, || Err::<(), _>(())).unwrap_err();
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(store.generation_now().unwrap(), None, "as long as nobody knows what became of it");
    // A key and its credential, above what was announced.
    assert_eq!(add(&store, "b").1, generation + 9);
    assert_eq!(store.generation().unwrap(), generation + 9);
    assert!(is_quick(&store));
}

/// The disk is full exactly when the commit is written.
#[test]
#[allow(unsafe_code, reason = "a file that may not grow, in a process of its own")]
fn a_commit_that_fails_burns_its_number() {
    let folder = Folder::new();
    drop(folder.open());
    assert!(in_child(|| {
        let store = folder.open();
        let (_, generation) = add(&store, "a");
        let wal = std::fs::metadata(folder.path().join("store.db-wal")).unwrap().len();
        let limit = |bytes| {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
            // SAFETY: `limit` is valid for reading; both only change what this child may do.
            unsafe {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) == 0
            }
        };
        assert!(limit(wal));
        let failed = store.write(&mut |tx| tx.insert_key(&store_support::key("lost")));
        assert!(failed.is_err());
        assert!(limit(libc::RLIM_INFINITY));
        assert_eq!(store.generation().unwrap(), generation);
        assert_eq!(page(&folder).counters().floor(), Some(generation + 1));
        assert_eq!(page(&folder).counters().clean(), generation);
        assert_eq!(add(&store, "b").1, generation + 3);
        names(&store) == ["a", "b"] && is_quick(&store)
    }));
}

/// A disk without a free block: the page can't be made, and nobody dies of it.
#[test]
#[allow(unsafe_code, reason = "a file system of its own, in a process of its own")]
fn on_a_full_disk_the_store_goes_on_without_a_page() {
    if !root() {
        return; // nobody else may mount
    }
    let folder = Folder::new();
    let path = std::ffi::CString::new(folder.path().to_str().unwrap()).unwrap();
    assert!(in_child(|| {
        // SAFETY: the strings outlive the calls, which change only what this child sees.
        let mounted = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(
                    std::ptr::null(),
                    c"/".as_ptr(),
                    std::ptr::null(),
                    libc::MS_REC | libc::MS_PRIVATE,
                    std::ptr::null(),
                ) == 0
                && libc::mount(c"none".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=2m".as_ptr().cast()) == 0
        };
        if !mounted {
            return true; // a container that may not: nothing can be shown here
        }
        let (store, other) = (folder.open(), folder.open());
        for n in 0..40 {
            add(&store, &format!("key-{n:02}"));
        }
        // Room in the -wal, whose frames are in the database now.
        foreign(&folder.db()).execute_batch("PRAGMA wal_checkpoint(RESTART)").unwrap();
        std::fs::remove_file(folder.page()).unwrap();
        let filler = File::create(folder.path().join("filler")).unwrap();
        let mut at = 0;
        while filler.write_all_at(&[1; 4096], at).is_ok() {
            at += 4096;
        }
        let generation = write(&store, |tx| {
            let key = tx.key_by_name("key-00").unwrap().unwrap();
            tx.delete_key(key.key.id).unwrap();
        });
        assert!(store.page_in_use() == Some(false) && !folder.page().exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "no draft is left");
        assert_eq!(other.generation().unwrap(), generation);
        drop(std::fs::remove_file(folder.path().join("filler")));
        drop(filler);
        let (_, generation) = add(&other, "room again");
        assert_eq!(store.generation().unwrap(), generation);
        store.page_in_use() == Some(true) && other.page_in_use() == Some(true) && is_quick(&store)
    }));
}

/// The `sqlite3` shell, or whatever else writes through SQLite without knowing of the page.
#[test]
fn a_foreign_writer_in_another_process_is_seen_within_the_second() {
    const DATABASE: &str = "INSPIRE_TEST_FOREIGN_WRITER";
    if let Some(path) = std::env::var_os(DATABASE) {
        foreign(Path::new(&path)).execute_batch("UPDATE keys SET enabled = 0").unwrap();
        return;
    }
    let folder = Folder::new();
    let (store, bystander) = (folder.open(), folder.open());
    let (_, generation) = add(&store, "a");
    assert!(is_quick(&store) && is_quick(&bystander));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_foreign_writer_in_another_process_is_seen_within_the_second"])
        .env(DATABASE, folder.db())
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    until(&store, |store| store.generation().unwrap() == generation + 1);
    // The first that saw it told the others, by the page.
    assert!(page(&folder).counters().shows(generation + 1));
    assert_eq!(bystander.generation().unwrap(), generation + 1);
    assert_eq!(add(&bystander, "b").1, generation + 3);
    assert_eq!(store.generation().unwrap(), generation + 3);
}

#[test]
fn two_handles_notice_a_replaced_file_together() {
    let folder = Folder::new();
    let backup = folder.path().join("backup.db");
    let (store, other) = (folder.open(), folder.open());
    add(&store, "a");
    store.backup(&backup).unwrap();
    add(&other, "b");
    for handle in [&store, &other] {
        assert!(is_quick(handle));
        names(handle);
    }
    std::fs::rename(&backup, folder.db()).unwrap();
    let begun = Instant::now();
    while store.generation().is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(2));
        std::thread::sleep(Duration::from_millis(5));
    }
    // By the time one has opened the new file, nothing of the other is open to the former one.
    let former: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().ends_with("store.db (deleted)"))
        .collect();
    assert!(former.is_empty(), "{former:?}");
    assert_eq!(other.generation().unwrap_err().code(), Code::StoreHistoryChanged);
    store.adopt().unwrap();
    assert_eq!(other.generation().unwrap(), store.generation().unwrap());
}

#[test]
fn a_fork_has_both_sides_poll_and_each_sees_the_other_at_once() {
    let folder = Folder::new();
    let store = folder.open();
    let (row, generation) = add(&store, "a");
    assert!(is_quick(&store));
    assert!(in_child(|| {
        let asks_first = store.generation_now().unwrap().is_none();
        let same = store.generation().unwrap() == generation;
        let quick = is_quick(&store) && store.page_in_use() == Some(true);
        write(&store, |tx| tx.delete_key(row.id).unwrap());
        asks_first && same && quick
    }));
    assert_eq!(store.generation_now().unwrap(), None);
    let seen = store.generation().unwrap();
    assert!(seen > generation && is_quick(&store));

    // A child that is quick already sees what its parent commits, and the other way round, by the page alone.
    let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let child = store_support::fork(|| {
        use std::io::{Read, Write};
        assert!(is_quick(&store));
        theirs.write_all(b"r").unwrap();
        theirs.read_exact(&mut [0]).unwrap();
        let saw = store.generation().unwrap() > seen;
        add(&store, "child");
        theirs.write_all(b"d").unwrap();
        saw
    });
    use std::io::{Read, Write};
    ours.read_exact(&mut [0]).unwrap();
    let (_, mine) = add(&store, "parent");
    assert!(is_quick(&store));
    ours.write_all(b"w").unwrap();
    ours.read_exact(&mut [0]).unwrap();
    assert!(store.generation().unwrap() > mine);
    assert!(store_support::wait(child));
    assert_eq!(names(&store), ["child", "parent"]);
}

/// An administrator's `sudo inspire-auth` must not leave the service without its page.
#[test]
#[allow(unsafe_code, reason = "root has to be given up, in a process of its own")]
fn a_page_that_root_makes_is_the_services() {
    if !root() {
        return; // only root can show it
    }
    let folder = Folder::new();
    drop(folder.open());
    for path in [folder.path(), &folder.db()] {
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    std::fs::remove_file(folder.page()).unwrap();
    let store = folder.open();
    add(&store, "a");
    let made = std::fs::metadata(folder.page()).unwrap();
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (65_534, 65_534, 0o600));
    drop(store);
    for name in ["store.db-wal", "store.db-shm"] {
        assert!(!folder.path().join(name).exists(), "the orderly end leaves nothing that is root's");
    }
    assert!(in_child(|| {
        // SAFETY: these change only what this child may do.
        let dropped = unsafe {
            libc::setgroups(0, std::ptr::null()) == 0
                && libc::setresgid(65_534, 65_534, 65_534) == 0
                && libc::setresuid(65_534, 65_534, 65_534) == 0
        };
        let store = folder.open();
        dropped && store.page_in_use() == Some(true) && add(&store, "b").1 > 0 && is_quick(&store)
    }));
}
