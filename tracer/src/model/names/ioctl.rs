//! Names of arguments of `ioctl`.

use crate::model::types::Names;

/// Queues that `TCFLSH` discards.
pub static FLUSH: Names = Names {
    unknown: "TC???",
    names: &[(0, "TCIFLUSH"), (1, "TCOFLUSH"), (2, "TCIOFLUSH")],
};

/// Actions of `TCXONC`.
pub static XONC: Names = Names {
    unknown: "TC???",
    names: &[(0, "TCOOFF"), (1, "TCOON"), (2, "TCIOFF"), (3, "TCION")],
};

/// Console modes.
pub static KD_MODE: Names = Names {
    unknown: "KD_???",
    names: &[
        (0, "KD_TEXT"),
        (1, "KD_GRAPHICS"),
        (2, "KD_TEXT0"),
        (3, "KD_TEXT1"),
    ],
};

/// Keyboard modes.
pub static KB_MODE: Names = Names {
    unknown: "K_???",
    names: &[
        (0, "K_RAW"),
        (1, "K_XLATE"),
        (2, "K_MEDIUMRAW"),
        (3, "K_UNICODE"),
        (4, "K_OFF"),
    ],
};

/// Line disciplines.
pub static LINE_DISCIPLINE: Names = Names {
    unknown: "N_???",
    names: &[
        (0, "N_TTY"),
        (1, "N_SLIP"),
        (2, "N_MOUSE"),
        (3, "N_PPP"),
        (4, "N_STRIP"),
        (5, "N_AX25"),
        (6, "N_X25"),
        (7, "N_6PACK"),
        (13, "N_HDLC"),
        (14, "N_SYNC_PPP"),
        (15, "N_HCI"),
        (21, "N_GSM0710"),
    ],
};

/// Modem lines.
pub static MODEM: Names = Names {
    unknown: "TIOCM_???",
    names: &[
        (0x1, "TIOCM_LE"),
        (0x2, "TIOCM_DTR"),
        (0x4, "TIOCM_RTS"),
        (0x8, "TIOCM_ST"),
        (0x10, "TIOCM_SR"),
        (0x20, "TIOCM_CTS"),
        (0x40, "TIOCM_CAR"),
        (0x80, "TIOCM_RNG"),
        (0x100, "TIOCM_DSR"),
        (0x2000, "TIOCM_OUT1"),
        (0x4000, "TIOCM_OUT2"),
        (0x8000, "TIOCM_LOOP"),
    ],
};
