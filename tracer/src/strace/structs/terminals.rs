//! Terminals.

use super::{Form, fields};
use crate::model::{Names, StructId};
use crate::strace::fields::ushort;
use crate::strace::scalars::{choice, flags};
use crate::strace::text::put;
use crate::strace::view::number;

pub(super) fn form(of: StructId) -> Option<Form> {
    Some(match of {
        StructId::Termios | StructId::Termios2 => Form::Own(termios),
        StructId::Winsize => fields![
            ushort("ws_row", 0),
            ushort("ws_col", 2),
            ushort("ws_xpixel", 4),
            ushort("ws_ypixel", 6),
        ],
        _ => return None,
    })
}

fn termios(out: &mut String, bytes: &[u8]) {
    let word = |index: usize| number(bytes, index * 4, 4);
    out.push_str("{c_iflag=");
    flags(out, &INPUT, word(0));
    out.push_str(", c_oflag=");
    let output = word(1);
    for delay in &DELAYS {
        let (_, name) = delay
            .1
            .names
            .iter()
            .find(|(value, _)| output & delay.0 == *value)
            .unwrap_or(&(0, "?"));
        put!(out, "{name}|");
    }
    let delays: u64 = DELAYS.iter().map(|(mask, _)| mask).sum();
    rest(out, &OUTPUT, output & !delays);
    out.push_str(", c_cflag=");
    let control = word(2);
    choice(out, &SPEED, control & SPEED_MASK);
    out.push('|');
    if control & SPEED_IN_MASK != 0 {
        choice(out, &SPEED, (control & SPEED_IN_MASK) >> SPEED_IN_SHIFT);
        out.push_str("<<IBSHIFT|");
    }
    choice(out, &SIZE, control & SIZE_MASK);
    out.push('|');
    rest(
        out,
        &CONTROL,
        control & !(SPEED_MASK | SPEED_IN_MASK | SIZE_MASK),
    );
    out.push_str(", c_lflag=");
    flags(out, &LOCAL, word(3));
    out.push_str(", ...}");
}

/// Flags after something else; nothing, and no separator, if there are none.
fn rest(out: &mut String, names: &Names, value: u64) {
    if value == 0 {
        out.pop();
    } else {
        flags(out, names, value);
    }
}

const SPEED_MASK: u64 = 0o010_017;
const SPEED_IN_SHIFT: u32 = 16;
const SPEED_IN_MASK: u64 = SPEED_MASK << SPEED_IN_SHIFT;
const SIZE_MASK: u64 = 0o60;

static INPUT: Names = Names {
    unknown: "I???",
    names: &[
        (0o1, "IGNBRK"),
        (0o2, "BRKINT"),
        (0o4, "IGNPAR"),
        (0o10, "PARMRK"),
        (0o20, "INPCK"),
        (0o40, "ISTRIP"),
        (0o100, "INLCR"),
        (0o200, "IGNCR"),
        (0o400, "ICRNL"),
        (0o1000, "IUCLC"),
        (0o2000, "IXON"),
        (0o4000, "IXANY"),
        (0o10_000, "IXOFF"),
        (0o20_000, "IMAXBEL"),
        (0o40_000, "IUTF8"),
    ],
};

/// Masks of the output delays, and what they can be.
static DELAYS: [(u64, Names); 6] = [
    (
        0o400,
        Names {
            unknown: "",
            names: &[(0, "NL0"), (0o400, "NL1")],
        },
    ),
    (
        0o3000,
        Names {
            unknown: "",
            names: &[
                (0, "CR0"),
                (0o1000, "CR1"),
                (0o2000, "CR2"),
                (0o3000, "CR3"),
            ],
        },
    ),
    (
        0o14_000,
        Names {
            unknown: "",
            names: &[
                (0, "TAB0"),
                (0o4000, "TAB1"),
                (0o10_000, "TAB2"),
                (0o14_000, "TAB3"),
            ],
        },
    ),
    (
        0o20_000,
        Names {
            unknown: "",
            names: &[(0, "BS0"), (0o20_000, "BS1")],
        },
    ),
    (
        0o40_000,
        Names {
            unknown: "",
            names: &[(0, "VT0"), (0o40_000, "VT1")],
        },
    ),
    (
        0o100_000,
        Names {
            unknown: "",
            names: &[(0, "FF0"), (0o100_000, "FF1")],
        },
    ),
];

static OUTPUT: Names = Names {
    unknown: "O???",
    names: &[
        (0o1, "OPOST"),
        (0o2, "OLCUC"),
        (0o4, "ONLCR"),
        (0o10, "OCRNL"),
        (0o20, "ONOCR"),
        (0o40, "ONLRET"),
        (0o100, "OFILL"),
        (0o200, "OFDEL"),
    ],
};

static SPEED: Names = Names {
    unknown: "B???",
    names: &[
        (0, "B0"),
        (1, "B50"),
        (2, "B75"),
        (3, "B110"),
        (4, "B134"),
        (5, "B150"),
        (6, "B200"),
        (7, "B300"),
        (8, "B600"),
        (9, "B1200"),
        (10, "B1800"),
        (11, "B2400"),
        (12, "B4800"),
        (13, "B9600"),
        (14, "B19200"),
        (15, "B38400"),
        (0o010_000, "BOTHER"),
        (0o010_001, "B57600"),
        (0o010_002, "B115200"),
        (0o010_003, "B230400"),
        (0o010_004, "B460800"),
        (0o010_005, "B500000"),
        (0o010_006, "B576000"),
        (0o010_007, "B921600"),
        (0o010_010, "B1000000"),
        (0o010_011, "B1152000"),
        (0o010_012, "B1500000"),
        (0o010_013, "B2000000"),
        (0o010_014, "B2500000"),
        (0o010_015, "B3000000"),
        (0o010_016, "B3500000"),
        (0o010_017, "B4000000"),
    ],
};

static SIZE: Names = Names {
    unknown: "CS?",
    names: &[(0, "CS5"), (0o20, "CS6"), (0o40, "CS7"), (0o60, "CS8")],
};

static CONTROL: Names = Names {
    unknown: "C???",
    names: &[
        (0o100, "CSTOPB"),
        (0o200, "CREAD"),
        (0o400, "PARENB"),
        (0o1000, "PARODD"),
        (0o2000, "HUPCL"),
        (0o4000, "CLOCAL"),
        (0o10_000_000_000, "CMSPAR"),
        (0o20_000_000_000, "CRTSCTS"),
    ],
};

static LOCAL: Names = Names {
    unknown: "L???",
    names: &[
        (0o1, "ISIG"),
        (0o2, "ICANON"),
        (0o4, "XCASE"),
        (0o10, "ECHO"),
        (0o20, "ECHOE"),
        (0o40, "ECHOK"),
        (0o100, "ECHONL"),
        (0o200, "NOFLSH"),
        (0o100_000, "IEXTEN"),
        (0o1000, "ECHOCTL"),
        (0o2000, "ECHOPRT"),
        (0o4000, "ECHOKE"),
        (0o10_000, "FLUSHO"),
        (0o40_000, "PENDIN"),
        (0o400, "TOSTOP"),
        (0o200_000, "EXTPROC"),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::show;
    use super::*;

    #[test]
    fn a_terminal() {
        assert_eq!(
            show(
                StructId::Termios,
                &[(0, 4, 0o2400), (4, 4, 5), (8, 4, 0o277), (12, 4, 0o105_073)]
            ),
            "{c_iflag=ICRNL|IXON, c_oflag=NL0|CR0|TAB0|BS0|VT0|FF0|OPOST|ONLCR, \
             c_cflag=B38400|CS8|CREAD, \
             c_lflag=ISIG|ICANON|ECHO|ECHOE|ECHOK|IEXTEN|ECHOCTL|ECHOKE, ...}"
        );
        assert_eq!(
            show(StructId::Termios, &[]),
            "{c_iflag=0, c_oflag=NL0|CR0|TAB0|BS0|VT0|FF0, c_cflag=B0|CS5, c_lflag=0, ...}"
        );
        assert_eq!(
            show(StructId::Winsize, &[(0, 2, 24), (2, 2, 80)]),
            "{ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}"
        );
    }
}
