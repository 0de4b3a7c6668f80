//! System V and POSIX message queues, semaphores and shared memory.

use super::{Form, fields};
use crate::model::StructId;
use crate::model::names::fcntl::OPEN;
use crate::model::names::ipc::SEM;
use crate::strace::fields::{Field, Is, field, int, long, nested, uint, ulong, ushort};
use crate::strace::text::{SHOWN_MAX, buffer, put, quoted};
use crate::strace::view::signed;

const fn id(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Id)
}

pub(super) fn form(of: StructId) -> Option<Form> {
    Some(match of {
        StructId::IpcPerm => fields![
            id("uid", 4),
            id("gid", 8),
            field("mode", 20, Is::Octal(4)),
            int("key", 0),
            id("cuid", 12),
            id("cgid", 16),
        ],
        StructId::ShmidDs => fields![
            nested("shm_perm", 0, StructId::IpcPerm),
            ulong("shm_segsz", 48),
            int("shm_cpid", 80),
            int("shm_lpid", 84),
            ulong("shm_nattch", 88),
            ulong("shm_atime", 56),
            ulong("shm_dtime", 64),
            ulong("shm_ctime", 72),
        ],
        StructId::SemidDs => fields![
            nested("sem_perm", 0, StructId::IpcPerm),
            ulong("sem_otime", 48),
            ulong("sem_ctime", 64),
            ulong("sem_nsems", 80),
        ],
        StructId::MsqidDs => fields![
            nested("msg_perm", 0, StructId::IpcPerm),
            ulong("msg_stime", 48),
            ulong("msg_rtime", 56),
            ulong("msg_ctime", 64),
            ulong("msg_qnum", 80),
            ulong("msg_qbytes", 88),
            int("msg_lspid", 96),
            int("msg_lrpid", 100),
        ],
        StructId::Sembuf => fields![
            ushort("sem_num", 0),
            field("sem_op", 2, Is::Signed(2)),
            field("sem_flg", 4, Is::Flags(2, &SEM)),
        ],
        StructId::MqAttr => fields![
            field("mq_flags", 0, Is::Flags(8, &QUEUE)),
            long("mq_maxmsg", 8),
            long("mq_msgsize", 16),
            long("mq_curmsgs", 24),
        ],
        StructId::Msginfo => fields![
            uint("msgpool", 0),
            uint("msgmap", 4),
            uint("msgmax", 8),
            uint("msgmnb", 12),
            uint("msgmni", 16),
            uint("msgssz", 20),
            uint("msgtql", 24),
            ushort("msgseg", 28),
        ],
        StructId::Shminfo => fields![
            ulong("shmmax", 0),
            ulong("shmmin", 8),
            ulong("shmmni", 16),
            ulong("shmseg", 24),
            ulong("shmall", 32),
        ],
        StructId::ShmInfo => fields![
            int("used_ids", 0),
            ulong("shm_tot", 8),
            ulong("shm_rss", 16),
            ulong("shm_swp", 24),
            ulong("swap_attempts", 32),
            ulong("swap_successes", 40),
        ],
        StructId::Seminfo => fields![
            int("semmap", 0),
            int("semmni", 4),
            int("semmns", 8),
            int("semmnu", 12),
            int("semmsl", 16),
            int("semopm", 20),
            int("semume", 24),
            int("semusz", 28),
            int("semvmx", 32),
            int("semaem", 36),
        ],
        _ => return None,
    })
}

/// The open flags, without the access mode of 0 that a queue's attributes do not have.
static QUEUE: crate::model::Names = crate::model::Names {
    unknown: OPEN.unknown,
    names: &[(0x800, "O_NONBLOCK")],
};

/// Appends a message: its type, and a text of `len` bytes, of which the first are known.
pub(in crate::strace) fn message_text(out: &mut String, bytes: &[u8], len: u64) {
    const TEXT_AT: usize = 8;
    put!(out, "{{mtype={}, mtext=", signed(bytes, 0, 8));
    let text = bytes.get(TEXT_AT..).unwrap_or_default();
    let known = text
        .len()
        .min(usize::try_from(len).unwrap_or(usize::MAX))
        .min(SHOWN_MAX);
    buffer(out, &text[..known], len, quoted);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::super::tests::show;
    use super::*;

    #[test]
    fn what_the_kernel_tells() {
        assert_eq!(
            show(
                StructId::ShmidDs,
                &[
                    (20, 4, 0o600),
                    (48, 8, 4096),
                    (80, 4, 5),
                    (88, 8, 1),
                    (72, 8, 9)
                ]
            ),
            "{shm_perm={uid=0, gid=0, mode=0600, key=0, cuid=0, cgid=0}, shm_segsz=4096, \
             shm_cpid=5, shm_lpid=0, shm_nattch=1, shm_atime=0, shm_dtime=0, shm_ctime=9}"
        );
        assert_eq!(
            show(StructId::SemidDs, &[(48, 8, 1), (64, 8, 2), (80, 8, 3)]),
            "{sem_perm={uid=0, gid=0, mode=000, key=0, cuid=0, cgid=0}, sem_otime=1, sem_ctime=2, \
             sem_nsems=3}"
        );
        assert_eq!(
            show(StructId::MqAttr, &[(8, 8, 10), (16, 8, 8192)]),
            "{mq_flags=0, mq_maxmsg=10, mq_msgsize=8192, mq_curmsgs=0}"
        );
        assert_eq!(
            show(StructId::Sembuf, &[(2, 2, u64::MAX), (4, 2, 0x1000)]),
            "{sem_num=0, sem_op=-1, sem_flg=SEM_UNDO}"
        );
    }

    #[test]
    fn messages() {
        let mut bytes = 5u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"hello");
        let mut out = String::new();
        message_text(&mut out, &bytes, 5);
        assert_eq!(out, r#"{mtype=5, mtext="hello"}"#);
        out.clear();
        message_text(&mut out, &[], u64::MAX);
        assert_eq!(out, r#"{mtype=0, mtext=""...}"#);
    }
}
