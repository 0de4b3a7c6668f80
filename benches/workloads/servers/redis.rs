//! Redis under its own load generator.

use crate::common::{Scratch, free_port, native, program};
use crate::measure::Runner;

use super::{LIMIT, Load, Server};

pub struct Redis {
    runner: Runner,
    port: u16,
    pipeline: u32,
    /// Requests of each kind in a small and in a large load.
    counts: (u32, u32),
}

impl Redis {
    pub fn prepare(
        scratch: &Scratch,
        pipeline: u32,
        counts: (u32, u32),
    ) -> (String, Box<dyn Server>) {
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
