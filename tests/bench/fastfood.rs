//! Time of the random map of all parameters of a `ResNet18`, and of its transpose; a line of JSON.

#![expect(clippy::print_stdout, reason = "the result")]

use tokio::time::Instant;

use eigenscope::warp::Subspace;

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().expect("numbers")).collect();
    let (d, sizes) = arguments.split_first().expect("a number of dimensions and lengths of tensors");
    let tensors: Vec<(String, usize)> = sizes.iter().enumerate().map(|(i, n)| (format!("tensor{i}"), *n)).collect();
    let subspace = Subspace::new(&tensors, *d, &[], 0).expect("dimensions");
    let theta: Vec<f32> = (0..*d).map(|i| if i % 3 == 0 { 0.5 } else { -0.25 }).collect();
    let gradients: Vec<Vec<f32>> = sizes.iter().map(|n| vec![0.001; *n]).collect();
    let slices: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
    let time = |run: &dyn Fn() -> f32| {
        let mut sum = run();
        let start = Instant::now();
        for _ in 0..5 {
            sum += run();
        }
        assert!(sum.is_finite(), "finite sums");
        start.elapsed().as_secs_f64() / 5.0
    };
    let apply = time(&|| subspace.changes(&theta, &[]).iter().map(|c| c[0]).sum());
    let transpose = time(&|| subspace.gradients(&theta, &[], &slices).theta[0]);
    println!("{{\"apply\": {apply}, \"transpose\": {transpose}}}");
}
