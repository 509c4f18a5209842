//! What the standard library does not offer safely: one function each, as small as it can be.
//!
//! Invariant: every function here is safe to call with any argument; the argument for it stands beside the block.
//! It deliberately holds no policy and no state.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::time::TimeVal;

/// Asks the CPU to bring the cache line that holds the first byte of `target` into L1. Only a hint: it changes
/// nothing a program can observe but time, and does nothing on architectures without such an instruction.
#[inline(always)]
pub fn prefetch<T: ?Sized>(target: &T) {
    prefetch_line(std::ptr::from_ref(target).cast());
}

/// Cache lines that will be read soon: addresses only, which may mean nothing any more when they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    start: usize,
    len: usize,
}

impl Lines {
    /// The most lines that are asked for from the start on.
    const FIRST: usize = 4;

    /// Those of this.
    #[inline(always)]
    pub fn of<T: ?Sized>(target: &T) -> Self {
        Self { start: std::ptr::from_ref(target).addr(), len: size_of_val(target) }
    }

    /// [`prefetch`] for the first lines and the last.
    #[inline(always)]
    pub fn prefetch(self) {
        let last = self.len.saturating_sub(1);
        for at in (0..last).step_by(64).take(Self::FIRST).chain([last]) {
            prefetch_line(std::ptr::without_provenance(self.start + at));
        }
    }
}

#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the prefetch intrinsic takes a raw pointer")
)]
fn prefetch_line(address: *const i8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: 1. Prefetching never faults and reads nothing the program can see, whatever the address. 2. SSE, which the
    // instruction belongs to, is part of x86-64's baseline.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Binds the calling thread to one core, counted round the cores that it may run on. Without permission it stays unbound.
pub fn pin_to_core(index: usize) {
    let thread = nix::unistd::Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(thread) else { return };
    let cores: Vec<usize> = (0..CpuSet::count()).filter(|&core| allowed.is_set(core) == Ok(true)).collect();
    let mut set = CpuSet::new();
    if !cores.is_empty() && set.set(cores[index % cores.len()]).is_ok() {
        // A container may forbid it; the thread then runs wherever the kernel puts it.
        let _ = sched_setaffinity(thread, &set);
    }
}

/// How far behind the threads that serve clients a thread goes that does not. A little: behind by 5, compaction starved beside
/// busy cores and writers were slowed down for it.
const NICE: i32 = 1;

/// Lets the calling thread run after those that clients wait for, from now on. Only for a thread that holds no lock which
/// such a thread may want: it would keep it for as long as the others have work.
pub fn yield_to_others() {
    // On Linux 0 is the calling thread, not the process. Going behind needs no privilege.
    // SAFETY: the call takes three numbers and touches no memory of this process.
    #[expect(unsafe_code, reason = "nix has no setpriority")]
    let lowered = unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, NICE) };
    debug_assert_eq!(lowered, 0, "a thread may always go behind");
}

/// The calling thread, as [`thread_usage`] names it.
pub fn current_thread() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// What a thread of this process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadUsage {
    /// Does it run, or wait for a core to run on? Otherwise it waits for something else.
    pub is_runnable: bool,
    /// Nanoseconds it has run so far.
    pub ran_nanos: u64,
}

/// Asks what a thread is doing; `None` when it has ended or the system does not say.
pub fn thread_usage(thread: i32) -> Option<ThreadUsage> {
    let read = |name: &str| {
        let path = format!("/proc/self/task/{thread}/{name}");
        crate::util::file::read(std::path::Path::new(&path), 4096).ok()
    };
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    // The name in parentheses may hold anything; the state follows the last one.
    let state = stat.rsplit(')').next()?.trim_start().chars().next()?;
    let schedstat = String::from_utf8_lossy(&read("schedstat")?).into_owned();
    let ran_nanos = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(ThreadUsage { is_runnable: state == 'R', ran_nanos })
}

/// Is there a signal for the process that is blocked in all threads and waits to be received?
pub fn is_signal_pending(signal: Signal) -> bool {
    let Ok(status) = crate::util::file::read(std::path::Path::new("/proc/self/status"), 1 << 16) else {
        return false;
    };
    let status = String::from_utf8_lossy(&status);
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}

/// Resident memory of this process in bytes; 0 if the system does not say.
pub fn resident_bytes() -> u64 {
    let Ok(statm) = crate::util::file::read(std::path::Path::new("/proc/self/statm"), 4096) else { return 0 };
    let text = String::from_utf8_lossy(&statm);
    let pages: u64 = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    pages * page_bytes as u64
}

/// Descriptors that are not clients': the log, listeners, polls, the terminal.
const RESERVED_DESCRIPTORS: u64 = 32;

/// How many of `wanted` clients the limit of open files allows, after raising it as far as is needed and permitted. At
/// least 1, and never more than `wanted`.
pub fn clients_possible(wanted: u32) -> u32 {
    let needed = u64::from(wanted) + RESERVED_DESCRIPTORS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let limit = if soft >= needed || setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).is_ok() {
        needed
    } else {
        // Without the privilege to go beyond the hard limit, up to it.
        let reachable = needed.min(hard);
        if setrlimit(Resource::RLIMIT_NOFILE, reachable, hard).is_ok() { reachable } else { soft }
    };
    limit.saturating_sub(RESERVED_DESCRIPTORS).clamp(1, u64::from(wanted.max(1))) as u32
}

/// CPU time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuSeconds {
    /// In the kernel.
    pub system: f64,
    /// In the program.
    pub user: f64,
}

/// Whose CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOf {
    /// The whole process.
    Process,
    /// Its children that have ended.
    Children,
    /// The calling thread.
    Thread,
}

/// CPU time used so far; 0 if the system does not say.
pub fn cpu_seconds(whose: CpuOf) -> CpuSeconds {
    let who = match whose {
        CpuOf::Process => UsageWho::RUSAGE_SELF,
        CpuOf::Children => UsageWho::RUSAGE_CHILDREN,
        CpuOf::Thread => UsageWho::RUSAGE_THREAD,
    };
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    getrusage(who).map_or(CpuSeconds::default(), |usage| CpuSeconds {
        system: seconds(usage.system_time()),
        user: seconds(usage.user_time()),
    })
}

/// The machine's RAM in bytes; 0 if the system does not say.
pub fn total_memory_bytes() -> u64 {
    nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_total())
}

/// `Linux 6.1.0 x86_64`
pub fn os_name() -> String {
    let Ok(name) = nix::sys::utsname::uname() else { return String::new() };
    let parts = [name.sysname(), name.release(), name.machine()];
    parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_what_it_is() {
        assert!(resident_bytes() > 100_000);
        assert!(total_memory_bytes() > resident_bytes());
        assert_eq!(os_name().split(' ').count(), 3);
        let cpu = |whose| cpu_seconds(whose).user + cpu_seconds(whose).system;
        assert!(cpu(CpuOf::Thread) <= cpu(CpuOf::Process));
    }

    #[test]
    fn a_thread_that_runs_is_runnable_and_gains_time() {
        let before = thread_usage(current_thread()).expect("the thread exists");
        assert!(before.is_runnable);
        let began = std::time::Instant::now();
        let mut spins = 0u64;
        while began.elapsed().as_millis() < 20 {
            spins += 1;
        }
        let after = thread_usage(current_thread()).expect("the thread exists");
        assert!(spins > 0 && after.ran_nanos > before.ran_nanos);
        assert_eq!(thread_usage(0), None);
    }

    #[test]
    fn threads_are_pinned_within_the_cores_that_they_may_run_on() {
        let me = nix::unistd::Pid::from_raw(0);
        let cores =
            |set: &CpuSet| (0..CpuSet::count()).filter(|&core| set.is_set(core) == Ok(true)).collect();
        let allowed: Vec<usize> = cores(&sched_getaffinity(me).expect("a thread has cores"));
        // The last one alone, as `taskset` would say: every thread of such a process goes there.
        let last = *allowed.last().expect("a thread has a core");
        std::thread::spawn(move || {
            pin_to_core(allowed.len() - 1);
            for index in [0, 1, usize::MAX] {
                pin_to_core(index);
                let pinned: Vec<usize> = cores(&sched_getaffinity(me).expect("a thread has cores"));
                assert_eq!(pinned, [last]);
            }
        })
        .join()
        .expect("the cores are right");
    }

    #[test]
    fn prefetch_accepts_any_reference_and_changes_nothing() {
        let bytes = [7u8; 100];
        prefetch(&bytes[99]);
        prefetch::<[u8]>(&[]);
        // Long ones, empty ones, and what is gone.
        let gone = Lines::of(vec![7u8; 1000].as_slice());
        [Lines::of(&bytes), Lines::of(&()), Lines::of::<[u8]>(&[]), gone]
            .into_iter()
            .for_each(Lines::prefetch);
        assert!(bytes.iter().all(|&b| b == 7));
    }

    #[test]
    fn few_clients_are_always_possible_and_none_is_refused_to_nobody() {
        assert_eq!(clients_possible(1), 1);
        assert_eq!(clients_possible(0), 1);
        assert!(clients_possible(u32::MAX) < u32::MAX, "no system allows four thousand million files");
    }
}
