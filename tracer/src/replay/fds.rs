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
        let standard = |stream| Standard { stream, close_on_exec: false };
        Self { open: HashMap::from([(1, standard(1)), (2, standard(2))]) }
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
            "dup2" => {
                if arg(0) != arg(1) {
                    self.copy(arg(0), result, false);
                }
            }
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
            _ => {}
        }
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
                self.open.insert(to, Standard { close_on_exec, ..standard });
            }
            None => {
                self.open.remove(&to);
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the kernel looks at the low half too")]
const fn int(value: u64) -> i32 {
    value as i32
}
