//! The GPU path against the CPU path on the same inputs.

use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use eigenscope::analysis::{Context, manifolds};
use eigenscope::compute::DeviceKind;
use eigenscope::labels::Labels;
use eigenscope::rng::Stream;
use eigenscope::{Array, Dataset, Device, DeviceChoice, Error, Inputs, Silent};
use faer::Mat;

/// The GPU, or `None` with a printed reason. It is opened once: two tests that open it at the same time get in each other's way.
pub(crate) fn gpu() -> Option<Device> {
    static GPU: OnceLock<Result<Device, Error>> = OnceLock::new();
    match GPU.get_or_init(|| pollster::block_on(Device::open(DeviceChoice::Vulkan))) {
        Ok(device) => Some(device.clone()),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// Held while a test computes on the GPU: it belongs to one thread at a time.
static TURN: Mutex<()> = Mutex::new(());

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

/// Largest difference relative to the product of the norms of the contracted columns.
fn relative_difference(a: &Mat<f64>, b: &Mat<f64>, x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    let norm = |m: &Mat<f64>, j: usize| m.col(j).norm_l2();
    let mut worst = 0.0f64;
    for i in 0..a.nrows() {
        for j in 0..a.ncols() {
            worst = worst.max((a[(i, j)] - b[(i, j)]).abs() / (norm(x, i) * norm(y, j)));
        }
    }
    worst
}

#[test]
fn gpu_contractions_agree_with_f64() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(gpu.info().kind, DeviceKind::Vulkan);
    let cpu = Device::cpu();
    let mut report = String::new();
    // Around the block of 1024 rows and with ragged ends.
    for (n, p, q) in [(1, 1, 1), (7, 3, 5), (300, 65, 33), (2500, 70, 40)] {
        let (x, y) = (random(n, p, 1), random(n, q, 2));
        let on = |device: &Device| {
            let gram = pollster::block_on(device.gram_columns(x.as_ref())).expect("gram");
            let cross = pollster::block_on(device.cross(x.as_ref(), y.as_ref())).expect("cross");
            (gram, cross)
        };
        let ((gram, cross), (gram_gpu, cross_gpu)) = (on(&cpu), on(&gpu));
        let worst = relative_difference(&gram, &gram_gpu, &x, &x).max(relative_difference(&cross, &cross_gpu, &x, &y));
        writeln!(report, "{n} x {p}: {worst:.1e}").expect("writing to a string");
        // An f32 product has 6e-8 a term; sums of 1,024 terms stay below 1e-6 of the norms.
        assert!(worst < 1e-6, "{report}");
    }
    println!("{report}");
}

#[test]
fn class_manifolds_agree_between_devices() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Five classes of unequal size, away from the origin, in more and in fewer dimensions than rows.
    for p in [12, 300] {
        let x = random(90, p, 4);
        let code = |i: usize| i * i % 7 % 5;
        let values = (0..90).flat_map(|i| (0..p).map(move |j| (i, j))).map(|(i, j)| {
            let center = f64::from(u8::from(j % 5 == code(i)));
            x[(i, j)] + 4.0 * center + 10.0
        });
        let mut inputs = Inputs::default();
        inputs.insert("X", Dataset::from_rows("X", 90, p, values.collect()).expect("fits"));
        let labels = (0..90).map(|i| f64::from(u8::try_from(code(i)).expect("small"))).collect();
        inputs.insert("L", Dataset::from_rows("L", 90, 1, labels).expect("fits"));
        let labels = Labels { input: "L".into(), column: None };
        let spec = manifolds::Spec { features: "X".into(), labels, ..manifolds::Spec::default() };
        let on = |device: &Device| pollster::block_on(manifolds::run(&spec, &inputs, &Context::new(device, &Silent))).expect("runs");
        let (a, b) = (on(&Device::cpu()), on(&gpu));
        let compare = |name: &str, a: &Array, b: &Array| {
            for (a, b) in a.values.iter().zip(&b.values) {
                assert!(
                    a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-5 * a.abs(),
                    "{name} of {p} features: {a} on the CPU, {b} on the GPU"
                );
            }
        };
        compare("dimensionality", &a.dimensionality, &b.dimensionality);
        compare("signal", &a.signal, &b.signal);
        compare("own overlap", &a.self_overlap, &b.self_overlap);
        compare("other overlap", &a.other_overlap, &b.other_overlap);
        compare("SNR", &a.snr, &b.snr);
        println!("{p} features: compared on {}", gpu.info().name);
        assert_eq!(a.radius, b.radius, "sums of squares are taken on the host");
    }
}
