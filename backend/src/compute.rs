//! One analysis on one named thread, panics turned into errors.
//!
//! A GPU device belongs to one thread for its whole life: the device is opened, used and dropped on the thread that is started here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use eigenscope::{AnalysisResult, AnalysisSpec, Device, DeviceChoice, Error, Inputs, Progress};

use crate::ids;

/// Where the last panic happened and what it said; the hook cannot hand it over in another way.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Spreads faer's work over all cores and keeps panics quiet until somebody reports them as one sentence.
pub fn prepare_process() {
    faer::set_global_parallelism(faer::Par::rayon(0));
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        let text = match info.location() {
            Some(at) => format!("{message} (at {}:{})", at.file(), at.line()),
            None => message.to_owned(),
        };
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }));
}

/// Opens the device, runs the analysis on it and waits.
///
/// # Errors
/// Those of the analysis and of the device; [`Error::Internal`] with an id when it panicked.
pub fn run(spec: &AnalysisSpec, inputs: &Inputs, device: DeviceChoice, progress: &(dyn Progress + Sync)) -> Result<AnalysisResult, Error> {
    on_device(device, async |device| eigenscope::run(spec, inputs, &device, progress).await)
}

/// Opens the device and does something with it on its thread.
///
/// # Errors
/// Those of `work` and of the device; [`Error::Internal`] with an id when it panicked.
pub fn on_device<T: Send>(choice: DeviceChoice, work: impl AsyncFnOnce(Device) -> Result<T, Error> + Send) -> Result<T, Error> {
    on_compute_thread(|| pollster::block_on(async { work(Device::open(choice).await?).await }))
}

/// Runs `work` on a thread named `compute` and waits for it.
///
/// # Errors
/// Those of `work`; [`Error::Internal`] with an id when it panicked or no thread could be started.
pub fn on_compute_thread<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let guarded = move || catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panic_error()));
        let thread = std::thread::Builder::new().name("compute".into()).spawn_scoped(scope, guarded);
        let thread = thread.map_err(|e| Error::internal(format!("no thread could be started: {e}")))?;
        thread.join().unwrap_or_else(|_| Err(panic_error()))
    })
}

fn panic_error() -> Error {
    let last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let id = ids::request_id();
    Error::internal(format!("[{id}] the analysis panicked: {}; please report this", last.unwrap_or_else(|| "no message".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error() {
        let result: Result<(), Error> = on_compute_thread(|| panic!("planted"));
        assert!(matches!(result, Err(Error::Internal { .. })), "{result:?}");
        assert_eq!(on_compute_thread(|| Ok(std::thread::current().name().map(str::to_owned))), Ok(Some("compute".into())));
    }
}
