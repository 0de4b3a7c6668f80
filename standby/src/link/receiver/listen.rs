//! Lets connections in: at most some at a time that are not authenticated, and none for long.

use super::Shared;
use super::session::{self, Ended};
use crate::link::channel::{Channel, Inbox};
use crate::link::error::LinkError;
use crate::link::handshake::{self, Deadline};
use crate::link::{LinkEvent, spawn};
use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// More connections than these are not waited for: the oldest one goes. Whoever has the key is
/// faster than this many others.
const UNKNOWN_MAX: usize = 16;
/// After an error that concerns the whole system, like too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// A connection that is being let in, or was.
struct Guest {
    socket: Arc<TcpStream>,
    known: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Accepts until the receiver is stopped.
pub(super) fn run(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut guests = VecDeque::new();
    while !shared.is_stopped() {
        match listener.accept() {
            Ok((socket, _)) => {
                guests.retain(|guest: &Guest| !guest.thread.is_finished());
                make_room(&mut guests);
                match admit(shared, socket) {
                    Ok(guest) => guests.push_back(guest),
                    Err(error) => shared.lost(error),
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) if shared.is_stopped() => {}
            Err(error) => {
                let on = shared.options.listen;
                shared.lost(LinkError::Listen { on, error });
                std::thread::sleep(ERROR_PAUSE);
            }
        }
    }
    for guest in guests {
        let _ = guest.socket.shutdown(Shutdown::Both);
        let _ = guest.thread.join();
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}

fn make_room(guests: &mut VecDeque<Guest>) {
    let unknown = |guest: &Guest| !guest.known.load(Ordering::Acquire);
    while guests.iter().filter(|guest| unknown(guest)).count() >= UNKNOWN_MAX {
        let Some(oldest) = guests.iter().position(unknown) else {
            return;
        };
        if let Some(guest) = guests.remove(oldest) {
            // Its thread ends by itself now.
            let _ = guest.socket.shutdown(Shutdown::Both);
        }
    }
}

fn admit(shared: &Arc<Shared>, socket: TcpStream) -> Result<Guest, LinkError> {
    let system = |error| LinkError::System {
        doing: "keep a connection".into(),
        error,
    };
    let known = Arc::new(AtomicBool::new(false));
    let guest = Arc::new(socket.try_clone().map_err(system)?);
    let (own, flag, copy) = (Arc::clone(shared), Arc::clone(&known), Arc::clone(&guest));
    let thread = spawn("link-in", move || {
        if let Err(reason) = receive(&own, socket, &flag)
            && !own.is_stopped()
        {
            own.listener.tell(LinkEvent::Rejected { reason });
        }
        // It would stay open for as long as the guest is remembered.
        let _ = copy.shutdown(Shutdown::Both);
    })?;
    Ok(Guest {
        socket: guest,
        known,
        thread,
    })
}

/// One connection, from its beginning to its end; an error if it never was let in.
fn receive(shared: &Arc<Shared>, socket: TcpStream, known: &AtomicBool) -> Result<(), LinkError> {
    let deadline = Deadline::new(shared.options.times.handshake);
    let tls = shared.tls.accept()?;
    let channel = Channel::establish(socket, tls, deadline.at, deadline.patience)?;
    known.store(true, Ordering::Release);
    let channel = Arc::new(channel);
    let mut inbox = Inbox::default();
    let (peer, asked) = handshake::meet(&channel, &mut inbox, &shared.own, deadline)?;
    // Whoever was there before is replaced: the peer has only one recording, and perhaps
    // noticed sooner that the old connection is dead.
    let before = shared.lock_channel().replace(Arc::clone(&channel));
    if let Some(before) = before {
        before.close();
    }
    let mut store = shared.store.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.is_stopped() {
        return Err(LinkError::Stopped);
    }
    let done = session::run(shared, &mut store, &channel, inbox, peer, asked, deadline);
    store.interrupt();
    channel.close();
    shared.counters.ended(&channel);
    let mut current = shared.lock_channel();
    let replaced = !current
        .as_ref()
        .is_some_and(|current| Arc::ptr_eq(current, &channel));
    if !replaced {
        *current = None;
    }
    drop(current);
    let reason = match done {
        Ok(never) => match never {},
        Err(Ended::Before(reason)) => return Err(reason),
        Err(Ended::After(LinkError::Closed | LinkError::Socket(_))) if replaced => {
            LinkError::Replaced
        }
        Err(Ended::After(reason)) => reason,
    };
    // Before the store is free: the next connection is told of after the loss of this one.
    if !shared.is_stopped() {
        shared.lost(reason);
    }
    drop(store);
    Ok(())
}
