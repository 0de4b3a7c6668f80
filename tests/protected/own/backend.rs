//! A backend of a protected application: it gets every request once and in order, or says so.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Requests so far: the last of each client, and what was wrong.
#[derive(Default)]
struct Books {
    last: HashMap<u32, u32>,
    wrong: Vec<String>,
}

impl Books {
    fn note(&mut self, id: u32, n: u32) {
        let last = self.last.entry(id).or_default();
        if n != *last + 1 {
            self.wrong.push(format!("client {id}: {n} after {last}"));
        }
        *last = n;
    }
}

/// One of its doors: a listening socket, served until the end of the test.
pub struct Door {
    books: Arc<Mutex<Books>>,
}

impl Door {
    /// Connections that stay, with many requests.
    pub fn kept(listener: TcpListener) -> Self {
        Self::open(listener, keep)
    }

    /// Connections for one request each.
    pub fn single(listener: TcpListener) -> Self {
        Self::open(listener, once)
    }

    fn open(
        listener: TcpListener,
        serve: fn(TcpStream, &Mutex<Books>) -> Result<(), String>,
    ) -> Self {
        let books: Arc<Mutex<Books>> = Arc::default();
        let kept = Arc::clone(&books);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let books = Arc::clone(&kept);
                let stream = stream.expect("accepts");
                std::thread::spawn(move || {
                    if let Err(what) = serve(stream, &books) {
                        books.lock().expect("no panic").wrong.push(what);
                    }
                });
            }
        });
        Self { books }
    }

    /// Every client's requests came once and in order; the last of each.
    #[track_caller]
    pub fn assert_in_order(&self, said: impl Fn() -> String) -> HashMap<u32, u32> {
        let books = self.books.lock().expect("no panic");
        let first = &books.wrong[..books.wrong.len().min(5)];
        assert!(first.is_empty(), "the backend: {first:#?}\n{}", said());
        books.last.clone()
    }
}

/// What a request is answered with.
pub fn body(id: u32, n: u32) -> Vec<u8> {
    let length = (id * 7919 + n * 104_729) % 5000;
    (0..length)
        .map(|at| (at + id + n).to_le_bytes()[0])
        .collect()
}

fn request(line: &str) -> Result<(u32, u32), String> {
    let parse = || {
        let (id, n) = line.strip_suffix('\n')?.split_once(' ')?;
        Some((id.parse().ok()?, n.parse().ok()?))
    };
    parse().ok_or_else(|| format!("a request {line:?}"))
}

fn keep(stream: TcpStream, books: &Mutex<Books>) -> Result<(), String> {
    let mut lines = BufReader::new(&stream);
    let mut out = &stream;
    loop {
        let mut line = String::new();
        let read = lines.read_line(&mut line);
        if read.map_err(|error| format!("a kept connection: {error}"))? == 0 {
            return Ok(());
        }
        let (id, n) = request(&line)?;
        books.lock().expect("no panic").note(id, n);
        let body = body(id, n);
        let mut answer = format!("{id} {n} {}\n", body.len()).into_bytes();
        answer.extend(body);
        out.write_all(&answer)
            .map_err(|error| format!("a kept connection: {error}"))?;
    }
}

fn once(stream: TcpStream, books: &Mutex<Books>) -> Result<(), String> {
    let failed = |error| format!("a single connection: {error}");
    let mut text = String::new();
    (&stream).read_to_string(&mut text).map_err(failed)?;
    let (id, n) = request(&text)?;
    books.lock().expect("no panic").note(id, n);
    (&stream).write_all(text.as_bytes()).map_err(failed)
}
