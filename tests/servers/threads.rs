//! Rust threads: channels, scopes, condition variables, barriers, panics, sockets, hash order.
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

fn channels() {
    let (sender, receiver) = mpsc::sync_channel(4);
    let team: Vec<_> = (0..5u64)
        .map(|n| {
            let sender = sender.clone();
            thread::spawn(move || (0..100).for_each(|i| sender.send((n, i)).unwrap()))
        })
        .collect();
    drop(sender);
    let order: Vec<_> = receiver.iter().collect();
    team.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(order.len(), 500);
    let switches = order.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    println!("channel switches {switches}");
}

fn turns() {
    let state = Arc::new((Mutex::new(0), Condvar::new()));
    let team: Vec<_> = (0..4)
        .map(|n| {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                for round in 0..25 {
                    let (turn, changed) = &*state;
                    let mine = |now: &mut u64| *now != round * 4 + n;
                    let mut now = changed.wait_while(turn.lock().unwrap(), mine).unwrap();
                    *now += 1;
                    changed.notify_all();
                }
            })
        })
        .collect();
    team.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*state.0.lock().unwrap(), 100);
}

fn scopes() {
    let (counter, table, barrier) = (AtomicU64::new(0), RwLock::new(vec![0; 8]), Barrier::new(8));
    thread::scope(|scope| {
        for n in 0..8 {
            let (counter, table, barrier) = (&counter, &table, &barrier);
            scope.spawn(move || {
                barrier.wait();
                counter.fetch_add(n, Ordering::SeqCst);
                table.write().unwrap()[n as usize] = n;
                assert!(table.read().unwrap().len() == 8);
            });
        }
    });
    assert_eq!(counter.into_inner(), 28);
    assert_eq!(table.into_inner().unwrap(), (0..8).collect::<Vec<u64>>());
}

fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let serve = |stream: TcpStream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut writer) = (String::new(), stream);
            while reader.read_line(&mut line).unwrap() > 0 {
                writer.write_all(line.to_uppercase().as_bytes()).unwrap();
                line.clear();
            }
        };
        let served: Vec<_> =
            (0..6).map(|_| listener.accept().unwrap().0).map(|s| thread::spawn(move || serve(s))).collect();
        served.into_iter().for_each(|thread| thread.join().unwrap());
    });
    thread::scope(|scope| {
        for n in 0..6 {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                for i in 0..20 {
                    writeln!(stream, "client {n} says {i}").unwrap();
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    assert_eq!(line, format!("CLIENT {n} SAYS {i}\n"));
                }
            });
        }
    });
    server.join().unwrap();
    println!("served at {address}");
}

fn main() {
    let start = Instant::now();
    channels();
    turns();
    scopes();
    sockets();
    let died = thread::spawn(|| panic!("on purpose")).join();
    assert!(died.is_err());
    thread::park_timeout(Duration::from_millis(5));
    let words: HashMap<_, _> = (0..20).map(|n| (format!("w{n}"), n)).collect();
    println!("order {:?}", words.keys().collect::<Vec<_>>());
    println!("now {:?} took {:?} at {:p}", SystemTime::now(), start.elapsed(), Box::new(1));
    println!("ok");
}
