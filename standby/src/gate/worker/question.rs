//! Which packets may have been led to by what the journal does not have yet, and when it is asked for.

use super::outbound::is_awaited;
use super::outlet::Outlet;
use journal::Appender;
use std::time::{Duration, Instant};
use tracer::arrears::Arrears;

/// From one question to the next: the application is interrupted for each.
const PAUSE: Duration = Duration::from_micros(150);
/// How long the gate looks whether the application comes to rest by itself, if it did the last time: to be
/// woken later takes longer.
const LOOK: Duration = Duration::from_micros(15);
/// When a question is repeated that has not been answered. The recorder misses few, and may be busy.
const PATIENCE: Duration = Duration::from_millis(1);

/// What was asked.
#[derive(Debug)]
pub(super) struct Question {
    arrears: Arrears,
    /// The number of the last one.
    asked: u64,
    /// When the next one may be asked.
    next_at: Option<Instant>,
    /// The application came to rest by itself when something was sent last.
    rests: bool,
    /// When something is to be done even if nothing comes.
    due: Option<Instant>,
}

impl Question {
    pub const fn new(arrears: Arrears) -> Self {
        Self {
            arrears,
            asked: 0,
            next_at: None,
            rests: false,
            due: None,
        }
    }

    /// Whether the application has ended: its kernel has some last words, but nothing happens any more
    /// that a journal would have to have.
    pub fn is_over(&self) -> bool {
        self.arrears.are_over()
    }

    /// The question whose answer a packet has to wait for that has just come, if any.
    pub fn for_packet(&self) -> Option<u64> {
        self.arrears.may_be().then_some(self.asked + 1)
    }

    /// When something is to be done even if nothing comes.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Gives packets their labels for which the answer is there, and asks for the others. The label of
    /// the last one that got it and that somebody waits for.
    pub fn settle(&mut self, outlet: &Outlet, appender: &Appender) -> Option<u64> {
        self.due = None;
        let open = outlet.lock().hold.last_question()?;
        if open > self.asked {
            self.rests = self.is_at_rest();
        }
        let mut out = outlet.lock();
        // In this order: what was journaled for the answer is counted.
        let answered = if self.arrears.are_none() {
            u64::MAX
        } else {
            self.arrears.answered()
        };
        let label = appender.appended();
        let mut awaited = None;
        out.hold.label(answered, label, |packet| {
            if is_awaited(packet) {
                awaited = Some(label);
            }
        });
        let open = out.hold.last_question();
        out.count();
        drop(out);
        if let Some(open) = open {
            self.ask(open, Instant::now());
        }
        awaited
    }

    fn is_at_rest(&self) -> bool {
        let until = Instant::now() + LOOK;
        loop {
            let rests = self.arrears.are_none();
            if rests || !self.rests || Instant::now() >= until {
                return rests;
            }
            std::hint::spin_loop();
        }
    }

    fn ask(&mut self, open: u64, now: Instant) {
        let next_at = self.next_at.filter(|next_at| *next_at > now);
        if open <= self.asked {
            // It may have been missed.
            if next_at.is_none() {
                self.arrears.remind();
            }
        } else if next_at.is_none() {
            self.asked = self.arrears.ask();
            self.next_at = Some(now + PAUSE);
            self.due = Some(now + PATIENCE);
            return;
        }
        self.due = Some(next_at.unwrap_or(now + PATIENCE));
    }
}
