//! What recording may cost: the aims that the report puts beside what it found.

/// Ratios of recorded to native.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// Jobs: time. Servers: CPU time for a request. Loops: CPU time for an operation.
    pub cost_max: Option<f64>,
    /// The same where branches are counted in software.
    pub software_max: Option<f64>,
    /// Servers: requests a second.
    pub throughput_min: Option<f64>,
}

/// The aim for a workload; one without any is there to be looked at.
pub fn of(name: &str) -> Target {
    let (cost_max, throughput_min) = match name {
        "redis" => (Some(1.20), Some(0.92)),
        "redis-pipeline" => (Some(1.6), None),
        "nginx" => (Some(1.20), Some(0.90)),
        "memcached" => (Some(1.25), None),
        "pgbench" => (Some(1.5), None),
        "cp" => (Some(1.5), None),
        "make" => (Some(2.5), None),
        "python" => (Some(1.6), None),
        "quicksort" => (Some(1.03), None),
        "clock" => (Some(2.5), None),
        "getpid" => (Some(1.6), None),
        _ => (None, None),
    };
    Target {
        cost_max,
        software_max: crate::jobs::is_counted(name).then_some(3.0),
        throughput_min,
    }
}
