//! The end of the primary at every event of a conversation: what the standby has is what it goes
//! on with, whatever that is.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{Event, Reader};

use super::common::{build_c, journaled};
use super::*;

const PORT: u16 = 7000;
const REQUEST: usize = 16;

/// One end of the conversation, which knows what the answers must be.
struct Talk {
    stream: TcpStream,
    hash: u64,
    answered: u32,
}

fn add(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

impl Talk {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            hash: 0,
            answered: 0,
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is there");
    }

    /// Reads the answer to a request; it is kept in `file`, too.
    fn hear(&mut self, request: &[u8], file: &mut Vec<u8>, said: &dyn Fn() -> String) {
        self.hash = add(self.hash, request);
        self.answered += 1;
        let expected = format!("{:016x}{:08x}", self.hash, self.answered);
        let mut found = vec![0; expected.len()];
        let read = self.stream.read_exact(&mut found);
        read.unwrap_or_else(|error| panic!("answer {}: {error}\n{}", self.answered, said()));
        assert_eq!(String::from_utf8_lossy(&found), expected, "{}", said());
        file.extend(found);
    }

    fn hear_end(&mut self, said: &dyn Fn() -> String) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        read.unwrap_or_else(|error| panic!("the end: {error}\n{}", said()));
        assert!(rest.is_empty(), "{} bytes too much\n{}", rest.len(), said());
    }
}

fn request(number: u8) -> [u8; REQUEST] {
    std::array::from_fn(|at| b'a' + (number * 7 + u8::try_from(at).expect("small")) % 26)
}

/// The conversation; what the server must say of it at its end.
#[track_caller]
fn talk(nodes: &Nodes<'_>) -> String {
    let said = || nodes.said();
    let mut file = Vec::new();
    let mut one = Talk::new(nodes.connect(PORT));
    one.say(&request(0));
    one.hear(&request(0), &mut file, &said);
    // A request in two pieces, and meanwhile somebody else.
    one.say(&request(1)[..5]);
    let mut other = Talk::new(nodes.connect(PORT));
    other.say(&[request(2), request(3)].concat());
    other.hear(&request(2), &mut file, &said);
    other.hear(&request(3), &mut file, &said);
    one.say(&request(1)[5..]);
    one.hear(&request(1), &mut file, &said);
    // The last request comes with the end of what is said.
    other.say(&request(4));
    other.stream.shutdown(Shutdown::Write).expect("it is there");
    other.hear(&request(4), &mut file, &said);
    other.hear_end(&said);
    drop(one);
    format!("{} {:016x}\n", file.len(), add(0, &file))
}

/// Both nodes, with the server listening.
#[track_caller]
fn listening<'a>(scratch: &'a Scratch, program: &Path, plan: Plan) -> Nodes<'a> {
    let program = program.to_str().expect("a path");
    let mut nodes = Nodes::start_to_die(scratch, plan, &[program]);
    // Marks of time are events: a run that is slow may be over here already, and the other node shows it.
    wait_until("listener", END_LIMIT, || {
        let places = [Place::Primary, Place::Standby];
        places
            .map(|place| nodes.shown(place))
            .contains(&"listening\n".to_owned())
    });
    nodes
}

/// A primary that ends once the standby has `events` events, or when the application does: which
/// of the two.
#[track_caller]
fn dies_after(program: &Path, events: u64) -> bool {
    let scratch = Scratch::new("protected-every");
    let plan = Plan {
        primary: vec!["--die-after".to_owned(), events.to_string()],
        ..Plan::default()
    };
    let mut nodes = listening(&scratch, program, plan);
    let expected = talk(&nodes);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    let standby = nodes.wait(Place::Standby, END_LIMIT);
    let both = || format!("after {events} events:\n--- primary: {primary}\n--- standby: {standby}");
    let killed = primary.exit == Exit::Signal(libc::SIGKILL);
    assert!(killed || primary.exit == Exit::Code(0), "{}", both());
    assert_eq!(standby.exit, Exit::Code(0), "{}", both());
    let shown = primary.out() + &standby.out();
    // What was being written when the primary died is written again.
    let lines: BTreeSet<&str> = shown.lines().collect();
    assert_eq!(
        lines,
        BTreeSet::from(["listening", expected.trim_end()]),
        "{}",
        both()
    );
    nodes.assert_one_active();
    drop(nodes);
    scratch.assert_no_process_left();
    killed
}

/// How many events there are from one on that every run has: how many marks of time, depends on how
/// fast it is.
fn other_than_marks(recording: &Path, from: u64) -> u64 {
    let mut reader = Reader::open(recording).expect("a journal");
    let mut found = 0;
    while let Some((index, event)) = reader.next().expect("a whole journal") {
        found += u64::from(index.0 >= from && !matches!(event, Event::Time(_)));
    }
    found
}

#[test]
fn primary_ends_at_every_event_of_a_conversation() {
    /// As many at once as make the most of two CPUs: they mostly wait.
    const AT_ONCE: usize = 3;
    let _turn = heavy();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/conversation.c");
    let program = build_c(&source, &["-static"], &[]);
    // Once undisturbed: where the conversation begins and ends.
    let scratch = Scratch::new("protected-whole");
    let mut nodes = listening(&scratch, &program, Plan::default());
    let appended = || {
        let status = nodes.status(Place::Primary).expect("it runs");
        status["appended"].as_u64().expect("a number")
    };
    // That the server waits for somebody is an event, too, and one that comes a moment later.
    let mut begin = appended();
    wait_until("server that waits", END_LIMIT, || {
        std::thread::sleep(Duration::from_millis(200));
        std::mem::replace(&mut begin, appended()) == begin
    });
    let expected = talk(&nodes);
    let primary = nodes.wait(Place::Primary, END_LIMIT);
    primary.expect_code(0);
    assert_eq!(primary.out(), format!("listening\n{expected}"));
    nodes.wait(Place::Standby, END_LIMIT).expect_code(0);
    let recording = nodes.dir(Place::Primary);
    let end = journaled(&recording).count;
    let all = other_than_marks(&recording, begin);
    drop(nodes);

    let (next, killed) = (AtomicU64::new(begin + 1), AtomicU64::new(0));
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let events = next.fetch_add(1, Ordering::Relaxed);
                    if events > end {
                        break;
                    }
                    let done = std::panic::catch_unwind(|| dies_after(&program, events));
                    match done {
                        Ok(died) => {
                            killed.fetch_add(u64::from(died), Ordering::Relaxed);
                        }
                        Err(_) => {
                            wrong.lock().expect("nobody panics with it").push(events);
                            next.store(end + 1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics with it");
    assert!(
        wrong.is_empty(),
        "wrong after {wrong:?} of {begin} to {end} events"
    );
    let killed = killed.into_inner();
    // Runs differ by a few events: how often one waits.
    assert!(killed * 10 >= all * 9, "{killed} of {all} events reached");
    eprintln!("the primary ended at {killed} events, of {all} or more");
}
