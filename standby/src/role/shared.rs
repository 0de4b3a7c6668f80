//! What both sides of the machine keep: facts about the other node, the ways to it, the witness.

use super::beat::{Beat, Flags};
use super::machine::{
    About, Action, Answer, Ask, Event, PathId, PathView, Positions, Rights, Settings, Standing,
    WitnessView,
};
use super::record::{Epoch, NodeId, Record, Session};
use super::state::{Side, State};
use crate::clock::Time;
use std::time::Duration;

/// The other node, as it last told.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub session: Session,
    pub node: NodeId,
    pub flags: Flags,
    pub epoch: Epoch,
    pub standby: Option<Session>,
    pub change: u64,
    pub position: u64,
    pub applied: u64,
    /// When it was last heard; later, by the time that this node itself stood still.
    pub heard: Time,
    /// Until when it has promised not to go active.
    pub promise_until: Time,
    /// When it last promised so; later, like [`Peer::heard`].
    pub promised: Time,
    /// Its own time of the latest beat.
    sent: Time,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub up: bool,
    /// Since it is, or is not.
    pub since: Time,
    /// It is down because it was closed.
    pub closed: bool,
    /// It will not come back to where it was.
    pub exceeded: bool,
}

/// Whether the standby takes what it is sent.
#[derive(Debug)]
pub(super) struct Taking {
    /// When it last stored more, showed that it was at work, or lacked nothing.
    pub since: Time,
    /// Why it refused to go on, if it did since then.
    pub refused: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Path {
    view: PathView,
    /// The latest beat's own time, and when it came.
    echo: Time,
    came: Time,
    sent: Time,
    /// When the other node's kernel last said that nobody listens, if nothing came since.
    refused: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub settings: Settings,
    pub out: Vec<Action>,
    pub peer: Option<Peer>,
    pub link: Link,
    pub taking: Taking,
    /// When more of the journal was last written here, or all of it had been.
    pub written: Time,
    pub positions: Positions,
    pub record: Option<Record>,
    pub standing: Option<Standing>,
    pub rights: Rights,
    paths: Vec<Path>,
    last: Time,
    asks: u64,
    answered: Option<Time>,
    trouble: Option<String>,
    /// Nothing is asked before.
    pub ask_at: Time,
}

impl Shared {
    pub fn new(settings: Settings, now: Time) -> Self {
        let paths = vec![Path::default(); usize::from(settings.paths.max(1))];
        Self {
            settings,
            out: vec![Action::Rights(Rights::NONE)],
            peer: None,
            link: Link {
                up: false,
                since: now,
                closed: false,
                exceeded: false,
            },
            taking: Taking {
                since: now,
                refused: None,
            },
            written: now,
            positions: Positions::default(),
            record: None,
            standing: None,
            rights: Rights::NONE,
            paths,
            last: now,
            asks: 0,
            answered: None,
            trouble: None,
            ask_at: now,
        }
    }

    /// Time in which this node itself did not run is nobody's silence.
    pub fn advance(&mut self, now: Time) {
        let gap = now.since(self.last);
        self.last = now;
        if gap > self.settings.timing.stall {
            if let Some(peer) = &mut self.peer {
                peer.heard = peer.heard.after(gap).min(now);
                peer.promised = peer.promised.after(gap).min(now);
            }
            self.link.since = self.link.since.after(gap).min(now);
            self.taking.since = self.taking.since.after(gap).min(now);
            self.written = self.written.after(gap).min(now);
        }
    }

    /// What an event says whatever this node's side is.
    pub fn note_facts(&mut self, now: Time, event: &Event) {
        match event {
            Event::LinkUp => {
                self.link = Link {
                    up: true,
                    since: now,
                    closed: false,
                    exceeded: false,
                };
            }
            Event::LinkDown { closed } if self.link.up => {
                self.link = Link {
                    up: false,
                    since: now,
                    closed: *closed,
                    ..self.link
                };
            }
            Event::BacklogExceeded => self.link.exceeded = true,
            Event::LinkRefused(why) => self.taking.refused = Some(why.clone()),
            Event::Positions(positions) => {
                let before = std::mem::replace(&mut self.positions, *positions);
                let more = positions.committed > before.committed;
                if more || positions.committed >= before.written {
                    self.taking = Taking {
                        since: now,
                        refused: None,
                    };
                } else if positions.signs != before.signs && self.taking.refused.is_none() {
                    // Whoever refuses in the end was at work for nothing.
                    self.taking.since = now;
                }
                if positions.written > before.written || positions.written >= before.appended {
                    self.written = now;
                }
            }
            Event::Beat { path, from, beat } => self.heard(now, *path, *from, beat),
            Event::WayRefused(path) => {
                if let Some(way) = self.paths.get_mut(usize::from(path.0)) {
                    way.refused = Some(now);
                }
            }
            _ => {}
        }
    }

    /// Whether the process over there is no more: its kernel has closed the link, and has said on
    /// every other way, after that, that nobody listens. A process that has ended lets nothing out;
    /// one that only stops listening has given its rights up before.
    pub fn is_gone(&self) -> bool {
        let after = |way: &Path| way.refused.is_some_and(|at| at >= self.link.since);
        self.link.closed
            && !self.link.up
            && self.paths.len() > 1
            && self.paths.iter().skip(1).all(after)
    }

    fn heard(&mut self, now: Time, path: PathId, from: Session, beat: &Beat) {
        let Some(way) = self.paths.get_mut(usize::from(path.0)) else {
            return;
        };
        way.view.heard = Some(now);
        way.refused = None;
        way.echo = beat.sent;
        way.came = now;
        if beat.echo != Time::NEVER && beat.echo <= now {
            let away = now.since(beat.echo);
            way.view.round_trip = Some(away.saturating_sub(Duration::from_nanos(beat.held_ns)));
        }
        let known = self.peer.as_ref().filter(|peer| peer.session == from);
        let before = known.map_or(Time::NEVER, |peer| peer.promise_until);
        let promised_before = known.map_or(now, |peer| peer.promised);
        let (promise_until, promised) = if beat.flags.has(Flags::PROMISE) && beat.echo <= now {
            (
                before.max(beat.echo.after(self.settings.timing.promise)),
                now,
            )
        } else {
            (before, promised_before)
        };
        let mut flags = beat.flags;
        // These are said once and hold for ever; beats of two ways may overtake each other.
        for lasting in [Flags::RENOUNCED, Flags::ENDED, Flags::DIVERGED] {
            flags = flags.and(lasting, known.is_some_and(|peer| peer.flags.has(lasting)));
        }
        // One that was overtaken by a later one, on another way, says nothing of how things are now.
        if let Some(peer) = &mut self.peer
            && peer.session == from
            && peer.sent > beat.sent
        {
            peer.heard = now;
            peer.promise_until = promise_until;
            peer.promised = promised;
            return;
        }
        self.peer = Some(Peer {
            session: from,
            node: beat.node.clone(),
            flags,
            epoch: beat.epoch,
            standby: beat.standby,
            change: beat.change,
            position: beat.position,
            applied: beat.applied,
            heard: now,
            promise_until,
            promised,
            sent: beat.sent,
        });
    }

    /// How long the other node has been silent on all ways.
    pub fn silence(&self, now: Time) -> Option<Duration> {
        self.peer.as_ref().map(|peer| now.since(peer.heard))
    }

    /// Sends a beat on the ways where one is due, or on all.
    pub fn beat(&mut self, now: Time, at_once: bool, body: &dyn Fn(&Self) -> Body) -> bool {
        let due = self.settings.timing.beat;
        let mut sent = false;
        for index in 0..self.paths.len() {
            if at_once || now.since(self.paths[index].sent) >= due {
                self.beat_on(now, index, body(self));
                sent = true;
            }
        }
        sent
    }

    /// Answers a beat on the way on which it came.
    pub fn answer_beat(&mut self, now: Time, path: PathId, body: Body) {
        self.beat_on(now, usize::from(path.0), body);
    }

    fn beat_on(&mut self, now: Time, index: usize, body: Body) {
        let Ok(id) = u8::try_from(index) else { return };
        let node = self.settings.node.clone();
        let Some(way) = self.paths.get_mut(index) else {
            return;
        };
        way.sent = now;
        let beat = Beat {
            node,
            flags: body.flags,
            epoch: body.epoch,
            standby: body.standby,
            change: body.change,
            position: body.position,
            applied: self.positions.applied,
            sent: now,
            echo: way.echo,
            held_ns: crate::clock::nanos(now.since(way.came)),
        };
        self.out.push(Action::Beat(PathId(id), beat));
    }

    /// What a witness may have to know of the other node.
    pub fn about(&self, harmless: bool) -> About {
        About {
            peer: self.peer.as_ref().map(|peer| peer.node.clone()),
            harmless,
        }
    }

    /// Asks the witness.
    pub fn ask(&mut self, ask: Ask) -> u64 {
        self.asks += 1;
        self.out.push(Action::Ask(self.asks, ask));
        self.asks
    }

    /// Notes what an answer says about the witness itself.
    pub fn answered(&mut self, now: Time, answer: &Answer) {
        match answer {
            Answer::Unreachable(trouble) | Answer::Unknown(trouble) => {
                self.trouble = Some(trouble.clone());
                self.ask_at = now.after(self.settings.timing.retry);
            }
            _ => {
                self.trouble = None;
                self.answered = Some(now);
                self.ask_at = now;
            }
        }
    }

    /// Why the witness does not answer, if it does not.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub fn set_rights(&mut self, rights: Rights) {
        if self.rights != rights {
            self.rights = rights;
            self.out.push(Action::Rights(rights));
        }
    }

    pub fn note(&mut self, text: &str) {
        self.out.push(Action::Note(text.to_owned()));
    }

    pub fn report(&mut self, side: Side, state: State, reason: String) {
        let standing = Standing {
            side,
            state,
            reason,
        };
        if self.standing.as_ref() != Some(&standing) {
            self.standing = Some(standing.clone());
            self.out.push(Action::Report(standing));
        }
    }

    pub fn path_views(&self) -> impl Iterator<Item = (PathId, PathView)> + '_ {
        (0u8..)
            .map(PathId)
            .zip(self.paths.iter().map(|path| path.view))
    }

    pub fn witness_view(&self) -> WitnessView {
        WitnessView {
            answered: self.answered,
            trouble: self.trouble.clone(),
        }
    }
}

/// What a beat says, without its times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    pub flags: Flags,
    pub epoch: Epoch,
    pub standby: Option<Session>,
    pub change: u64,
    pub position: u64,
}
