//! Process slots, shared by all jobs.
//!
//! A slot that comes free goes to the job of the highest priority that waits for one and is below its own limit; among equals to the one that holds
//! the fewest, then to the one that came first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// What a process waits for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) job: String,
    pub(super) priority: i32,
    /// Slots that the job may hold.
    pub(super) limit: usize,
    /// Its place in the job.
    pub(super) i: usize,
    pub(super) gpu: Gpu,
}

/// The GPU that a process holds for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gpu {
    None,
    /// The first: there is no way to choose another.
    First,
    /// Any of so many.
    AnyOf(usize),
}

/// The slots.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    free: usize,
    held: BTreeMap<String, usize>,
    busy_gpus: BTreeSet<usize>,
    /// Jobs in the order in which they came.
    arrival: BTreeMap<String, u64>,
    n_arrived: u64,
    waiting: Vec<(Wish, oneshot::Sender<Slot>)>,
}

/// A slot; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    job: String,
    gpu: Option<usize>,
}

impl Slot {
    /// The number of its GPU where there is a choice.
    pub(super) fn gpu(&self) -> Option<usize> {
        self.gpu
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.change(|state| {
            state.free += 1;
            if let Some(n) = state.held.get_mut(&self.job) {
                *n -= 1;
            }
            if let Some(gpu) = self.gpu {
                state.busy_gpus.remove(&gpu);
            }
        });
    }
}

impl Slots {
    pub(super) fn new(n: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: n, ..State::default() })))
    }

    /// Waits for a slot.
    pub(super) async fn acquire(&self, wish: Wish) -> Slot {
        loop {
            let (sender, receiver) = oneshot::channel();
            self.change(|state| {
                if !state.arrival.contains_key(&wish.job) {
                    state.n_arrived += 1;
                    state.arrival.insert(wish.job.clone(), state.n_arrived);
                }
                state.waiting.push((wish.clone(), sender));
            });
            // The sender lives in the list until it is used.
            if let Ok(slot) = receiver.await {
                return slot;
            }
        }
    }

    /// Changes the state and hands out what is free after it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut unwanted = Vec::new();
        {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state);
            state.waiting.retain(|(_, sender)| !sender.is_closed());
            while let Some((sender, job, gpu)) = state.next() {
                unwanted.extend(sender.send(Slot { slots: self.clone(), job, gpu }).err());
            }
            state.forget();
        }
        // Dropped without the lock: they come back here.
        drop(unwanted);
    }
}

impl State {
    /// Takes the best of those who can have a slot now.
    fn next(&mut self) -> Option<(oneshot::Sender<Slot>, String, Option<usize>)> {
        if self.free == 0 {
            return None;
        }
        let held = |job: &str| self.held.get(job).copied().unwrap_or(0);
        let can = |wish: &Wish| held(&wish.job) < wish.limit.max(1) && self.free_gpu(wish.gpu).is_some();
        let rank = |wish: &Wish| (Reverse(wish.priority), held(&wish.job), self.arrival.get(&wish.job).copied(), wish.i);
        let best = self.waiting.iter().enumerate().filter(|(_, (wish, _))| can(wish)).min_by_key(|(_, (wish, _))| rank(wish))?.0;
        let (wish, sender) = self.waiting.remove(best);
        let gpu = self.free_gpu(wish.gpu).flatten();
        self.free -= 1;
        *self.held.entry(wish.job.clone()).or_default() += 1;
        self.busy_gpus.extend(gpu);
        Some((sender, wish.job, gpu))
    }

    /// The GPU that a wish gets, if it needs one; nothing when it has to wait.
    #[expect(clippy::option_option, reason = "no GPU is needed, this one is free, or none is")]
    fn free_gpu(&self, gpu: Gpu) -> Option<Option<usize>> {
        match gpu {
            Gpu::None => Some(None),
            Gpu::First => (!self.busy_gpus.contains(&0)).then_some(Some(0)),
            Gpu::AnyOf(n) => (0..n).find(|gpu| !self.busy_gpus.contains(gpu)).map(Some),
        }
    }

    /// Forgets jobs that neither hold nor wait for anything.
    fn forget(&mut self) {
        self.held.retain(|_, n| *n > 0);
        let Self { held, waiting, arrival, .. } = self;
        arrival.retain(|job, _| held.contains_key(job) || waiting.iter().any(|(wish, _)| wish.job == *job));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::FutureExt;

    use super::*;

    fn wish(job: &str, i: usize) -> Wish {
        Wish { job: job.into(), priority: 0, limit: 8, i, gpu: Gpu::None }
    }

    type Waiter = (String, Pin<Box<dyn Future<Output = Slot>>>);

    /// Those of some waiters who have a slot now; each keeps it.
    fn served(waiters: &mut Vec<Waiter>, held: &mut Vec<(String, Slot)>) -> Vec<String> {
        let (mut names, mut left) = (Vec::new(), Vec::new());
        for (name, mut waiter) in waiters.drain(..) {
            match (&mut waiter).now_or_never() {
                Some(slot) => {
                    names.push(name.clone());
                    held.push((name, slot));
                }
                None => left.push((name, waiter)),
            }
        }
        *waiters = left;
        names
    }

    fn wait(slots: &Slots, wish: Wish) -> Waiter {
        let slots = slots.clone();
        (format!("{}{}", wish.job, wish.i), Box::pin(async move { slots.acquire(wish).await }))
    }

    #[test]
    fn a_free_slot_goes_to_priority_then_to_who_holds_least_then_to_who_came_first() {
        let slots = Slots::new(2);
        let mut held = Vec::new();
        let mut waiters: Vec<_> = (0..4).map(|i| wait(&slots, wish("a", i))).collect();
        assert_eq!(served(&mut waiters, &mut held), ["a0", "a1"], "the only job has all slots");
        waiters.push(wait(&slots, wish("b", 0)));
        waiters.push(wait(&slots, wish("b", 1)));
        waiters.push(wait(&slots, Wish { priority: 5, ..wish("urgent", 0) }));
        assert!(served(&mut waiters, &mut held).is_empty(), "nothing is free");
        held.remove(0);
        assert_eq!(served(&mut waiters, &mut held), ["urgent0"]);
        held.retain(|(name, _)| name != "urgent0");
        assert_eq!(served(&mut waiters, &mut held), ["b0"], "a holds one already");
        held.retain(|(name, _)| name != "a1");
        assert_eq!(served(&mut waiters, &mut held), ["a2"], "each of the two has one");
        held.clear();
        assert_eq!(served(&mut waiters, &mut held), ["a3", "b1"]);
        held.clear();
        let state = slots.0.lock().expect("not poisoned");
        assert_eq!((state.free, state.held.len(), state.arrival.len()), (2, 0, 0), "nothing is left behind");
    }

    #[test]
    fn a_limit_leaves_slots_to_others_and_who_gives_up_takes_none() {
        let slots = Slots::new(3);
        let mut held = Vec::new();
        let mut waiters: Vec<_> = (0..3).map(|i| wait(&slots, Wish { limit: 1, ..wish("a", i) })).collect();
        assert_eq!(served(&mut waiters, &mut held), ["a0"]);
        drop(waiters.pop());
        waiters.push(wait(&slots, wish("b", 0)));
        assert_eq!(served(&mut waiters, &mut held), ["b0"]);
        held.clear();
        assert_eq!(served(&mut waiters, &mut held), ["a1"], "a2 has given up");
        assert!(waiters.is_empty());
    }

    #[test]
    fn a_gpu_has_one_process() {
        let slots = Slots::new(8);
        let mut held = Vec::new();
        let on = |i, gpu| wait(&slots, Wish { gpu, ..wish("a", i) });
        let mut waiters = vec![on(0, Gpu::AnyOf(2)), on(1, Gpu::AnyOf(2)), on(2, Gpu::AnyOf(2)), on(3, Gpu::First), on(4, Gpu::None)];
        assert_eq!(served(&mut waiters, &mut held), ["a0", "a1", "a4"]);
        assert_eq!(held.iter().map(|(_, slot)| slot.gpu()).collect::<Vec<_>>(), [Some(0), Some(1), None]);
        held.remove(1);
        assert_eq!(served(&mut waiters, &mut held), ["a2"], "the second is free, the first is not");
        held.remove(0);
        assert_eq!(served(&mut waiters, &mut held), ["a3"]);
    }
}
