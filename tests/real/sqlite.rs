//! SQLite's shell: transactions, rollback journal and write-ahead log, two processes on one file.

use crate::common;

use std::path::Path;
use std::time::Duration;

use common::{Record, Scratch, program, record_and_replay};

const LIMIT: Duration = Duration::from_secs(120);

/// The shell with private copies of itself and of its library.
fn shell<'a>(scratch: &'a Scratch, script: &str) -> Record<'a> {
    scratch.private_binary(&program("sqlite3"));
    let libraries = [
        "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0",
        "/usr/lib64/libsqlite3.so.0",
    ];
    // A shell that has the library inside needs no copy.
    if let Some(library) = libraries.iter().map(Path::new).find(|path| path.exists()) {
        scratch.private_library(library);
    }
    Record::bash(scratch, script)
        .env("LD_LIBRARY_PATH", scratch.path("lib"))
        .timeout(LIMIT)
}

#[test]
fn transactions_and_rollback_journal() {
    let scratch = Scratch::new("sqlite-journal");
    let script = r#"
        set -e
        bin/sqlite3 data.db <<'END'
        create table t (id integer primary key, name text, value real);
        begin;
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
        insert into t select i, 'row ' || i, i * 1.5 from n;
        commit;
        create index by_name on t (name);
        begin; delete from t where id % 2; rollback;
        update t set value = random() where id < 100;
        select count(*), sum(length(name)) from t;
        select datetime('now'), julianday('now'), hex(randomblob(8)), random();
        vacuum;
        pragma integrity_check;
END
        for i in $(seq 1 30); do
            bin/sqlite3 data.db "insert into t (name) values ('single $i $RANDOM')"; done
        bin/sqlite3 data.db 'select count(*) from t' .dump | sha256sum
        bin/sqlite3 data.db '.backup copy.db'; bin/sqlite3 copy.db .dump | sha256sum
        bin/sqlite3 copy.db 'pragma integrity_check'
    "#;
    let output = record_and_replay(shell(&scratch, script), 0);
    assert!(output.out().starts_with("5000|38893\n"), "{output}");
    assert_eq!(output.out().matches("ok\n").count(), 2, "{output}");
}

/// The write-ahead log's index is a shared mapping of a file: two writers and a reader share it.
#[test]
fn write_ahead_log_of_three_processes() {
    let scratch = Scratch::new("sqlite-wal");
    let script = r#"
        set -e
        bin/sqlite3 wal.db 'pragma journal_mode = wal; create table t (who, n)'
        work() {
            for n in $(seq 1 25); do
                bin/sqlite3 -cmd '.timeout 30000' wal.db "insert into t values ('$1', $n)"
            done
        }
        work a & first=$!
        work b & second=$!
        (echo '.timeout 30000'; for i in $(seq 1 40); do echo "insert into t values ('c', $i);"; done
         echo 'select count(*) > 0 from t;') | bin/sqlite3 wal.db & third=$!
        wait $first; wait $second; wait $third
        ls -l wal.db* | wc -l
        bin/sqlite3 wal.db 'pragma wal_checkpoint(truncate); pragma integrity_check' \
            'select who, count(*), sum(n) from t group by who order by who'
    "#;
    let output = record_and_replay(shell(&scratch, script), 0);
    assert!(
        output.out().ends_with("ok\na|25|325\nb|25|325\nc|40|820\n"),
        "{output}"
    );
}

/// One process that keeps the shared index mapped while other processes write.
#[test]
fn write_ahead_log_held_open() {
    let scratch = Scratch::new("sqlite-held");
    let script = r#"
        set -e
        mkfifo commands
        bin/sqlite3 wal.db < commands & shell=$!
        exec 3> commands
        echo '.timeout 30000' >&3
        echo 'pragma journal_mode = wal; create table t (n); insert into t values (0);' >&3
        printf '%s\n' '.output up' "select 'ready';" '.output stdout' >&3
        until [ -s up ]; do sleep 0.02; done
        for n in $(seq 1 20); do
            bin/sqlite3 -cmd '.timeout 30000' wal.db "insert into t values ($n)"
            echo 'select count(*), sum(n) from t;' >&3
        done
        echo 'pragma integrity_check;' >&3
        exec 3>&-; wait $shell
    "#;
    let output = record_and_replay(shell(&scratch, script), 0);
    assert!(output.out().ends_with("ok\n"), "{output}");
    assert!(output.out().contains("21|210\n"), "{output}");
}
