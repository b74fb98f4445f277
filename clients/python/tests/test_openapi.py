"""The OpenAPI document against the server that gives it: random requests (schemathesis), and the walk of a real job."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

import eigenscope as es

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Everybody may ask these.
PUBLIC = {"/healthz", "/readyz"}


# Bytes are bytes, whatever the protocol of uploads calls them.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@pytest.fixture(scope="module")
def api(client: es.Client) -> Any:
    headers = {"Authorization": f"Bearer {client.transport._token}"}
    # The stream of events has no end; the walk below reads its beginning.
    return schemathesis.openapi.from_url(f"{client.url}/api/v1/openapi.json", headers=headers).exclude(path="/api/v1/events")


def ask_at_random(operation: Any, mode: GenerationMode, token: str) -> int:
    """Asks one operation; every answer has a form and a status that the document has. Gives the number of requests."""
    n = 0

    @settings(max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        nonlocal n
        n += 1
        response = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        case.validate_response(response, checks=CHECKS)

    check()
    return n


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_random_requests_are_answered_as_documented(api: Any, client: es.Client, mode: GenerationMode) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    if mode is GenerationMode.NEGATIVE:
        # About requests without any parameter nothing can be wrong.
        operations = [o for o in operations if o.body or o.query or o.path_parameters]
    asked = [ask_at_random(operation, mode, str(client.transport._token)) for operation in operations]
    print(f"schemathesis: {sum(asked)} requests to {len(asked)} operations")
    assert len(asked) >= 8 and sum(asked) > 100


def test_every_route_documents_who_is_refused(client: es.Client) -> None:
    session = requests.Session()
    asked = 0
    for path, item in client.openapi()["paths"].items():
        for method, operation in item.items():
            url = client.url + path.replace("{id}", "0").replace("{i}", "0")
            statuses = set(operation["responses"])
            assert "403" in statuses and ({"401", "429"} <= statuses) == (path not in PUBLIC), f"{method} {path}: {statuses}"
            foreign = session.request(method, url, headers={"Host": "rebound.example"}, timeout=30)
            without = session.request(method, url, timeout=30)
            assert (foreign.status_code, without.status_code) == (403, 200 if path in PUBLIC else 401), f"{method} {path}"
            asked += 1
    assert asked >= 20


def test_prometheus_reads_the_figures(client: es.Client) -> None:
    headers = {"Authorization": f"Bearer {client.transport._token}"}
    answer = requests.get(f"{client.url}/metrics", headers=headers, timeout=30)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["eigenscope_http_requests"].type == "counter" and families["eigenscope_jobs"].type == "gauge"
    states = {sample.labels["state"] for sample in families["eigenscope_jobs"].samples}
    assert states == {"queued", "running", "done", "failed", "canceled"}
    durations = families["eigenscope_http_request_duration_seconds"]
    assert durations.type == "histogram" and any(sample.name.endswith("_bucket") for sample in durations.samples)
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6


def test_real_answers_have_the_documented_form(client: es.Client, api: Any) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {client.transport._token}"
    seen = set()

    def ask(method: str, path: str, status: int, **options: Any) -> Any:
        template, ids = path, options.pop("id", "")
        response = session.request(method, client.url + path.replace("{id}", ids).replace("{i}", "0"), timeout=30, **options)
        assert response.status_code == status, response.text
        api[template][method].validate_response(response)
        seen.add((method.lower(), template))
        return response

    array = np.random.default_rng(4).normal(size=(30, 5))
    data = b"".join(es.sources.of_array(array))
    dataset = ask(
        "POST", "/api/v1/datasets", 201, params={"name": "X.npy"}, data=data, headers={"Content-Type": "application/octet-stream"}
    ).json()
    ask("GET", "/api/v1/datasets", 200)
    ask("GET", "/api/v1/datasets/{id}", 200, id=dataset["id"])
    assert ask("GET", "/api/v1/datasets/{id}/bytes", 200, id=dataset["id"]).content == data
    converted = ask("GET", "/api/v1/datasets/{id}/arrays", 200, id=dataset["id"], params={"format": "npy"}).content
    assert np.array_equal(np.load(io.BytesIO(converted)), array)
    request = {"spec": {"kind": "rdm", "input": "X"}, "inputs": {"X": {"dataset": dataset["id"]}}}
    job = ask("POST", "/api/v1/jobs", 201, json=request).json()["id"]
    client.job(job).wait()
    ask("GET", "/api/v1/jobs", 200)
    assert ask("GET", "/api/v1/jobs/{id}", 200, id=job).json()["state"] == "done"
    result = ask("GET", "/api/v1/jobs/{id}/result", 200, id=job, headers={"Accept": "application/json"}).json()
    assert result == client.job(job).result().to_dict(), "JSON and the binary form are the same numbers"
    ask("GET", "/api/v1/jobs/{id}/preview", 204, id=job)
    tasks = ask("GET", "/api/v1/jobs/{id}/tasks", 200, id=job).json()
    assert [(task["i"], task["kind"], task["state"], task["attempts"]) for task in tasks] == [(0, "whole", "done", 1)]
    log = ask("GET", "/api/v1/jobs/{id}/tasks/{i}/log", 200, id=job)
    assert log.headers["content-type"] == "text/plain; charset=utf-8" and "started as process" in log.text
    ask("PATCH", "/api/v1/jobs/{id}", 409, id=job, json={"priority": 3})
    ask("POST", "/api/v1/jobs/{id}/cancel", 409, id=job)
    ask("POST", "/api/v1/jobs/{id}/tasks/{i}/cancel", 409, id=job)
    ask("POST", "/api/v1/jobs/{id}/dataset", 422, id=job)
    ask("DELETE", "/api/v1/jobs/{id}", 204, id=job)
    ask("GET", "/api/v1/jobs/{id}", 404, id=job)
    ask("DELETE", "/api/v1/datasets/{id}", 204, id=dataset["id"])
    ask("GET", "/api/v1/disk", 200)
    ask("GET", "/api/v1/roots", 200)
    ask("GET", "/api/v1/roots/files", 403, params={"path": "/"})
    ask("POST", "/api/v1/roots/datasets", 403, json={"path": "/etc/passwd"})
    tus = {"Tus-Resumable": "1.0.0"}
    piece = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    ask("OPTIONS", "/api/v1/uploads", 204)
    begin = {**tus, "Upload-Length": str(len(data)), "Upload-Metadata": "filename WC5ucHk="}
    upload = ask("POST", "/api/v1/uploads", 201, headers=begin).headers["Location"].rsplit("/", 1)[1]
    ask("GET", "/api/v1/uploads", 200)
    ask("HEAD", "/api/v1/uploads/{id}", 200, id=upload, headers=tus)
    assert ask("PATCH", "/api/v1/uploads/{id}", 204, id=upload, headers=piece, data=data).headers["Eigenscope-Dataset"] == dataset["id"]
    assert ask("GET", "/api/v1/uploads/{id}", 200, id=upload).json()["dataset"] == dataset["id"]
    ask("DELETE", "/api/v1/uploads/{id}", 204, id=upload, headers=tus)
    ask("GET", "/api/v1/devices", 200)
    ask("GET", "/api/v1/openapi.json", 200)
    ask("GET", "/metrics", 200)
    ask("GET", "/healthz", 200)
    ask("GET", "/readyz", 200)
    with client.transport.events(0, 10) as stream:
        first, second = (event for event, _ in zip(stream, range(2), strict=False))
    assert (first.id, first.data) == (0, None) and second.data is not None
    documented = {(m, p) for p, item in client.openapi()["paths"].items() for m in item}
    assert documented - seen == {("get", "/api/v1/events")}
