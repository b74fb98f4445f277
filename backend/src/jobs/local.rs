//! The executor of one machine: a process slot for each process, shared fairly between jobs, and one process per GPU.

use eigenscope::DeviceChoice;
use eigenscope::compute::DeviceKind;
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::child::{Listener, Program};
use super::executor::{Batch, Ended, Process, Update, told};
use super::log::Log;
use super::slots::{Gpu, Slots, Wish};

/// Runs processes on this machine.
#[derive(Debug)]
pub struct Local {
    program: Program,
    slots: Slots,
    n_slots: usize,
}

impl Local {
    /// With so many processes at the same time.
    #[must_use]
    pub fn new(program: Program, n_slots: usize) -> Self {
        Self { program, slots: Slots::new(n_slots), n_slots }
    }

    pub(super) async fn run(&self, batch: Batch, updates: mpsc::Sender<(usize, Update)>) {
        let gpu = self.gpu(batch.device).await;
        let processes = batch.processes.iter();
        join_all(processes.map(|process| self.run_one(&batch, process, gpu, &updates))).await;
    }

    async fn run_one(&self, batch: &Batch, process: &Process, gpu: Gpu, updates: &mpsc::Sender<(usize, Update)>) {
        let mut stop = process.stop.clone();
        let wish = Wish { job: batch.job.clone(), priority: batch.priority, limit: batch.limit, i: process.i, gpu };
        let slot = tokio::select! {
            biased;
            _ = told(&mut stop) => None,
            slot = self.slots.acquire(wish) => Some(slot),
        };
        let ended = match &slot {
            None => Update::ended(Ended::Stopped, None),
            Some(slot) => {
                let listener = Listener { i: process.i, updates };
                listener.tell(Update::started()).await;
                let started = tokio::time::Instant::now();
                let mut log = Log::open(&process.log);
                let ended = self.program.run_task(&process.dir, stop, slot.gpu(), &mut log, &listener).await;
                let ran_secs = started.elapsed().as_secs_f64();
                log.end(&ended, Some(ran_secs));
                Update::ended(ended, Some(ran_secs))
            }
        };
        // The queue listens until it has heard of every end.
        updates.send((process.i, ended)).await.ok();
        // The next process starts after this one is known to have ended.
        drop(slot);
    }

    /// The GPU that a process on a device holds.
    async fn gpu(&self, device: DeviceChoice) -> Gpu {
        // A single slot holds every device.
        if device == DeviceChoice::Cpu || self.n_slots < 2 {
            return Gpu::None;
        }
        let devices = self.program.devices().await;
        let n_cuda = devices.iter().filter(|d| d.kind == DeviceKind::Cuda).count();
        let has_gpu = devices.iter().any(|d| d.kind != DeviceKind::Cpu && !d.is_software());
        match device {
            DeviceChoice::Cuda | DeviceChoice::Auto if n_cuda > 0 => Gpu::AnyOf(n_cuda),
            DeviceChoice::Auto if !has_gpu => Gpu::None,
            // wgpu takes the same adapter in every process.
            _ => Gpu::First,
        }
    }
}
