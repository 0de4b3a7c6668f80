//! Bytes that events refer to come out of the reader as if they had been stored with them, or
//! there is an error.

use crate::common;

use common::one_frame_each;
use journal::{
    Bytes, ConnId, Effect, Event, GateEvent, Leave, Out, ReadError, Reader, Span, WriterOptions,
};
use proptest::prelude::*;

/// What an application does with a connection.
#[derive(Debug, Clone)]
enum Step {
    /// So many bytes come in.
    Comes(usize),
    /// It reads so many, into buffers of this size.
    Reads(usize, usize),
    /// It looks at so many.
    Peeks(usize),
    /// It takes so many without having them in memory, or they are stored.
    Takes(usize),
}

fn step() -> impl Strategy<Value = (u32, Step)> {
    let step = prop_oneof![
        (0usize..3000).prop_map(Step::Comes),
        (1usize..3000, 1usize..2000).prop_map(|(len, size)| Step::Reads(len, size)),
        (1usize..3000).prop_map(Step::Peeks),
        (1usize..3000).prop_map(Step::Takes),
    ];
    (0u32..3, step)
}

fn leave(outs: Vec<Out<'static>>, effects: Vec<Effect<'static>>) -> Event<'static> {
    Event::Leave(Leave {
        result: 0,
        outs,
        effects,
    })
}

fn payload(conn: u32, data: &[u8]) -> Event<'static> {
    Event::Gate(GateEvent::Payload {
        conn: ConnId(conn),
        acked: 0,
        data: Bytes::from(data.to_vec()),
    })
}

fn received(conn: u32, position: u64, taken: u64, spans: Vec<Span>) -> Effect<'static> {
    Effect::Received {
        conn: ConnId(conn),
        position,
        taken,
        spans,
    }
}

/// What is written for these steps, and what must be read.
fn journal_of(steps: &[(u32, Step)]) -> (Vec<Event<'static>>, Vec<Event<'static>>) {
    let mut streams = vec![(0usize, Vec::<u8>::new()); 3];
    let (mut written, mut read) = (Vec::new(), Vec::new());
    let mut next = 0u8;
    for (conn, step) in steps {
        let (start, bytes) = &mut streams[*conn as usize];
        let position = *start as u64;
        let unread = bytes.len() - *start;
        if unread == 0 && !matches!(step, Step::Comes(_)) {
            continue;
        }
        let (spans, taken) = match *step {
            Step::Comes(len) => {
                let data: Vec<u8> = (0..len)
                    .map(|_| {
                        next = next.wrapping_mul(5).wrapping_add(77);
                        next
                    })
                    .collect();
                bytes.extend(&data);
                written.push(payload(*conn, &data));
                read.push(payload(*conn, &data));
                continue;
            }
            Step::Reads(len, size) => {
                let len = len.min(unread);
                let spans = (0..len)
                    .step_by(size)
                    .map(|at| (at as u64, size.min(len - at) as u64));
                let spans = spans.map(|(at, len)| Span {
                    addr: 0x10_0000 + at * 2,
                    len,
                });
                (spans.collect(), len)
            }
            Step::Peeks(len) => {
                let len = len.min(unread) as u64;
                (vec![Span { addr: 7, len }], 0)
            }
            Step::Takes(len) => (Vec::new(), len.min(unread)),
        };
        let effect = received(*conn, position, taken as u64, spans.clone());
        written.push(leave(Vec::new(), vec![effect.clone()]));
        let mut at = *start;
        let outs = spans.iter().map(|span| {
            let end = at + usize::try_from(span.len).expect("small");
            let data = bytes[at..end].to_vec().into();
            at = end;
            Out {
                addr: span.addr,
                data,
            }
        });
        read.push(leave(outs.collect(), vec![effect]));
        *start += taken;
    }
    (written, read)
}

proptest! {
    #[test]
    fn what_is_referred_to_is_read(
        steps in prop::collection::vec(step(), 0..60),
        compress: bool,
        segment_bytes_max in 1u64..20_000,
    ) {
        let (written, read) = journal_of(&steps);
        let options = WriterOptions { compress, ..one_frame_each(segment_bytes_max) };
        let segments = common::segments(options, &written);
        let (count, tail) = common::read_and_compare(&segments, &read);
        prop_assert!(tail.is_ok(), "{tail:?}");
        prop_assert_eq!(count, read.len());
    }
}

fn fails(events: &[Event<'_>]) {
    let segments = common::segments(one_frame_each(u64::MAX), events);
    let mut reader = Reader::from_segments(segments).expect("readable");
    for _ in 1..events.len() {
        assert!(reader.next().expect("good so far").is_some());
    }
    let error = reader.next().expect_err("refers to nothing");
    assert!(matches!(error, ReadError::Corrupt { .. }), "{error}");
    assert!(
        error.to_string().contains("of connection 1 from"),
        "{error}"
    );
}

#[test]
fn references_to_nothing_are_errors() {
    let span = |len| vec![Span { addr: 1, len }];
    let refers =
        |position, taken, spans| leave(Vec::new(), vec![received(1, position, taken, spans)]);
    fails(&[refers(0, 0, span(1))]);
    fails(&[refers(0, 1, Vec::new())]);
    let ten = || payload(1, &[1; 10]);
    fails(&[ten(), refers(0, 0, span(11))]);
    fails(&[ten(), refers(0, 11, Vec::new())]);
    fails(&[ten(), refers(10, 0, span(1))]);
    fails(&[ten(), refers(u64::MAX, 0, span(1))]);
    fails(&[ten(), refers(u64::MAX, u64::MAX, Vec::new())]);
    fails(&[ten(), refers(0, 0, span(u64::MAX))]);
    fails(&[ten(), refers(0, 5, span(5)), refers(4, 1, span(1))]);
    let released = Event::Gate(GateEvent::Released(ConnId(1)));
    fails(&[ten(), released, refers(0, 1, span(1))]);
}

#[test]
fn a_record_never_becomes_larger_than_records_may() {
    let many = vec![Span { addr: 0, len: 0 }; 10];
    let large = payload(1, &vec![7; 20 << 20]);
    let all = Span {
        addr: 0,
        len: 20 << 20,
    };
    let twice = vec![received(1, 0, 0, many), received(1, 0, 0, vec![all; 2])];
    fails(&[large, leave(Vec::new(), twice)]);
}
