//! Images as the inputs of networks.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageReader, Limits};

use super::settings::{Preprocess, Resize};
use crate::Error;
use crate::input::{ImageFiles, Picture};

/// Bytes of the pixels of an image, four a pixel as decoders hold them on the way: some 67 million of them.
const MOST_BYTES: u64 = 1 << 28;

impl Preprocess {
    /// Values of an image from the bytes of its file: 3 x height x width.
    ///
    /// # Errors
    /// [`Error::Format`] for bytes that are no image and for one that is too small, [`Error::TooLarge`] for more than 256 MiB of pixels, four bytes each.
    pub fn read(&self, file: &str, bytes: &[u8]) -> Result<Vec<f32>, Error> {
        let bad = |e: image::ImageError| Error::format(file, format!("this is no image that can be read, or it is damaged: {e}"));
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| bad(e.into()))?;
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(bad)?;
        // A few bytes may promise as many pixels as they like.
        let (width, height) = decoder.dimensions();
        let needed_bytes = decoder.total_bytes().max(4 * u64::from(width) * u64::from(height));
        if needed_bytes > MOST_BYTES {
            return Err(Error::TooLarge { what: file.into(), needed_bytes, limit_bytes: MOST_BYTES });
        }
        let decoded = DynamicImage::from_decoder(decoder).map_err(bad)?;
        let picture = decoded.into_rgb8();
        let (width, height) = picture.dimensions();
        self.apply(file, picture.into_raw(), [height, width])
    }

    /// Values of one of several images: 3 x height x width.
    ///
    /// # Errors
    /// Those of the image and of [`Preprocess::read`].
    pub fn read_one(&self, images: &dyn ImageFiles, i: usize) -> Result<Vec<f32>, Error> {
        let shown = images.shown(i);
        match images.picture(i)? {
            Picture::Encoded(bytes) => self.read(&shown, &bytes),
            Picture::Pixels(pixels, size) => self.apply(&shown, pixels, size),
        }
    }

    /// Values of the pixels of an image, rows of red, green and blue from the top, whose height and width are given.
    ///
    /// # Errors
    /// [`Error::Format`] for one that is too small, [`Error::Internal`] for fewer pixels than that.
    #[expect(clippy::cast_possible_truncation, reason = "colors")]
    pub fn apply(&self, file: &str, pixels: Vec<u8>, [height, width]: [u32; 2]) -> Result<Vec<f32>, Error> {
        if pixels.len() as u64 != 3 * u64::from(height) * u64::from(width) || pixels.is_empty() {
            return Err(Error::internal(format!("{file}: {} colors for {height} x {width} pixels", pixels.len())));
        }
        let [h, w] = self.size;
        let (to_width, to_height) = match self.resize {
            Resize::Stretch => (w, h),
            Resize::Keep => (width, height),
            // The longer side is rounded down, as torchvision does.
            Resize::Crop(shorter) if width <= height => (shorter, scaled(shorter, height, width)),
            Resize::Crop(shorter) => (scaled(shorter, width, height), shorter),
        };
        if to_width < w || to_height < h {
            return Err(Error::format(
                file,
                format!("{to_width} x {to_height} pixels are fewer than the {w} x {h} that the network sees; resize to a larger size"),
            ));
        }
        let pixels = resized(pixels, [width as usize, height as usize], [to_width as usize, to_height as usize]);
        let (left, top) = (centered(to_width, w), centered(to_height, h));
        let (w, h, stride) = (w as usize, h as usize, to_width as usize);
        let mut out = Vec::with_capacity(3 * h * w);
        for color in 0..3 {
            let (scale, shift) = (1.0 / (255.0 * self.std[color]), self.mean[color] / self.std[color]);
            // 256 different values.
            let table: Vec<f32> = (0..=255u8).map(|v| (f64::from(v) * scale - shift) as f32).collect();
            for y in 0..h {
                let row = &pixels[((top + y) * stride + left) * 3..][..3 * w];
                out.extend(row.chunks_exact(3).map(|pixel| table[usize::from(pixel[color])]));
            }
        }
        Ok(out)
    }
}

/// The other side when one gets a new length.
fn scaled(to: u32, other: u32, own: u32) -> u32 {
    u32::try_from(u64::from(to) * u64::from(other) / u64::from(own.max(1))).unwrap_or(u32::MAX)
}

/// Where the center begins: half of what is left, to the even number when in doubt, as Python rounds.
fn centered(from: u32, to: u32) -> usize {
    let free = (from - to) as usize;
    let half = free / 2;
    if free % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

/// Bits behind the point of a weight.
const BITS: u32 = 22;

/// Where an output reads and with which weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// Windows of a triangle filter, as wide as the pixels of the smaller image.
///
/// The rounding is Pillow's: libraries that keep fewer bits differ by a level in every tenth pixel, which moves the outputs of a network by some tenths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "places of pixels, and weights below 1"
)]
fn triangle(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    (0..to)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let last = ((center + support + 0.5) as usize).min(from);
            let weights: Vec<f64> = (first..last).map(|k| (1.0 - ((k as f64 - center + 0.5) / support).abs()).max(0.0)).collect();
            let total: f64 = weights.iter().sum();
            Window { first, weights: weights.iter().map(|w| (w / total * f64::from(1 << BITS)).round() as i32).collect() }
        })
        .collect()
}

/// RGB pixels of another size: rows first, then columns, each rounded to 8 bits.
fn resized(pixels: Vec<u8>, from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let mut pixels = pixels;
    if from[0] != to[0] {
        let windows = triangle(from[0], to[0]);
        pixels = pixels.chunks_exact(3 * from[0]).flat_map(|row| windows.iter().flat_map(|w| across(row, w))).collect();
    }
    if from[1] != to[1] {
        let width = 3 * to[0];
        let mut out = Vec::with_capacity(width * to[1]);
        for window in triangle(from[1], to[1]) {
            let mut sums = vec![1 << (BITS - 1); width];
            for (k, weight) in window.weights.iter().enumerate() {
                let row = &pixels[(window.first + k) * width..][..width];
                sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += i32::from(*v) * weight);
            }
            out.extend(sums.into_iter().map(level));
        }
        pixels = out;
    }
    pixels
}

fn across(row: &[u8], window: &Window) -> [u8; 3] {
    let mut sums = [1 << (BITS - 1); 3];
    for (pixel, weight) in row[3 * window.first..].chunks_exact(3).zip(&window.weights) {
        for (sum, v) in sums.iter_mut().zip(pixel) {
            *sum += i32::from(*v) * weight;
        }
    }
    sums.map(level)
}

fn level(sum: i32) -> u8 {
    u8::try_from((sum >> BITS).clamp(0, 255)).unwrap_or(255)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Preset;

    fn png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).expect("it writes");
        bytes.into_inner()
    }

    #[test]
    fn colors_become_planes() {
        let bytes = png(2, 1, |x, _| if x == 0 { [255, 0, 51] } else { [0, 255, 102] });
        let values = Preset::Unit.of_size([1, 2]).read("a.png", &bytes).expect("it reads");
        let want = [1.0, 0.0, 0.0, 1.0, 0.2, 0.4];
        assert!(values.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-7), "{values:?}");
        let lite = Preset::EfficientnetLite.of_size([1, 2]).read("a.png", &bytes).expect("it reads");
        assert!((lite[0] - 1.0).abs() < 1e-6 && (lite[1] + 127.0 / 128.0).abs() < 1e-6, "{lite:?}");
    }

    #[test]
    fn the_center_is_cut_as_torchvision_cuts_it() {
        assert_eq!([centered(256, 224), centered(5, 2), centered(7, 2), centered(3, 3)], [16, 2, 2, 0]);
        let p = Preset::Imagenet.of_size([224, 224]);
        assert_eq!((p.resize, scaled(256, 500, 333)), (Resize::Crop(256), 384));
    }

    /// Values of Pillow 13: `Image.fromarray(a).resize((w, h), Image.BILINEAR)` of `a = (37 x + 91 y + 53 c) mod 256`.
    #[test]
    fn sizes_change_as_pillow_changes_them() {
        let source: Vec<u8> =
            (0..5u32).flat_map(|y| (0..7u32).flat_map(move |x| (0..3).map(move |c| (37 * x + 91 * y + 53 * c).to_le_bytes()[0]))).collect();
        let sum = |to: [usize; 2]| {
            let made = resized(source.clone(), [7, 5], to);
            assert_eq!(made.len(), 3 * to[0] * to[1]);
            made.iter().enumerate().map(|(i, v)| (i as u64 + 1) * u64::from(*v)).sum::<u64>()
        };
        assert_eq!([sum([11, 9]), sum([3, 2]), sum([7, 8]), sum([4, 5])], [5_725_562, 22_296, 1_831_531, 236_742]);
    }

    #[test]
    fn what_is_no_image_says_so() {
        let unit = Preset::Unit.of_size([4, 4]);
        let message = unit.read("a.png", b"nothing").expect_err("refused").to_string();
        assert!(message.starts_with("a.png: "), "{message}");
        let cut = &png(8, 8, |x, y| [x.to_le_bytes()[0], y.to_le_bytes()[0], 7])[..60];
        assert!(unit.read("b.png", cut).expect_err("refused").to_string().contains("damaged"));
        // A BMP of 54 bytes that promises 20,000 x 20,000 pixels.
        let side = 20_000u32.to_le_bytes();
        let head = [&b"BM"[..], &[0; 8], &[54, 0, 0, 0, 40, 0, 0, 0], &side, &side, &[1, 0, 24], &[0; 25]].concat();
        let huge = unit.read("d.bmp", &head).expect_err("refused");
        assert!(matches!(huge, Error::TooLarge { needed_bytes: 1_600_000_000, .. }), "four bytes a pixel on the way: {huge}");
        let small = Preprocess { resize: Resize::Keep, ..unit };
        assert!(small.read("c.png", &png(2, 2, |_, _| [0; 3])).expect_err("refused").to_string().contains("2 x 2 pixels"));
    }
}
