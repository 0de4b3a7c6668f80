//! What is said before anything is shipped: who is there, which recording, do the machines fit,
//! what time is it there, where to go on.

use super::channel::{Channel, Inbox};
use super::clock::{self, ClockOffsets};
use super::error::LinkError;
use super::machine::{self, Differences};
use super::message::{Hello, Message, PROTOCOL_VERSION, Role, Session, Welcome};
use super::wire::{self, WireError};
use journal::Machine;
use std::time::{Duration, Instant};

/// How often the clocks are asked for; the best answer counts.
const CLOCK_QUESTIONS: u32 = 8;
/// No more questions after that.
const CLOCK_TIME_MAX: Duration = Duration::from_millis(200);

/// The other node, as it described itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Version of its ftrun.
    pub ftrun_version: String,
    /// Its machine.
    pub machine: Machine,
    /// How it differs, without consequence.
    pub noted: Vec<String>,
    /// How far its clocks are ahead. Only the standby asks.
    pub clocks: Option<ClockOffsets>,
}

/// This node.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub ftrun_version: String,
    pub machine: Machine,
}

/// The time that is left, and how much there was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub at: Instant,
    pub patience: Duration,
}

impl Deadline {
    pub fn new(patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            at: now.checked_add(patience).unwrap_or(now),
            patience,
        }
    }

    pub fn left(self) -> Result<Duration, LinkError> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkError::Handshake(self.patience));
        }
        Ok(left)
    }
}

/// Sends one message.
pub(super) fn say(
    channel: &Channel,
    message: &Message<'_>,
    deadline: Deadline,
) -> Result<(), LinkError> {
    let mut bytes = Vec::new();
    wire::encode(&mut bytes, message)?;
    channel.send(&bytes, &mut || deadline.left().map(drop))
}

/// Has a whole message in the inbox.
fn wait(channel: &Channel, inbox: &mut Inbox, deadline: Deadline) -> Result<(), LinkError> {
    while !inbox.has_message()? {
        match channel.receive(inbox, deadline.left()?) {
            Err(LinkError::Silent(_)) => return Err(LinkError::Handshake(deadline.patience)),
            done => done?,
        }
    }
    Ok(())
}

/// The primary's side: introduces itself, answers, and learns where to go on.
pub(super) fn introduce(
    channel: &Channel,
    inbox: &mut Inbox,
    own: &Own,
    session: Session,
    deadline: Deadline,
) -> Result<(Peer, Welcome), LinkError> {
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        ftrun_version: own.ftrun_version.clone(),
        role: Role::Primary,
        session,
        machine: own.machine.clone(),
        clocks: clock::now(),
    };
    say(channel, &Message::Hello(Box::new(hello)), deadline)?;
    loop {
        wait(channel, inbox, deadline)?;
        let id = match inbox.next()? {
            Some(Message::AskClocks { id }) => id,
            Some(Message::Refuse { reason }) => return Err(LinkError::Refused(reason.into())),
            Some(Message::Welcome(welcome)) => {
                let peer = judge(own, &welcome)?;
                return Ok((peer, *welcome));
            }
            Some(_) => return Err(LinkError::Unexpected("no answer to a hello")),
            None => continue,
        };
        let clocks = clock::now();
        say(channel, &Message::Clocks { id, clocks }, deadline)?;
    }
}

fn judge(own: &Own, welcome: &Welcome) -> Result<Peer, LinkError> {
    check_kind(
        &own.ftrun_version,
        &welcome.ftrun_version,
        welcome.role,
        Role::Standby,
    )?;
    let Differences { refused, noted } = machine::compare(&own.machine, &welcome.machine);
    refuse(&refused)?;
    Ok(Peer {
        ftrun_version: welcome.ftrun_version.clone(),
        machine: welcome.machine.clone(),
        noted,
        clocks: None,
    })
}

/// The standby's side, first half: whom it has before it. What does not fit is told to them.
pub(super) fn meet(
    channel: &Channel,
    inbox: &mut Inbox,
    own: &Own,
    deadline: Deadline,
) -> Result<(Peer, Session), LinkError> {
    let met = wait_for_hello(channel, inbox, own, deadline);
    if let Err(
        error @ (LinkError::Differs(_)
        | LinkError::Unexpected(_)
        | LinkError::Wire(WireError::Version(_))),
    ) = &met
    {
        decline(channel, &error.to_string(), deadline);
    }
    met
}

fn wait_for_hello(
    channel: &Channel,
    inbox: &mut Inbox,
    own: &Own,
    deadline: Deadline,
) -> Result<(Peer, Session), LinkError> {
    wait(channel, inbox, deadline)?;
    let Some(Message::Hello(hello)) = inbox.next()? else {
        return Err(LinkError::Unexpected("no hello"));
    };
    check_kind(
        &own.ftrun_version,
        &hello.ftrun_version,
        hello.role,
        Role::Primary,
    )?;
    let Differences { refused, noted } = machine::compare(&hello.machine, &own.machine);
    refuse(&refused)?;
    let clocks = ask_clocks(channel, inbox, deadline)?;
    let peer = Peer {
        ftrun_version: hello.ftrun_version,
        machine: hello.machine,
        noted,
        clocks: Some(clocks),
    };
    Ok((peer, hello.session))
}

fn ask_clocks(
    channel: &Channel,
    inbox: &mut Inbox,
    deadline: Deadline,
) -> Result<ClockOffsets, LinkError> {
    let begun = Instant::now();
    let mut best = None;
    for id in 0..CLOCK_QUESTIONS {
        let before = clock::now();
        say(channel, &Message::AskClocks { id }, deadline)?;
        wait(channel, inbox, deadline)?;
        let after = clock::now();
        let Some(Message::Clocks {
            id: answered,
            clocks,
        }) = inbox.next()?
        else {
            return Err(LinkError::Unexpected("no answer to a question for clocks"));
        };
        if answered != id {
            return Err(LinkError::Unexpected("an answer to another question"));
        }
        best = Some(ClockOffsets::measure(before, clocks, after).better(best));
        if begun.elapsed() > CLOCK_TIME_MAX {
            break;
        }
    }
    best.ok_or(LinkError::Unexpected("no clocks"))
}

/// The standby's side, second half.
pub(super) fn welcome(
    channel: &Channel,
    own: &Own,
    position: journal::ShipPosition,
    applied: u64,
    deadline: Deadline,
) -> Result<(), LinkError> {
    let welcome = Welcome {
        protocol: PROTOCOL_VERSION,
        ftrun_version: own.ftrun_version.clone(),
        role: Role::Standby,
        machine: own.machine.clone(),
        position: position.into(),
        applied,
    };
    say(channel, &Message::Welcome(Box::new(welcome)), deadline)
}

/// Tells why not. The connection ends anyway.
pub(super) fn decline(channel: &Channel, reason: &str, deadline: Deadline) {
    let _ = say(channel, &Message::Refuse { reason }, deadline);
}

fn check_kind(own: &str, version: &str, role: Role, expected: Role) -> Result<(), LinkError> {
    if version != own {
        return Err(LinkError::Differs(format!(
            "the other node runs ftrun {version}, this one {own}"
        )));
    }
    if role != expected {
        return Err(LinkError::Differs(format!(
            "the other node takes itself for the {}, too",
            match role {
                Role::Primary => "primary",
                Role::Standby => "standby",
            }
        )));
    }
    Ok(())
}

fn refuse(reasons: &[String]) -> Result<(), LinkError> {
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(LinkError::Differs(reasons.join("; ")))
    }
}
