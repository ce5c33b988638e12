"""Seismic channels as sounds: they are heard faster, and what is no channel is named."""

import numpy as np
import pytest

from scionwood import ReadError
from scionwood_audio.inference.channels import read_channel
from scionwood_audio.inference.sounds import read_sound, seconds_of

obspy = pytest.importorskip("obspy")
pytest.importorskip("scionwood_seismic")

RATE = 1000.0


@pytest.fixture
def record(tmp_path):
    """A minute of a channel at 1 kHz: 20 Hz in counts, around an offset."""
    path = tmp_path / "record.mseed"
    time = np.arange(60_000) / RATE
    counts = (5000 + 1000 * np.sin(2 * np.pi * 20 * time)).astype(np.int32)
    obspy.Trace(counts, {"sampling_rate": RATE, "station": "A"}).write(str(path), format="MSEED")
    return path


def test_a_channel_is_centred_and_scaled(record):
    samples, rate = read_channel(record, 0)
    assert (rate, len(samples), seconds_of(record)) == (RATE, 60_000, 60.0)
    assert abs(samples.mean()) < 1e-6
    assert np.abs(samples).max() == 1


def test_the_ground_is_heard_faster(record):
    heard = read_sound(record, channel=0, expand=1 / 16)
    spectrum = np.abs(np.fft.rfft(heard))
    assert len(heard) == 60_000  # 3.75 s
    assert np.fft.rfftfreq(len(heard), 1 / 16_000)[spectrum.argmax()] == pytest.approx(320, abs=0.3)


@pytest.mark.parametrize(("channel", "rule"), [(1, "channels 0 to 0"), ("mean", "their mixture")])
def test_a_channel_is_named(record, channel, rule):
    with pytest.raises(ReadError, match=rule):
        read_sound(record, channel=channel, expand=1 / 16)


def test_a_gap_is_refused(tmp_path):
    path = tmp_path / "gap.mseed"
    header = {"sampling_rate": RATE, "station": "A"}
    first = obspy.Trace(np.arange(2000, dtype=np.int32), header)
    second = obspy.Trace(np.arange(2000, dtype=np.int32), header)
    second.stats.starttime += 5
    obspy.Stream([first, second]).write(str(path), format="MSEED")
    with pytest.warns(UserWarning, match="1 gap"), pytest.raises(ReadError, match="has gaps"):
        read_channel(path, 0)


def test_a_constant_channel_is_refused(tmp_path):
    path = tmp_path / "dead.mseed"
    for value in (np.int32(7), np.float64(0.1)):
        trace = obspy.Trace(np.full(1000, value), {"sampling_rate": RATE})
        trace.write(str(path), format="MSEED")
        with pytest.raises(ReadError, match="it is constant"):
            read_channel(path, 0)
