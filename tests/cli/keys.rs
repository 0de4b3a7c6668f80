//! `ftrun keys`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::common::Scratch;
use crate::support::{answer, ask, refused};

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.mode() & 0o7777
}

#[test]
fn keys_are_made_for_two_nodes_once() {
    let scratch = Scratch::new("keys");
    let dir = scratch.root().join("new keys");
    let text = answer(&scratch, ["keys".as_ref(), dir.as_os_str()]);
    let nodes = ["node1", "node2"].map(|name| dir.join(name));
    let named: Vec<_> = text.lines().map(Path::new).collect();
    assert_eq!(named, nodes, "{text}");
    assert_eq!(mode(&dir), 0o700);
    for node in &nodes {
        assert_eq!(mode(node), 0o700);
        for (name, kind) in [
            ("key.pem", "PRIVATE KEY"),
            ("cert.pem", "CERTIFICATE"),
            ("peer.pem", "CERTIFICATE"),
        ] {
            assert_eq!(mode(&node.join(name)), 0o600);
            let pem = fs::read_to_string(node.join(name)).expect("it can be read");
            assert!(pem.starts_with(&format!("-----BEGIN {kind}-----")), "{pem}");
        }
    }
    let read = |node: &Path, name| fs::read(node.join(name)).expect("it can be read");
    assert_eq!(read(&nodes[0], "peer.pem"), read(&nodes[1], "cert.pem"));
    assert_eq!(read(&nodes[1], "peer.pem"), read(&nodes[0], "cert.pem"));
    let before = read(&nodes[0], "key.pem");
    let again = ask(&scratch, ["keys".as_ref(), dir.as_os_str()]);
    refused(
        &again,
        125,
        &["no keys were made", "node1", "never overwritten"],
    );
    assert_eq!(read(&nodes[0], "key.pem"), before);
    let file = scratch.write("file", "x");
    let blocked = ask(&scratch, ["keys".as_ref(), file.as_os_str()]);
    refused(&blocked, 125, &["no keys were made", "file"]);
    let nowhere = scratch.root().join("absent/keys");
    let blocked = ask(&scratch, ["keys".as_ref(), nowhere.as_os_str()]);
    refused(&blocked, 125, &["cannot create", "absent/keys"]);
}
