"""Helpers of the checks: fresh processes, the blocked network, digests and differences."""

import socket

import pytest
import torch
from case_table import table

from scionwood_kit.child import last_line, run_python
from scionwood_kit.offline import offline
from scionwood_kit.tensors import difference, digest


def test_a_process_that_hangs_is_ended():
    code, _, error = run_python(["-c", "import time; time.sleep(30)"], timeout=0.5)
    assert (code, error) == (-9, "no answer in 0.5 s")


def test_a_process_that_fails_says_why():
    code, _, error = run_python(["-c", "raise OSError('no licence')"])
    assert (code, last_line(error)) == (1, "OSError: no licence")
    assert last_line(" \n") == "no output"


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_the_network_is_refused_and_the_attempt_recorded(call):
    with offline() as tried, socket.socket() as line:
        with pytest.raises(OSError, match="no network while checks run"):
            getattr(line, call)(("192.0.2.1", 80))
        with pytest.raises(OSError, match="no network"):
            socket.create_connection(("host.invalid", 80))
    assert len(tried) == 2
    assert socket.getaddrinfo("127.0.0.1", 80)


@table("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.complex64])
def test_a_digest_depends_on_bits_shape_and_type(dtype):
    tensor = torch.ones(2, 3, dtype=dtype)
    other = tensor.clone()
    other[0, 0] = 0
    assert digest({"a": tensor}) == digest([tensor.clone()])
    assert len({digest(tensor), digest(other), digest(tensor.T), digest(tensor[:1])}) == 4


def test_equal_bits_of_another_type_have_another_digest():
    assert digest(torch.zeros(2)) != digest(torch.zeros(2, dtype=torch.int32))


def test_a_difference_is_relative_and_infinite_for_nan_and_other_shapes():
    one = torch.full((2,), 10.0)
    assert difference([one], [one + 1]) == pytest.approx(0.1)
    assert difference([one + 0j], [one + 1j]) == pytest.approx(0.1)
    assert difference([one], [one * float("nan")]) == float("inf")
    assert difference([one], [one[:1]]) == float("inf")
    assert difference([one], []) == float("inf")
