//! How long a job will go on, from the speed so far.
//!
//! Speed is what was done in the recent part of the time that has passed: an average that forgets, so that a job that slows down, or whose tasks
//! are of several kinds, is not promised for too soon. Times come from outside, from a clock that nobody sets.

use std::time::Duration;

/// Below this nothing is said: starting processes and reading inputs is not the work.
const FIRST_SECS: f64 = 2.0;
/// Nor before so much was done.
const FIRST_FRAC: f64 = 0.01;
/// The memory of the average, as a share of the time that has passed.
const MEMORY_SHARE: f64 = 0.3;
/// The shortest memory.
const MEMORY_SECS: f64 = 5.0;

/// The speed of one job since it was started last.
#[derive(Debug, Clone)]
pub(super) struct Eta {
    /// What had been done before: pieces of an earlier start took no time of this one.
    first_frac: f64,
    last_secs: f64,
    last_frac: f64,
    /// Fractions per second, and the weight of what it was averaged over.
    speed: f64,
    weight: f64,
}

impl Eta {
    /// From what is done already.
    pub(super) fn new(done_frac: f64) -> Self {
        Self { first_frac: done_frac, last_secs: 0.0, last_frac: done_frac, speed: 0.0, weight: 0.0 }
    }

    /// So much is done after so long.
    pub(super) fn note(&mut self, elapsed: Duration, done_frac: f64) {
        let secs = elapsed.as_secs_f64();
        let passed = secs - self.last_secs;
        if passed <= 0.0 {
            return;
        }
        let memory = (MEMORY_SHARE * secs).max(MEMORY_SECS);
        let kept = (-passed / memory).exp();
        let done = (done_frac - self.last_frac).max(0.0);
        self.speed = self.speed * kept + (1.0 - kept) * done / passed;
        self.weight = self.weight * kept + (1.0 - kept);
        (self.last_secs, self.last_frac) = (secs, done_frac.max(self.last_frac));
    }

    /// Seconds that are left; nothing while there is nothing to tell them from.
    pub(super) fn remaining_secs(&self) -> Option<f64> {
        let speed = self.speed / self.weight;
        let is_known = self.last_secs >= FIRST_SECS && self.last_frac - self.first_frac >= FIRST_FRAC && speed > 0.0;
        is_known.then(|| (1.0 - self.last_frac).max(0.0) / speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut eta: Eta, frac: impl Fn(f64) -> f64, from: u32, to: u32) -> Eta {
        for tenth in from..=to {
            eta.note(Duration::from_millis(u64::from(tenth) * 100), frac(f64::from(tenth) / 10.0));
        }
        eta
    }

    #[test]
    fn an_even_job_ends_when_it_says() {
        let eta = after(Eta::new(0.0), |secs| secs / 100.0, 1, 400);
        let left = eta.remaining_secs().expect("known");
        assert!((left - 60.0).abs() < 1e-6, "{left}");
    }

    #[test]
    fn nothing_is_said_too_soon_and_kept_pieces_are_no_speed() {
        assert_eq!(after(Eta::new(0.0), |secs| secs / 100.0, 1, 15).remaining_secs(), None, "a second and a half");
        assert_eq!(after(Eta::new(0.0), |_| 0.0, 1, 600).remaining_secs(), None, "nothing was done");
        assert_eq!(after(Eta::new(0.8), |_| 0.8, 1, 600).remaining_secs(), None, "nothing was done since");
        let left = after(Eta::new(0.8), |secs| 0.8 + secs / 1000.0, 1, 100).remaining_secs().expect("known");
        assert!((left - 190.0).abs() < 1e-6, "{left}");
    }

    #[test]
    fn a_job_that_slows_down_or_stands_is_promised_for_later() {
        let fast = after(Eta::new(0.0), |secs| secs / 100.0, 1, 200);
        let slow = after(fast.clone(), |secs| 0.2 + (secs - 20.0) / 1000.0, 201, 800);
        let left = slow.remaining_secs().expect("known");
        // 0.74 are left at 0.001 per second.
        assert!((500.0..740.0).contains(&left), "{left}");
        let stands = after(fast.clone(), |_| 0.2, 201, 400).remaining_secs().expect("known");
        assert!(stands > 2.0 * fast.remaining_secs().expect("known"), "{stands}");
    }

    #[test]
    fn time_that_does_not_pass_and_progress_that_goes_back_change_nothing_for_the_worse() {
        let mut eta = after(Eta::new(0.0), |secs| secs / 100.0, 1, 400);
        let before = eta.remaining_secs();
        eta.note(Duration::from_secs(40), 0.9);
        assert_eq!(eta.remaining_secs(), before);
        eta.note(Duration::from_secs(41), 0.1);
        assert!(eta.remaining_secs().is_some_and(|left| left.is_finite() && left > 0.0));
    }
}
