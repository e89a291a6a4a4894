//! How a figure is taken: all candidates in turn, round by round, by the time that the processor gave.

use std::hint::black_box;

/// Whose processor time counts.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    /// Of the thread that calls: everything that the caller waits for, and nothing else.
    Thread,
    /// Of all threads: where a candidate has others work for it.
    Process,
}

impl Clock {
    fn nanoseconds(self) -> f64 {
        let id = match self {
            Self::Thread => libc::CLOCK_THREAD_CPUTIME_ID,
            Self::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
        };
        let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a valid clock, and memory for its answer.
        assert_eq!(unsafe { libc::clock_gettime(id, &raw mut at) }, 0, "there is no such clock");
        at.tv_sec as f64 * 1e9 + at.tv_nsec as f64
    }
}

/// What is measured: so many calls of it at once, so that the loop is compiled with the call in it.
pub(crate) struct Candidate<'a> {
    who: &'static str,
    calls: Box<dyn FnMut(u32) + 'a>,
}

/// A candidate of this name, whose one call is `call`.
pub(crate) fn candidate<'a, T>(who: &'static str, mut call: impl FnMut() -> T + 'a) -> Candidate<'a> {
    let calls = move |number| {
        for _ in 0..number {
            black_box(call());
        }
    };
    Candidate { who, calls: Box::new(calls) }
}

/// What a sample should take: short enough that many fall into moments in which nothing else disturbs.
const SAMPLE: f64 = 400_000.0;
/// A candidate whose one call takes longer, beside others that do not, is sampled in one round of eight: the others need the
/// rounds, and it would take all the time.
const SLOW: f64 = 5_000_000.0;

/// Measures, and writes a line for each candidate.
pub(crate) fn interleaved(suite: &str, measure: &str, clock: Clock, rounds: usize, mut candidates: Vec<Candidate<'_>>) {
    let mut plans: Vec<Plan> = candidates.iter_mut().map(|candidate| Plan::of(clock, candidate)).collect();
    let mixed = plans.iter().any(|plan| plan.each <= SLOW);
    for round in 0..rounds {
        for (candidate, plan) in candidates.iter_mut().zip(&mut plans) {
            if !mixed || plan.each <= SLOW || round % 8 == 0 {
                let begun = clock.nanoseconds();
                (candidate.calls)(plan.calls);
                plan.samples.push((clock.nanoseconds() - begun) / f64::from(plan.calls));
            }
        }
    }
    for (candidate, plan) in candidates.iter().zip(&mut plans) {
        plan.samples.sort_by(f64::total_cmp);
        let (median, least) = (plan.samples[plan.samples.len() / 2], plan.samples[0]);
        println!(
            "{{\"suite\":\"{suite}\",\"measure\":\"{measure}\",\"who\":\"{}\",\"ns\":{median:.2},\"least\":{least:.2},\"rounds\":{}}}",
            candidate.who,
            plan.samples.len()
        );
    }
}

struct Plan {
    calls: u32,
    /// What one call takes.
    each: f64,
    samples: Vec<f64>,
}

impl Plan {
    /// Calls until it is known how long one takes, which also warms what there is to warm.
    fn of(clock: Clock, candidate: &mut Candidate<'_>) -> Self {
        (candidate.calls)(1);
        let mut calls = 1;
        loop {
            let begun = clock.nanoseconds();
            (candidate.calls)(calls);
            let took = clock.nanoseconds() - begun;
            if took >= SAMPLE {
                return Self { calls, each: took / f64::from(calls), samples: Vec::new() };
            }
            calls *= 2;
        }
    }
}
