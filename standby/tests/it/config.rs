//! Options: the same from both sources, and every mistake named with its remedy.

use standby::config::{
    ConfigError, Log, NodeOptions, OnLag, Primary, PrimaryOptions, Standby, StandbyOptions,
    StoragePolicy, WitnessChoice,
};
use std::path::PathBuf;
use tracer::record::Keep;

fn options() -> NodeOptions {
    NodeOptions {
        keys: Some(PathBuf::from("/etc/ftrun")),
        vip: vec!["192.0.2.10/24".into(), "2001:db8::1/64".into()],
        dev: Some("eth0".into()),
        witness: Some("etcd:http://10.0.0.3:2379,http://10.0.0.4:2379".into()),
        ..NodeOptions::default()
    }
}

fn primary(node: NodeOptions) -> Result<Primary, ConfigError> {
    let standby = Some("127.0.0.1:7800".into());
    let options = PrimaryOptions {
        standby,
        node,
        ..PrimaryOptions::default()
    };
    Primary::new(options, "host-1")
}

#[test]
fn what_is_not_said_has_a_default() {
    let node = primary(options()).unwrap().node;
    assert_eq!(node.node.as_str(), "host-1");
    assert_eq!(node.timing.detect.as_millis(), 500);
    assert_eq!(node.timing.lease.as_millis(), 10_000);
    assert_eq!((node.on_lag, node.log), (OnLag::Slow, Log::Text));
    assert_eq!(node.vips[1].prefix, 64);
    let urls = ["http://10.0.0.3:2379", "http://10.0.0.4:2379"].map(str::to_owned);
    assert_eq!(node.witness, WitnessChoice::Etcd(urls.to_vec()));
    assert!(node.witness().unwrap().keeps_record());
}

#[test]
fn a_file_has_the_same_names_and_the_command_line_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ftrun.toml");
    let text = r#"
        standby = "127.0.0.1:7801"
        listen = "127.0.0.1:7802"
        node = "a"
        service = "shop"
        keys = "/keys"
        vip = ["192.0.2.9/24"]
        dev = "eth1"
        witness = "none"
        heartbeat = ["10.0.0.1:7810=10.0.0.2:7810"]
        detect-ms = 200
        on-lag = "drop"
        storage = ["/var/lib/x=unshared", "/srv=shared"]
        log = "json"
        metrics = "127.0.0.1:9100"
    "#;
    std::fs::write(&path, text).unwrap();
    let node = NodeOptions {
        config: Some(path.clone()),
        detect_ms: Some(300),
        ..NodeOptions::default()
    };
    let both = Primary::new(
        PrimaryOptions {
            node: node.clone(),
            ..PrimaryOptions::default()
        },
        "h",
    )
    .unwrap();
    assert_eq!(both.standby.port(), 7801);
    assert_eq!(both.node.timing.detect.as_millis(), 300);
    assert_eq!(both.node.service.as_str(), "shop");
    assert_eq!(both.node.on_lag, OnLag::Drop);
    assert_eq!(both.node.storage[1].policy, StoragePolicy::Shared);
    let standby = Standby::new(StandbyOptions { listen: None, node }, "h").unwrap();
    assert_eq!(standby.listen.port(), 7802);
    assert_eq!(standby.node, both.node);

    std::fs::write(&path, "detect = 3\n").unwrap();
    let node = NodeOptions {
        config: Some(path),
        ..options()
    };
    let error = primary(node).unwrap_err().to_string();
    assert!(
        error.contains("--config") && error.contains("detect"),
        "{error}"
    );
}

#[test]
fn every_mistake_is_named_with_a_remedy() {
    type Change = fn(&mut NodeOptions);
    let cases: &[(Change, &str)] = &[
        (|o| o.keys = None, "--keys is missing"),
        (|o| o.dev = None, "--dev is missing"),
        (|o| o.vip.clear(), "--vip is missing"),
        (|o| o.witness = None, "--witness is missing"),
        (|o| o.vip = vec!["192.0.2.10".into()], "prefix length, too"),
        (|o| o.vip = vec!["192.0.2.10/33".into()], "from 1 to 32"),
        (|o| o.vip = vec!["127.0.0.1/8".into()], "cannot reach"),
        (
            |o| o.dev = Some("a-name-that-is-too-long".into()),
            "ip link",
        ),
        (
            |o| o.witness = Some("etcd:10.0.0.3:2379".into()),
            "http:// or https://",
        ),
        (
            |o| o.witness = Some("etcd:http://10.0.0.3".into()),
            "a port",
        ),
        (|o| o.witness = Some("command:fence".into()), "absolute"),
        (|o| o.witness = Some("zookeeper".into()), "choose etcd"),
        (
            |o| o.witness = Some("etcd:https://h:1".into()),
            "--witness-ca is missing",
        ),
        (|o| o.witness_ca = Some("/x".into()), "for etcd:https"),
        (|o| o.detect_ms = Some(5), "from 100 to 60000"),
        (|o| o.lease_ms = Some(5), "from 2000 to"),
        (|o| o.on_lag = Some("x".into()), "slow or drop"),
        (|o| o.log = Some("x".into()), "text or json"),
        (|o| o.heartbeat = vec!["10.0.0.1:1".into()], "LOCAL=PEER"),
        (
            |o| o.heartbeat = vec!["10.0.0.1:1=[::1]:1".into()],
            "both IPv6",
        ),
        (
            |o| o.heartbeat = vec!["10.0.0.1:1=10.0.0.1:1".into()],
            "must differ",
        ),
        (
            |o| o.storage = vec!["/x=sometimes".into()],
            "unshared, shared or readonly",
        ),
        (|o| o.storage = vec!["x=shared".into()], "absolute"),
        (|o| o.node = Some("../x".into()), "letters, digits"),
        (|o| o.metrics = Some("nowhere".into()), "HOST:PORT"),
        (|o| o.config = Some("/nonexistent".into()), "cannot read it"),
    ];
    for (change, expected) in cases {
        let mut options = options();
        change(&mut options);
        let error = primary(options).unwrap_err().to_string();
        assert!(error.starts_with("--"), "names the option: {error}");
        assert!(
            error.contains(expected),
            "{error} should contain {expected}"
        );
    }
}

#[test]
fn shared_storage_needs_somebody_with_the_last_word() {
    let node = |witness: &str, storage: &[&str]| {
        let options = NodeOptions {
            witness: Some(witness.to_owned()),
            storage: storage.iter().map(|text| (*text).to_owned()).collect(),
            ..options()
        };
        primary(options).unwrap().node.trees()
    };
    let trees = node("command:/sbin/fence", &["/srv/a=shared", "/srv/b=unshared"]).unwrap();
    assert_eq!(trees[0].root, PathBuf::from("/srv/a"));
    assert_eq!((trees[0].keep, trees[1].keep), (Keep::Shared, Keep::Copied));
    let error = node("none", &["/srv/a=shared"]).unwrap_err().to_string();
    assert!(error.contains("needs a --witness"), "{error}");
    let error = node("command:/f", &["/srv/a=shared", "/srv=unshared"]).unwrap_err();
    assert!(error.to_string().contains("overlaps /srv/a"), "{error}");
}
