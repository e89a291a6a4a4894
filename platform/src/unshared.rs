//! Sockets that a forked child gives up at once.
//!
//! A socket that crossed a fork keeps its connection open for as long as either process lives: a server would go on
//! holding what the parent had locked there when the parent is long gone. Whoever closes it properly in the child says
//! goodbye in the parent's name. So the child closes its copies of the numbers, and nothing else; the parent notices
//! nothing.

use std::{
    io,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    os::fd::{AsRawFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The numbers of all such sockets of this process.
static OPEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Held across a fork, so that no socket is between its making and its being known here.
pub(crate) fn lock() -> MutexGuard<'static, Vec<RawFd>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes all of them: in a child, which inherited them.
pub(crate) fn close(open: &mut Vec<RawFd>) {
    for socket in open.drain(..) {
        // SAFETY: nobody in this process uses or closes these numbers: their owners were inherited, and are abandoned.
        unsafe { libc::close(socket) };
    }
}

/// A socket that a forked child gives up at once. What the child inherited of its owner must be abandoned there, without
/// being dropped: see [`epoch`](crate::fork::epoch).
#[derive(Debug)]
pub struct Unshared<S: AsRawFd>(ManuallyDrop<S>);

impl<S: AsRawFd> Unshared<S> {
    /// Makes a socket; no fork comes between that and its being known as one to be given up.
    ///
    /// # Errors
    /// What `make` answers.
    pub fn make(make: impl FnOnce() -> io::Result<S>) -> io::Result<Self> {
        crate::fork::watch();
        let mut open = lock();
        let socket = make()?;
        open.push(socket.as_raw_fd());
        Ok(Self(ManuallyDrop::new(socket)))
    }

    /// Has another type own it, under the same number.
    ///
    /// # Errors
    /// What `other` answers; the socket is closed then.
    pub fn map<T: AsRawFd>(self, other: impl FnOnce(S) -> io::Result<T>) -> io::Result<Unshared<T>> {
        let mut this = ManuallyDrop::new(self);
        let number = this.0.as_raw_fd();
        let mut open = lock();
        // SAFETY: `this` is never dropped and not used again, so that the socket is taken once.
        let socket = unsafe { ManuallyDrop::take(&mut this.0) };
        let mapped = other(socket);
        if !mapped.as_ref().is_ok_and(|mapped| mapped.as_raw_fd() == number) {
            open.retain(|other| *other != number);
        }
        drop(open);
        mapped.map(|mapped| Unshared(ManuallyDrop::new(mapped)))
    }
}

impl<S: AsRawFd> Deref for Unshared<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: AsRawFd> DerefMut for Unshared<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S: AsRawFd> AsRawFd for Unshared<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl<S: AsRawFd> Drop for Unshared<S> {
    fn drop(&mut self) {
        let mut open = lock();
        let number = self.0.as_raw_fd();
        open.retain(|other| *other != number);
        // With the lock held: the number may be somebody else's the moment after.
        // SAFETY: this is the one place where it is dropped, and nothing looks at it afterwards.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        drop(open);
    }
}

/// Whether a connection that was begun on a socket that does not wait is still being made.
#[must_use]
pub fn is_connecting(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// Whether a number stands for something in the calling process.
    fn is_open(socket: RawFd) -> bool {
        // SAFETY: asks for the flags of a number, which need not be open.
        unsafe { libc::fcntl(socket, libc::F_GETFD) != -1 }
    }

    #[test]
    fn a_child_gives_up_what_is_open_and_its_parent_keeps_it() {
        let _turn = crate::fork::tests::alone();
        let (ours, peer) = UnixDatagram::pair().unwrap();
        let closed = Unshared::make(UnixDatagram::unbound).unwrap();
        let ours = Unshared::make(|| Ok(ours)).unwrap();
        let (ours_number, kept) = (ours.as_raw_fd(), UnixDatagram::unbound().unwrap());
        drop(closed);
        // It has the number of what was closed, as a rule.
        let other = UnixDatagram::unbound().unwrap();
        let as_expected = crate::fork::tests::in_child(|| {
            !is_open(ours_number) && is_open(kept.as_raw_fd()) && is_open(other.as_raw_fd())
        });
        assert!(as_expected);
        ours.send(b"still here").unwrap();
        let mut received = [0; 16];
        assert_eq!(peer.recv(&mut received).unwrap(), 10);
    }

    #[test]
    fn what_could_not_be_made_is_nowhere_noted() {
        let before = lock().len();
        assert!(Unshared::<UnixDatagram>::make(|| Err(io::Error::other("no"))).is_err());
        assert!(lock().len() <= before);
    }
}
