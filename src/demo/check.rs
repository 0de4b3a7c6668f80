//! Whether answers and the server's log are what they must be. It does no I/O.

use super::protocol::{Ledger, request};
use std::collections::HashMap;

/// An answer is not what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The server has not got, or has forgotten, so many requests.
    Lost(u64),
    /// The server has got so many requests, or the client so many answers, that were not sent.
    Doubled(u64),
    /// Another difference.
    Damaged,
}

/// The client's end of one connection.
#[derive(Debug)]
pub struct Checker {
    connection: usize,
    ledger: Ledger,
    request: String,
    last_answer: String,
    /// For each answered request, in order, which of all connections' requests it was.
    totals: Vec<u64>,
}

impl Checker {
    /// For the connection of this number, before its first request.
    pub fn new(connection: usize) -> Self {
        Self {
            connection,
            ledger: Ledger::default(),
            request: String::new(),
            last_answer: String::new(),
            totals: Vec::new(),
        }
    }

    /// The next request.
    pub fn next(&mut self) -> &str {
        self.request = request(self.connection, self.ledger.count + 1);
        self.ledger.enter(&self.request);
        &self.request
    }

    /// Compares an answer with the only right one. After a wrong one the connection is of no use.
    pub fn judge(&mut self, answer: &str) -> Result<(), Wrong> {
        if !answer.is_empty() && answer == self.last_answer {
            return Err(Wrong::Doubled(1));
        }
        let mut words = answer.split(' ').map(str::parse::<u64>);
        let (Some(Ok(count)), Some(Ok(total))) = (words.next(), words.next()) else {
            return Err(Wrong::Damaged);
        };
        let own = self.ledger.count;
        if count != own {
            return Err(if count < own {
                Wrong::Lost(own - count)
            } else {
                Wrong::Doubled(count - own)
            });
        }
        if answer != self.ledger.answer(total, &self.request)
            || self.totals.last().is_some_and(|last| *last >= total)
        {
            return Err(Wrong::Damaged);
        }
        self.totals.push(total);
        self.last_answer.clear();
        self.last_answer.push_str(answer);
        Ok(())
    }

    /// What the server has told, for a look at its [`log`].
    pub fn into_told(self) -> Told {
        Told {
            under_way: self.ledger.count > self.totals.len() as u64,
            totals: self.totals,
        }
    }
}

/// What one connection's client was told.
#[derive(Debug, Default)]
pub struct Told {
    /// For each answered request, in order, which of all connections' requests it was.
    pub totals: Vec<u64>,
    /// Whether one more was sent that has no good answer.
    under_way: bool,
}

/// What is wrong with a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LogFaults {
    /// Answered requests that it lacks.
    pub lost: u64,
    /// Lines that it has once more.
    pub doubled: u64,
    /// Lines that are out of place, or no request's.
    pub damaged: u64,
}

/// Compares the server's log with what the clients were told, one after the other.
pub fn log(text: &str, told: &[Told]) -> LogFaults {
    let mut faults = LogFaults::default();
    let mut found: HashMap<(usize, u64), u64> = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let words: Vec<u64> = line
            .split(' ')
            .map_while(|word| word.parse().ok())
            .collect();
        let (&[total, connection, number], 3) = (&words[..], line.split(' ').count()) else {
            faults.damaged += 1;
            continue;
        };
        let connection = usize::try_from(connection).unwrap_or(usize::MAX);
        if found.insert((connection, number), total).is_some() {
            faults.doubled += 1;
        } else if total != at as u64 + 1 {
            faults.damaged += 1;
        }
    }
    for (connection, told) in told.iter().enumerate() {
        let mut number = 0;
        for total in &told.totals {
            number += 1;
            match found.remove(&(connection, number)) {
                None => faults.lost += 1,
                Some(found) if found != *total => faults.damaged += 1,
                Some(_) => {}
            }
        }
        if told.under_way {
            found.remove(&(connection, number + 1));
        }
    }
    // What nobody has asked for.
    faults.damaged += found.len() as u64;
    faults
}

#[cfg(test)]
mod tests {
    use super::super::protocol::log_line;
    use super::*;

    /// What a server without faults does.
    #[derive(Default, Clone)]
    struct Server {
        ledger: Ledger,
        total: u64,
        log: String,
    }

    impl Server {
        fn serve(&mut self, request: &str) -> String {
            self.ledger.enter(request);
            self.total += 1;
            self.log += &log_line(self.total, request);
            self.ledger.answer(self.total, request)
        }
    }

    /// A server and its client, five requests later.
    fn begun() -> (Server, Checker) {
        let (mut server, mut client) = (Server::default(), Checker::new(0));
        for _ in 0..5 {
            let answer = server.serve(client.next());
            assert_eq!(client.judge(&answer), Ok(()));
        }
        (server, client)
    }

    #[test]
    fn right_answers_are_right() {
        let (server, client) = begun();
        let told = client.into_told();
        assert_eq!(told.totals, [1, 2, 3, 4, 5]);
        assert_eq!(log(&server.log, &[told]), LogFaults::default());
    }

    #[test]
    fn lost_request_is_noticed() {
        let (mut server, mut client) = begun();
        client.next();
        let answer = server.serve(client.next());
        assert_eq!(client.judge(&answer), Err(Wrong::Lost(1)));
    }

    /// As if a standby went on from where the primary was some requests ago.
    #[test]
    fn forgotten_requests_are_noticed() {
        let (mut server, mut client) = begun();
        let mut old = server.clone();
        for _ in 0..3 {
            let answer = server.serve(client.next());
            assert_eq!(client.judge(&answer), Ok(()));
        }
        let answer = old.serve(client.next());
        assert_eq!(client.judge(&answer), Err(Wrong::Lost(3)));
        let faults = log(&old.log, &[client.into_told()]);
        assert_eq!((faults.lost, faults.doubled), (3, 0));
    }

    #[test]
    fn doubled_request_is_noticed() {
        let (mut server, mut client) = begun();
        let request = client.next().to_owned();
        server.serve(&request);
        let answer = server.serve(&request);
        assert_eq!(client.judge(&answer), Err(Wrong::Doubled(1)));
        let faults = log(&server.log, &[client.into_told()]);
        assert_eq!((faults.lost, faults.doubled), (0, 1));
    }

    #[test]
    fn doubled_answer_is_noticed() {
        let (mut server, mut client) = begun();
        let answer = server.serve(client.next());
        assert_eq!(client.judge(&answer), Ok(()));
        client.next();
        assert_eq!(client.judge(&answer), Err(Wrong::Doubled(1)));
    }

    #[test]
    fn damaged_answer_is_noticed_at_every_byte() {
        let (mut server, mut client) = begun();
        let answer = server.serve(client.next());
        let (count, rest) = answer.split_once(' ').expect("words");
        let (total, _) = rest.split_once(' ').expect("words");
        // Another count is lost or doubled; any other total may be right, until the log is read.
        let from = count.len() + 1 + total.len();
        for at in (0..count.len()).chain(from..answer.len()) {
            let mut bytes = answer.clone().into_bytes();
            bytes[at] ^= 1;
            let damaged = String::from_utf8(bytes).expect("still ASCII");
            assert!(client.judge(&damaged).is_err(), "byte {at}: {damaged}");
        }
        for damaged in ["", "\n", "x\n", &answer[..answer.len() - 1]] {
            assert_eq!(client.judge(damaged), Err(Wrong::Damaged), "{damaged:?}");
        }
        assert_eq!(client.judge(&answer), Ok(()));
    }

    #[test]
    fn memory_that_is_not_the_same_is_noticed() {
        let (server, mut client) = begun();
        let mut other = Server::default();
        for number in 0..5 {
            other.serve(&request(1, number));
        }
        other.total = server.total;
        let answer = other.serve(client.next());
        assert_eq!(client.judge(&answer), Err(Wrong::Damaged));
    }

    #[test]
    fn faults_of_a_log_are_noticed() {
        let (server, client) = begun();
        let told = [client.into_told()];
        let lines: Vec<&str> = server.log.lines().collect();
        let faults = |lines: &[&str]| {
            let faults = log(&lines.join("\n"), &told);
            (faults.lost, faults.doubled, faults.damaged)
        };
        assert_eq!(faults(&lines), (0, 0, 0));
        assert_eq!(faults(&lines[..4]), (1, 0, 0));
        assert_eq!(faults(&[&lines[..], &lines[4..]].concat()), (0, 1, 0));
        assert_eq!(faults(&[&lines[..], &["6 0 6"]].concat()), (0, 0, 1));
        assert_eq!(faults(&[&lines[..], &["6 0 x"]].concat()), (0, 0, 1));
        assert_eq!(faults(&[&lines[..], &["6 0"]].concat()), (0, 0, 1));
        let swapped = [lines[1], lines[0], lines[2], lines[3], lines[4]];
        assert_eq!(faults(&swapped), (0, 0, 2));
    }
}
