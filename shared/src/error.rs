//! The one error type of the library: values with numbers in them, the same in the browser and on the server.

use serde::{Deserialize, Serialize};

/// What went wrong, in a form that a program can match and a person can read.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum Error {
    /// A file is not what its format promises: truncated, corrupt, or of another kind.
    #[error("{file}: {message}")]
    Format {
        /// The file, or `file::member`.
        file: String,
        /// What is wrong, where, and what to do.
        message: String,
    },
    /// A file is well-formed but holds something that is not read (pickles, text where numbers are expected).
    #[error("{file}: {message}")]
    Unsupported {
        /// The file, or `file::member`.
        file: String,
        /// What it holds and what to do about it.
        message: String,
    },
    /// Something declares or needs more memory than is allowed here.
    #[error("{what} needs {} but the limit is {}", bytes(*.needed_bytes), bytes(*.limit_bytes))]
    TooLarge {
        /// What is too large.
        what: String,
        /// Bytes it needs.
        needed_bytes: u64,
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// An array has the wrong shape for its role.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// The input or quantity.
        what: String,
        /// The shape that was expected, in words or numbers.
        expected: String,
        /// The shape that was found.
        got: String,
    },
    /// Two inputs that must share their rows do not.
    #[error(
        "{a} has {n_a} rows but {b} has {n_b}: rows are samples and must be the same in both (choose the axis of the samples if they are not the rows)"
    )]
    RowMismatch {
        /// First input.
        a: String,
        /// Its rows.
        n_a: u64,
        /// Second input.
        b: String,
        /// Its rows.
        n_b: u64,
    },
    /// NaN or infinite values where finite ones are needed.
    #[error(
        "{input}: {count} of its values are not finite, the first ({value}) at row {row}, column {column} (counted from 1); remove or fill them first"
    )]
    NonFinite {
        /// The input.
        input: String,
        /// How many values are NaN or infinite.
        count: u64,
        /// Row of the first, counted from 1.
        row: u64,
        /// Column of the first, counted from 1.
        column: u64,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// A field of the spec is out of range or does not fit the inputs.
    #[error("{field}: {message}")]
    Parameter {
        /// Path of the field in the spec.
        field: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// An input named by the spec is missing or unusable.
    #[error("{input}: {message}")]
    Input {
        /// The input's name.
        input: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A computation has no answer on this data.
    #[error("{what}: {message}")]
    Numerical {
        /// The computation.
        what: String,
        /// Why there is no answer.
        message: String,
    },
    /// The device asked for is absent or failed.
    #[error("{message}")]
    Device {
        /// What is missing and what to do.
        message: String,
    },
    /// The run was canceled.
    #[error("canceled")]
    Canceled,
    /// A defect of the program, never the user's fault.
    #[error("internal error: {message}")]
    Internal {
        /// What happened.
        message: String,
    },
}

impl Error {
    /// The kind of error as a short stable word, as on the wire.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Format { .. } => ErrorCode::Format,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Shape { .. } => ErrorCode::Shape,
            Self::RowMismatch { .. } => ErrorCode::RowMismatch,
            Self::NonFinite { .. } => ErrorCode::NonFinite,
            Self::Parameter { .. } => ErrorCode::Parameter,
            Self::Input { .. } => ErrorCode::Input,
            Self::Numerical { .. } => ErrorCode::Numerical,
            Self::Device { .. } => ErrorCode::Device,
            Self::Canceled => ErrorCode::Canceled,
            Self::Internal { .. } => ErrorCode::Internal,
        }
    }

    /// The spec field or input that a form should mark, when there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Parameter { field, .. } => Some(field),
            Self::Input { input, .. } | Self::NonFinite { input, .. } => Some(input),
            Self::RowMismatch { a, .. } => Some(a),
            _ => None,
        }
    }

    /// A [`Error::Parameter`] from its parts.
    pub fn parameter(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Parameter { field: field.into(), message: message.into() }
    }

    /// A [`Error::Input`] from its parts.
    pub fn input(input: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Input { input: input.into(), message: message.into() }
    }

    /// A [`Error::Device`] from what a GPU's runtime says: a chain of causes over many lines, of which the last is what happened.
    #[cfg(any(feature = "gpu", feature = "network"))]
    pub(crate) fn of_gpu(said: &dyn std::fmt::Display) -> Self {
        let said = said.to_string();
        let is_said = |line: &&str| !line.is_empty() && !["Caused by:", "Asked at:", "Backtrace:", "No backtrace available"].contains(line);
        let cause = said.lines().map(str::trim).rfind(is_said).unwrap_or_default();
        let is_full = ["out of device memory", "can't allocate buffer"].iter().any(|words| said.contains(words));
        let message = if is_full {
            format!(
                "the GPU's memory is full ({cause}); choose a smaller batch, free what others hold there, or compute on the CPU (--device cpu)"
            )
        } else {
            format!("the GPU failed: {cause}")
        };
        Self::Device { message }
    }

    /// A [`Error::Format`] from its parts.
    pub fn format(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Format { file: file.into(), message: message.into() }
    }

    /// A [`Error::Internal`] with its message.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }
}

/// The kinds of [`Error`], plus those that only the HTTP interface has.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A file is not what its format promises.
    Format,
    /// A file holds something that is not read.
    Unsupported,
    /// More memory than allowed, or a body over the limit.
    TooLarge,
    /// Wrong shape for a role.
    Shape,
    /// Inputs with different numbers of rows.
    RowMismatch,
    /// NaN or infinite values.
    NonFinite,
    /// A spec field out of range.
    Parameter,
    /// A missing or unusable input.
    Input,
    /// No answer on this data.
    Numerical,
    /// Device absent or failed.
    Device,
    /// Canceled.
    Canceled,
    /// A defect of the program.
    Internal,
    /// The request body is not valid JSON of the expected form.
    Malformed,
    /// No such dataset, job or route.
    NotFound,
    /// The token is missing or wrong.
    Unauthorized,
    /// Host or Origin is not this server's.
    Forbidden,
    /// The job is in a state that does not allow this.
    Conflict,
    /// Too many jobs are waiting.
    Busy,
}

/// Something the user should know about a result that is nevertheless right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A short stable word: `constant_targets`, `nan_pairs`, `device_fallback`, …
    pub code: String,
    /// One sentence with the numbers in it.
    pub message: String,
}

/// A byte count for people: `1.5 GiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_read_like_words() {
        assert_eq!(bytes(480), "480 B");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
    }

    /// As cubecl prints them.
    #[cfg(any(feature = "gpu", feature = "network"))]
    #[test]
    fn what_a_gpu_says_is_one_sentence() {
        let chain = |cause: &str| {
            format!(
                "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  {cause}\nNo backtrace available\nAsked at:\nNo backtrace available\n"
            )
        };
        let full = Error::of_gpu(&chain("out of device memory allocating 4194304 bytes")).to_string();
        assert!(
            full.starts_with("the GPU's memory is full (out of device memory allocating 4194304 bytes); choose a smaller batch"),
            "{full}"
        );
        let too_large = Error::of_gpu(&chain("can't allocate buffer of size: 25233408")).to_string();
        assert!(too_large.contains("memory is full") && too_large.contains("25233408"), "{too_large}");
        let lost = Error::of_gpu(&chain("the device is lost")).to_string();
        assert_eq!(lost, "the GPU failed: the device is lost");
    }

    #[test]
    fn errors_round_trip_through_json() {
        let error = Error::RowMismatch { a: "V4".into(), n_a: 3, b: "IT".into(), n_b: 4 };
        let text = serde_json::to_string(&error).expect("an error serializes");
        assert_eq!(serde_json::from_str::<Error>(&text).expect("and reads back"), error);
        assert_eq!(error.code(), ErrorCode::RowMismatch);
    }
}
