//! Real etcd servers, on ports of the loopback interface, gone with the test.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use standby::role::witness::Witness;
use standby::role::witness::etcd::{Etcd, EtcdConfig};
use standby::role::{Answer, Ask};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

use super::port::free_port;

struct Member {
    index: usize,
    child: Option<Child>,
    client_port: u16,
    peer_port: u16,
}

pub struct Cluster {
    members: Vec<Member>,
    dir: TempDir,
}

impl Cluster {
    pub fn start(members: usize) -> Self {
        let ports: Vec<_> = (0..members * 2).map(|_| free_port()).collect();
        let members = (0..members)
            .map(|index| Member {
                index,
                child: None,
                client_port: ports[index * 2],
                peer_port: ports[index * 2 + 1],
            })
            .collect();
        let mut cluster = Self {
            members,
            dir: tempfile::tempdir().unwrap(),
        };
        for index in 0..cluster.members.len() {
            cluster.run(index);
        }
        for index in 0..cluster.members.len() {
            cluster.wait(index);
        }
        cluster
    }

    /// Starts a member with what it has stored.
    pub fn run(&mut self, index: usize) {
        let peers: Vec<_> = self
            .members
            .iter()
            .map(|member| format!("m{}=http://127.0.0.1:{}", member.index, member.peer_port))
            .collect();
        let member = &mut self.members[index];
        let (client, peer) = (
            format!("http://127.0.0.1:{}", member.client_port),
            format!("http://127.0.0.1:{}", member.peer_port),
        );
        let child = Command::new("etcd")
            .args(["--name", &format!("m{index}"), "--logger", "zap"])
            .arg("--data-dir")
            .arg(self.dir.path().join(format!("m{index}")))
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &peers.join(",")])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd is installed (Debian: etcd-server)");
        member.child = Some(child);
    }

    /// Until it answers a question: it listens long before it has a leader and its files.
    pub fn wait(&self, index: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let read = Ask::Read { hint: None };
        while !matches!(self.one(index).ask(&read), Answer::Current { .. }) {
            assert!(Instant::now() < deadline, "etcd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A witness that knows this member alone.
    fn one(&self, index: usize) -> Etcd {
        Etcd::new(EtcdConfig {
            endpoints: vec![self.url(index)],
            service: "test".to_owned(),
            lease: Duration::from_secs(2),
            limit: Duration::from_secs(10),
            ca: None,
            identity: None,
        })
        .unwrap()
    }

    pub fn signal(&self, index: usize, signal: Signal) {
        let child = self.members[index].child.as_ref().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, signal).unwrap();
        if signal == Signal::SIGSTOP {
            // All its threads, that is: until then it may still answer.
            let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
            assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
        }
    }

    pub fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.members[index].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.members[index].client_port)
    }

    /// A witness that knows all members, the given one first.
    pub fn witness(&self, first: usize, lease_ms: u64) -> Etcd {
        self.patient(first, lease_ms, Duration::from_millis(1000))
    }

    /// The same with another limit for an answer.
    pub fn patient(&self, first: usize, lease_ms: u64, limit: Duration) -> Etcd {
        let count = self.members.len();
        let endpoints = (0..count)
            .map(|index| self.url((first + index) % count))
            .collect();
        Etcd::new(EtcdConfig {
            endpoints,
            service: "test".to_owned(),
            lease: Duration::from_millis(lease_ms),
            limit,
            ca: None,
            identity: None,
        })
        .unwrap()
    }

    /// Which member leads, as the others see it.
    pub fn leader(&self) -> usize {
        let deadline = Instant::now() + Duration::from_secs(60);
        // They may be about to elect another.
        for index in (0..self.members.len()).cycle() {
            assert!(Instant::now() < deadline, "no member leads");
            let Ok(output) = Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .args([
                    "--endpoints",
                    &self.url(index),
                    "endpoint",
                    "status",
                    "--write-out",
                    "json",
                ])
                .output()
            else {
                panic!("etcdctl is installed (Debian: etcd-client)");
            };
            let Ok(status) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
                continue;
            };
            let status = &status[0]["Status"];
            if status["leader"].is_u64() && status["leader"] == status["header"]["member_id"] {
                return index;
            }
        }
        unreachable!("there is no end to it")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut child) = member.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
