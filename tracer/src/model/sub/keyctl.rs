//! `keyctl`.

use super::{Row, column, row, sorted};
use crate::model::names::keyctl as names;
use crate::model::table::dsl::{
    FD, HEX, ID, INT, PATH, UINT, ULONG, choice, fixed, flags, in_buf, in_iovec, in_mem, out_buf,
    out_mem, out_ret, result, sub_by,
};
use crate::model::types::{Kind, Shape, Sub, Unknown};

/// A key, or one of the keyrings with a name.
const KEY: Kind = choice(&names::KEYRING);
/// A buffer of which nothing is written if it is too small.
const TEXT: Kind = out_mem(result(3, 1), Shape::Text);

/// Arguments 2 to 5. Any operation on a key may wait for that key to be made by user space.
const OPERATIONS: &[Row] = &[
    row(0, "KEYCTL_GET_KEYRING_ID", [KEY, INT]).waits(),
    row(1, "KEYCTL_JOIN_SESSION_KEYRING", [PATH]),
    row(2, "KEYCTL_UPDATE", [KEY, in_buf(3), ULONG]).waits(),
    row(3, "KEYCTL_REVOKE", [KEY]).waits(),
    row(4, "KEYCTL_CHOWN", [KEY, ID, ID]).waits(),
    row(5, "KEYCTL_SETPERM", [KEY, flags(&names::PERM)]).waits(),
    row(6, "KEYCTL_DESCRIBE", [KEY, TEXT, ULONG]).waits(),
    row(7, "KEYCTL_CLEAR", [KEY]).waits(),
    row(8, "KEYCTL_LINK", [KEY, KEY]).waits(),
    row(9, "KEYCTL_UNLINK", [KEY, KEY]).waits(),
    row(10, "KEYCTL_SEARCH", [KEY, PATH, PATH, KEY]).waits(),
    row(11, "KEYCTL_READ", [KEY, out_ret(3), ULONG]).waits(),
    row(12, "KEYCTL_INSTANTIATE", [KEY, in_buf(3), ULONG, KEY]).waits(),
    row(13, "KEYCTL_NEGATE", [KEY, UINT, KEY]).waits(),
    row(14, "KEYCTL_SET_REQKEY_KEYRING", [choice(&names::REQKEY)]),
    row(15, "KEYCTL_SET_TIMEOUT", [KEY, UINT]).waits(),
    row(16, "KEYCTL_ASSUME_AUTHORITY", [KEY]).waits(),
    row(17, "KEYCTL_GET_SECURITY", [KEY, TEXT, ULONG]).waits(),
    row(18, "KEYCTL_SESSION_TO_PARENT", []),
    row(19, "KEYCTL_REJECT", [KEY, UINT, UINT, KEY]).waits(),
    row(20, "KEYCTL_INSTANTIATE_IOV", [KEY, in_iovec(3), ULONG, KEY]).waits(),
    row(21, "KEYCTL_INVALIDATE", [KEY]).waits(),
    row(22, "KEYCTL_GET_PERSISTENT", [ID, KEY]).waits(),
    // The key derivation parameters point further; they are only read.
    row(
        23,
        "KEYCTL_DH_COMPUTE",
        [
            in_mem(fixed(12), Shape::Opaque),
            out_ret(3),
            ULONG,
            in_mem(fixed(56), Shape::Opaque),
        ],
    )
    .waits(),
    row(
        24,
        "KEYCTL_PKEY_QUERY",
        [KEY, HEX, PATH, out_mem(fixed(56), Shape::Opaque)],
    )
    .waits(),
    // Sizes of these stand inside their first argument: as in a kernel without them.
    row(25, "KEYCTL_PKEY_ENCRYPT", []).refuse(libc::EOPNOTSUPP),
    row(26, "KEYCTL_PKEY_DECRYPT", []).refuse(libc::EOPNOTSUPP),
    row(27, "KEYCTL_PKEY_SIGN", []).refuse(libc::EOPNOTSUPP),
    row(28, "KEYCTL_PKEY_VERIFY", []).refuse(libc::EOPNOTSUPP),
    row(29, "KEYCTL_RESTRICT_KEYRING", [KEY, PATH, PATH]).waits(),
    row(30, "KEYCTL_MOVE", [KEY, KEY, KEY, flags(&names::MOVE)]).waits(),
    row(31, "KEYCTL_CAPABILITIES", [out_buf(2), ULONG]),
    row(32, "KEYCTL_WATCH_KEY", [KEY, FD, INT]).waits(),
];

/// Declares what one argument is. The kernel, too, answers an unknown operation with `EOPNOTSUPP`.
macro_rules! argument {
    ($name:ident, $column:literal, $doc:literal) => {
        #[doc = $doc]
        pub static $name: Sub = sub_by(
            0,
            sorted!(&column::<{ OPERATIONS.len() }>(OPERATIONS, $column)),
        )
        .otherwise(Unknown::Errno(libc::EOPNOTSUPP));
    };
}

argument!(ARG2, 0, "The second argument.");
argument!(ARG3, 1, "The third argument.");
argument!(ARG4, 2, "The fourth argument.");
argument!(ARG5, 3, "The fifth argument.");
