//! OpenSSL and curl: keys, certificates, ciphers, and TLS to a local server.

use crate::common;

use std::process::Command;
use std::time::Duration;

use common::{Record, Scratch, Spawned, free_port, program, record_and_replay, wait_for_port};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn openssl_keys_and_ciphers() {
    let scratch = Scratch::new("openssl");
    scratch.private_binary(&program("openssl"));
    let script = r#"
        set -e
        o=bin/openssl
        $o rand -hex 16
        $o genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2> /dev/null
        $o ecparam -name prime256v1 -genkey -noout -out ec.pem
        $o genpkey -algorithm ED25519 -out ed.pem
        $o req -x509 -key ec.pem -subj /CN=tester -days 3 -out cert.pem
        $o x509 -in cert.pem -noout -fingerprint -serial -startdate
        $o verify -CAfile cert.pem cert.pem
        head -c 100000 /dev/urandom > data
        for key in rsa ec; do
            $o dgst -sha256 -sign $key.pem -out $key.sig data
            $o pkey -in $key.pem -pubout -out $key.pub
            $o dgst -sha256 -verify $key.pub -signature $key.sig data
        done
        for cipher in aes-256-cbc chacha20 aes-128-ctr; do
            $o enc -$cipher -pbkdf2 -pass pass:word -in data -out data.$cipher
            $o enc -d -$cipher -pbkdf2 -pass pass:word -in data.$cipher | cmp - data
            echo "$cipher same"
        done
        $o dgst -sha512 data; $o dgst -blake2b512 data; $o md5 < data; sha256sum rsa.pem ec.pem
    "#;
    let output = record_and_replay(Record::bash(&scratch, script).timeout(LIMIT), 0);
    assert_eq!(output.out().matches("Verified OK\n").count(), 2, "{output}");
    assert_eq!(output.out().matches(" same\n").count(), 3, "{output}");
}

#[test]
fn openssl_server_and_client() {
    let scratch = Scratch::new("openssl-tls");
    scratch.private_binary(&program("openssl"));
    let port = free_port();
    let script = format!(
        r#"
        set -e
        o=bin/openssl
        $o req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 3 -keyout key.pem -out cert.pem 2> /dev/null
        $o s_server -accept 127.0.0.1:{port} -key key.pem -cert cert.pem -rev -quiet 2> server.log & server=$!
        for version in -tls1_2 -tls1_3; do
            for try in $(seq 1 100); do
                rm -f answer over
                # The client ends with its input, whatever it has heard by then.
                (echo hello $version; until [ -s answer ] || [ -e over ]; do sleep 0.02; done) |
                    ($o s_client -connect 127.0.0.1:{port} -CAfile cert.pem $version -quiet -no_ign_eof \
                        -verify_return_error > answer 2> client.log; code=$?; touch over; exit $code) && break
                sleep 0.1
            done
            echo "$version: $(cat answer)"
        done
        kill $server; wait $server || echo "server ended with $?"
        "#
    );
    let output = record_and_replay(Record::bash(&scratch, &script).timeout(LIMIT), 0);
    assert!(
        output.out().contains("-tls1_2: 2_1slt- olleh\n"),
        "{output}"
    );
    assert!(
        output.out().contains("-tls1_3: 3_1slt- olleh\n"),
        "{output}"
    );
}

/// A recorded client of a server that is not recorded; at the replay the server is gone.
#[test]
fn curl_from_a_tls_server() {
    let scratch = Scratch::new("curl");
    let curl = scratch.private_binary(&program("curl"));
    let port = free_port();
    let (key, cert) = (scratch.path("key.pem"), scratch.path("cert.pem"));
    let mut make = Command::new(program("openssl"));
    make.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3",
    ]);
    make.args([
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]);
    make.arg("-keyout").arg(&key).arg("-out").arg(&cert);
    common::run_command(make, None, LIMIT).expect_code(0);
    scratch.write("page", "a page\n".repeat(2000));
    let mut serve = Command::new(program("openssl"));
    serve.args([
        "s_server",
        "-WWW",
        "-quiet",
        "-accept",
        &format!("127.0.0.1:{port}"),
    ]);
    serve
        .arg("-key")
        .arg(&key)
        .arg("-cert")
        .arg(&cert)
        .current_dir(scratch.work());
    let server = Spawned::start(serve, None);
    wait_for_port(port, LIMIT);

    let url = format!("https://localhost:{port}/page");
    let record = Record::new(&scratch, curl)
        .args(["-sS", "-v", "-4", "--cacert"])
        .arg(&cert);
    let write_out = "%{http_code} %{size_download} %{time_total} %{local_port}\\n";
    let recorded = record
        .args(["-w", write_out, &url, &url])
        .timeout(LIMIT)
        .run();
    recorded.expect_code(0);
    let out = recorded.output.out();
    assert_eq!(out.matches("a page\n").count(), 4000, "{}", recorded.output);
    assert_eq!(out.matches("200 14000 ").count(), 2, "{}", recorded.output);
    drop(server);
    scratch.originals_gone();
    recorded.assert_replays();
}

#[test]
fn curl_reports_a_refused_connection() {
    let scratch = Scratch::new("curl-refused");
    let curl = scratch.private_binary(&program("curl"));
    let url = format!("https://127.0.0.1:{}/", free_port());
    let output = record_and_replay(Record::new(&scratch, curl).args(["-sS", &url]), 7);
    assert!(output.err().contains("curl: (7)"), "{output}");
}
