//! Recording: runs a program, serialised onto one logical CPU, and journals everything
//! nondeterministic that reaches it.

mod adopt;
mod advice;
mod affinity;
mod agents;
mod apart;
mod changes;
mod claimed;
mod clocks;
mod counter;
mod counting;
mod cut_short;
mod descriptors;
mod doubt;
mod error;
mod exec;
mod futexes;
mod guards;
mod identities;
mod in_flight;
mod journal_out;
mod kills;
mod looked_at;
mod looks;
mod memory;
mod onward;
mod prctl;
mod received;
mod schedule;
mod serving;
mod session;
mod settle;
mod shared;
mod signals;
mod sockets;
mod supervise;
mod syscalls;
mod task;
mod threads;
mod traps;
mod tree;
mod unnoticed;
mod vsyscall;
mod watch;

pub(crate) use adopt::go_on;
pub use error::RecordError;
pub use journal_out::OnJournalError;
pub use memory::OutsideMemory;
pub use schedule::Rules;
pub use serving::{LeftSite, Served};
pub(crate) use sockets::address as inet_address;
pub use supervise::Notice;
pub use syscalls::{RESTART_LAST, is_error, is_restart, may_be_partial, number};
pub use tree::{Keep, Tree};

use crate::arrears::Arrears;
use crate::counting::Counting;
use crate::namespaces::{self, Namespaces, Plan};
use crate::network::{Attach, Ground};
use crate::sys::host::{self, CpuSet};
use crate::sys::{fork, tick::Tick, tsc, wait::Pid};
use crate::{launch, machine};
use error::Stumble;
use journal::{Event, FileStore, Header, Pool, Start, Tid, Writer, WriterOptions};
use journal_out::Output;
use memory::Memories;
use session::Session;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// When the agent serves syscalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Agent {
    /// Never: every one stops.
    #[default]
    Never,
    /// In programs that make enough of them, at sites that are met again.
    WhenItPays,
    /// In every program, from the first call on that it can serve.
    AtOnce,
}

/// How to record.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of the recording; it exists and is empty.
    pub dir: PathBuf,
    /// Directory of recordings with which this one shares kept content.
    pub shares_with: Option<PathBuf>,
    /// When the journal can no longer be written.
    pub on_journal_error: OnJournalError,
    /// Memory that processes outside the recording can write.
    pub outside_memory: OutsideMemory,
    /// CPUs that the application would have had.
    pub affinity: CpuSet,
    /// How long an event may wait to be written, in milliseconds.
    pub flush_ms: u64,
    /// See [`WriterOptions::events_max`].
    pub events_max: Option<u64>,
    /// Device and inode of what the standard output and error lead to.
    pub standard_streams: Vec<(u64, u64)>,
    /// Namespaces of its own for the application.
    pub isolate: Option<Plan>,
    /// Whether hot syscalls may be served inside the application, without a stop.
    pub agent: Agent,
    /// How conditional branches are counted, so that threads can be stopped between sync points.
    pub counting: Counting,
    /// How threads take turns. By chance only those that are counted do.
    pub rules: Rules,
    /// Directory trees that a standby is to have as they are at the start.
    pub trees: Vec<Tree>,
}

impl Options {
    /// The defaults, for this process's standard streams and CPUs.
    pub fn new(dir: PathBuf) -> Result<Self, RecordError> {
        Ok(Self {
            dir,
            shares_with: None,
            on_journal_error: OnJournalError::Stop,
            flush_ms: WriterOptions::default().flush_ms,
            events_max: None,
            outside_memory: OutsideMemory::Refuse,
            affinity: host::affinity().map_err(RecordError::os("reading the CPU affinity"))?,
            standard_streams: [1, 2].into_iter().filter_map(host::identity).collect(),
            isolate: None,
            agent: Agent::WhenItPays,
            counting: Counting::Adaptive,
            rules: Rules::default(),
            trees: Vec::new(),
        })
    }
}

/// What became of a recording.
#[derive(Debug)]
pub struct Outcome {
    /// Wait status of the first process.
    pub status: i32,
    /// The journal, if it could be written to the end.
    pub summary: Option<journal::Summary>,
    /// Why not.
    pub lost: Option<journal::WriteError>,
    /// What did not have to stop, and why the rest had to.
    pub served: Served,
}

/// Records `argv` until its last process has ended. `notice` is told what people should
/// know meanwhile.
pub fn record(
    options: Options,
    argv: &[OsString],
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
) -> Result<Outcome, RecordError> {
    record_with(options, argv, notice, Box::new(|_| Ok(None)))
}

/// The same, with a way to the network of its own: `attach` is called when the journal and the
/// namespaces are there, and the application is not.
pub fn record_with(
    options: Options,
    argv: &[OsString],
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
    attach: Attach,
) -> Result<Outcome, RecordError> {
    let name = argv
        .first()
        .ok_or_else(|| RecordError::NotFound(String::new()))?;
    let path = launch::find(name)?;
    launch::check(&path)?;
    let (cpu, writer_cpu) = choose_cpus(&options.affinity);
    let header = Header {
        format_version: journal::FORMAT_VERSION,
        ftrun_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_unix_ns: journal_out::unix_ns(),
        machine: machine::describe(Some(cpu)),
    };
    let mut store = FileStore::create(&options.dir).map_err(|error| RecordError::Keep {
        path: options.dir.display().to_string(),
        error: error.to_string(),
    })?;
    // Without it, everything is kept as it is.
    if let Some(pool) = (options.shares_with.as_deref()).and_then(|base| Pool::open(base).ok()) {
        store.share(pool);
    }
    let writer_options = WriterOptions {
        writer_cpu,
        flush_ms: options.flush_ms,
        events_max: options.events_max,
        ..WriterOptions::default()
    };
    let writer = Writer::create(&options.dir, &header, writer_options)?;
    let appender = writer.appender();
    let mut out = Output::new(writer, options.on_journal_error);

    let envp: Vec<Vec<u8>> = std::env::vars_os()
        .map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat())
        .collect();
    let supervision = supervise::Supervision::begin(notice);
    host::set_affinity(&[cpu]).map_err(RecordError::os("choosing a CPU"))?;
    let mut program = fork::Program::new(
        &path,
        argv.iter().map(|arg| arg.as_bytes()),
        envp.iter().map(Vec::as_slice),
    )
    .map_err(RecordError::os("preparing the program"))?;
    program.signal_mask = supervision.original_mask();
    let namespaces = options
        .isolate
        .as_ref()
        .map(Namespaces::create)
        .transpose()?;
    let arrears = Arrears::default();
    let ground = Ground {
        dir: &options.dir,
        appender,
        brake: out.brake(),
        arrears: arrears.clone(),
        namespaces: namespaces.as_ref(),
    };
    let network = host::off_cpu(cpu, &options.affinity, || attach(ground))
        .map_err(RecordError::os("choosing a CPU"))??;
    // In a process group from outside it would not know its own by any number. Where a terminal
    // controls it, that is the lesser evil.
    program.own_session = namespaces.is_some() && !host::has_terminal();
    // A seed is to find the same program again.
    program.fixed_layout = options.rules.chaos.is_some();
    let _restricted =
        tsc::Restricted::begin().map_err(RecordError::os("restricting the time stamp counter"))?;
    let first = fork::spawn(&program, namespaces.as_ref())
        .map_err(RecordError::os("starting the program"))?;
    let first_id = match &namespaces {
        Some(_) => namespaces::inner_of(first).map_err(RecordError::os("starting the program"))?,
        None => Tid(first.0),
    };
    host::raise_descriptor_limit();
    supervision.forward_to(first);
    let mut memories = Memories::new(store, options.outside_memory);
    start_event(&mut out, (first, first_id), &path, argv, &envp)?;
    tree::describe(&options.trees, &options.dir, &mut out, &mut memories)?;
    let watch = supervision.watch();
    let tick = Tick::new(options.rules.tick()).map_err(RecordError::os("making a timer"))?;
    let mut session = Session::new(options, (first, first_id), out, memories, watch, tick);
    session.cpu = cpu;
    // What is served is not counted.
    session.serving.when = match session.options.counting {
        Counting::Never | Counting::Adaptive => session.options.agent,
        Counting::Software | Counting::Stepped => Agent::Never,
    };
    session.network = network;
    session.arrears = arrears;
    if let Some(namespaces) = &namespaces {
        session.isolated = true;
        session.clocks = namespaces.clocks();
    }
    session.first_descriptors(first);
    crate::sys::aside::ask_for_short_slices();
    let ran = session.start().map_err(|stumble| match stumble {
        Stumble::Fatal(error) => error,
        Stumble::Gone => RecordError::NotExecutable {
            path: path.display().to_string(),
            reason: "killed before it started".to_owned(),
        },
    });
    let ran = ran.and_then(|()| session.run());
    let outcome = finish(session, ran);
    if let Some(namespaces) = namespaces {
        namespaces.end();
    }
    outcome
}

fn finish(mut session: Session, ran: Result<(), RecordError>) -> Result<Outcome, RecordError> {
    match ran {
        Ok(()) => {
            session.arrears.end();
            let status = session.first_status.unwrap_or(0);
            let lost = session.out.take_loss();
            let served = session.serving.served();
            let summary = session.out.finish(status)?;
            Ok(Outcome {
                status,
                summary,
                lost,
                served,
            })
        }
        Err(error) => {
            session.kill_all();
            // The reason is worth keeping, if that is still possible.
            let _ = session.out.note(&format!("recording ended: {error}"));
            let _ = session.out.abandon();
            Err(error)
        }
    }
}

fn start_event(
    out: &mut Output,
    (first, first_id): (Pid, Tid),
    path: &std::path::Path,
    argv: &[OsString],
    envp: &[Vec<u8>],
) -> Result<(), RecordError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let cwd = std::env::current_dir().unwrap_or_default();
    let start = Start {
        tid: first_id,
        program: absolute.as_os_str().as_bytes().into(),
        argv: argv.iter().map(|arg| arg.as_bytes().into()).collect(),
        envp: envp.iter().map(|var| var.as_slice().into()).collect(),
        cwd: cwd.as_os_str().as_bytes().into(),
        stack_limit: host::stack_limit(first)
            .map_err(RecordError::os("reading the stack limit"))?
            .0,
    };
    out.emit(first_id, &Event::Start(start))
}

/// A CPU for the tracer and the application, and another one, if there is one, for the
/// journal. Recordings side by side spread over the machine.
fn choose_cpus(affinity: &CpuSet) -> (usize, Option<usize>) {
    let cpus = affinity.cpus();
    let count = cpus.len().max(1);
    let index = usize::try_from(std::process::id()).unwrap_or(0) % count;
    let cpu = cpus.get(index).copied().unwrap_or(0);
    let other = (count > 1).then(|| cpus[(index + 1) % count]);
    (cpu, other)
}
