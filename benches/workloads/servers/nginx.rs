//! nginx with one worker and its access log, under wrk.

use std::fmt::Write as _;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Scratch, free_port, native, program};
use crate::measure::Runner;

use super::{LIMIT, Load, Server};

pub struct Nginx {
    runner: Runner,
    port: u16,
    /// Seconds of a small and of a large load.
    seconds: (u32, u32),
}

impl Nginx {
    pub fn prepare(scratch: &Scratch, seconds: (u32, u32)) -> (String, Box<dyn Server>) {
        let port = free_port();
        for dir in ["logs", "cache"] {
            scratch.dir(dir);
        }
        scratch.write("html/file", "x".repeat(5500));
        let mut config = String::new();
        if nix::unistd::getuid().is_root() {
            config.push_str("user nobody nogroup;\n");
        }
        write!(
            config,
            "daemon off; worker_processes 1; pid nginx.pid; error_log logs/error.log;
             events {{ worker_connections 256; }}
             http {{
                 access_log logs/access.log; sendfile on;
                 keepalive_requests 1000000000; keepalive_timeout 60;
                 client_body_temp_path cache/a; proxy_temp_path cache/b; fastcgi_temp_path cache/c;
                 uwsgi_temp_path cache/d; scgi_temp_path cache/e;
                 server {{ listen 127.0.0.1:{port}; root html; }}
             }}\n"
        )
        .expect("memory");
        scratch.write("nginx.conf", config);
        let prefix = scratch.work();
        let mut words = vec![program("nginx").into_os_string(), "-p".into()];
        words.push(prefix.clone().into_os_string());
        words.extend(["-c", "nginx.conf", "-e", "logs/first.log"].map(Into::into));
        let nginx = Nginx {
            runner: Runner::new(scratch, words, &prefix),
            port,
            seconds,
        };
        let title = "nginx 5.5 KB file, 32 connections".to_owned();
        (title, Box::new(nginx))
    }
}

impl Server for Nginx {
    fn runner(&self) -> &Runner {
        &self.runner
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn load(&self, large: bool) -> Load {
        let seconds = if large {
            self.seconds.1
        } else {
            self.seconds.0
        };
        let url = format!("http://127.0.0.1:{}/file", self.port);
        let duration = format!("-d{seconds}s");
        let arguments = ["-t1", "-c32", &duration, "--latency", &url];
        let output = native(program("wrk"), arguments, LIMIT).out();
        assert!(!output.contains("Non-2xx"), "{output}");
        let field = |mark: &str, index: usize| {
            let line = output.lines().find(|line| line.contains(mark));
            let word = line.and_then(|line| line.split_whitespace().nth(index));
            word.unwrap_or_else(|| panic!("no `{mark}` in {output}"))
        };
        let number = |text: &str| {
            text.parse()
                .unwrap_or_else(|_| panic!("{text} in {output}"))
        };
        Load {
            requests: number(field(" requests in ", 0)),
            per_second: number(field("Requests/sec:", 1)),
            p99: milliseconds(field("99%", 1)),
        }
    }

    fn stop(&self) {
        let pid = fs::read_to_string(self.runner.cwd.join("nginx.pid")).expect("nginx runs");
        let pid = Pid::from_raw(pid.trim().parse().expect("a pid"));
        kill(pid, Signal::SIGQUIT).expect("the master runs");
    }
}

/// Of `340.00us`, `1.25ms` or `2.01s`.
fn milliseconds(text: &str) -> f64 {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let found = units.iter().find_map(|(unit, factor)| {
        let value: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(value * factor)
    });
    found.unwrap_or_else(|| panic!("{text} is no time"))
}
