//! Which descriptors of a process lead to the standard output or error that it was
//! started with. Fed from the journal alone.

use crate::model::capture::Call;
use std::collections::HashMap;

/// A descriptor that leads to a standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standard {
    /// 1 or 2.
    stream: u8,
    close_on_exec: bool,
}

/// The descriptors of one process that lead to standard streams.
#[derive(Debug, Clone)]
pub struct Descriptors {
    open: HashMap<i32, Standard>,
}

impl Default for Descriptors {
    fn default() -> Self {
        let standard = |stream| Standard {
            stream,
            close_on_exec: false,
        };
        Self {
            open: HashMap::from([(1, standard(1)), (2, standard(2))]),
        }
    }
}

impl Descriptors {
    /// The standard stream that `fd` leads to.
    #[must_use]
    pub fn stream(&self, fd: i32) -> Option<u8> {
        self.open.get(&fd).map(|standard| standard.stream)
    }

    /// A new program was started.
    pub fn executed(&mut self) {
        self.open.retain(|_, standard| !standard.close_on_exec);
    }

    /// A syscall succeeded with `result`.
    pub fn after(&mut self, call: &Call, result: i64) {
        let arg = |index: usize| int(call.args[index]);
        let result = i32::try_from(result).unwrap_or(-1);
        match call.def.name {
            "close" => {
                self.open.remove(&arg(0));
            }
            "close_range" => self.close_range(call.args),
            "dup" => self.copy(arg(0), result, false),
            "dup2" if arg(0) == arg(1) => {}
            "dup2" => self.copy(arg(0), result, false),
            "dup3" => self.copy(arg(0), result, arg(2) & libc::O_CLOEXEC != 0),
            "fcntl" => match arg(1) {
                libc::F_DUPFD => self.copy(arg(0), result, false),
                libc::F_DUPFD_CLOEXEC => self.copy(arg(0), result, true),
                libc::F_SETFD => {
                    if let Some(standard) = self.open.get_mut(&arg(0)) {
                        standard.close_on_exec = arg(2) & libc::FD_CLOEXEC != 0;
                    }
                }
                _ => {}
            },
            _ if call.def.ret.is_descriptor() => {
                self.open.remove(&result);
            }
            _ => {}
        }
    }

    /// A descriptor was made that leads to a standard stream.
    pub fn leads_to(&mut self, fd: i32, stream: u8) {
        let close_on_exec = false;
        self.open.insert(
            fd,
            Standard {
                stream,
                close_on_exec,
            },
        );
    }

    fn close_range(&mut self, args: [u64; 6]) {
        const CLOSE_RANGE_CLOEXEC: u64 = 4;
        let range = args[0]..=args[1];
        let inside = |fd: i32| u64::try_from(fd).is_ok_and(|fd| range.contains(&fd));
        if args[2] & CLOSE_RANGE_CLOEXEC != 0 {
            for (fd, standard) in &mut self.open {
                standard.close_on_exec |= inside(*fd);
            }
        } else {
            self.open.retain(|fd, _| !inside(*fd));
        }
    }

    fn copy(&mut self, from: i32, to: i32, close_on_exec: bool) {
        match self.open.get(&from).copied() {
            Some(standard) => {
                self.open.insert(
                    to,
                    Standard {
                        close_on_exec,
                        ..standard
                    },
                );
            }
            None => {
                self.open.remove(&to);
            }
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the kernel looks at the low half too"
)]
const fn int(value: u64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    fn after(fds: &mut Descriptors, name: &str, args: [u64; 6], result: i64) {
        let def = model::by_name(name).expect("a syscall");
        fds.after(&Call { def, args }, result);
    }

    #[test]
    fn standard_streams_are_followed_through_copies() {
        let mut fds = Descriptors::default();
        after(&mut fds, "dup", [1, 0, 0, 0, 0, 0], 7);
        after(&mut fds, "dup2", [5, 1, 0, 0, 0, 0], 1);
        assert_eq!(
            (fds.stream(7), fds.stream(1), fds.stream(2)),
            (Some(1), None, Some(2))
        );
        after(
            &mut fds,
            "dup3",
            [7, 9, libc::O_CLOEXEC.cast_unsigned().into(), 0, 0, 0],
            9,
        );
        fds.executed();
        assert_eq!((fds.stream(7), fds.stream(9)), (Some(1), None));
        after(&mut fds, "close_range", [3, u64::MAX, 0, 0, 0, 0], 0);
        assert_eq!((fds.stream(7), fds.stream(2)), (None, Some(2)));
    }

    #[test]
    fn other_descriptors_take_the_place_of_streams() {
        let mut fds = Descriptors::default();
        fds.leads_to(5, 2);
        assert_eq!(fds.stream(5), Some(2));
        after(&mut fds, "openat", [0; 6], 1);
        after(&mut fds, "socket", [0; 6], 5);
        assert_eq!((fds.stream(1), fds.stream(5)), (None, None));
    }
}
