//! nginx: a master and two workers, static files, TLS, reload by SIGHUP, under load.

use crate::common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use common::{Record, Running, Scratch, free_port, heavy, native, program, soaking, wait_for_port};

const LIMIT: Duration = Duration::from_secs(400);

struct Site {
    scratch: Scratch,
    plain: u16,
    tls: u16,
}

/// A private nginx with a certificate and files to serve under the scratch directory.
fn site(name: &str, greeting: &str) -> Site {
    let site = Site {
        scratch: Scratch::new(name),
        plain: free_port(),
        tls: free_port(),
    };
    let scratch = &site.scratch;
    scratch.private_binary(&program("nginx"));
    scratch.dir("logs");
    scratch.dir("cache");
    scratch.write("html/index.html", format!("<html>{greeting}</html>\n"));
    scratch.write("html/small", "s".repeat(100));
    scratch.write(
        "html/big",
        (0..300_000u32)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>(),
    );
    let (key, cert) = (scratch.path("key.pem"), scratch.path("cert.pem"));
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
    ];
    let files = ["-days", "2", "-keyout", text(&key), "-out", text(&cert)];
    native(program("openssl"), arguments.iter().chain(&files), LIMIT);
    configure(&site, greeting);
    site
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn configure(site: &Site, greeting: &str) {
    let (plain, tls) = (site.plain, site.tls);
    let user = if nix::unistd::getuid().is_root() {
        "user nobody nogroup;"
    } else {
        ""
    };
    let config = format!(
        r#"
        {user}
        daemon off;
        worker_processes 2;
        pid nginx.pid;
        error_log logs/error.log notice;
        events {{ worker_connections 256; }}
        http {{
            access_log logs/access.log combined buffer=32k flush=1s;
            client_body_temp_path cache/body; proxy_temp_path cache/proxy;
            fastcgi_temp_path cache/fastcgi; uwsgi_temp_path cache/uwsgi; scgi_temp_path cache/scgi;
            sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 60;
            gzip on; gzip_types *;
            server {{
                listen 127.0.0.1:{plain};
                listen 127.0.0.1:{tls} ssl;
                ssl_certificate cert.pem; ssl_certificate_key key.pem;
                root html;
                location /hello {{ return 200 "{greeting} $request_id $msec $pid\n"; }}
                location /through {{ proxy_pass http://127.0.0.1:{plain}/small; }}
            }}
        }}
        "#
    );
    site.scratch.write("nginx.conf", config);
}

fn start(site: &Site) -> Running<'_> {
    let scratch = &site.scratch;
    let prefix = scratch.work();
    let record = Record::new(scratch, scratch.path("bin/nginx"));
    let record = record.args([
        "-p",
        text(&prefix),
        "-c",
        "nginx.conf",
        "-e",
        "logs/first.log",
    ]);
    let running = record.timeout(LIMIT).spawn();
    wait_for_port(site.plain, Duration::from_secs(60));
    running
}

/// Sends a signal to the master, as `nginx -s` and the init scripts do.
fn signal_master(site: &Site, signal: Signal) {
    let pid = std::fs::read_to_string(site.scratch.path("nginx.pid")).expect("nginx is running");
    kill(Pid::from_raw(pid.trim().parse().expect("a pid")), signal).expect("the master runs");
}

#[track_caller]
fn stop_and_replay(site: &Site, mut running: Running<'_>) {
    running.assert_running();
    signal_master(site, Signal::SIGQUIT);
    let recorded = running.wait();
    recorded.expect_code(0);
    site.scratch.assert_no_process_left();
    site.scratch.originals_gone();
    recorded.assert_verifies_and_replays();
}

#[track_caller]
fn load(url: &str, requests: &str, connections: &str) {
    let arguments = ["-k", "-q", "-n", requests, "-c", connections, url];
    let output = native(program("ab"), arguments, LIMIT);
    for line in [
        format!("Complete requests:      {requests}\n"),
        "Failed requests:        0\n".to_owned(),
    ] {
        assert!(output.out().contains(&line), "{output}");
    }
    assert!(!output.out().contains("Non-2xx"), "{output}");
}

fn curl(arguments: &[&str]) -> String {
    native(
        program("curl"),
        ["-sSf", "-m", "60"].iter().chain(arguments),
        LIMIT,
    )
    .out()
}

#[test]
fn hundred_thousand_requests() {
    let _turn = heavy();
    let requests = if soaking() { "300000" } else { "100000" };
    let site = site("nginx-load", "load");
    let running = start(&site);
    load(
        &format!("http://127.0.0.1:{}/small", site.plain),
        requests,
        "32",
    );
    stop_and_replay(&site, running);
}

#[test]
fn files_tls_proxy_and_errors() {
    let _turn = heavy();
    let site = site("nginx-tls", "mixed");
    let running = start(&site);
    let plain = |path: &str| format!("http://127.0.0.1:{}/{path}", site.plain);
    let tls = |path: &str| format!("https://localhost:{}/{path}", site.tls);
    let copy = site.scratch.path("copy");
    for url in [plain("big"), tls("big")] {
        let cert = site.scratch.path("cert.pem");
        curl(&["--cacert", text(&cert), "-o", text(&copy), &url]);
        let same = std::fs::read(&copy).expect("curl wrote it")
            == std::fs::read(site.scratch.path("html/big")).expect("we wrote it");
        assert!(same, "{url} was not served rightly");
    }
    assert_eq!(
        curl(&["--compressed", &plain("index.html")]),
        "<html>mixed</html>\n"
    );
    assert_eq!(curl(&["-r", "10-19", &plain("small")]), "s".repeat(10));
    assert_eq!(curl(&[&plain("through")]), "s".repeat(100));
    let missing = [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &plain("missing"),
    ];
    assert_eq!(native(program("curl"), missing, LIMIT).out(), "404");
    load(&tls("small"), "1000", "8");
    load(&plain("big"), "300", "8");
    stop_and_replay(&site, running);
}

#[test]
fn reload_by_hangup_under_load() {
    let _turn = heavy();
    let site = site("nginx-reload", "before");
    let running = start(&site);
    let hello = format!("http://127.0.0.1:{}/hello", site.plain);
    assert!(curl(&[&hello]).starts_with("before "));
    std::thread::scope(|scope| {
        let url = format!("http://127.0.0.1:{}/small", site.plain);
        // No keep-alive: a worker that retires may close idle connections under the client.
        let arguments = ["-q", "-r", "-n", "4000", "-c", "8", &url].map(str::to_owned);
        let client = scope.spawn(move || native(program("ab"), arguments, LIMIT));
        configure(&site, "after");
        signal_master(&site, Signal::SIGHUP);
        common::wait_until("new configuration", Duration::from_secs(60), || {
            curl(&[&hello]).starts_with("after ")
        });
        let output = client.join().expect("the load ends");
        assert!(
            output.out().contains("Failed requests:        0\n"),
            "{output}"
        );
    });
    let log = site.scratch.path("logs/error.log");
    let log = std::fs::read_to_string::<PathBuf>(log).expect("nginx keeps a log");
    assert!(log.contains("signal 1 (SIGHUP) received"), "{log}");
    stop_and_replay(&site, running);
}
