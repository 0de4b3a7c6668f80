//! Whoever has no key gets nothing, and cannot keep the one who has it out.

use crate::link;

use journal::{Event, WriterOptions};
use link::{LIMIT, Nodes, wait_committed};
use standby::link::{
    BODY_BYTES_MAX, HEAD_BYTES, KeyError, Keys, Message, Receiver, Sender, WireError, decode,
    encode, generate,
};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

#[test]
fn keys_are_made_for_two_and_never_overwritten() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path().join("keys");
    let nodes = generate(&dir).expect("keys");
    assert_eq!(nodes, [dir.join("node1"), dir.join("node2")]);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").mode() & 0o7777;
    assert_eq!(mode(&dir), 0o700);
    let read = |node: usize, name: &str| fs::read(nodes[node].join(name)).expect("reads");
    for (index, node) in nodes.iter().enumerate() {
        assert_eq!(mode(node), 0o700);
        for name in ["key.pem", "cert.pem", "peer.pem"] {
            assert_eq!(mode(&node.join(name)), 0o600, "{name}");
        }
        assert_eq!(fs::read_dir(node).expect("a directory").count(), 3);
        assert_eq!(read(index, "peer.pem"), read(1 - index, "cert.pem"));
        Keys::load(node).expect("usable");
    }
    assert_ne!(read(0, "key.pem"), read(1, "key.pem"));
    assert_ne!(read(0, "cert.pem"), read(1, "cert.pem"));
    let before = read(1, "key.pem");
    assert!(matches!(generate(&dir), Err(KeyError::Exists { .. })));
    fs::remove_dir_all(&nodes[0]).expect("removes");
    assert!(matches!(generate(&dir), Err(KeyError::Exists { .. })));
    assert!(!nodes[0].exists(), "half of it is not made either");
    assert_eq!(read(1, "key.pem"), before);
}

#[test]
fn unusable_keys_are_named() {
    let scratch = tempfile::tempdir().expect("a directory");
    let [node, other] = generate(&scratch.path().join("keys")).expect("keys");
    let error = || Keys::load(&node).expect_err("unusable").to_string();
    let set_mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(node.join("key.pem"), permissions).expect("changes");
    };
    set_mode(0o640);
    assert!(
        error().contains("mode 0640") && error().contains("chmod 600"),
        "{}",
        error()
    );
    set_mode(0o600);
    let good = fs::read(node.join("peer.pem")).expect("reads");
    fs::copy(node.join("cert.pem"), node.join("peer.pem")).expect("copies");
    assert!(error().contains("same certificate"), "{}", error());
    fs::write(node.join("peer.pem"), "no certificate").expect("writes");
    assert!(
        error().contains("peer.pem is not a certificate in PEM"),
        "{}",
        error()
    );
    fs::remove_file(node.join("peer.pem")).expect("removes");
    assert!(error().contains("peer.pem"), "{}", error());
    fs::write(node.join("peer.pem"), good).expect("writes");
    // A key that does not belong to the certificate.
    fs::copy(other.join("key.pem"), node.join("key.pem")).expect("copies");
    let mismatched = Keys::load(&node).expect("each is what it says");
    let nodes = Nodes::new();
    let mut options = nodes.receiver_options();
    options.keys = mismatched;
    assert!(Receiver::start(options, |_| {}).is_err());
}

/// Everything that is sent to `address` and comes back, until it is closed.
fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("connects");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket");
    // It may be closed in the middle.
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

#[test]
fn whoever_speaks_no_tls_gets_no_answer_but_an_alert() {
    let mut nodes = Nodes::new();
    nodes.times.handshake = Duration::from_millis(300);
    let (receiver, standby) = nodes.receiver();
    let mut plain = Vec::new();
    encode(&mut plain, &Message::Ping { id: 1 }).expect("encodes");
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 100_000],
        &[0xff; 5],
        &plain,
        b"",
        b"\x16",
        b"\x16\x03\x01\x40\x00",
        b"\x16\x03\x01\xff\xff",
    ] {
        let answer = talk(receiver.local_addr(), bytes);
        // A TLS alert record at most: it says nothing of who we are.
        assert!(
            answer.is_empty() || (answer.len() == 7 && answer[0] == 0x15),
            "{answer:?}"
        );
        standby.lost("");
    }
}

#[test]
fn the_wrong_key_is_refused_by_both_sides() {
    let mut nodes = Nodes::new();
    nodes.times.retry_max = Duration::from_millis(50);
    let strangers = Nodes::new();
    let writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();

    // A stranger connects: with an own pair of keys, and with our certificate as its peer.
    let mixed = |own: &str, peer: (&Nodes, &str)| {
        let dir = strangers.root().join(format!("mixed-{own}-{}", peer.1));
        fs::create_dir(&dir).expect("creates");
        for name in ["key.pem", "cert.pem"] {
            let from = strangers.root().join("keys").join(own).join(name);
            fs::copy(from, dir.join(name)).expect("copies");
        }
        let from = peer.0.root().join("keys").join(peer.1).join("cert.pem");
        fs::copy(from, dir.join("peer.pem")).expect("copies");
        Keys::load(&dir).expect("usable")
    };
    for keys in [strangers.keys[0].clone(), mixed("node1", (&nodes, "node2"))] {
        let mut options = nodes.sender_options(receiver.local_addr(), &writer);
        options.keys = keys;
        let (tell, stranger) = link::Events::new("stranger");
        let sender = Sender::start(options, tell).expect("starts");
        stranger.lost("not authenticated");
        standby.lost("not authenticated");
        drop(sender);
        let connected = stranger.so_far().into_iter().chain(standby.so_far());
        for event in connected {
            assert!(
                !matches!(event, standby::link::LinkEvent::Connected(_)),
                "{event:?}"
            );
        }
    }
    // The primary is led to a stranger that has copied its certificate, but not the key.
    let mut options = nodes.receiver_options();
    options.keys = mixed("node2", (&nodes, "node1"));
    options.dir = strangers.standby_dir();
    let (tell, stranger) = link::Events::new("stranger");
    let false_standby = Receiver::start(options, tell).expect("starts");
    let (sender, primary, commit) = nodes.sender(false_standby.local_addr(), &writer);
    primary.lost("not authenticated");
    stranger.lost("not authenticated");
    assert_eq!(false_standby.stats().received_bytes, 0);
    assert_eq!((sender.stats().connections, commit.committed()), (0, 0));
}

#[test]
fn strangers_that_say_nothing_keep_nobody_out() {
    let mut nodes = Nodes::new();
    nodes.times.handshake = LIMIT;
    let mut writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    // More than are waited for. The first ones are closed again, though their time is not over.
    let mut silent: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(receiver.local_addr()).expect("connects"))
        .collect();
    let mut first = silent.remove(0);
    first.set_read_timeout(Some(LIMIT)).expect("a socket");
    assert!(matches!(first.read(&mut [0]), Ok(0) | Err(_)));
    standby.lost("");
    let (_sender, primary, commit) = nodes.sender(receiver.local_addr(), &writer);
    primary.connected();
    // And they do not disturb whoever is in.
    silent.extend((0..40).map(|_| TcpStream::connect(receiver.local_addr()).expect("connects")));
    writer.append(&Event::Time(1)).expect("appends");
    wait_committed(&commit, 1);
    let threads = fs::read_dir("/proc/self/task").expect("a process").count();
    assert!(threads < 100, "{threads} threads");
    drop(receiver);
}

#[test]
fn half_a_handshake_ends_in_time_on_both_sides() {
    let mut nodes = Nodes::new();
    nodes.times.handshake = Duration::from_millis(300);
    let writer = nodes.record(WriterOptions::default());
    let (receiver, standby) = nodes.receiver();
    let mut socket = TcpStream::connect(receiver.local_addr()).expect("connects");
    // A byte now and then does not prolong it.
    let begun = Instant::now();
    let drip = std::thread::spawn(move || {
        let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        for byte in hello.iter().chain(&[0; 500]) {
            if socket.write_all(&[*byte]).is_err() || begun.elapsed() > LIMIT {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    });
    standby.lost("did not complete the handshake");
    assert!(drip.join().expect("no panic") < LIMIT / 2);
    // Somebody accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address");
    let (_sender, primary, _commit) = nodes.sender(address, &writer);
    primary.lost("did not complete the handshake");
}

#[test]
fn too_long_messages_are_not_waited_for() {
    for len in [BODY_BYTES_MAX + 1, u32::MAX as usize] {
        let head = u32::try_from(len).expect("a length").to_le_bytes();
        assert_eq!(decode(&head), Err(WireError::TooLong(len)));
    }
    let mut out = vec![1, 2, 3];
    let too_long = vec![0; BODY_BYTES_MAX];
    assert!(encode(&mut out, &Message::Control { bytes: &too_long }).is_err());
    assert_eq!(out, [1, 2, 3]);
    assert_eq!(HEAD_BYTES, 8);
}
