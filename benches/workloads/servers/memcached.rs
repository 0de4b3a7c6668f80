//! Memcached with four threads, nine reads for a write, over 32 connections.
//!
//! A recording has one CPU for all threads, so natively it gets one CPU, too.

use std::io::Write;
use std::net::TcpStream;

use crate::common::{Scratch, free_port, program, unprivileged_user};
use crate::measure::Runner;

use super::{Load, Server, asking};

const CONNECTIONS: usize = 32;

pub struct Memcached {
    runner: Runner,
    port: u16,
    /// Requests of a small and of a large load.
    counts: (u32, u32),
}

impl Memcached {
    pub fn prepare(scratch: &Scratch, counts: (u32, u32)) -> (String, Box<dyn Server>) {
        let port = free_port();
        let text = port.to_string();
        let mut words = vec![program("memcached").into_os_string()];
        // `-A`: it can be asked to end.
        let options = ["-A", "-l", "127.0.0.1", "-t", "4", "-m", "64", "-U", "0"];
        words.extend(options.map(Into::into));
        words.extend(["-p".into(), text.into()]);
        if let Some(user) = unprivileged_user() {
            words.extend(["-u".into(), user.name.into()]);
        }
        let memcached = Memcached {
            runner: Runner::new(scratch, words, &scratch.work()).on_one_cpu(),
            port,
            counts,
        };
        let title = format!("memcached, 4 threads, 90 % get; {CONNECTIONS} connections");
        (title, Box::new(memcached))
    }
}

impl Server for Memcached {
    fn runner(&self) -> &Runner {
        &self.runner
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn load(&self, large: bool) -> Load {
        let count = if large { self.counts.1 } else { self.counts.0 };
        asking::fill(self.port);
        asking::ask(self.port, CONNECTIONS, count)
    }

    fn stop(&self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.write_all(b"shutdown\r\n").expect("it reads");
    }
}
