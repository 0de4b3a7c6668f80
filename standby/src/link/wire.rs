//! Messages as bytes: a length, a checksum, and the message in postcard's encoding. Reading is
//! total: any bytes are messages, an error, or not enough yet.

use super::message::{Message, PROTOCOL_VERSION};
use postcard::ser_flavors::Flavor;

/// Before every message: length of the body, CRC-32C of the length and the body.
pub const HEAD_BYTES: usize = 8;
/// The longest body.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// The most bytes of segments, kept files or control in one message.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;

/// What is wrong with bytes that should be messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A length is beyond the limit.
    #[error("a message of {0} bytes: at most {BODY_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Something was damaged on the way.
    #[error("a message's checksum is wrong")]
    Checksum,
    /// The body is no message.
    #[error("a message cannot be understood: {0}")]
    Body(postcard::Error),
    /// The body is longer than its message.
    #[error("a message has {0} bytes too many")]
    Trailing(usize),
    /// The other node speaks another version.
    #[error(
        "the other node speaks version {0} of the protocol, this one version {PROTOCOL_VERSION}"
    )]
    Version(u32),
}

/// Appends to a buffer.
struct Append<'b>(&'b mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends a message. `out` is as before if that fails.
pub fn encode(out: &mut Vec<u8>, message: &Message<'_>) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    let body = start + HEAD_BYTES;
    let done = postcard::serialize_with_flavor(message, Append(out)).map_err(WireError::Body);
    let len = out.len() - body;
    let done = done.and_then(|()| {
        if len <= BODY_BYTES_MAX {
            u32::try_from(len).map_err(|_| WireError::TooLong(len))
        } else {
            Err(WireError::TooLong(len))
        }
    });
    match done {
        Ok(len) => {
            out[start..start + 4].copy_from_slice(&len.to_le_bytes());
            let crc = checksum(len, &out[body..]);
            out[start + 4..body].copy_from_slice(&crc.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// The message that `bytes` begin with, and how many bytes it has; `None` if they are not
/// enough yet.
pub fn decode(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, WireError> {
    let Some((len, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(*len);
    let body_len = len as usize;
    if body_len > BODY_BYTES_MAX {
        return Err(WireError::TooLong(body_len));
    }
    let Some((crc, rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let Some(body) = rest.get(..body_len) else {
        return Ok(None);
    };
    if checksum(len, body) != u32::from_le_bytes(*crc) {
        return Err(WireError::Checksum);
    }
    check_version(body)?;
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(Some((message, HEAD_BYTES + body_len))),
        Ok((_, rest)) => Err(WireError::Trailing(rest.len())),
        Err(error) => Err(WireError::Body(error)),
    }
}

/// `Hello` and `Welcome` of other versions may look different behind their first field.
fn check_version(body: &[u8]) -> Result<(), WireError> {
    const WITH_VERSION: [u32; 2] = [0, 2];
    match postcard::take_from_bytes::<(u32, u32)>(body) {
        Ok(((kind, version), _)) if WITH_VERSION.contains(&kind) && version != PROTOCOL_VERSION => {
            Err(WireError::Version(version))
        }
        _ => Ok(()),
    }
}

fn checksum(len: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len.to_le_bytes()), body)
}
