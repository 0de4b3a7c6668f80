//! The syscall sites of an address space: rewrites them as they are met, and knows what was
//! rewritten.

use super::place::{Hand, PlaceError};
use super::rewritten::{self, TABLE_BYTES};
use super::tally::{Left, Tally};
use crate::maps::{self, Area};
use crate::sites::Functions;
use crate::sites::patch::{self, Plan, Region, Site, Wanted};
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use agent::layout::{ENTRY_SLOT, REWRITTEN};
use pmu::Regs;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::ops::Range;
use std::rc::Rc;

/// A site is rewritten when it is met so often: once may be all.
pub const MEETINGS_BEFORE: u8 = 2;
/// Sites that are counted in one address space.
const SITES_MAX: usize = 4096;
/// Program files whose functions are known.
const FILES_MAX: usize = 64;
/// Bytes of a region for trampolines.
const REGION_BYTES: u64 = 128 << 10;
/// Regions in one address space.
const REGIONS_MAX: usize = 16;
/// How far a jump reaches, with some room to spare.
const REACH: u64 = (1 << 31) - (1 << 22);
/// Distance that is kept to what lies above, so that it can grow down, and so that what the application
/// maps next, which is there in replay when the recording has it, finds room: the greatest there is
/// room for.
const DISTANCES: [u64; 2] = [256 << 20, GUARD];
/// A stack's guard gap.
const GUARD: u64 = 1 << 20;
/// Code around a site that is looked at without a known function.
const BEHIND_BYTES: u64 = 64;
/// Bytes of the longest function that is looked at.
const FUNCTION_BYTES_MAX: u64 = 64 << 10;
const SYSCALL_BYTES: u64 = 2;
const PAGE: u64 = 4096;

/// What holds for all address spaces. Files are known by device and inode.
#[derive(Default)]
pub struct Known {
    functions: HashMap<(u64, u64), Option<Rc<Functions>>>,
    changing: HashSet<(u64, u64)>,
    /// What became of the sites.
    pub tally: Tally,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} files", self.functions.len())
    }
}

/// What is known of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Met so often.
    Met(u8),
    Rewritten,
    /// It stays as it is.
    Left,
}

/// A rewritten site.
#[derive(Debug, Clone)]
struct Planned {
    /// Address of the syscall.
    site: u64,
    plan: Rc<Plan>,
}

/// The sites of one address space.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    /// By the address of the syscall.
    states: HashMap<u64, State>,
    /// By the address of the trampoline.
    plans: BTreeMap<u64, Planned>,
    /// Where a syscall in a trampoline ends, and the address that the application is to see.
    seen: HashMap<u64, u64>,
    /// Where instructions were, and where they are.
    moved: HashMap<u64, u64>,
    regions: Vec<Region>,
}

impl Sites {
    /// The address to be seen in place of one behind a syscall in a trampoline.
    pub fn seen_at(&self, ip: u64) -> Option<u64> {
        self.seen.get(&ip).copied()
    }

    /// Whether the syscall that ends at `after` has been rewritten.
    pub fn is_rewritten(&self, after: u64) -> bool {
        let site = after.wrapping_sub(SYSCALL_BYTES);
        self.states.get(&site) == Some(&State::Rewritten)
    }

    /// The `syscall` in the trampoline of one that was rewritten.
    pub fn trap_of(&self, site: u64) -> Option<u64> {
        if self.states.get(&site) != Some(&State::Rewritten) {
            return None;
        }
        let mut plans = self.plans.values();
        plans
            .find(|planned| planned.site == site)
            .map(|planned| planned.plan.trap)
    }

    /// Where the instruction is that was at `ip`.
    pub fn moved(&self, ip: u64) -> Option<u64> {
        self.moved.get(&ip).copied()
    }

    /// Whether a thread in a trampoline has not executed anything of the application's there.
    pub fn has_done_nothing(&self, ip: u64) -> bool {
        let planned = self.plans.range(..=ip).next_back();
        planned.is_some_and(|(_, planned)| planned.plan.seen(ip) == Some(planned.plan.patch_at))
    }

    /// The application's address for one in a trampoline.
    pub fn application_ip(&self, ip: u64) -> Option<u64> {
        let (_, planned) = self.plans.range(..=ip).next_back()?;
        planned.plan.seen(ip)
    }

    /// Of bytes at `at`, those that were rewritten become what they were.
    pub fn show_original(&self, at: u64, bytes: &mut [u8]) {
        for planned in self.plans.values() {
            planned.plan.restore(at, bytes);
        }
    }

    fn add(&mut self, site: u64, plan: Plan) {
        let after = site + SYSCALL_BYTES;
        self.states.insert(site, State::Rewritten);
        self.seen.insert(plan.trap + SYSCALL_BYTES, after);
        for inner in &plan.inner {
            self.moved.insert(inner.address, inner.copy);
        }
        let plan = Rc::new(plan);
        self.plans
            .insert(plan.trampoline_at, Planned { site, plan });
    }

    /// Forgets what lies in a range, and what has its trampoline there: what was rewritten.
    fn forget(&mut self, range: &Range<u64>) -> Vec<Rc<Plan>> {
        let touches = |start: u64, end: u64| start < range.end && range.start < end;
        let (lost, left) = std::mem::take(&mut self.regions)
            .into_iter()
            .partition(|region| touches(region.start(), region.end()));
        self.regions = left;
        let lost: Vec<Region> = lost;
        let gone: Vec<u64> = self
            .plans
            .iter()
            .filter(|(at, planned)| {
                let code = planned.plan.patched();
                touches(code.start, code.end)
                    || touches(planned.site, planned.site + SYSCALL_BYTES)
                    || lost
                        .iter()
                        .any(|region| (region.start()..region.end()).contains(at))
            })
            .map(|(at, _)| *at)
            .collect();
        let mut forgotten = Vec::new();
        for at in gone {
            if let Some(Planned { site, plan }) = self.plans.remove(&at) {
                self.states.remove(&site);
                self.seen.remove(&(plan.trap + SYSCALL_BYTES));
                for inner in &plan.inner {
                    self.moved.remove(&inner.address);
                }
                forgotten.push(plan);
            }
        }
        self.states.retain(|site, _| !range.contains(site));
        forgotten
    }
}

impl Sites {
    /// Where there are trampolines: address and length.
    #[must_use]
    pub fn regions(&self) -> Vec<(u64, u64)> {
        let all = self.regions.iter();
        all.map(|region| (region.start(), region.end() - region.start()))
            .collect()
    }

    /// A thread has met the syscall that ends at `entered.rip` and stands behind its entry: the
    /// site is rewritten once it has been met `patience` times, if that is safe.
    pub fn meet(
        &mut self,
        known: &mut Known,
        hand: &mut Hand<'_>,
        stopped: Stopped,
        entered: &Regs,
        patience: u8,
    ) -> Result<Stopped, PlaceError> {
        let ip = entered.rip;
        let site = ip.wrapping_sub(SYSCALL_BYTES);
        if self.states.len() >= SITES_MAX && !self.states.contains_key(&site) {
            return Ok(stopped);
        }
        let state = self.states.entry(site).or_insert(State::Met(0));
        match state {
            State::Met(count) => {
                *count = count.saturating_add(1);
                if *count < patience {
                    return Ok(stopped);
                }
                // Whatever comes of it, it is tried once.
                *state = State::Left;
            }
            State::Rewritten | State::Left => return Ok(stopped),
        }
        let area = maps::covering(hand.tid, site).map_err(failed("reading the memory map"))?;
        let area = area.as_ref().filter(|area| ip < area.end);
        let at = || match area {
            Some(area) if area.inode != 0 => {
                let name = String::from_utf8_lossy(&area.name);
                format!("{name}+{:#x}", site - area.start + area.offset)
            }
            _ => format!("{site:#x}"),
        };
        let (stopped, left) = self.rewrite(known, hand, stopped, entered, area)?;
        match left {
            None => known.tally.rewritten += 1,
            Some(why) => known.tally.leave(at, why),
        }
        Ok(stopped)
    }

    /// Rewrites a site in this area, or says why not.
    fn rewrite(
        &mut self,
        known: &mut Known,
        hand: &mut Hand<'_>,
        stopped: Stopped,
        entered: &Regs,
        area: Option<&Area>,
    ) -> Result<(Stopped, Option<Left>), PlaceError> {
        let ip = entered.rip;
        let site = ip.wrapping_sub(SYSCALL_BYTES);
        let Some(area) = area else {
            return Ok((stopped, Some(Left::Unmapped)));
        };
        // Code that can be written changes without a word.
        let (writes, runs) = (
            libc::PROT_WRITE.cast_unsigned(),
            libc::PROT_EXEC.cast_unsigned(),
        );
        if area.shared || area.prot & (writes | runs) != runs {
            return Ok((stopped, Some(Left::Memory)));
        }
        if known.changes(area) {
            return Ok((stopped, Some(Left::File)));
        }
        let function = known
            .function_at(hand.tid, area, site)
            .filter(|function| function.end - function.start <= FUNCTION_BYTES_MAX);
        let whole = function.as_ref().map_or(site..ip, Range::clone);
        let from = whole.start;
        let end = whole.end.max((ip + BEHIND_BYTES).min(area.end));
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(0)];
        let memory = Remote(hand.tid);
        let read = memory.read_some(from, &mut bytes);
        bytes.truncate(read);
        self.show_original(from, &mut bytes);
        let about = Site {
            address: site,
            bytes: &bytes,
            bytes_at: from,
            function,
        };
        let (stopped, plan) = self.plan(hand, stopped, &about)?;
        let plan = match plan {
            Ok(plan) => plan,
            Err(why) => return Ok((stopped, Some(why))),
        };
        let number = crate::record::number(entered);
        if plan.number.is_some_and(|planned| planned != number) {
            return Ok((stopped, Some(Left::Number)));
        }
        if self.plans.values().any(|other| plan.conflicts(&other.plan)) {
            return Ok((stopped, Some(Left::Neighbour)));
        }
        // In this order: the agent knows of it before anybody gets there.
        let pieces = [
            (REWRITTEN, self.table_with(&plan).to_vec()),
            (plan.trampoline_at, plan.trampoline.clone()),
            (plan.patch_at, plan.patch.to_vec()),
        ];
        if memory.write_pieces(&pieces) < pieces.len() {
            let error = std::io::Error::from_raw_os_error(libc::EFAULT);
            return Err(failed("rewriting a syscall")(error));
        }
        self.add(site, plan);
        Ok((stopped, None))
    }

    /// Where code is rewritten once this is, too, as the agent is told it.
    fn table_with(&self, plan: &Plan) -> [u8; TABLE_BYTES] {
        let sites = self.plans.values().map(|planned| planned.plan.patched());
        let regions = self
            .regions
            .iter()
            .map(|region| region.start()..region.end());
        rewritten::table(sites.chain(regions).chain([plan.patched()]))
    }

    /// Plans a site, with room for its trampoline; makes room if there is none.
    fn plan(
        &mut self,
        hand: &mut Hand<'_>,
        mut stopped: Stopped,
        about: &Site<'_>,
    ) -> Result<(Stopped, Result<Plan, Left>), PlaceError> {
        let slot = u32::try_from(ENTRY_SLOT).unwrap_or(u32::MAX);
        let mut tried_to_make_room = false;
        loop {
            let regions = &mut self.regions;
            let mut lacked = false;
            let mut room = |wanted: Wanted| {
                let found = regions.iter_mut().find_map(|region| region.take(&wanted));
                lacked |= found.is_none();
                found
            };
            match patch::plan(about, slot, &mut room) {
                Ok(plan) => return Ok((stopped, Ok(plan))),
                Err(_) if lacked && !tried_to_make_room && regions.len() < REGIONS_MAX => {}
                Err(why) => return Ok((stopped, Err(why.into()))),
            }
            tried_to_make_room = true;
            let areas = maps::read(hand.tid).map_err(failed("reading the memory map"))?;
            let Some(at) = gap_near(&areas, about.address) else {
                return Ok((stopped, Err(Left::NoPlace)));
            };
            let (left, mapped) = hand.map_code(stopped, (at, REGION_BYTES))?;
            stopped = left;
            if !mapped {
                return Ok((stopped, Err(Left::NoPlace)));
            }
            self.regions.push(Region::new(at, REGION_BYTES));
        }
    }

    /// A range of an address space is about to be mapped anew, or to be taken away: what was
    /// rewritten there is gone, and what leads there from elsewhere must not.
    pub fn remapped(&mut self, tid: Pid, range: &Range<u64>) -> Result<(), PlaceError> {
        if self.plans.is_empty() && self.regions.is_empty() {
            return Ok(());
        }
        for plan in self.forget(range) {
            Remote(tid)
                .write(plan.patch_at, &plan.original)
                .map_err(failed("restoring a syscall"))?;
        }
        Ok(())
    }
}

impl Known {
    /// Files that may be written while they are mapped: their pages are to stay theirs.
    pub fn may_change(&mut self, files: impl Iterator<Item = (u64, u64)>) {
        self.changing.clear();
        self.changing.extend(files);
    }

    fn changes(&self, area: &Area) -> bool {
        let mut files = self.changing.iter();
        files.any(|(dev, inode)| area.inode == *inode && maps::same_device(area.dev, *dev))
    }

    /// The function that has the code at `site`, if its file says so.
    fn function_at(&mut self, tid: Pid, area: &Area, site: u64) -> Option<Range<u64>> {
        if area.inode == 0 {
            return None;
        }
        if self.functions.len() >= FILES_MAX {
            self.functions.clear();
        }
        let functions = self
            .functions
            .entry((area.dev, area.inode))
            .or_insert_with(|| {
                let path = format!("/proc/{tid}/map_files/{:x}-{:x}", area.start, area.end);
                let file = File::open(path).ok()?;
                Some(Rc::new(Functions::of(&file)))
            });
        let offset = site - area.start + area.offset;
        let function = functions.as_ref()?.covering(offset)?;
        // It may reach beyond what is mapped.
        let start = area.start + function.start.checked_sub(area.offset)?;
        let end = start + (function.end - function.start);
        (end <= area.end).then_some(start..end)
    }
}

fn failed(what: &'static str) -> impl FnOnce(std::io::Error) -> PlaceError {
    move |error| PlaceError::Memory { what, error }
}

/// Free addresses for a region, below the area nearest to `site` with enough room under it.
fn gap_near(areas: &[Area], site: u64) -> Option<u64> {
    let found = |distance| gap_below(areas, site, distance);
    DISTANCES.into_iter().find_map(found)
}

fn gap_below(areas: &[Area], site: u64, distance: u64) -> Option<u64> {
    let at = areas.iter().rposition(|area| area.start <= site)?;
    for index in (0..=at).rev() {
        let above = areas.get(index)?.start;
        let below = match index.checked_sub(1) {
            Some(below) => areas.get(below)?.end,
            None => 1 << 16,
        };
        let Some(start) = above.checked_sub(REGION_BYTES + distance) else {
            continue;
        };
        let start = start & !(PAGE - 1);
        if start >= below.saturating_add(GUARD) {
            return (site - start < REACH).then_some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(ranges: &[(u64, u64)]) -> Vec<Area> {
        let area = |&(start, end): &(u64, u64)| Area {
            start,
            end,
            ..Area::default()
        };
        ranges.iter().map(area).collect()
    }

    #[test]
    fn regions_keep_away_from_what_may_grow() {
        const MB: u64 = 1 << 20;
        let site = 0x7f00_0000_1000;
        let wide = areas(&[(0x5500_0000_0000, 0x5500_0001_0000), (site, site + PAGE)]);
        let at = gap_near(&wide, site).expect("there is room");
        assert_eq!(site - (at + REGION_BYTES), 256 * MB);
        // There is one already: the next is as far below that.
        let more = areas(&[(at, at + REGION_BYTES), (site, site + PAGE)]);
        assert_eq!(gap_near(&more, site), Some(at - REGION_BYTES - 256 * MB));
        // Little room.
        let low = areas(&[(0x40_0000, 0x50_0000)]);
        let near = gap_near(&low, 0x40_1000).expect("there is room");
        assert_eq!(0x40_0000 - (near + REGION_BYTES), MB);
        let far = areas(&[(0, site), (site, site + PAGE)]);
        assert_eq!(gap_near(&far, site), None);
    }
}
