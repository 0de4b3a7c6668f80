//! The demo's sample server: a thread for each connection, a count for each, one for all, and a log
//! that every request is appended to. It knows nothing of ftrun.

use super::protocol::{LINE_BYTES_MAX, Ledger, STOP, log_line};
use anyhow::Context;
use clap::Args;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Where it listens.
pub const PORT: u16 = 7000;
const STACK_BYTES: usize = 128 << 10;

/// Options of `demo-server`.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// What to append requests to
    #[arg(value_name = "FILE")]
    log: PathBuf,
}

/// What all connections share.
struct Shared {
    total: u64,
    log: File,
}

/// Serves until it is told to end.
pub fn run(args: &ServerArgs) -> anyhow::Result<ExitCode> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&args.log)
        .with_context(|| format!("cannot open {}", args.log.display()))?;
    let shared = Arc::new(Mutex::new(Shared { total: 0, log }));
    let listener =
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("cannot listen for clients")?;
    loop {
        let (stream, _) = listener.accept().context("cannot accept a connection")?;
        let shared = Arc::clone(&shared);
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            // A connection that fails is its client's affair.
            .spawn(move || drop(serve(&stream, &shared)))
            .context("cannot start a thread")?;
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream);
    let mut ledger = Ledger::default();
    let mut request = String::new();
    loop {
        request.clear();
        let limit = LINE_BYTES_MAX as u64;
        requests.by_ref().take(limit).read_line(&mut request)?;
        if request == STOP {
            std::process::exit(0);
        }
        if !request.ends_with('\n') {
            return Ok(());
        }
        ledger.enter(&request);
        let total = {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.total += 1;
            let line = log_line(shared.total, &request);
            shared.log.write_all(line.as_bytes())?;
            shared.total
        };
        let mut out = stream;
        out.write_all(ledger.answer(total, &request).as_bytes())?;
    }
}
