//! Clocks cheap enough to be read on every check.
//!
//! Linux keeps *coarse* clocks, updated at each timer tick (1 to 10 ms), that cost a memory read in the vDSO instead
//! of a read of the hardware counter. Whole seconds and poll intervals need no better.

/// Seconds since 1970-01-01T00:00:00Z, negative before it. Up to one tick (10 ms) behind the precise clock.
#[inline]
#[must_use]
pub fn unix_seconds() -> i64 {
    // Here the C library's `time` is the vDSO's: the same clock in one load, a quarter of the cost.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: without a place to write to it touches no memory of ours. It can't fail.
        let time = unsafe { libc::time(std::ptr::null_mut()) };
        #[allow(clippy::useless_conversion, reason = "the type is narrower on 32-bit machines")]
        return i64::from(time);
    }
    #[cfg(all(target_os = "linux", not(target_env = "gnu")))]
    if let Some(time) = coarse(libc::CLOCK_REALTIME_COARSE) {
        #[allow(clippy::useless_conversion, reason = "the field is narrower on 32-bit machines")]
        return i64::from(time.tv_sec);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    precise_unix_seconds()
}

/// Milliseconds since some moment of this boot; never goes back. Up to one tick (10 ms) behind.
#[inline]
#[must_use]
pub fn monotonic_millis() -> u64 {
    #[cfg(target_os = "linux")]
    if let Some(time) = coarse(libc::CLOCK_MONOTONIC_COARSE) {
        // Neither is negative: it counts from the boot.
        #[allow(clippy::cast_sign_loss)]
        let (seconds, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
        return seconds.wrapping_mul(1_000).wrapping_add(nanos / 1_000_000);
    }
    precise_monotonic_millis()
}

#[cfg(target_os = "linux")]
#[inline]
fn coarse(clock: libc::clockid_t) -> Option<libc::timespec> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the whole call, and the kernel writes nothing else.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    (!failed).then_some(time)
}

/// A boot of the machine, and how long it has lasted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Boot {
    /// Another one at each boot.
    pub id: String,
    /// Seconds since it, those included in which the machine slept.
    pub uptime: i64,
}

/// This boot; `None` where the system does not tell.
#[must_use]
pub fn boot() -> Option<Boot> {
    #[cfg(target_os = "linux")]
    {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let uptime = asked_of_the_kernel(libc::CLOCK_BOOTTIME)?;
        (!id.is_empty()).then_some(Boot { id, uptime })
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Whether somebody has come between this process and the system's clock: the C library tells another time than the kernel,
/// by more than 2 seconds. A clock that was really set is not noticed so.
#[must_use]
pub fn is_faked() -> bool {
    #[cfg(target_os = "linux")]
    {
        let kernel = || asked_of_the_kernel(libc::CLOCK_REALTIME);
        let pause = || std::thread::sleep(std::time::Duration::from_millis(25));
        is_told_otherwise(kernel, unix_seconds, precise_unix_seconds, pause)
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// `ticking` is of the last tick, which is late where the processor that makes the ticks was taken from a virtual machine for
/// a while: what `precise` does not say as well counts only if it stays so past some ticks.
#[cfg(target_os = "linux")]
fn is_told_otherwise(
    kernel: impl Fn() -> Option<i64>,
    ticking: impl Fn() -> i64,
    precise: impl Fn() -> i64,
    pause: impl FnOnce(),
) -> bool {
    // Before and after: between two questions this thread may have to wait for its turn.
    let differs = |told: &dyn Fn() -> i64| match (kernel(), told(), kernel()) {
        (Some(before), told, Some(after)) => told < before.saturating_sub(2) || told > after.saturating_add(2),
        _ => false,
    };
    let may_be_late = || {
        pause();
        differs(&ticking)
    };
    differs(&ticking) && (differs(&precise) || may_be_late())
}

/// Whole seconds of a clock, by the system call itself.
#[cfg(target_os = "linux")]
fn asked_of_the_kernel(clock: libc::clockid_t) -> Option<i64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the whole call, and the kernel writes nothing else.
    let failed = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) } != 0;
    #[allow(clippy::useless_conversion, reason = "the field is narrower on 32-bit machines")]
    (!failed).then_some(i64::from(time.tv_sec))
}

fn precise_unix_seconds() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, i64::wrapping_neg),
    }
}

fn precise_monotonic_millis() -> u64 {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_a_name_and_lasts() {
        let (first, second) = (boot(), boot());
        if cfg!(target_os = "linux") {
            let (first, second) = (first.unwrap(), second.unwrap());
            assert!(first.id == second.id && first.uptime > 0 && second.uptime >= first.uptime);
        }
        assert!(!is_faked());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_late_tick_is_no_fake() {
        use std::cell::Cell;
        // The kernel's time is 100; `false`: not paused.
        let faked = |before_pause: i64, after_pause: i64, precise: i64| {
            let paused = Cell::new(false);
            let ticking = || if paused.get() { after_pause } else { before_pause };
            (is_told_otherwise(|| Some(100), ticking, || precise, || paused.set(true)), paused.get())
        };
        assert_eq!(faked(98, 0, 0), (false, false), "what agrees is not asked again");
        assert_eq!(faked(90, 100, 100), (false, true), "the tick was late");
        assert_eq!(faked(90, 100, 90), (true, false), "both are told otherwise");
        assert_eq!(faked(900, 900, 100), (true, true), "one of them is, and stays so");
        assert!(!is_told_otherwise(|| None, || 0, || 0, || ()), "a kernel that does not tell is no evidence");
    }

    #[test]
    fn the_coarse_clocks_agree_with_the_precise_ones() {
        assert!((unix_seconds() - precise_unix_seconds()).abs() <= 1);
        let first = monotonic_millis();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let second = monotonic_millis();
        // A sleep may be long on a busy machine, never short: at least the 30 ms less two ticks.
        assert!(second >= first + 10, "{first} {second}");
    }
}
