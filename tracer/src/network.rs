//! What the engine needs to know of the way to the network, and tells about it. Somebody else
//! sees the packets; the engine sees descriptors.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// A TCP connection of the application, by the number that it has in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conn(pub u32);

/// Who sees the packets.
pub trait Network: Send + Sync {
    /// While recording: the connection between two addresses.
    fn connection(&self, local: SocketAddr, remote: SocketAddr) -> Option<Conn>;

    /// In a shadow: the application wrote to a connection.
    fn wrote(&self, conn: Conn, bytes: &[u8]);

    /// In a shadow: the application took `len` bytes from a connection; which ones.
    fn took(&self, conn: Conn, len: usize) -> Vec<u8>;

    /// In a shadow: the application ended one side, or both (`SHUT_RD`, `SHUT_WR`, `SHUT_RDWR`).
    fn shut(&self, conn: Conn, how: i32);

    /// At a takeover: makes `socket`, which the application has, the live end of a connection.
    /// Returns how many bytes the other side has already of what the application has still to
    /// write: it was in the middle of it.
    fn rebuild(&self, conn: Conn, socket: OwnedFd) -> io::Result<u64>;

    /// At a takeover: all connections that the application has are rebuilt. What is left was
    /// closed by it before all was delivered. From now on packets flow.
    fn open(&self) -> io::Result<()>;
}
