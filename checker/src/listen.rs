//! Where the checker listens, and who may connect.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Where it is asked. Whoever may connect may try secrets, and see who a key is: the gateway alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket, and its permissions.
    Unix(PathBuf, u32),
    /// An address of this machine that no other one reaches.
    Loopback(SocketAddr),
}

/// A place that is listened at.
pub(crate) enum Listening {
    Unix(UnixListener, PathBuf),
    Loopback(TcpListener),
}

impl Listen {
    /// Begins to listen. A socket that nobody listens at any more is taken over.
    ///
    /// # Errors
    /// Those of the system; `InvalidInput` for an address that others can reach.
    pub(crate) fn open(&self) -> io::Result<Listening> {
        match self {
            Self::Unix(path, mode) => unix(path, *mode).map(|listener| Listening::Unix(listener, path.clone())),
            Self::Loopback(address) if address.ip().is_loopback() => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Listening::Loopback(listener))
            }
            Self::Loopback(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the checker listens at a loopback address or a Unix socket: whoever reaches it may try secrets",
            )),
        }
    }
}

fn unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    // Made where nobody else can connect, and moved to its place with its permissions.
    let folder = path.with_extension(format!("{}.new", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let made = folder.join("socket");
    let bound = UnixListener::bind(&made).and_then(|listener| {
        fs::set_permissions(&made, fs::Permissions::from_mode(mode))?;
        // Not over what somebody else listens at, or keeps there.
        fs::hard_link(&made, path)?;
        Ok(listener)
    });
    let _ = fs::remove_dir_all(&folder);
    let listener = bound?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path, _) => write!(f, "unix:{}", path.display()),
            Self::Loopback(address) => write!(f, "http://{address}"),
        }
    }
}
