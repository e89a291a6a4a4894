//! SQLite's C interface of a VFS: every call passes through to the system's own VFS, unless the control block says that
//! it fails, and is written down if the control block is recording.
#![allow(unsafe_code, reason = "SQLite's interface is C")]

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    mem::size_of,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr,
    sync::OnceLock,
};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::{
    control::{self, Call},
    disk::Event,
};

/// A file of ours: SQLite's part, then ours, and behind it in the same block of memory the system VFS's own file.
#[repr(C)]
struct ShimFile {
    base: sqlite3_file,
    open: *mut Open,
}

/// What we know of an open file.
struct Open {
    /// `None` for a temporary file.
    path: Option<PathBuf>,
    /// Its number in the recording.
    recorded: Option<u64>,
}

/// The VFS that was the default before: the system's.
struct System(*mut sqlite3_vfs);

// SAFETY: SQLite's VFS objects live as long as the process, are not written to after their registration (but for the
// list's own link, under SQLite's mutex), and their functions may be called by any thread.
unsafe impl Send for System {}
// SAFETY: as above.
unsafe impl Sync for System {}

static SYSTEM: OnceLock<System> = OnceLock::new();

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Version 2 has shared memory, which WAL needs, and no memory-mapped reading, which would pass us by.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes this VFS the default of the process. Doing it again changes nothing; connections that are open keep theirs.
pub fn install() {
    SYSTEM.get_or_init(|| {
        // SAFETY: both may be called at any time; NULL asks for the default VFS.
        let system = unsafe {
            ffi::sqlite3_initialize();
            ffi::sqlite3_vfs_find(ptr::null())
        };
        // SAFETY: SQLite was initialised, so there is a default VFS, and it lives as long as the process.
        let (size, longest) = unsafe { ((*system).szOsFile, (*system).mxPathname) };
        let ours = Box::leak(Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: size + c_int::try_from(size_of::<ShimFile>()).unwrap_or(c_int::MAX),
            mxPathname: longest,
            pNext: ptr::null_mut(),
            zName: c"inspire-soak".as_ptr(),
            pAppData: ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            // No extension is ever loaded.
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(get_last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: the object is complete and never freed, and so are its functions.
        let done = unsafe { ffi::sqlite3_vfs_register(ours, 1) };
        assert_eq!(done, ffi::SQLITE_OK, "SQLite refuses the VFS");
        System(system)
    });
}

/// The system's VFS.
fn system() -> *mut sqlite3_vfs {
    SYSTEM.get().map_or(ptr::null_mut(), |system| system.0)
}

/// Calls a method of the system's VFS.
macro_rules! system {
    ($method:ident($($argument:expr),*)) => {{
        // SAFETY: our VFS is registered only together with the system's, whose functions are all there, and the
        // arguments are those that SQLite gave us for this very call.
        unsafe {
            match (*system()).$method {
                Some(method) => method(system(), $($argument),*),
                None => ffi::SQLITE_ERROR,
            }
        }
    }};
}

/// Calls a method of the system's file behind one of ours.
macro_rules! real {
    ($file:ident, $method:ident($($argument:expr),*)) => {{
        // SAFETY: SQLite calls this only between a successful `open` and `close` of ours; in between the system's file
        // behind ours is open, so that its methods are set, and the arguments are those that SQLite gave us.
        unsafe {
            let real = behind($file);
            match (*(*real).pMethods).$method {
                Some(method) => method(real $(, $argument)*),
                None => ffi::SQLITE_ERROR,
            }
        }
    }};
}

/// The system's file behind one of ours.
///
/// # Safety
/// `file` is a block of memory of our VFS's `szOsFile`.
unsafe fn behind(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: the block is as long as our part and the system's together; ours is a whole number of pointers long, so
    // the system's part is aligned like a pointer, as SQLite's own blocks are.
    unsafe { file.cast::<u8>().add(size_of::<ShimFile>()).cast() }
}

/// What we know of a file.
///
/// # Safety
/// `file` was opened by our `open` and not closed since.
unsafe fn known<'a>(file: *mut sqlite3_file) -> &'a Open {
    // SAFETY: `open` put a leaked box there, which only `close` takes back; it is never written to.
    unsafe { &*(*file.cast::<ShimFile>()).open }
}

/// The path that SQLite gave, if there is one.
///
/// # Safety
/// `path` is NULL or a NUL-terminated string that outlives the call.
unsafe fn path_of(path: *const c_char) -> Option<PathBuf> {
    if path.is_null() {
        return None;
    }
    // SAFETY: it is NUL-terminated (the caller's promise).
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    Some(Path::new(OsStr::from_bytes(bytes)).to_owned())
}

fn verdict(call: Call, path: Option<&Path>) -> Option<c_int> {
    control::lock().verdict(call, path)
}

/// What a call on a file answers instead of being made.
fn verdict_on(call: Call, file: *mut sqlite3_file) -> Option<c_int> {
    // SAFETY: SQLite calls methods only on files that are open.
    verdict(call, unsafe { known(file) }.path.as_deref())
}

/// Writes down what was done to a file.
fn note(file: *mut sqlite3_file, event: impl FnOnce(u64) -> Event) {
    // SAFETY: SQLite calls methods only on files that are open.
    if let Some(number) = unsafe { known(file) }.recorded {
        control::lock().note(event(number));
    }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives NULL or a NUL-terminated name that outlives the open file.
    let path = unsafe { path_of(name) };
    // SAFETY: SQLite gives a block of our `szOsFile`. Without methods it knows that there is nothing to close.
    unsafe { (*file).pMethods = ptr::null() };
    if let Some(code) = verdict(Call::Open, path.as_deref()) {
        return code;
    }
    let opening = control::lock().opening(path.as_deref());
    // SAFETY: as above.
    let real = unsafe { behind(file) };
    let code = system!(xOpen(name, real, flags, out_flags));
    if code != ffi::SQLITE_OK {
        // SAFETY: the system's `xOpen` has set the methods, or left none (then there is nothing to close).
        unsafe {
            if let Some(close) = (*real).pMethods.as_ref().and_then(|methods| methods.xClose) {
                close(real);
            }
        }
        return code;
    }
    let is_journal =
        flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) != 0;
    let recorded = opening.map(|opening| control::lock().opened(opening, is_journal));
    let open = Box::into_raw(Box::new(Open { path, recorded }));
    // SAFETY: the block begins with a `ShimFile`, and nobody else uses it yet.
    unsafe { file.cast::<ShimFile>().write(ShimFile { base: sqlite3_file { pMethods: &raw const METHODS }, open }) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = real!(file, xClose());
    // SAFETY: `open` put the box there, and SQLite calls nothing on the file after this.
    unsafe {
        drop(Box::from_raw((*file.cast::<ShimFile>()).open));
        (*file).pMethods = ptr::null();
    }
    code
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int {
    match verdict_on(Call::Read, file) {
        Some(code) if code == ffi::SQLITE_IOERR_SHORT_READ => {
            let half = amount / 2;
            let code = real!(file, xRead(to, amount, offset));
            if code == ffi::SQLITE_OK {
                let rest = usize::try_from(amount - half).unwrap_or(0);
                // SAFETY: SQLite gave room for `amount` bytes; `half` of them are before these.
                unsafe { to.cast::<u8>().add(usize::try_from(half).unwrap_or(0)).write_bytes(0, rest) };
                return ffi::SQLITE_IOERR_SHORT_READ;
            }
            code
        }
        Some(code) => code,
        None => real!(file, xRead(to, amount, offset)),
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    if let Some(code) = verdict_on(Call::Write, file) {
        return code;
    }
    let code = real!(file, xWrite(from, amount, offset));
    if code == ffi::SQLITE_OK {
        note(file, |file| {
            let amount = usize::try_from(amount).unwrap_or(0);
            // SAFETY: SQLite gave `amount` bytes to write.
            let data = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), amount) }.to_vec();
            Event::Wrote { file, offset: offset.unsigned_abs(), data }
        });
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    if let Some(code) = verdict_on(Call::Truncate, file) {
        return code;
    }
    let code = real!(file, xTruncate(size));
    if code == ffi::SQLITE_OK {
        note(file, |file| Event::Truncated { file, size: size.unsigned_abs() });
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    if let Some(code) = verdict_on(Call::Sync, file) {
        return code;
    }
    let code = real!(file, xSync(flags));
    if code == ffi::SQLITE_OK {
        note(file, |file| Event::Synced { file });
    }
    code
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    verdict_on(Call::FileSize, file).unwrap_or_else(|| real!(file, xFileSize(size)))
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    verdict_on(Call::Lock, file).unwrap_or_else(|| real!(file, xLock(level)))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    let code = real!(file, xUnlock(level));
    verdict_on(Call::Unlock, file).unwrap_or(code)
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, answer: *mut c_int) -> c_int {
    verdict_on(Call::CheckReservedLock, file).unwrap_or_else(|| real!(file, xCheckReservedLock(answer)))
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    if what == ffi::SQLITE_FCNTL_PRAGMA
        && let Some(level) = control::lock().synchronous()
    {
        // SAFETY: the argument is an array of four strings of SQLite's own: an answer, the pragma's name, and its
        // value if it has one. The value is read after this call, from the same place; one digit and the NUL fit into
        // any value that is not empty.
        unsafe {
            let [name, value] = [1, 2].map(|index| *argument.cast::<*mut c_char>().add(index));
            let is_synchronous =
                !name.is_null() && CStr::from_ptr(name).to_bytes().eq_ignore_ascii_case(b"synchronous");
            if is_synchronous && !value.is_null() && *value != 0 {
                value.cast::<u8>().write(b'0' + level);
                value.add(1).write(0);
            }
        }
    }
    real!(file, xFileControl(what, argument))
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    real!(file, xSectorSize())
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    real!(file, xDeviceCharacteristics())
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    match verdict_on(Call::ShmMap, file) {
        Some(code) => {
            // SAFETY: SQLite gave room for one pointer.
            unsafe { to.write(ptr::null_mut()) };
            code
        }
        None => real!(file, xShmMap(region, size, extend, to)),
    }
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        let code = real!(file, xShmLock(offset, count, flags));
        return verdict_on(Call::ShmUnlock, file).unwrap_or(code);
    }
    verdict_on(Call::ShmLock, file).unwrap_or_else(|| real!(file, xShmLock(offset, count, flags)))
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: as for `real!`.
    unsafe {
        let real = behind(file);
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    real!(file, xShmUnmap(delete))
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite gives a NUL-terminated name.
    let path = unsafe { path_of(name) };
    if let Some(code) = verdict(Call::Delete, path.as_deref()) {
        return code;
    }
    let code = system!(xDelete(name, sync_folder));
    if code == ffi::SQLITE_OK
        && let Some(path) = &path
    {
        control::lock().deleted(path, sync_folder != 0);
    }
    code
}

unsafe extern "C" fn access(_: *mut sqlite3_vfs, name: *const c_char, flags: c_int, answer: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a NUL-terminated name.
    let path = unsafe { path_of(name) };
    verdict(Call::Access, path.as_deref()).unwrap_or_else(|| system!(xAccess(name, flags, answer)))
}

unsafe extern "C" fn full_pathname(_: *mut sqlite3_vfs, name: *const c_char, size: c_int, to: *mut c_char) -> c_int {
    // SAFETY: SQLite gives a NUL-terminated name.
    let path = unsafe { path_of(name) };
    verdict(Call::FullPathname, path.as_deref()).unwrap_or_else(|| system!(xFullPathname(name, size, to)))
}

unsafe extern "C" fn randomness(_: *mut sqlite3_vfs, size: c_int, to: *mut c_char) -> c_int {
    system!(xRandomness(size, to))
}

unsafe extern "C" fn sleep(_: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    system!(xSleep(microseconds))
}

unsafe extern "C" fn current_time(_: *mut sqlite3_vfs, to: *mut f64) -> c_int {
    system!(xCurrentTime(to))
}

unsafe extern "C" fn current_time_int64(_: *mut sqlite3_vfs, to: *mut sqlite3_int64) -> c_int {
    system!(xCurrentTimeInt64(to))
}

unsafe extern "C" fn get_last_error(_: *mut sqlite3_vfs, size: c_int, to: *mut c_char) -> c_int {
    system!(xGetLastError(size, to))
}
