"""Arrays in JSON: what becomes of them, and what is refused by name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from case_table import table
from fastapi.testclient import TestClient
from serve_hostile import zip_bomb

from scionwood_serve import Limits, ServingError
from scionwood_serve.web.arrays import read_array, write_array

SERVICE = "/v1/seismic/denoise"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(make_client: Callable[[Limits], TestClient]) -> TestClient:
    return make_client(Limits(8 << 20, 4, hosts=("testserver",)))


def test_an_array_keeps_values_type_and_units(tmp_path):
    rows = [[0.1, -2e3, 7], [1, 2, 3.5]]
    body = {"array": rows, "dtype": "float64", "shape": [2, 3], "units": "m/s"}
    units = write_array(body, tmp_path / "a.npy")
    stored = np.load(tmp_path / "a.npy")
    assert (stored.dtype, stored.tolist()) == (np.float64, rows)
    assert read_array(tmp_path / "a.npy", units) == body
    assert write_array({"array": [[1, 2]]}, tmp_path / "b.npy") == "unknown"
    assert np.load(tmp_path / "b.npy").dtype == np.float32
    np.save(tmp_path / "c.npy", np.array([np.nan]))
    with pytest.raises(ServingError, match="JSON cannot state"):
        read_array(tmp_path / "c.npy", "m")


@table(
    ("body", "status", "value", "rule"),
    [
        ('{"array": [[1, 2], [3]]}', 422, "array[1]", "it has 1 entries, and array[0] has 2"),
        ('{"array": [[1, 2], 3]}', 422, "array[1]", "it has no list, and array[0] has 2"),
        ('{"array": [[[1], [2]], [[3]]]}', 422, "array[1]", "the lists are ragged"),
        ('{"array": [[1, [2]]]}', 422, "array[0][1]", "it is [2], and no number"),
        ('{"array": [[1, NaN]]}', 422, "JSON: NaN", "services need finite values"),
        ('{"array": [[1, -Infinity]]}', 422, "JSON: -Infinity", "services need finite values"),
        ('{"array": [[1, 1e999]]}', 422, "array[0][1]", "it is not finite"),
        ('{"array": [[1, 1e39]]}', 422, "array", "float32 cannot hold"),
        ('{"array": [[1, null]]}', 422, "array[0][1]", "it is null, and no number"),
        ('{"array": [[1, true]]}', 422, "array[0][1]", "it is true, and no number"),
        ('{"array": [[1, "2"]]}', 422, "array[0][1]", 'it is "2", and no number'),
        ('{"array": [[], []]}', 422, "array[0]", "it is empty"),
        ('{"array": 7}', 422, "array", "it is no list"),
        ('{"array": [[[[[1]]]]]}', 422, "array", "more than 4 axes"),
        ('{"array": [[300]], "dtype": "uint8"}', 422, "array", "300, which uint8 cannot hold"),
        ('{"array": [[0.5]], "dtype": "int16"}', 422, "array", "0.5, which int16 cannot hold"),
        ('{"array": [[1]], "dtype": "object"}', 422, "dtype 'object'", "it is one of float32"),
        ('{"array": [[1]], "shape": [2, 1]}', 422, "shape [2, 1]", "the shape [1, 1]"),
        ('{"array": [[1]], "units": 3}', 422, "units '3'", "a text of up to 40"),
        ('{"array": [[1]], "unit": "Pa"}', 422, "JSON: key 'unit'", "the keys are array"),
        ('{"rows": [[1]]}', 400, "JSON", "it is not a JSON object with the key"),
        ('{"text": "a", "array": [[1]]}', 422, "JSON: key 'text'", "the keys are array"),
        (f'{{"array": [[{"9" * 400}]]}}', 422, "array[0][0]", "it is not finite"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_what_is_no_array_is_refused_by_its_place(client, body, status, value, rule):
    answer = client.post(SERVICE, content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["value"] == value
    assert rule in error["rule"]
    assert error["remedy"]


def test_json_of_more_than_a_megabyte_is_refused(client):
    answer = client.post(
        SERVICE, content=b'{"array": [[' + b"1," * (1 << 19) + b"1]]}", headers=JSON
    )
    assert answer.status_code == 413
    assert "this server accepts 1,048,576" in answer.json()["error"]["rule"]


def npy(values: Any, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=pickled)
    return buffer.getvalue()


@table(
    ("body", "rule"),
    [
        (npy(np.array([{}], object), pickled=True), "not a readable npy file"),
        (npy(np.zeros((4, 4)))[:-8], "not a readable npy file"),
        (npy(np.zeros(4)).replace(b"(4,)", b"(10**9,)"[:4]), "not a readable npy file"),
        (npy(np.zeros(4, complex)), "it holds complex128, no real numbers"),
        (b"\x93NUMPY\x01\x00\xff\xff", "not a readable npy file"),
    ],
    ids=["pickle", "cut", "header", "complex", "short"],
)
def test_a_damaged_npy_file_is_refused(client, body, rule):
    answer = client.post(f"{SERVICE}?file=a.npy", content=body)
    assert answer.status_code == 422, answer.text
    assert rule in answer.json()["error"]["rule"]


def test_a_zip_bomb_is_refused_before_it_is_inflated(client, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("inflated")

    body = zip_bomb()
    monkeypatch.setattr("zlib.decompressobj", never)
    answer = client.post(f"{SERVICE}?file=a.zip", content=body)
    assert answer.status_code == 422, answer.text
    assert "inflate to 209,715,240, more than 200 times" in answer.json()["error"]["rule"]


def test_a_zip_archive_that_is_none_is_refused(client):
    answer = client.post(f"{SERVICE}?file=a.zip", content=zip_bomb()[:80])
    assert answer.status_code == 422
    assert "zip archive" in answer.json()["error"]["rule"]


def test_the_description_states_the_array(client):
    item = client.get("/openapi.json").json()["paths"][SERVICE]["post"]
    (_, array) = item["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert array["properties"]["dtype"]["enum"][0] == "float32"
    assert json.dumps(array)
