//! What Prometheus asks for: counts of requests, and the text in which all figures are told.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

/// Upper bounds of the histogram of durations in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0];
/// The route of requests that no route answers: files of the page, and what is not there.
const NO_ROUTE: &str = "other";

/// Counts of requests since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Bytes of request bodies.
    pub(super) received: Arc<AtomicU64>,
    under_way: AtomicI64,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    /// By method, route and status.
    counts: BTreeMap<(&'static str, String, u16), u64>,
    /// By route.
    durations: BTreeMap<String, Durations>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Durations {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum_secs: f64,
}

/// A request that is being answered; it counts as one until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a Metrics);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UnderWay<'_> {
    /// Notes the answer: its head, of a stream.
    pub(super) fn end(self, method: &Method, route: Option<&str>, status: u16, took: Duration) {
        let route = route.unwrap_or(NO_ROUTE).to_owned();
        let secs = took.as_secs_f64();
        let mut requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.counts.entry((known(method), route.clone(), status)).or_default() += 1;
        let durations = requests.durations.entry(route).or_default();
        durations.count += 1;
        durations.sum_secs += secs;
        for (bucket, bound) in durations.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(secs <= bound);
        }
    }
}

/// Clients may invent methods; the table of counts must not grow with them.
fn known(method: &Method) -> &'static str {
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    all.into_iter().find(|name| *name == method.as_str()).unwrap_or("OTHER")
}

impl Metrics {
    /// A request begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// Tells the counts of requests.
    pub(super) fn tell(&self, text: &mut Text) {
        text.family("eigenscope_http_requests_in_flight", "gauge", "Requests that are being answered, this one included.");
        text.sample("eigenscope_http_requests_in_flight", &[], self.under_way.load(Ordering::Relaxed));
        text.family("eigenscope_http_received_bytes_total", "counter", "Bytes of the bodies of requests, uploads mostly.");
        text.sample("eigenscope_http_received_bytes_total", &[], self.received.load(Ordering::Relaxed));
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        text.family("eigenscope_http_requests_total", "counter", "Answered requests.");
        for ((method, route, status), count) in &requests.counts {
            let status = status.to_string();
            text.sample("eigenscope_http_requests_total", &[("method", method), ("route", route), ("status", &status)], count);
        }
        let name = "eigenscope_http_request_duration_seconds";
        text.family(name, "histogram", "Time until the head of the answer was ready.");
        for (route, durations) in &requests.durations {
            for (count, bound) in durations.buckets.iter().zip(BUCKETS) {
                text.sample(&format!("{name}_bucket"), &[("route", route), ("le", &bound.to_string())], count);
            }
            text.sample(&format!("{name}_bucket"), &[("route", route), ("le", "+Inf")], durations.count);
            text.sample(&format!("{name}_sum"), &[("route", route)], durations.sum_secs);
            text.sample(&format!("{name}_count"), &[("route", route)], durations.count);
        }
    }
}

/// Figures in Prometheus' text format, version 0.0.4.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family of samples; a sentence says what they are.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String cannot fail.
        write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
    }

    /// One sample.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, of)) in labels.iter().enumerate() {
            let quoted = of.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(self.0, "{}{label}=\"{quoted}\"", if i == 0 { '{' } else { ',' }).ok();
        }
        writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" }).ok();
    }

    /// A family of one sample without labels, left out where the figure is not known.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.family(name, "gauge", help);
            self.sample(name, &[], value);
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_template_and_status() {
        let metrics = Metrics::default();
        for ms in [1, 30, 90_000] {
            metrics.begin().end(&Method::GET, Some("/api/v1/jobs/{id}"), 200, Duration::from_millis(ms));
        }
        metrics.begin().end(&"BREW".parse().expect("a method"), None, 404, Duration::ZERO);
        let mut text = Text::default();
        metrics.tell(&mut text);
        let text = text.finish();
        for line in [
            "eigenscope_http_requests_in_flight 0",
            "eigenscope_http_requests_total{method=\"GET\",route=\"/api/v1/jobs/{id}\",status=\"200\"} 3",
            "eigenscope_http_requests_total{method=\"OTHER\",route=\"other\",status=\"404\"} 1",
            "eigenscope_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/{id}\",le=\"0.005\"} 1",
            "eigenscope_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/{id}\",le=\"60\"} 2",
            "eigenscope_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/{id}\",le=\"+Inf\"} 3",
            "eigenscope_http_request_duration_seconds_count{route=\"/api/v1/jobs/{id}\"} 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn labels_are_quoted() {
        let mut text = Text::default();
        text.sample("a", &[("b", "\"\\\n")], 1);
        assert_eq!(text.finish(), "a{b=\"\\\"\\\\\\n\"} 1\n");
    }
}
