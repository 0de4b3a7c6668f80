//! Servers under load: requests a second, the slow ones, and the CPU time of a request.
//!
//! Each is started twice for every measurement, for a small and for a large load. The
//! difference of what both used is what the additional requests cost, without the start.

use std::time::Duration;

use crate::Options;
use crate::common::{Scratch, heavy, wait_for_port};
use crate::measure::{Calls, Runner, WAYS, Way, median};

#[path = "servers/asking.rs"]
mod asking;
#[path = "servers/memcached.rs"]
mod memcached;
#[path = "servers/nginx.rs"]
mod nginx;
#[path = "servers/postgres.rs"]
mod postgres;
#[path = "servers/redis.rs"]
mod redis;

use memcached::Memcached;
use nginx::Nginx;
use postgres::Postgres;
use redis::Redis;

pub const NAMES: [&str; 5] = ["redis", "redis-pipeline", "nginx", "memcached", "pgbench"];

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
    /// System calls for a request: served, and stopped.
    pub calls_per_request: [f64; 2],
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
    /// Waits until it answers.
    fn wait_ready(&self) {
        wait_for_port(self.port(), LIMIT);
    }
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
        "memcached" => Memcached::prepare(&scratch, options.pick((5_000, 85_000), (2_000, 22_000))),
        "pgbench" => Postgres::prepare(&scratch, options.pick((500, 6_500), (250, 1_750))),
        _ => panic!("no server is called {name}"),
    };
    let _turn = heavy();
    let mut outcome = Outcome {
        name,
        title,
        samples: Default::default(),
        journal_bytes_per_request: f64::NAN,
        recorded: f64::NAN,
        replay: f64::NAN,
        peak_bytes: 0,
        calls_per_request: [f64::NAN; 2],
    };
    let (mut recorded, mut replayed, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = options.rounds(5, 1);
    for round in 1..=rounds {
        eprintln!("workloads: {name}, round {round} of {rounds}");
        for way in options.ways(round) {
            let runner = server.runner();
            let mut at = |large: bool| {
                let running = runner.start(way);
                server.wait_ready();
                let load = server.load(large);
                server.stop();
                let used = running.wait();
                let mut calls = Calls::default();
                if way == Way::Recorded {
                    outcome.peak_bytes = outcome.peak_bytes.max(used.peak_bytes);
                    // It differs little between rounds, and takes a while.
                    if round == 1 {
                        calls = runner.calls();
                    }
                }
                (load, used, runner.journal_bytes(), calls)
            };
            let (few, low, bytes_low, calls_low) = at(false);
            let (many, high, bytes_high, calls_high) = at(true);
            let more = many.requests - few.requests;
            let cpu = (high.cpu.as_secs_f64() - low.cpu.as_secs_f64()) * 1e6 / more;
            outcome.samples[way as usize].push(Sample {
                load: many,
                cpu_us_per_request: cpu,
            });
            if way == Way::Recorded {
                if round == 1 {
                    outcome.calls_per_request = Calls::each(calls_high, calls_low, more);
                }
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
