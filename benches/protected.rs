//! What protection costs: Redis natively, recorded, and protected by a standby, in network
//! namespaces of one machine. `make bench` runs it.
//!
//! `cargo bench --bench protected -- [--rounds N] [--threads]`; `BENCH_QUICK=1` makes it short.
//! docs/PERFORMANCE.md says how to read it. It needs root.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a report for people"
)]
#![allow(missing_docs, reason = "nobody calls it")]

#[path = "../tests/common/mod.rs"]
mod common;

#[path = "protected/client.rs"]
mod client;
#[path = "protected/meters.rs"]
mod meters;

use std::time::Duration;

use client::{Answers, Request};
use common::nodes::{Net, Nodes, Place, Plan, VIP, pid_of};
use common::{Scratch, Spawned, ftrun, heavy, program};
use meters::{Lag, Used};

const PORT: u16 = 6379;
const LIMIT: Duration = Duration::from_secs(60);
/// With timestamps, as Linux has them.
const TCP_HEADER_BYTES: f64 = 32.0;
const METRICS: &str = "127.0.0.1:9464";

/// The ways to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Native,
    Recorded,
    Protected,
}

const WAYS: [Way; 3] = [Way::Native, Way::Recorded, Way::Protected];

/// Connections, what is asked, and how often: in full, and for a short run.
const LOADS: [(usize, Request, usize, usize); 4] = [
    (1, Request::Incr, 10_000, 2_000),
    (50, Request::Incr, 100_000, 10_000),
    (1, Request::Set, 10_000, 2_000),
    (50, Request::Set, 50_000, 10_000),
];

/// What one load showed.
struct Sample {
    answers: Answers,
    cpu_us: f64,
    link: Option<f64>,
    lag: Option<Lag>,
}

fn main() {
    let quick = std::env::var_os("BENCH_QUICK").is_some_and(|value| value != "0");
    let mut args = std::env::args()
        .skip_while(|word| word != "--rounds")
        .skip(1);
    let rounds = args
        .next()
        .map(|text| text.parse().expect("--rounds NUMBER"));
    let rounds: usize = rounds.unwrap_or(if quick { 1 } else { 3 });
    let _turn = heavy();
    let mut samples: Vec<Vec<Sample>> = (0..LOADS.len() * WAYS.len()).map(|_| Vec::new()).collect();
    let mut round_trips = Vec::new();
    for round in 1..=rounds {
        for (number, way) in WAYS.into_iter().enumerate() {
            eprintln!("protected: {way:?}, round {round} of {rounds}");
            let scratch = Scratch::new("bench-protected");
            let mut server = Server::start(&scratch, way);
            round_trips.extend(server.round_trips());
            for (load, (conns, request, full, short)) in LOADS.into_iter().enumerate() {
                let count = if quick { short } else { full };
                let sample = server.measure(conns, request, count);
                samples[load * WAYS.len() + number].push(sample);
            }
            server.end();
        }
    }
    report(&samples, client::percentile(&mut round_trips, 50));
}

/// Whether what every thread used is to be said.
fn breakdown() -> bool {
    std::env::args().any(|word| word == "--threads")
}

/// Redis, one way or another.
enum Server<'a> {
    Alone(Net, Spawned),
    Protected(Box<Nodes<'a>>),
}

impl<'a> Server<'a> {
    fn start(scratch: &'a Scratch, way: Way) -> Self {
        let redis = program("redis-server");
        let redis = redis.to_str().expect("a path");
        let command = [redis, "--save", "", "--protected-mode", "no"];
        if way == Way::Protected {
            let options = vec!["--metrics".to_owned(), METRICS.to_owned()];
            let plan = Plan {
                options,
                ..Plan::default()
            };
            let nodes = Nodes::start(scratch, plan, &command);
            nodes.wait_for_port(PORT);
            return Self::Protected(Box::new(nodes));
        }
        let net = Net::new();
        let mut started = net.command(Place::Primary);
        if way == Way::Recorded {
            started.arg(ftrun()).args(["record", "--isolate", "--dir"]);
            started.arg(scratch.recording("bench")).arg("--");
        }
        started.args(command).current_dir(scratch.work());
        let server = Spawned::start(started, None);
        net.wait_for_port(Self::ALONE, PORT);
        Self::Alone(net, server)
    }

    /// Where it is without a gate.
    const ALONE: &'static str = "10.77.0.1";

    fn net(&self) -> &Net {
        match self {
            Self::Alone(net, _) => net,
            Self::Protected(nodes) => nodes.net(),
        }
    }

    fn pid(&mut self) -> u32 {
        match self {
            Self::Alone(_, server) => pid_of(server),
            Self::Protected(nodes) => nodes.pid(Place::Primary),
        }
    }

    /// Bare round trips between the nodes, in microseconds.
    fn round_trips(&self) -> Vec<f64> {
        match self {
            Self::Alone(..) => Vec::new(),
            Self::Protected(nodes) => client::round_trips(nodes.net(), 2000),
        }
    }

    fn metrics(&self) -> Option<String> {
        match self {
            Self::Alone(..) => None,
            Self::Protected(nodes) => Some(meters::scrape(nodes.net(), METRICS)),
        }
    }

    fn measure(&mut self, conns: usize, request: Request, count: usize) -> Sample {
        let pid = self.pid();
        let address = match self {
            Self::Alone(..) => Self::ALONE,
            Self::Protected(_) => VIP,
        };
        let streams = self.net().connect_all(Place::Client, address, PORT, conns);
        // Everything is there and known before it counts.
        let streams = client::run(streams, request, count / 10).1;
        let sent = |text: String| meters::value(&text, "ftrun_link_sent_bytes_total");
        let (used, link) = (Used::by(pid), self.metrics().map(sent));
        let lag = self
            .metrics()
            .map(|_| meters::Watch::begin(self.net(), METRICS));
        let before = if breakdown() {
            meters::by_thread(pid)
        } else {
            Default::default()
        };
        let (answers, _streams) = client::run(streams, request, count);
        let lag = lag.map(meters::Watch::end);
        if breakdown() {
            let mut threads: Vec<_> = meters::by_thread(pid).into_iter().collect();
            threads.sort();
            for (name, (ran, sleeps)) in threads {
                let (ran_before, sleeps_before) = before.get(&name).copied().unwrap_or_default();
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                let each = (
                    (ran - ran_before).as_secs_f64() * 1e6 / count as f64,
                    (sleeps - sleeps_before) as f64 / count as f64,
                );
                if each.0 > 0.1 {
                    eprintln!(
                        "  {conns} connections: {name}: {:.1} us, sleeps {:.2} times",
                        each.0, each.1
                    );
                }
            }
        }
        let (used, after) = (Used::by(pid).since(used), self.metrics().map(sent));
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = |total: f64| total / count as f64;
        Sample {
            answers,
            cpu_us: each(used.as_secs_f64() * 1e6),
            link: link.zip(after).map(|(before, after)| each(after - before)),
            lag,
        }
    }

    fn end(self) {
        match self {
            Self::Alone(net, server) => {
                client::shutdown(&net, Self::ALONE, PORT);
                server.wait(LIMIT);
            }
            Self::Protected(mut nodes) => {
                client::shutdown(nodes.net(), VIP, PORT);
                nodes.wait(Place::Primary, LIMIT);
                nodes.wait(Place::Standby, LIMIT);
            }
        }
    }
}

fn report(samples: &[Vec<Sample>], round_trip: f64) {
    println!(
        "\nRedis, its nodes and the client in namespaces of one machine; a bare round trip between the nodes takes {round_trip:.0} µs\n"
    );
    println!(
        "| load | | p50 | p99 | requests/s | CPU/request | link/request | replay lag p50, p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (load, (conns, request, ..)) in LOADS.into_iter().enumerate() {
        let of = |way: Way| &samples[load * WAYS.len() + way as usize];
        let middle = |way: Way, value: &dyn Fn(&Sample) -> f64| {
            client::percentile(&mut of(way).iter().map(value).collect::<Vec<_>>(), 50)
        };
        for way in WAYS {
            let cpu = middle(way, &|one| one.cpu_us);
            let base = middle(Way::Recorded, &|one| one.cpu_us);
            let link = middle(way, &|one| one.link.unwrap_or(f64::NAN));
            let inbound = request.bytes();
            let link = if link.is_nan() {
                String::new()
            } else {
                format!(
                    "{link:.0} B of {inbound:.0} ({:.0} with TCP headers), {:+.0} to 1.2 × + 64",
                    inbound + TCP_HEADER_BYTES,
                    link - 1.2 * inbound - 64.0
                )
            };
            let lag =
                |at: fn(&Lag) -> f64| middle(way, &|one| one.lag.as_ref().map_or(f64::NAN, at));
            let (lag50, lag99) = (lag(|lag| lag.p50_ms), lag(|lag| lag.p99_ms));
            let lag = if lag50.is_nan() {
                String::new()
            } else {
                format!("{lag50:.0} ms, {lag99:.0} ms")
            };
            println!(
                "| {request:?}, {conns} connections | {way:?} | {:.0} µs | {:.0} µs | {:.0} | {cpu:.1} µs, × {:.2} | {link} | {lag} |",
                middle(way, &|one| one.answers.p50_us),
                middle(way, &|one| one.answers.p99_us),
                middle(way, &|one| one.answers.per_second),
                cpu / base,
            );
        }
        let added = middle(Way::Protected, &|one| one.answers.p50_us)
            - middle(Way::Recorded, &|one| one.answers.p50_us);
        println!("| | added to recorded | {added:+.0} µs | | | | | |");
    }
}
