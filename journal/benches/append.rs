//! How fast events are appended and read, checksums included, on one core: the writing
//! thread shares it with the appending one. What is measured is the CPU time of both, which
//! on one core is all the time there is; other programs do not count.

#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]
#![allow(missing_docs, reason = "criterion makes public functions without")]

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use journal::{
    Args, Bytes, Enter, Event, Header, Leave, Machine, MemoryStorage, Out, Reader, Tid, Writer,
    WriterOptions,
};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use pmu::{Counter, Position, Rcb, Signature, SyncIndex};
use std::hint::black_box;
use std::time::Duration;

/// User and system time of this process.
struct CpuTime;

fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it always can be asked");
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn header() -> Header {
    Header {
        format_version: journal::FORMAT_VERSION,
        ftrun_version: "bench".into(),
        created_unix_ns: 0,
        machine: Machine {
            kernel: String::new(),
            cpu_vendor: String::new(),
            cpu_family: 0,
            cpu_model: 0,
            cpu_name: String::new(),
            features: Vec::new(),
            xsave_size: 0,
            xcr0: 0,
            page_size: 4096,
            cpus: 1,
            pinned_cpu: None,
            counter: Counter::SyncPoint,
        },
    }
}

fn one_core() {
    let allowed = nix::sched::sched_getaffinity(Pid::from_raw(0)).expect("affinity can be read");
    let last = (0..CpuSet::count())
        .rfind(|&cpu| allowed.is_set(cpu).unwrap_or(false))
        .expect("some CPU");
    let mut set = CpuSet::new();
    set.set(last).expect("the CPU exists");
    sched_setaffinity(Pid::from_raw(0), &set).expect("affinity can be set");
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn text(len: usize) -> Vec<u8> {
    let line = |number: usize| format!("GET /item/{number} HTTP/1.1\r\nHost: example.org\r\n\r\n");
    (0..)
        .flat_map(|number| line(number).into_bytes())
        .take(len)
        .collect()
}

/// Ten bytes without the length: the size of a typical internal event.
fn ten_bytes(number: u64) -> Event<'static> {
    let time = (1 << 62) + number;
    Event::Time(time)
}

fn preempt(number: u64) -> Event<'static> {
    let signature = Signature(0x9abc_def0u32.wrapping_mul(number as u32 | 1));
    let at = Position {
        sync: SyncIndex(number),
        rcb: Rcb(5000),
        ip: 0x5555_5555_1234,
        signature,
        counter: Counter::Hardware,
    };
    Event::Preempt(at)
}

fn syscall(number: u64) -> Event<'static> {
    let args = Args::new([3, 0x7fff_ffff_e000 + number, 64, 0, 0, 0], 3);
    let enter = Enter {
        nr: 0,
        args,
        ip: 0x7fff_f7d1_4992,
        signature: Signature(0x9abc_def0),
        ins: Vec::new(),
    };
    Event::Syscall(
        enter,
        Leave {
            result: 64,
            outs: Vec::new(),
            effects: Vec::new(),
        },
    )
}

fn data(bytes: &[u8]) -> Event<'_> {
    Event::Data(Out {
        addr: 0x7fff_ffff_e000,
        data: Bytes::from(bytes),
    })
}

fn appends<'e>(
    c: &mut Criterion<CpuTime>,
    name: &str,
    count: u64,
    bytes: Option<u64>,
    event: impl Fn(u64) -> Event<'e>,
) {
    let mut group = c.benchmark_group("append");
    group.throughput(bytes.map_or(Throughput::Elements(count), |bytes| {
        Throughput::Bytes(count * bytes)
    }));
    let storage = MemoryStorage::new().keeping_last_only();
    let mut writer =
        Writer::create_on(Box::new(storage), &header(), WriterOptions::default()).expect("memory");
    group.bench_function(name, |b| {
        b.iter(|| {
            for number in 0..count {
                writer.append(black_box(&event(number))).expect("memory");
            }
            writer.flush().expect("memory");
        });
    });
    writer.finish().expect("memory");
}

fn reads<'e>(
    c: &mut Criterion<CpuTime>,
    name: &str,
    count: u64,
    bytes: Option<u64>,
    event: impl Fn(u64) -> Event<'e>,
) {
    let storage = MemoryStorage::new();
    let mut writer = Writer::create_on(
        Box::new(storage.clone()),
        &header(),
        WriterOptions::default(),
    )
    .expect("memory");
    for number in 0..count {
        writer.append(&event(number)).expect("memory");
    }
    writer.finish().expect("memory");
    let mut group = c.benchmark_group("read");
    group.throughput(bytes.map_or(Throughput::Elements(count), |bytes| {
        Throughput::Bytes(count * bytes)
    }));
    group.bench_function(name, |b| {
        let reader = || Reader::from_segments(storage.segments()).expect("whole");
        b.iter_batched(
            reader,
            |mut reader| {
                while let Some(event) = reader.next().expect("whole") {
                    black_box(event);
                }
            },
            BatchSize::LargeInput,
        );
    });
}

fn benches(c: &mut Criterion<CpuTime>) {
    one_core();
    let (noise, text) = (noise(10_000), text(10_000));
    appends(c, "10 B", 1_000_000, None, ten_bytes);
    appends(c, "switch", 1_000_000, None, |number| {
        Event::Switch(Tid(1000 + (number & 7) as i32))
    });
    appends(c, "preempt", 1_000_000, None, preempt);
    appends(c, "syscall without data", 1_000_000, None, syscall);
    appends(c, "10 KB noise", 10_000, Some(10_000), |_| data(&noise));
    appends(c, "10 KB text", 10_000, Some(10_000), |_| data(&text));
    reads(c, "10 B", 1_000_000, None, ten_bytes);
    reads(c, "syscall without data", 1_000_000, None, syscall);
    reads(c, "10 KB noise", 10_000, Some(10_000), |_| data(&noise));
    reads(c, "10 KB text", 10_000, Some(10_000), |_| data(&text));
}

criterion_group! {
    name = append;
    config = Criterion::default().with_measurement(CpuTime).sample_size(10)
        .measurement_time(Duration::from_secs(3));
    targets = benches
}
criterion_main!(append);
