//! What the demo's client and server say to each other: a line each way. Both compute an answer in
//! the same way, the client from what it has sent, the server from what it has got.

/// A line, its end included, is no longer.
pub const LINE_BYTES_MAX: usize = 1024;
/// A request has at most so many bytes of filling.
const FILL_BYTES_MAX: u64 = 400;
/// Has the server end.
pub const STOP: &str = "stop\n";

/// A client's request: the connection's number, the request's, and bytes that differ.
pub fn request(connection: usize, number: u64) -> String {
    let mut line = format!("{connection} {number} ");
    let mix = number.wrapping_mul(7919).wrapping_add(connection as u64);
    for at in 0..mix % FILL_BYTES_MAX {
        let letter = u8::try_from((mix + at * at) % 26).unwrap_or(0);
        line.push(char::from(b'a' + letter));
    }
    line.push('\n');
    line
}

/// What an end of a connection knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Requests so far.
    pub count: u64,
    /// FNV-1a over all bytes of all requests.
    digest: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            count: 0,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl Ledger {
    /// Enters a request.
    pub fn enter(&mut self, request: &str) {
        self.count += 1;
        for byte in request.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The answer to the request entered last, which is the `total`-th of all connections.
    pub fn answer(&self, total: u64, request: &str) -> String {
        format!("{} {total} {:016x} {request}", self.count, self.digest)
    }
}

/// The line that the server writes to its log for a request.
pub fn log_line(total: u64, request: &str) -> String {
    let mut words = request.split_whitespace();
    let (connection, number) = (words.next().unwrap_or("-"), words.next().unwrap_or("-"));
    format!("{total} {connection} {number}\n")
}
