//! A socket that a forked child gives up, as the client reads and writes it.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use inspire_auth_platform::unshared::{Unshared, is_connecting};
use socket2::{Domain, SockAddr, TcpKeepalive, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A silent peer is asked after this, and so often.
const KEEPALIVE: Duration = Duration::from_secs(3);

pub(super) enum Socket {
    Tcp(Unshared<TcpStream>),
    Unix(Unshared<UnixStream>),
}

impl Socket {
    /// Connects over TCP. What is sent and not acknowledged within `patience` ends the connection.
    pub(super) async fn tcp(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = connecting(Domain::for_address(address), &address.into(), |socket| {
            socket.set_tcp_nodelay(true)?;
            let silence = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(3);
            socket.set_tcp_keepalive(&silence)?;
            #[cfg(target_os = "linux")]
            socket.set_tcp_user_timeout(Some(patience))?;
            #[cfg(not(target_os = "linux"))]
            let _ = patience;
            Ok(())
        })?;
        let stream = stream.map(|socket| TcpStream::from_std(socket.into()))?;
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(Self::Tcp(stream)),
        }
    }

    /// Connects to a Unix socket.
    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        let stream = connecting(Domain::UNIX, &SockAddr::unix(path)?, |_| Ok(()))?;
        let stream = stream.map(|socket| UnixStream::from_std(socket.into()))?;
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(Self::Unix(stream)),
        }
    }
}

/// A socket that has begun to connect.
fn connecting(
    domain: Domain,
    address: &SockAddr,
    configure: impl Fn(&socket2::Socket) -> io::Result<()>,
) -> io::Result<Unshared<socket2::Socket>> {
    let socket = Unshared::make(|| {
        let socket = socket2::Socket::new(domain, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        configure(&socket)?;
        Ok(socket)
    })?;
    match socket.connect(address) {
        // Over a network it takes until the socket can be written.
        Err(error) if !is_connecting(&error) => Err(error),
        _ => Ok(socket),
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(&mut **stream).poll_read(cx, to),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_read(cx, to),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is kept back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
