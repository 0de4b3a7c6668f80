//! Servers under load: requests a second, the slow ones, and the CPU time of a request.
//!
//! Each is started twice for every measurement, for a small and for a large load. The
//! difference of what both used is what the additional requests cost, without the start.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Options;
use crate::common::{Scratch, free_port, heavy, native, program, wait_for_port};
use crate::measure::{Runner, WAYS, Way, median};

pub const NAMES: [&str; 3] = ["redis", "redis-pipeline", "nginx"];

const LIMIT: Duration = Duration::from_secs(300);

/// What a client saw.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub requests: f64,
    pub per_second: f64,
    /// Milliseconds; of several tests the worst.
    pub p99: f64,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub load: Load,
    pub cpu_us_per_request: f64,
}

/// What was measured of one server.
pub struct Outcome {
    pub name: &'static str,
    pub title: String,
    pub samples: [Vec<Sample>; WAYS.len()],
    pub journal_bytes_per_request: f64,
    /// Of the large loads: how long they were recorded, and replayed.
    pub recorded: f64,
    pub replay: f64,
    pub peak_bytes: u64,
}

impl Outcome {
    pub fn middle(&self, way: Way, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples[way as usize].iter().map(of))
    }
}

/// A server and its client.
trait Server {
    fn runner(&self) -> &Runner;
    fn port(&self) -> u16;
    fn load(&self, large: bool) -> Load;
    fn stop(&self);
}

pub fn measure(name: &'static str, options: &Options) -> Outcome {
    let scratch = Scratch::new("bench");
    let (title, server): (String, Box<dyn Server>) = match name {
        "redis" => Redis::prepare(&scratch, 1, options.pick((5_000, 55_000), (1_000, 11_000))),
        "redis-pipeline" => Redis::prepare(
            &scratch,
            16,
            options.pick((40_000, 440_000), (8_000, 88_000)),
        ),
        "nginx" => Nginx::prepare(&scratch, options.pick((1, 6), (1, 2))),
        _ => panic!("no server is called {name}"),
    };
    let _turn = heavy();
    let mut outcome = Outcome {
        name,
        title,
        samples: Default::default(),
        journal_bytes_per_request: 0.0,
        recorded: 0.0,
        replay: 0.0,
        peak_bytes: 0,
    };
    let (mut recorded, mut replayed, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = options.rounds(3, 1);
    for round in 1..=rounds {
        eprintln!("workloads: {name}, round {round} of {rounds}");
        for way in WAYS {
            let runner = server.runner();
            let mut at = |large: bool| {
                let running = runner.start(way);
                wait_for_port(server.port(), LIMIT);
                let load = server.load(large);
                server.stop();
                let used = running.wait();
                if way == Way::Recorded {
                    outcome.peak_bytes = outcome.peak_bytes.max(used.peak_bytes);
                }
                (load, used, runner.journal_bytes())
            };
            let (few, low, bytes_low) = at(false);
            let (many, high, bytes_high) = at(true);
            let more = many.requests - few.requests;
            let cpu = (high.cpu.as_secs_f64() - low.cpu.as_secs_f64()) * 1e6 / more;
            outcome.samples[way as usize].push(Sample {
                load: many,
                cpu_us_per_request: cpu,
            });
            if way == Way::Recorded {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                bytes.push((bytes_high as f64 - bytes_low as f64) / more);
                recorded.push(high.wall.as_secs_f64());
                replayed.push(runner.replay().wall.as_secs_f64());
            }
        }
    }
    outcome.journal_bytes_per_request = median(bytes);
    outcome.recorded = median(recorded);
    outcome.replay = median(replayed);
    outcome
}

struct Redis {
    runner: Runner,
    port: u16,
    pipeline: u32,
    /// Requests of each kind in a small and in a large load.
    counts: (u32, u32),
}

impl Redis {
    fn prepare(scratch: &Scratch, pipeline: u32, counts: (u32, u32)) -> (String, Box<dyn Server>) {
        let port = free_port();
        let text = port.to_string();
        let mut words = vec![program("redis-server").into_os_string()];
        let options = ["--port", &text, "--bind", "127.0.0.1", "--save", ""];
        words.extend(options.map(Into::into));
        let runner = Runner::new(scratch, words, &scratch.work());
        let title = if pipeline == 1 {
            "redis SET, GET; 50 clients".to_owned()
        } else {
            format!("redis SET, GET; 50 clients, pipeline {pipeline}")
        };
        let redis = Redis {
            runner,
            port,
            pipeline,
            counts,
        };
        (title, Box::new(redis))
    }
}

impl Server for Redis {
    fn runner(&self) -> &Runner {
        &self.runner
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn load(&self, large: bool) -> Load {
        let count = if large { self.counts.1 } else { self.counts.0 };
        let (port, number) = (self.port.to_string(), count.to_string());
        let pipeline = self.pipeline.to_string();
        let arguments = [
            "-p", &port, "-t", "set,get", "-n", &number, "-c", "50", "-P", &pipeline, "-r",
            "10000", "-d", "100", "--csv",
        ];
        let output = native(program("redis-benchmark"), arguments, LIMIT).out();
        // "test","rps","avg","min","p50","p95","p99","max"; before version 6.2 only two.
        let (mut seconds, mut p99) = (0.0, f64::NAN);
        let mut requests = 0.0;
        for line in output.lines().filter(|line| !line.starts_with("\"test\"")) {
            let fields: Vec<&str> = line
                .split(',')
                .map(|field| field.trim_matches('"'))
                .collect();
            let number = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
            let rate: f64 = number(1).unwrap_or_else(|| panic!("no result in {line}"));
            requests += f64::from(count);
            seconds += f64::from(count) / rate;
            p99 = number(6).map_or(p99, |found: f64| found.max(p99));
        }
        Load {
            requests,
            per_second: requests / seconds,
            p99,
        }
    }

    fn stop(&self) {
        let port = self.port.to_string();
        native(
            program("redis-cli"),
            ["-p", &port, "shutdown", "nosave"],
            LIMIT,
        );
    }
}

struct Nginx {
    runner: Runner,
    port: u16,
    /// Seconds of a small and of a large load.
    seconds: (u32, u32),
}

impl Nginx {
    fn prepare(scratch: &Scratch, seconds: (u32, u32)) -> (String, Box<dyn Server>) {
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
