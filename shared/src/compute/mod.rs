//! Devices and the few contractions that carry all the flops.
//!
//! A [`Device`] is the CPU (faer, f64) or a GPU reached through Burn (f32 kernels whose partial sums are added in f64).
//! Analyses center and scale on the host, contract on the device and decompose the small result on the host in f64.
//! The interface is `async` because a browser can only read GPU memory asynchronously.

pub(crate) mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(any(feature = "gpu", feature = "network"))]
pub(crate) mod product;

#[cfg(feature = "gpu")]
use std::sync::Arc;
#[cfg(feature = "gpu")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use faer::{Mat, MatRef};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What the user asks for.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The fastest device that is there for work worth sending to it: CUDA, then a hardware GPU, then the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through wgpu: WebGPU in the browser, Vulkan, Metal or DX12 natively.
    #[serde(alias = "webgpu")]
    Vulkan,
    /// An NVIDIA GPU through CUDA.
    Cuda,
}

/// What a device is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// faer on the CPU.
    Cpu,
    /// wgpu natively.
    Vulkan,
    /// wgpu in a browser.
    Webgpu,
    /// CUDA.
    Cuda,
}

/// A device for people: part of every result.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// What it is.
    pub kind: DeviceKind,
    /// Its name, as its driver gives it.
    pub name: String,
    /// Its memory where the driver tells.
    pub memory_bytes: Option<u64>,
}

impl DeviceInfo {
    /// Whether it is a GPU that the CPU imitates: slower than the CPU itself, and never chosen by [`DeviceChoice::Auto`].
    #[must_use]
    pub fn is_software(&self) -> bool {
        let name = self.name.to_lowercase();
        self.kind != DeviceKind::Cpu && ["swiftshader", "llvmpipe", "lavapipe"].iter().any(|software| name.contains(software))
    }
}

/// A device that is ready to compute.
#[derive(Debug, Clone)]
pub struct Device {
    info: DeviceInfo,
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Cpu,
    #[cfg(feature = "gpu")]
    Gpu {
        gpu: gpu::Gpu,
        /// Products since it was opened.
        n_products: Arc<AtomicU64>,
    },
}

impl Device {
    /// The CPU. Always there.
    #[must_use]
    pub fn cpu() -> Self {
        Self { info: cpu::info(), engine: Engine::Cpu }
    }

    /// Opens the device asked for; `Auto` never fails.
    ///
    /// # Errors
    /// [`Error::Device`] when a device that was named is not there or the build lacks it.
    pub async fn open(choice: DeviceChoice) -> Result<Self, Error> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            #[cfg(feature = "gpu")]
            DeviceChoice::Vulkan => Self::from_gpu(gpu::open_wgpu().await?),
            #[cfg(feature = "cuda")]
            DeviceChoice::Cuda => Self::from_gpu(gpu::open_cuda()?),
            #[cfg(feature = "gpu")]
            DeviceChoice::Auto => Ok(match gpu::open_auto().await {
                Some(found) => Self::from_gpu(found)?,
                None => Self::cpu(),
            }),
            #[cfg(not(feature = "gpu"))]
            DeviceChoice::Auto => Ok(Self::cpu()),
            #[cfg(not(feature = "gpu"))]
            DeviceChoice::Vulkan => Err(missing("GPU", "gpu")),
            #[cfg(not(feature = "cuda"))]
            DeviceChoice::Cuda => Err(missing("CUDA", "cuda")),
        }
    }

    #[cfg(feature = "gpu")]
    fn from_gpu((info, gpu): (DeviceInfo, gpu::Gpu)) -> Result<Self, Error> {
        Ok(Self { info, engine: Engine::Gpu { gpu, n_products: Arc::default() } })
    }

    /// Every device that this build can see, the CPU first.
    pub async fn list() -> Vec<DeviceInfo> {
        #[cfg_attr(not(feature = "gpu"), expect(unused_mut, reason = "only GPUs are added"))]
        let mut out = vec![cpu::info()];
        #[cfg(feature = "gpu")]
        out.extend(gpu::list().await);
        out
    }

    /// What it is, for people.
    #[must_use]
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Where Burn's tensors live: flex on the CPU.
    #[cfg(feature = "network")]
    pub(crate) fn burn(&self) -> burn::tensor::Device {
        match &self.engine {
            Engine::Cpu => burn::tensor::Device::flex(),
            #[cfg(feature = "gpu")]
            Engine::Gpu { gpu, .. } => gpu.burn(),
        }
    }

    /// Whether contractions run on the CPU, in f64.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        matches!(self.engine, Engine::Cpu)
    }

    /// Contractions in single precision since it was opened.
    pub(crate) fn n_single(&self) -> u64 {
        match &self.engine {
            Engine::Cpu => 0,
            #[cfg(feature = "gpu")]
            Engine::Gpu { n_products, .. } => n_products.load(Relaxed),
        }
    }

    /// Relative precision of a contraction against the norms of its factors: 1e-15 on the CPU, 1e-6 on a GPU.
    #[must_use]
    pub fn precision(&self) -> f64 {
        match self.engine {
            Engine::Cpu => 1e-15,
            #[cfg(feature = "gpu")]
            Engine::Gpu { .. } => 1e-6,
        }
    }

    /// `X' X`: (n, p) → (p, p), symmetric.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn gram_columns(&self, x: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        match &self.engine {
            Engine::Cpu => Ok(cpu::gram_columns(x)),
            #[cfg(feature = "gpu")]
            Engine::Gpu { gpu, n_products } => {
                n_products.fetch_add(1, Relaxed);
                gpu.gram_columns(x).await
            }
        }
    }

    /// `X X'`: (n, p) → (n, n), symmetric.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn gram_rows(&self, x: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        self.gram_columns(x.transpose()).await
    }

    /// `X' Y`: (n, p), (n, q) → (p, q).
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn cross(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        match &self.engine {
            Engine::Cpu => Ok(cpu::cross(x, y)),
            #[cfg(feature = "gpu")]
            Engine::Gpu { gpu, n_products } => {
                n_products.fetch_add(1, Relaxed);
                gpu.cross(x, y).await
            }
        }
    }

    /// `X' Y` for several Y: a GPU takes them as one product.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn cross_many(&self, x: MatRef<'_, f64>, ys: &[MatRef<'_, f64>]) -> Result<Vec<Mat<f64>>, Error> {
        match &self.engine {
            Engine::Cpu => Ok(ys.iter().map(|y| cpu::cross(x, *y)).collect()),
            #[cfg(feature = "gpu")]
            Engine::Gpu { .. } => {
                let mut all = Mat::zeros(x.nrows(), ys.iter().map(|y| y.ncols()).sum());
                let mut starts = Vec::with_capacity(ys.len());
                let mut start = 0;
                for y in ys {
                    all.subcols_mut(start, y.ncols()).copy_from(y);
                    starts.push(start);
                    start += y.ncols();
                }
                let product = self.cross(x, all.as_ref()).await?;
                Ok(starts.iter().zip(ys).map(|(start, y)| product.subcols(*start, y.ncols()).to_owned()).collect())
            }
        }
    }

    /// `A B`: (m, k), (k, n) → (m, n).
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn matmul(&self, a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        self.cross(a.transpose(), b).await
    }
}

/// What a computation on the CPU gives: it never waits for a device.
pub(crate) fn on_cpu<T>(computation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match std::pin::pin!(computation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(Error::internal("a computation on the CPU waited for something")),
    }
}

/// A Gram matrix that grows by parts of the data.
#[derive(Debug)]
pub struct GramSum<'a> {
    device: &'a Device,
    sum: Mat<f64>,
}

impl<'a> GramSum<'a> {
    /// Zero, of order `n`.
    #[must_use]
    pub fn new(device: &'a Device, n: usize) -> Self {
        Self { device, sum: Mat::zeros(n, n) }
    }

    /// Adds `X'X`: rows of the data are in parts.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn add_columns(&mut self, x: MatRef<'_, f64>) -> Result<(), Error> {
        match &self.device.engine {
            Engine::Cpu => cpu::add_gram_lower(&mut self.sum, x),
            #[cfg(feature = "gpu")]
            Engine::Gpu { .. } => self.sum += self.device.gram_columns(x).await?,
        }
        Ok(())
    }

    /// Adds `X X'`: columns of the data are in parts.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU fails or runs out of memory.
    pub async fn add_rows(&mut self, x: MatRef<'_, f64>) -> Result<(), Error> {
        self.add_columns(x.transpose()).await
    }

    /// The sum, both triangles.
    #[must_use]
    pub fn finish(mut self) -> Mat<f64> {
        if matches!(self.device.engine, Engine::Cpu) {
            cpu::mirror_lower(self.sum.as_mut());
        }
        self.sum
    }
}

#[cfg(not(all(feature = "gpu", feature = "cuda")))]
fn missing(what: &str, feature: &str) -> Error {
    Error::Device { message: format!("this build has no {what} support; rebuild with `--features {feature}` or choose another device") }
}

/// The GPU that tests are told to use, Vulkan's if none is named.
#[cfg(all(test, feature = "gpu"))]
pub(crate) fn gpu_of_tests() -> Option<Device> {
    let choice = if std::env::var("DEVICE").is_ok_and(|kind| kind == "cuda") { DeviceChoice::Cuda } else { DeviceChoice::Vulkan };
    pollster::block_on(Device::open(choice)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
        let mut rng = Stream::new(seed, 0);
        Mat::from_fn(n, p, |_, _| rng.normal())
    }

    #[test]
    fn contractions_match_their_definition() {
        let (x, y) = (random(7, 3, 1), random(7, 4, 2));
        let device = Device::cpu();
        let gram = pollster::block_on(device.gram_columns(x.as_ref())).expect("cpu");
        let cross = pollster::block_on(device.cross(x.as_ref(), y.as_ref())).expect("cpu");
        let rows = pollster::block_on(device.gram_rows(x.as_ref())).expect("cpu");
        for i in 0..3 {
            for j in 0..3 {
                let want: f64 = (0..7).map(|k| x[(k, i)] * x[(k, j)]).sum();
                assert!((gram[(i, j)] - want).abs() < 1e-13, "gram {i},{j}");
            }
            for j in 0..4 {
                let want: f64 = (0..7).map(|k| x[(k, i)] * y[(k, j)]).sum();
                assert!((cross[(i, j)] - want).abs() < 1e-13, "cross {i},{j}");
            }
        }
        let many = pollster::block_on(device.cross_many(x.as_ref(), &[y.as_ref(), x.as_ref()])).expect("cpu");
        assert!(many[0] == cross && (&many[1] - &gram).norm_max() < 1e-13, "several at once");
        let x = random(3, 150, 3);
        let wide = pollster::block_on(device.gram_columns(x.as_ref())).expect("cpu");
        assert!((0..150).all(|i| (0..i).all(|j| wide[(i, j)].to_bits() == wide[(j, i)].to_bits())), "both triangles");
        assert!(wide[(149, 3)] != 0.0 && wide[(149, 3)] == wide[(3, 149)]);
        let x = random(7, 3, 1);
        let want: f64 = (0..3).map(|k| x[(2, k)] * x[(5, k)]).sum();
        assert!((rows[(2, 5)] - want).abs() < 1e-13 && (rows[(5, 2)] - want).abs() < 1e-13, "row Gram is symmetric");
    }
}
