//! Holds a recorder where it is: while it is held, nothing is appended to the journal on the
//! application's behalf, and no thread that has stopped goes on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A hand on it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Brake(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    position: Mutex<Position>,
    moved: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Position {
    #[default]
    Off,
    Held,
    /// The application is another node's.
    Final,
}

/// The recording is over here, whatever the application still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over;

impl Brake {
    /// Holds the recorder: when this returns, it is not appending anything, and will not until
    /// [`Brake::release`]. It notices at its next event; until then threads may run.
    pub fn hold(&self) {
        self.put(Position::Held);
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.put(Position::Off);
    }

    /// Ends the recording: nothing is appended any more, of the application's death either.
    pub fn end(&self) {
        self.put(Position::Final);
    }

    /// Fails if the recording is over here. Waits for nothing.
    pub(crate) fn check(&self) -> Result<(), Over> {
        match *self.position() {
            Position::Final => Err(Over),
            Position::Off | Position::Held => Ok(()),
        }
    }

    /// Does something that the brake must not fall into. Waits while it is held.
    pub(crate) fn pass<T>(&self, action: impl FnOnce() -> T) -> Result<T, Over> {
        let mut position = self.position();
        while *position == Position::Held {
            position = self
                .0
                .moved
                .wait(position)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if *position == Position::Final {
            return Err(Over);
        }
        Ok(action())
    }

    fn put(&self, to: Position) {
        let mut position = self.position();
        if *position != Position::Final {
            *position = to;
        }
        drop(position);
        self.0.moved.notify_all();
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.0
            .position
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    #[test]
    fn what_passes_waits_while_it_is_held() {
        let brake = Brake::default();
        assert_eq!(brake.pass(|| 1), Ok(1));
        brake.hold();
        let (tell, told) = channel();
        let other = brake.clone();
        let thread = std::thread::spawn(move || {
            for count in 0..2 {
                tell.send(other.pass(|| count)).expect("it is heard");
            }
        });
        let wait = told.recv_timeout(Duration::from_millis(50));
        assert_eq!(wait, Err(RecvTimeoutError::Timeout));
        brake.release();
        assert_eq!(told.recv(), Ok(Ok(0)));
        assert_eq!(told.recv(), Ok(Ok(1)));
        thread.join().expect("it has ended");
    }

    #[test]
    fn the_end_is_final() {
        let brake = Brake::default();
        brake.hold();
        assert_eq!(brake.check(), Ok(()));
        brake.end();
        brake.release();
        assert_eq!(brake.check(), Err(Over));
        assert_eq!(brake.pass(|| ()), Err(Over));
    }
}
