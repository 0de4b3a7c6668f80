//! How long threads of this machine stood still that had nothing to wait for, for the messages of tests that
//! such a time may have disturbed.

use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(10);
/// Ordinary scheduling is less.
const WORTH_TELLING: Duration = Duration::from_millis(100);

static WATCH: Once = Once::new();
/// How long, and when it ended.
static SEEN: Mutex<Vec<(Duration, Instant)>> = Mutex::new(Vec::new());

/// Watches from now on, to the end of the process.
pub fn watch() {
    WATCH.call_once(|| {
        std::thread::spawn(|| {
            loop {
                let before = Instant::now();
                std::thread::sleep(LOOK);
                let late = before.elapsed().saturating_sub(LOOK);
                if late > WORTH_TELLING {
                    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push((late, Instant::now()));
                }
            }
        });
    });
}

/// How long all of it was that was seen.
pub fn total() -> Duration {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.iter().map(|(late, _)| *late).sum()
}

/// What was seen so far, the latest last.
pub fn seen() -> String {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.is_empty() {
        return "none".to_owned();
    }
    let tell = |(late, when): &(Duration, Instant)| {
        let ago = when.elapsed().as_millis();
        format!("{} ms, {ago} ms ago", late.as_millis())
    };
    seen.iter().map(tell).collect::<Vec<_>>().join("; ")
}
