//! Contractions on a GPU through Burn: f32 kernels on tiles, partial sums added in f64 on the host.
//!
//! A GPU has no f64 that all platforms share. Three measures keep a contraction within 1e-6 of the product of the norms:
//! the host centers and scales in f64 before anything is rounded; the contracted axis is cut into blocks of [`BLOCK`] whose
//! results are added in f64; products keep the digits of f32 where a device would round their factors ([`product`](super::product)).

use std::sync::Mutex;

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use faer::{Mat, MatRef};

use super::cpu::mirror_lower;
use super::product::contraction;
use super::{DeviceInfo, DeviceKind};
use crate::Error;

/// Rows contracted in one kernel: an f32 sum over more terms loses digits.
const BLOCK: usize = 1024;
/// Columns of a factor in one kernel: bounds buffers to 8 MB in and 16 MB out.
const TILE: usize = 2048;

/// A GPU that is ready.
#[derive(Clone)]
pub(super) struct Gpu {
    device: BurnDevice,
}

impl Gpu {
    #[cfg(feature = "network")]
    pub(super) fn burn(&self) -> BurnDevice {
        self.device.clone()
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").finish_non_exhaustive()
    }
}

/// The wgpu runtime can be opened once in a process; later calls share it.
static OPENED: Mutex<Option<(DeviceInfo, Gpu)>> = Mutex::new(None);

fn opened() -> Option<(DeviceInfo, Gpu)> {
    OPENED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

/// Opens the adapter that wgpu prefers, software adapters included.
pub(super) async fn open_wgpu() -> Result<(DeviceInfo, Gpu), Error> {
    if let Some(found) = opened() {
        return Ok(found);
    }
    if adapter_info().await.is_none() {
        return Err(Error::Device {
            message: if cfg!(target_arch = "wasm32") {
                "this browser offers no WebGPU adapter with timestamp queries; the CPU is used instead when the device is \"auto\"".into()
            } else {
                "no Vulkan, Metal or DX12 adapter was found; install a driver or choose --device cpu".into()
            },
        });
    }
    let (device, setup) = BurnDevice::wgpu_options()
        .init_with_setup_async()
        .await
        .map_err(|e| Error::Device { message: format!("the GPU could not be opened: {e}") })?;
    let info = wgpu_info(&setup.adapter.get_info());
    let found = (info, Gpu { device });
    *OPENED.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(found.clone());
    Ok(found)
}

/// CUDA, then a hardware adapter of wgpu, else nothing. Software adapters are slower than faer and are not chosen on their own.
pub(super) async fn open_auto() -> Option<(DeviceInfo, Gpu)> {
    #[cfg(feature = "cuda")]
    if let Ok(found) = open_cuda() {
        return Some(found);
    }
    let (_, hardware) = adapter_info().await?;
    if hardware { open_wgpu().await.ok() } else { None }
}

/// Opens the first CUDA device.
#[cfg(feature = "cuda")]
pub(super) fn open_cuda() -> Result<(DeviceInfo, Gpu), Error> {
    // Constructing a CUDA device without a driver panics; an empty list tells it first.
    let device = BurnDevice::enumerate(burn::tensor::DeviceType::Cuda).into_vec().into_iter().next().ok_or_else(|| Error::Device {
        message: "no CUDA device was found; check the NVIDIA driver (nvidia-smi) or choose --device auto".into(),
    })?;
    let name = device.identity().map_or_else(|| "CUDA device".into(), |identity| identity.name.to_string());
    Ok((DeviceInfo { kind: DeviceKind::Cuda, name, memory_bytes: None }, Gpu { device }))
}

/// GPUs that can be opened.
pub(super) async fn list() -> Vec<DeviceInfo> {
    let mut out = Vec::new();
    #[cfg(feature = "cuda")]
    out.extend(open_cuda().ok().map(|(info, _)| info));
    out.extend(adapter_info().await.map(|(info, _)| info));
    out
}

/// The adapter that wgpu prefers and whether it is hardware; `None` without one that Burn can use.
async fn adapter_info() -> Option<(DeviceInfo, bool)> {
    use burn::tensor::wgpu::wgpu;
    if let Some((info, _)) = opened() {
        let hardware = !info.is_software();
        return Some((info, hardware));
    }
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = if cfg!(target_arch = "wasm32") { wgpu::Backends::BROWSER_WEBGPU } else { wgpu::Backends::PRIMARY };
    let options = wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    let adapter = wgpu::Instance::new(descriptor).request_adapter(&options).await.ok()?;
    // Burn panics in the browser on an adapter without timestamp queries.
    if cfg!(target_arch = "wasm32") && !adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        return None;
    }
    let adapter = adapter.get_info();
    let info = wgpu_info(&adapter);
    let hardware = adapter.device_type != wgpu::DeviceType::Cpu && !info.is_software();
    Some((info, hardware))
}

fn wgpu_info(info: &burn::tensor::wgpu::wgpu::AdapterInfo) -> DeviceInfo {
    let kind = if cfg!(target_arch = "wasm32") { DeviceKind::Webgpu } else { DeviceKind::Vulkan };
    DeviceInfo { kind, name: if info.name.is_empty() { "GPU".into() } else { info.name.clone() }, memory_bytes: None }
}

impl Gpu {
    /// `X' X`, the lower tiles computed and mirrored.
    pub(super) async fn gram_columns(&self, x: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        let p = x.ncols();
        let mut out = Mat::zeros(p, p);
        for columns in ranges(p, TILE) {
            for rows in ranges(p, TILE) {
                if rows.start >= columns.start {
                    self.add_tile(&mut out, x, x, rows, columns.clone()).await?;
                }
            }
        }
        mirror_lower(out.as_mut());
        Ok(out)
    }

    /// `X' Y`.
    pub(super) async fn cross(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        let mut out = Mat::zeros(x.ncols(), y.ncols());
        for columns in ranges(y.ncols(), TILE) {
            for rows in ranges(x.ncols(), TILE) {
                self.add_tile(&mut out, x, y, rows, columns.clone()).await?;
            }
        }
        Ok(out)
    }

    /// One tile of `X' Y`: all blocks of the contracted axis.
    async fn add_tile(&self, out: &mut Mat<f64>, x: MatRef<'_, f64>, y: MatRef<'_, f64>, rows: Range, columns: Range) -> Result<(), Error> {
        for block in ranges(x.nrows(), BLOCK) {
            let a = block_of(x, &block, &rows);
            let b = block_of(y, &block, &columns);
            let a = self.upload(a, rows.len(), block.len());
            let b = self.upload(b, columns.len(), block.len()).transpose();
            // Read apart: adding in f32 would round the larger once more.
            let (product, rest) = contraction(a, b);
            let mut product: Vec<f64> = read(product).await?.into_iter().map(f64::from).collect();
            if let Some(rest) = rest {
                product.iter_mut().zip(read(rest).await?).for_each(|(sum, more)| *sum += f64::from(more));
            }
            for (i, line) in product.chunks_exact(columns.len()).enumerate() {
                for (j, value) in line.iter().enumerate() {
                    out[(rows.start + i, columns.start + j)] += value;
                }
            }
        }
        Ok(())
    }

    fn upload(&self, values: Vec<f32>, rows: usize, columns: usize) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, [rows, columns]), &self.device)
    }
}

type Range = std::ops::Range<usize>;

fn ranges(n: usize, step: usize) -> impl Iterator<Item = Range> {
    (0..n).step_by(step).map(move |start| start..n.min(start + step))
}

/// The columns of a block as rows of f32: (columns, contracted).
fn block_of(x: MatRef<'_, f64>, block: &Range, columns: &Range) -> Vec<f32> {
    let mut out = Vec::with_capacity(block.len() * columns.len());
    for j in columns.clone() {
        for i in block.clone() {
            out.push(narrow(x[(i, j)]));
        }
    }
    out
}

/// The one place where f64 becomes f32.
#[expect(clippy::cast_possible_truncation, reason = "f32 kernels; see the module's measures")]
fn narrow(value: f64) -> f32 {
    value as f32
}

async fn read(tensor: Tensor<2>) -> Result<Vec<f32>, Error> {
    let data = tensor.into_data_async().await.map_err(|e| Error::of_gpu(&e))?;
    data.try_into_vec::<f32>().map_err(|e| Error::Device { message: format!("the GPU returned another type: {e}") })
}
