//! The kernel's structures, as seen by an x86-64 program: their names and sizes. How their
//! fields print is not here.

/// Declares [`StructId`] from lines of name, size and description.
macro_rules! structs {
    ($( $(#[$meta:meta])* $name:ident = $size:literal, )*) => {
        /// A structure of the kernel's interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum StructId {
            $( $(#[$meta])* $name, )*
        }

        impl StructId {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its size in bytes. Of structures without a fixed size ([`Self::Sockaddr`],
            /// directory entries …) it is that of the fixed part or the greatest one in
            /// use, as the description says; the table then takes the size from elsewhere.
            #[must_use]
            pub const fn size(self) -> u32 {
                match self { $(Self::$name => $size),* }
            }

            /// Its name in this program.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

structs! {
    // Numbers behind pointers.

    /// One byte.
    Byte = 1,
    /// 16-bit unsigned number.
    Ushort = 2,
    /// 32-bit signed number.
    Int = 4,
    /// 32-bit unsigned number.
    Uint = 4,
    /// 32-bit number that prints in hexadecimal.
    HexInt = 4,
    /// 64-bit signed number.
    Long = 8,
    /// 64-bit unsigned number.
    Ulong = 8,
    /// 64-bit number that prints in hexadecimal.
    HexLong = 8,
    /// 32-bit octal number: permission bits.
    Mode = 4,
    /// Address that is not followed.
    Pointer = 8,
    /// File offset, 64-bit signed.
    Offset = 8,
    /// `socklen_t`.
    Socklen = 4,
    /// File descriptor.
    Fd = 4,
    /// Process or thread id.
    Pid = 4,
    /// User id.
    Uid = 4,
    /// Group id.
    Gid = 4,
    /// Signal number, 32 bits.
    Signal = 4,
    /// Wait status, 32 bits.
    WaitStatus = 4,
    /// 64-bit word of an `fd_set`.
    FdSet = 8,
    /// 64-bit word of a CPU mask.
    CpuMask = 8,
    /// 64-bit word of a NUMA node mask.
    NodeMask = 8,

    // Time.

    /// `time_t`.
    Time = 8,
    /// `struct timespec`.
    Timespec = 16,
    /// `struct timeval`.
    Timeval = 16,
    /// `struct timezone`.
    Timezone = 8,
    /// `struct itimerval`.
    Itimerval = 32,
    /// `struct itimerspec`.
    Itimerspec = 32,
    /// `struct utimbuf`.
    Utimbuf = 16,
    /// `struct tms`.
    Tms = 32,
    /// `struct timex`.
    Timex = 208,
    /// `timer_t`.
    TimerId = 4,
    /// `struct rtc_time`.
    RtcTime = 36,
    /// `struct rtc_wkalrm`.
    RtcWkalrm = 40,

    // Files.

    /// `struct stat`.
    Stat = 144,
    /// `struct statx`.
    Statx = 256,
    /// `struct statfs`.
    Statfs = 120,
    /// `struct ustat`.
    Ustat = 32,
    /// `struct linux_dirent`: entries of variable length, the size is that of the fixed part.
    Dirent = 18,
    /// `struct linux_dirent64`: entries of variable length, the size is that of the fixed part.
    Dirent64 = 19,
    /// `struct flock`.
    Flock = 32,
    /// `struct f_owner_ex`.
    OwnerEx = 8,
    /// `struct iovec`.
    Iovec = 16,
    /// `struct open_how`.
    OpenHow = 24,
    /// `struct file_handle`: size of the fixed part.
    FileHandle = 8,
    /// `struct mount_attr`.
    MountAttr = 32,
    /// `struct mnt_id_req`.
    MntIdReq = 32,
    /// `struct statmount`: size of the fixed part.
    Statmount = 512,
    /// `struct xattr_args`.
    XattrArgs = 16,
    /// `struct file_attr`.
    FileAttr = 24,
    /// `struct cachestat_range`.
    CachestatRange = 16,
    /// `struct cachestat`.
    Cachestat = 40,
    /// `struct fsxattr`.
    Fsxattr = 28,
    /// `struct fiemap`: size of the fixed part.
    Fiemap = 32,
    /// `struct fiemap_extent`.
    FiemapExtent = 56,
    /// `struct file_clone_range`.
    FileCloneRange = 32,
    /// `struct file_dedupe_range`: size of the fixed part.
    FileDedupeRange = 24,
    /// `struct file_dedupe_range_info`.
    FileDedupeRangeInfo = 32,
    /// `struct fstrim_range`.
    FstrimRange = 24,
    /// `struct fsuuid2`.
    FsUuid2 = 17,
    /// `struct fs_sysfs_path`.
    FsSysfsPath = 129,
    /// `struct fscrypt_policy_v1`.
    FscryptPolicyV1 = 12,
    /// `struct fscrypt_get_policy_ex_arg`.
    FscryptGetPolicyEx = 32,
    /// `struct fsverity_digest`: size of the fixed part.
    FsverityDigest = 4,
    /// `struct inotify_event`: events of variable length, the size is that of the fixed part.
    InotifyEvent = 16,
    /// `struct if_dqblk`.
    IfDqblk = 72,
    /// `struct if_nextdqblk`.
    IfNextdqblk = 72,
    /// `struct if_dqinfo`.
    IfDqinfo = 24,
    /// `struct fs_disk_quota`.
    FsDiskQuota = 112,
    /// `struct fs_quota_stat`.
    FsQuotaStat = 80,
    /// `struct fs_quota_statv`.
    FsQuotaStatv = 160,

    // Waiting for descriptors.

    /// `struct pollfd`.
    Pollfd = 8,
    /// `struct epoll_event`, packed.
    EpollEvent = 12,
    /// `struct epoll_params`.
    EpollParams = 8,
    /// The sixth argument of `pselect6`: pointer to a signal set, and its size.
    SigsetArg = 16,
    /// `struct io_event`.
    IoEvent = 32,
    /// `struct iocb`.
    Iocb = 64,

    // Signals.

    /// `sigset_t`.
    Sigset = 8,
    /// `struct sigaction`.
    Sigaction = 32,
    /// `siginfo_t`.
    Siginfo = 128,
    /// `struct sigevent`.
    Sigevent = 64,
    /// `stack_t`.
    SigAltStack = 24,
    /// `struct signalfd_siginfo`.
    SignalfdSiginfo = 128,

    // Processes.

    /// `struct rusage`.
    Rusage = 144,
    /// `struct rlimit`, `struct rlimit64`.
    Rlimit = 16,
    /// `struct sysinfo`.
    Sysinfo = 112,
    /// `struct new_utsname`.
    Utsname = 390,
    /// `struct sched_param`.
    SchedParam = 4,
    /// `struct sched_attr`.
    SchedAttr = 56,
    /// `struct robust_list_head`.
    RobustListHead = 24,
    /// `struct clone_args`.
    CloneArgs = 88,
    /// `struct __user_cap_header_struct`.
    CapHeader = 8,
    /// `struct __user_cap_data_struct`.
    CapData = 12,
    /// `struct user_desc`.
    UserDesc = 16,
    /// `struct kexec_segment`.
    KexecSegment = 32,
    /// `struct futex_waitv`.
    FutexWaitv = 24,
    /// `struct rseq`.
    Rseq = 32,
    /// `struct sock_fprog`.
    SockFprog = 16,
    /// `struct sock_filter`.
    SockFilter = 8,
    /// `struct seccomp_notif_sizes`.
    SeccompNotifSizes = 6,
    /// `struct seccomp_notif`.
    SeccompNotif = 80,
    /// `struct seccomp_notif_resp`.
    SeccompNotifResp = 24,
    /// `struct seccomp_notif_addfd`.
    SeccompNotifAddfd = 24,
    /// `struct landlock_ruleset_attr`.
    LandlockRulesetAttr = 24,
    /// `struct landlock_path_beneath_attr`, packed.
    LandlockPathBeneath = 12,
    /// `struct landlock_net_port_attr`.
    LandlockNetPort = 16,
    /// `struct lsm_ctx`: size of the fixed part.
    LsmCtx = 32,
    /// `struct prctl_mm_map`.
    PrctlMmMap = 104,
    /// `struct pidfd_info`.
    PidfdInfo = 80,
    /// `struct mnt_ns_info`.
    MntNsInfo = 16,
    /// `struct kcmp_epoll_slot`.
    KcmpEpollSlot = 12,
    /// `struct getcpu_cache`.
    GetcpuCache = 128,
    /// `struct perf_event_attr`: size of the greatest version in use.
    PerfEventAttr = 136,
    /// `struct iovec` that describes another address space.
    RemoteIovec = 16,
    /// `struct ptrace_peeksiginfo_args`.
    PtracePeeksiginfo = 16,
    /// `struct user_regs_struct`.
    UserRegs = 216,
    /// `struct user_fpregs_struct`.
    UserFpregs = 512,
    /// `struct ptrace_syscall_info`.
    PtraceSyscallInfo = 88,
    /// `struct ptrace_rseq_configuration`.
    PtraceRseqConfiguration = 24,
    /// `struct ptrace_sud_config`.
    PtraceSudConfig = 32,
    /// `struct seccomp_metadata`.
    SeccompMetadata = 16,

    // System V and POSIX IPC.

    /// `struct mq_attr`.
    MqAttr = 64,
    /// `struct ipc64_perm`.
    IpcPerm = 48,
    /// `struct shmid64_ds`.
    ShmidDs = 112,
    /// `struct shminfo64`.
    Shminfo = 72,
    /// `struct shm_info`.
    ShmInfo = 48,
    /// `struct semid64_ds`.
    SemidDs = 104,
    /// `struct seminfo`.
    Seminfo = 40,
    /// `struct sembuf`.
    Sembuf = 6,
    /// `struct msqid64_ds`.
    MsqidDs = 120,
    /// `struct msginfo`.
    Msginfo = 32,
    /// `struct msgbuf`: size of the type before the text.
    Msgbuf = 8,

    // Sockets.

    /// `struct sockaddr` of any family: size of the greatest one, `sockaddr_storage`.
    Sockaddr = 128,
    /// `struct msghdr`.
    Msghdr = 56,
    /// `struct mmsghdr`.
    Mmsghdr = 64,
    /// `struct cmsghdr`: size of the fixed part.
    Cmsghdr = 16,
    /// `struct ucred`.
    Ucred = 12,
    /// `struct linger`.
    Linger = 8,
    /// `struct in_addr`.
    InAddr = 4,
    /// `struct in6_addr`.
    In6Addr = 16,
    /// `struct ip_mreq`.
    IpMreq = 8,
    /// `struct ip_mreqn`.
    IpMreqn = 12,
    /// `struct ip_mreq_source`.
    IpMreqSource = 12,
    /// `struct ipv6_mreq`.
    Ipv6Mreq = 20,
    /// `struct group_req`.
    GroupReq = 136,
    /// `struct group_source_req`.
    GroupSourceReq = 264,
    /// `struct in_pktinfo`.
    InPktinfo = 12,
    /// `struct in6_pktinfo`.
    In6Pktinfo = 20,
    /// `struct ip6_mtuinfo`.
    Ip6Mtuinfo = 32,
    /// `struct tcp_info`: size of the greatest version in use.
    TcpInfo = 280,
    /// `struct tcp_md5sig`.
    TcpMd5sig = 216,
    /// `struct tcp_zerocopy_receive`.
    TcpZerocopyReceive = 64,
    /// `struct tcp_repair_opt`.
    TcpRepairOpt = 8,
    /// `struct tcp_repair_window`.
    TcpRepairWindow = 20,
    /// `struct sock_txtime`.
    SockTxtime = 8,
    /// `struct tpacket_req`.
    TpacketReq = 16,
    /// `struct tpacket_stats`.
    TpacketStats = 8,
    /// `struct packet_mreq`.
    PacketMreq = 16,
    /// `struct nlmsghdr`: size of the fixed part.
    Nlmsghdr = 16,
    /// `struct ifreq`.
    Ifreq = 40,
    /// `struct ifconf`.
    Ifconf = 16,
    /// `struct arpreq`.
    Arpreq = 68,
    /// `struct rtentry`.
    Rtentry = 120,
    /// `struct in6_rtmsg`.
    In6Rtmsg = 80,
    /// `struct in6_ifreq`.
    In6Ifreq = 24,

    // Terminals and devices.

    /// The kernel's `struct termios`.
    Termios = 36,
    /// `struct termios2`.
    Termios2 = 44,
    /// `struct termio`.
    Termio = 18,
    /// `struct winsize`.
    Winsize = 8,
    /// `struct serial_struct`.
    SerialStruct = 72,
    /// `struct serial_icounter_struct`.
    SerialIcounter = 80,
    /// `struct serial_rs485`.
    SerialRs485 = 32,
    /// `struct vt_stat`.
    VtStat = 6,
    /// `struct vt_mode`.
    VtMode = 8,
    /// `struct vt_sizes`.
    VtSizes = 6,
    /// `struct kbentry`.
    KbEntry = 4,
    /// `struct kbsentry`.
    KbSentry = 513,
    /// `struct kbdiacrs`.
    KbDiacrs = 772,
    /// `struct kbkeycode`.
    KbKeycode = 8,
    /// `struct kbd_repeat`.
    KbdRepeat = 8,
    /// `struct unimapdesc`.
    UnimapDesc = 16,
    /// `struct consolefontdesc`.
    ConsoleFontDesc = 16,
    /// `struct console_font_op`.
    ConsoleFontOp = 32,
    /// `struct loop_info`.
    LoopInfo = 168,
    /// `struct loop_info64`.
    LoopInfo64 = 232,
    /// `struct loop_config`.
    LoopConfig = 304,
    /// `struct hd_geometry`.
    HdGeometry = 16,
    /// `struct blkpg_ioctl_arg`.
    BlkpgIoctlArg = 24,
    /// Two 64-bit numbers: start and length.
    BlkRange = 16,
    /// `struct rand_pool_info`: size of the fixed part.
    RandPoolInfo = 8,
    /// `struct input_id`.
    InputId = 8,
    /// `struct input_absinfo`.
    InputAbsinfo = 24,
    /// `struct input_keymap_entry`.
    InputKeymapEntry = 40,
    /// `struct input_event`.
    InputEvent = 24,
    /// `struct ff_effect`.
    FfEffect = 48,
    /// `struct tun_filter`: size of the fixed part.
    TunFilter = 4,
    /// `struct sock_fprog` behind a TUN device.
    TunFprog = 16,
}

#[cfg(test)]
mod tests {
    use super::StructId;

    #[test]
    fn sizes_agree_with_those_the_c_library_shares_with_the_kernel() {
        macro_rules! same {
            ($($id:ident $c:ident),* $(,)?) => {
                $(assert_eq!(StructId::$id.size() as usize, size_of::<libc::$c>(), stringify!($id));)*
            };
        }
        same! {
            Time time_t, Timespec timespec, Timeval timeval,
            Itimerval itimerval, Itimerspec itimerspec, Utimbuf utimbuf, Tms tms, Timex timex,
            Stat stat, Statx statx, Statfs statfs, Flock flock, Iovec iovec, OpenHow open_how,
            FileHandle file_handle, InotifyEvent inotify_event,
            Pollfd pollfd, EpollEvent epoll_event, Siginfo siginfo_t, Sigevent sigevent,
            SigAltStack stack_t, SignalfdSiginfo signalfd_siginfo, Rusage rusage, Rlimit rlimit,
            Utsname utsname, SchedParam sched_param, CloneArgs clone_args,
            MqAttr mq_attr, IpcPerm ipc_perm, ShmidDs shmid_ds, SemidDs semid_ds,
            Seminfo seminfo, Sembuf sembuf, MsqidDs msqid_ds, Msginfo msginfo,
            Sockaddr sockaddr_storage, Msghdr msghdr, Mmsghdr mmsghdr, Cmsghdr cmsghdr,
            Ucred ucred, Linger linger, IpMreq ip_mreq, IpMreqn ip_mreqn, Ipv6Mreq ipv6_mreq,
            InPktinfo in_pktinfo, In6Pktinfo in6_pktinfo, Ifreq ifreq, Ifconf ifconf,
            Arpreq arpreq, Rtentry rtentry, Nlmsghdr nlmsghdr, SockFprog sock_fprog,
            SockFilter sock_filter, Termios2 termios2, Winsize winsize, UserRegs user_regs_struct,
            UserFpregs user_fpregs_struct, InputId input_id, InputAbsinfo input_absinfo,
            InputEvent input_event, FfEffect ff_effect, MountAttr mount_attr,
        }
    }

    #[test]
    fn nothing_is_empty() {
        for id in StructId::ALL {
            assert!(id.size() > 0, "{}", id.name());
        }
    }
}
