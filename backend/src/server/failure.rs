//! Errors as HTTP answers: the one place where status codes are chosen.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eigenscope::Error;
use eigenscope::api::ApiError;
use eigenscope::error::ErrorCode;

use crate::store::StoreError;

tokio::task_local! {
    /// Id of the request that is being answered; in the log, in the header and in the error.
    pub(super) static REQUEST_ID: String;
}

/// An answer that is not success.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    field: Option<String>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::Malformed, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
    }

    pub(super) fn too_large(what: &str, limit_bytes: u64) -> Self {
        let message = format!("{what} is larger than the limit of {}", eigenscope::error::bytes(limit_bytes));
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
    }

    /// Bytes that are not those that were announced; the status is the tus protocol's.
    pub(super) fn checksum(message: impl Into<String>) -> Self {
        Self::new(StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST), ErrorCode::Malformed, message)
    }

    fn disk_full() -> Self {
        let message = "the server's disk is full; remove datasets or jobs, or start it with another --data-dir, and try again";
        tracing::error!("the disk is full");
        Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::TooLarge, message)
    }

    /// A defect: the log has the detail, the client the request's id.
    pub(super) fn internal(detail: impl std::fmt::Display) -> Self {
        let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
        tracing::error!(request_id, %detail, "internal error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Internal,
            "the server failed; its log has the details under this request id",
        )
    }

    pub(super) fn with_field(mut self, field: Option<String>) -> Self {
        self.field = field;
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.code() {
            ErrorCode::Internal => return Self::internal(error),
            ErrorCode::Device => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Canceled | ErrorCode::Conflict => StatusCode::CONFLICT,
            ErrorCode::Malformed => StatusCode::BAD_REQUEST,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::Busy => StatusCode::TOO_MANY_REQUESTS,
            // The body was small enough to arrive; what it asks for is not (`Failure::too_large` answers 413).
            ErrorCode::TooLarge
            | ErrorCode::Format
            | ErrorCode::Unsupported
            | ErrorCode::Shape
            | ErrorCode::RowMismatch
            | ErrorCode::NonFinite
            | ErrorCode::Parameter
            | ErrorCode::Input
            | ErrorCode::Numerical => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, code: error.code(), message: error.to_string(), field: error.field().map(Into::into) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Changed(_) => Self::conflict(error.to_string()),
            StoreError::Io(error) => error.into(),
            StoreError::Remote(error) => {
                tracing::error!(%error, "the object store failed");
                let message =
                    "the object store of this server does not answer as it should; try again in a minute (its log has the details)";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Busy, message)
            }
            StoreError::Database(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == rusqlite::ErrorCode::DiskFull => {
                Self::disk_full()
            }
            StoreError::Database(_) | StoreError::Json(_) | StoreError::Unusable(_) | StoreError::Task(_) => Self::internal(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
            return Self::disk_full();
        }
        Self::internal(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
        let body = ApiError { code: self.code, message: self.message, field: self.field, request_id };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
