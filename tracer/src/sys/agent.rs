//! The agent's code, assembled into this binary as data; it runs in traced programs only.

core::arch::global_asm!(include_str!("../agent/clock.s"), options(raw));

unsafe extern "C" {
    static ftrun_agent_code: u8;
    static ftrun_agent_code_end: u8;
    static ftrun_agent_clock_gettime: u8;
    static ftrun_agent_gettimeofday: u8;
    static ftrun_agent_time: u8;
}

/// The code, to be placed at [`crate::layout::AGENT`].
#[must_use]
pub fn code() -> &'static [u8] {
    let start = &raw const ftrun_agent_code;
    let end = &raw const ftrun_agent_code_end;
    // SAFETY: both symbols delimit one block of read-only bytes of this binary.
    unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// Where in the code the function begins that answers in place of the vDSO's `name`.
#[must_use]
pub fn entry(name: &str) -> Option<u64> {
    let symbol = match name {
        "clock_gettime" => &raw const ftrun_agent_clock_gettime,
        "gettimeofday" => &raw const ftrun_agent_gettimeofday,
        "time" => &raw const ftrun_agent_time,
        _ => return None,
    };
    let start = &raw const ftrun_agent_code;
    Some((symbol.addr() - start.addr()) as u64)
}
