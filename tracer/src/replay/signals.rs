//! Signals and trapped instructions in replay: faults happen by themselves and are
//! checked; handlers are entered by writing the frame that the kernel wrote then.

use super::error::ReplayError;
use super::session::Session;
use crate::insn::{self, INSTRUCTION_BYTES_MAX};
use crate::sys::mem::Remote;
use crate::sys::ptrace;
use crate::sys::wait::Status;
use journal::{Action, Delivery, Signal, Trap, TrapKind};
use pmu::Signature;

/// Offset of `si_addr` in a siginfo_t.
const SI_ADDR: usize = 16;

impl Session {
    /// A signal reaches the current thread.
    pub(super) fn signal(&mut self, signal: &Signal<'_>) -> Result<(), ReplayError> {
        let number = signal.number();
        match signal.at {
            Delivery::Here => {}
            Delivery::Fault { ip, signature } => self.fault(signal, number, ip, signature)?,
            Delivery::Entry { ip, signature } => self.set_back(number, ip, signature)?,
            Delivery::At(at) => self.run_to(&at, &format!("signal {number}"))?,
        }
        if self.shadow.is_some() && !matches!(signal.at, Delivery::Fault { .. }) {
            self.delivered_live(&signal.info)?;
        }
        let Action::Handler { frame, regs } = &signal.action else {
            return Ok(());
        };
        let tid = self.current;
        self.block_for_handler(tid, number)?;
        self.write(tid, frame.addr, &frame.data)?;
        let task = self.task(tid)?;
        task.restart = None;
        task.regs = *regs;
        task.regs.orig_rax = u64::MAX;
        if let Some(stopped) = &task.stopped {
            let len = stopped.xstate()?.len();
            stopped.set_xstate(&ptrace::initial_xstate(len))?;
        }
        Ok(())
    }

    fn fault(
        &mut self,
        signal: &Signal<'_>,
        number: i32,
        ip: u64,
        signature: Signature,
    ) -> Result<(), ReplayError> {
        let tid = self.current;
        let status = self.run(tid)?;
        let expected = format!("signal {number} raised at {ip:#x}");
        if status != Status::Signal(number) {
            let found = self.describe_stop(tid, status);
            return Err(self.diverged(expected, found));
        }
        let task = self.task(tid)?;
        let Some(stopped) = &task.stopped else {
            return Err(ReplayError::Killed);
        };
        let regs = stopped.regs()?;
        let info = stopped.siginfo()?;
        task.regs = regs;
        task.regs.orig_rax = u64::MAX;
        self.observed.stop(tid, status, &regs);
        if regs.rip != ip || regs.signature() != signature {
            let found = format!(
                "signal {number} raised at {:#x}, or with other registers",
                regs.rip
            );
            return Err(self.diverged(expected, found));
        }
        let mut recorded = [0u8; 8];
        for (slot, byte) in recorded.iter_mut().zip(signal.info.iter().skip(SI_ADDR)) {
            *slot = *byte;
        }
        if info[SI_ADDR..SI_ADDR + 8] != recorded {
            let address = u64::from_le_bytes(recorded);
            return Err(self.diverged(
                format!("{expected} for address {address:#x}"),
                "another address".to_owned(),
            ));
        }
        Ok(())
    }

    /// The thread runs up to its next syscall, which it will make after the handler.
    fn set_back(&mut self, number: i32, ip: u64, signature: Signature) -> Result<(), ReplayError> {
        let tid = self.current;
        let status = self.run(tid)?;
        let expected = format!("a syscall at {ip:#x}, where signal {number} was delivered");
        if status != Status::Event(libc::PTRACE_EVENT_SECCOMP) {
            let found = self.describe_stop(tid, status);
            return Err(self.diverged(expected, found));
        }
        let task = self.task(tid)?;
        let Some(stopped) = &task.stopped else {
            return Err(ReplayError::Killed);
        };
        let found = stopped.regs()?;
        let mut regs = found;
        regs.rax = regs.orig_rax;
        regs.orig_rax = u64::MAX;
        regs.rip -= 2;
        task.regs = regs;
        self.observed.stop(tid, status, &found);
        if regs.rip != ip || regs.signature() != signature {
            let found = format!("a syscall at {:#x}, or with other registers", regs.rip);
            return Err(self.diverged(expected, found));
        }
        Ok(())
    }

    /// The current thread executes an instruction whose result the journal has.
    pub(super) fn trap(&mut self, trap: &Trap) -> Result<(), ReplayError> {
        let tid = self.current;
        let status = self.run(tid)?;
        let expected = format!("{:?} at {:#x}", trap.kind, trap.ip);
        let signal = match trap.kind {
            TrapKind::Rdrand | TrapKind::Rdseed => libc::SIGILL,
            TrapKind::Rdtsc | TrapKind::Rdtscp | TrapKind::Cpuid => libc::SIGSEGV,
        };
        let task = self.task(tid)?;
        let Some(stopped) = &task.stopped else {
            return Err(ReplayError::Killed);
        };
        let regs = stopped.regs()?;
        let real = task.real;
        self.observed.stop(tid, status, &regs);
        if status != Status::Signal(signal)
            || regs.rip != trap.ip
            || regs.signature() != trap.signature
        {
            let found = self.describe_stop(tid, status);
            return Err(self.diverged(expected, found));
        }
        let mut code = [0u8; INSTRUCTION_BYTES_MAX];
        let read = Remote(real).read_some(regs.rip, &mut code);
        let code = &code[..read];
        let decoded = if signal == libc::SIGILL {
            insn::decode_patched(code, regs.rip)
        } else {
            insn::decode(code, regs.rip).or_else(|| insn::decode_patched(code, regs.rip))
        };
        let Some(instruction) = decoded.filter(|found| found.kind == trap.kind) else {
            return Err(self.diverged(expected, "another instruction"));
        };
        let task = self.task(tid)?;
        task.regs = regs;
        task.regs.orig_rax = u64::MAX;
        instruction.apply(&mut task.regs, trap.value, trap.aux);
        Ok(())
    }
}
