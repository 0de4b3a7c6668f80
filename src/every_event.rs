//! Tests: whatever a journal says, in whatever order, every command has an answer.

use crate::cli::EventKind;
use crate::describe::{self, Describer, Owner};
use crate::event_json::{self, Line};
use crate::order::Order;
use crate::processes::Processes;
use crate::{output, stat};
use clap::ValueEnum;
use journal::{Event, EventIndex, Reader};
use std::collections::BTreeSet;

/// A journal with every kind of event and effect, which no program has ever caused.
fn samples() -> Reader {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/journal/tests/data/v2.ftj");
    let bytes = std::fs::read(path).expect("the journal crate's sample");
    Reader::from_segments(vec![bytes]).expect("a readable journal")
}

/// Everything that takes events one by one.
struct All {
    describer: Describer,
    owner: Owner,
    order: Order,
    processes: Processes,
    counts: stat::Counts,
    index: u64,
    kinds: BTreeSet<EventKind>,
}

impl All {
    fn new() -> Self {
        Self {
            describer: Describer::new(),
            owner: Owner::default(),
            order: Order::default(),
            processes: Processes::new(0),
            counts: stat::Counts::new(0),
            index: 0,
            kinds: BTreeSet::new(),
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        let text = self.describer.describe(EventIndex(self.index), event);
        assert!(!output::shown(&text).contains('\n'), "{text}");
        let line = Line {
            index: self.index,
            thread: self.owner.of(event).map(|tid| tid.0),
            kind: describe::kind(event),
            text: &text,
            detail: event_json::detail(event),
        };
        let json = serde_json::to_value(&line).expect("JSON");
        let fields = json.as_object().expect("an object").len();
        assert_eq!(fields, 5 + line.detail.len(), "a name twice: {json}");
        self.order.event(event);
        self.processes.event(event);
        self.counts.event(event, 1);
        self.kinds.insert(line.kind);
        self.index += 1;
    }
}

#[test]
fn every_event_has_an_answer() {
    let mut all = All::new();
    let mut reader = samples();
    while let Some((_, event)) = reader.next().expect("a whole journal") {
        all.event(&event);
    }
    let missing: Vec<EventKind> = EventKind::value_variants()
        .iter()
        .copied()
        .filter(|kind| !all.kinds.contains(kind))
        .collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");
}

/// Each event alone, each after each other one, and all of them several times over.
#[test]
fn order_does_not_matter() {
    let count = {
        let mut reader = samples();
        while reader.next().expect("a whole journal").is_some() {}
        reader.position().0
    };
    let one = |all: &mut All, wanted: u64| {
        let mut reader = samples();
        while let Some((index, event)) = reader.next().expect("a whole journal") {
            if index.0 == wanted {
                all.event(&event);
            }
        }
    };
    for first in 0..count {
        let mut all = All::new();
        for second in 0..count {
            one(&mut all, first);
            one(&mut all, second);
        }
    }
}
