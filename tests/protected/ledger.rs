//! Clients of PostgreSQL that keep books: each knows which of its transfers were acknowledged, by
//! its own words of the server's protocol.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::crowd::Shift;

/// Accounts that money is moved between; each begins with nothing.
pub const ACCOUNTS: u64 = 10;

/// What the books are made of.
pub const TABLES: &str = "
    create table accounts (id int primary key, balance bigint not null);
    insert into accounts select id, 0 from generate_series(0, 9) id;
    create table transfers (client int, round bigint, source int, target int, amount bigint,
                            primary key (client, round))";

/// A conversation with the server.
pub struct Session<'a> {
    from: BufReader<&'a TcpStream>,
    out: &'a TcpStream,
}

impl<'a> Session<'a> {
    /// Introduces itself, and waits until the server is ready.
    pub fn begin(stream: &'a TcpStream) -> io::Result<Self> {
        const VERSION: u32 = 3 << 16;
        let mut session = Self {
            from: BufReader::new(stream),
            out: stream,
        };
        let mut body = VERSION.to_be_bytes().to_vec();
        body.extend(b"user\0tester\0database\0postgres\0\0");
        session.send(&[], &body)?;
        session.rows()?;
        Ok(session)
    }

    /// Has statements executed, as one transaction; all rows that they gave, as text.
    pub fn query(&mut self, text: &str) -> io::Result<Vec<Vec<String>>> {
        self.send(b"Q", &[text.as_bytes(), b"\0"].concat())?;
        self.rows()
    }

    fn send(&mut self, kind: &[u8], body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).expect("small messages");
        let whole = [kind, &length.to_be_bytes(), body].concat();
        self.out.write_all(&whole)
    }

    /// Reads until the server is ready for more: then what was asked for is committed.
    fn rows(&mut self) -> io::Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        let mut wrong = None;
        loop {
            let mut head = [0; 5];
            self.from.read_exact(&mut head)?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; (length as usize).saturating_sub(4)];
            self.from.read_exact(&mut body)?;
            match head[0] {
                b'E' => wrong = Some(String::from_utf8_lossy(&body).replace('\0', " ")),
                b'D' => rows.push(columns(&body)),
                b'Z' => return wrong.map_or(Ok(rows), |wrong| Err(io::Error::other(wrong))),
                _ => {}
            }
        }
    }
}

fn columns(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = &body[2..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (text, after) = after.split_at(length);
        found.push(String::from_utf8_lossy(text).into_owned());
        rest = after;
    }
    found
}

/// Transfers money again and again; at the end, exactly what was acknowledged is in the books.
pub fn keep_books(id: usize, stream: &TcpStream, shift: &Shift) -> Result<Duration, String> {
    let at = |round: u64| move |error| format!("client {id}, transfer {round}: {error}");
    let mut session = Session::begin(stream).map_err(at(0))?;
    let (mut round, mut moved, mut gap) = (0_u64, 0, Duration::ZERO);
    let mut last = Instant::now();
    while !shift.is_over() {
        round += 1;
        session
            .query(&transfer(id as u64, round))
            .map_err(at(round))?;
        moved += amount(round);
        gap = gap.max(last.elapsed());
        last = Instant::now();
        shift.count();
    }
    let asked = format!(
        "select count(*), max(round), sum(amount) from transfers where client = {id} having count(*) > 0"
    );
    let found = session.query(&asked).map_err(at(round))?;
    let expected = [round, round, moved].map(|number| number.to_string());
    if found != [expected.to_vec()] {
        return Err(format!("client {id}: {found:?} instead of {expected:?}"));
    }
    Ok(gap)
}

fn amount(round: u64) -> u64 {
    1 + round % 97
}

/// The statements of one transfer. Accounts are locked in one order, so that nobody waits in a ring.
fn transfer(id: u64, round: u64) -> String {
    let source = (id + round) % ACCOUNTS;
    let target = (source + 1 + round % (ACCOUNTS - 1)) % ACCOUNTS;
    let amount = amount(round);
    let mut updates = [
        (source, format!("- {amount}")),
        (target, format!("+ {amount}")),
    ];
    updates.sort();
    let mut text = String::new();
    for (account, change) in updates {
        text += &format!("update accounts set balance = balance {change} where id = {account};");
    }
    text + &format!("insert into transfers values ({id}, {round}, {source}, {target}, {amount})")
}

/// What must hold of the books as a whole; every column is to be `t`.
pub const BALANCED: &str = "
    select (select sum(balance) from accounts) = 0,
           not exists (select from accounts where balance <>
               (select coalesce(sum(amount), 0) from transfers where target = id) -
               (select coalesce(sum(amount), 0) from transfers where source = id))";
