//! A thread's priority.

/// Lets the calling thread run before others, as far as that is permitted: a heartbeat that is late
/// because the machine is busy looks like a dead node.
pub fn hurry() {
    const NICE: i32 = -10;
    // Niceness counts within a session or a control group only (sched(7), autogrouping).
    let priority = libc::sched_param { sched_priority: 1 };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the structure lives as long as the call, which stores nothing.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const priority) } == 0 {
        return;
    }
    // SAFETY: gettid takes nothing, and setpriority only numbers; neither touches memory.
    unsafe {
        let thread = libc::syscall(libc::SYS_gettid);
        if let Ok(thread) = libc::id_t::try_from(thread) {
            // Not permitted to ordinary users, who have to do without.
            let _ = libc::setpriority(libc::PRIO_PROCESS, thread, NICE);
        }
    }
}
