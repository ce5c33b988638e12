"""Later runs use features in a folder; a wrong or damaged row is never used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from scionwood.errors import TrainingError, WriteError
from scionwood_scale.prefix.cache import FrozenPrefix
from scionwood_scale.prefix.rows import KEY, Rows

X = torch.linspace(-1, 1, 32 * 4).reshape(32, 4)
WIDTH = 6 * 4
RECORD = KEY + WIDTH + 4


class Block(nn.Module):
    """A layer with a setting that is not a weight."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.linear, self.gain = nn.Linear(6, 6), gain

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * self.linear(x).tanh()


def net(seed: int = 0, gain: float = 1.0, frozen: int = 2) -> nn.Sequential:
    """A stem and three blocks; the last block trains."""
    with isolate_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, 6), *(Block(gain) for _ in range(3)))
    for child in list(model)[: frozen + 1]:
        child.requires_grad_(False)
    return model


def ran(folder: Path, x: Tensor, model: nn.Sequential | None = None) -> list[int]:
    """Run batches of four twice; return the samples that were computed and the stored prefixes."""
    model = model or net()
    expected = [model(batch) for batch in x.split(4)]
    with FrozenPrefix(model, folder=folder) as cache:
        for _ in range(2):
            for batch, value in zip(x.split(4), expected, strict=True):
                assert torch.allclose(model(batch), value, rtol=1e-6)
        assert cache.hits + cache.misses == 2 * len(x)
        return [cache.misses, len(list(folder.iterdir()))]


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.rows"))


def test_a_later_run_reads_the_cache_after_one_batch(tmp_path: Path) -> None:
    assert ran(tmp_path, X) == [32, 1]
    (file,) = files(tmp_path)
    assert file.stat().st_size == 32 * RECORD
    assert ran(tmp_path, X) == [4, 1], "the first batch shows what the features look like"
    assert files(tmp_path) == [file], "nothing new was written"


@table(
    "other",
    [net(seed=1), net(gain=0.5), net(frozen=1), net().double()],
    ids=["weights", "setting", "cut", "precision"],
)
def test_another_prefix_has_its_own_rows(tmp_path: Path, other: nn.Sequential) -> None:
    ran(tmp_path, X)
    x = X.to(next(other.parameters()).dtype)
    assert ran(tmp_path, x, other) == [32, 2]


def test_layers_after_the_prefix_may_change(tmp_path: Path) -> None:
    ran(tmp_path, X)
    model = net()
    model.add_module("3", Block(2.0))
    assert ran(tmp_path, X, model) == [4, 1]


def test_new_data_are_added_in_a_file_of_the_new_run(tmp_path: Path) -> None:
    ran(tmp_path, X[:16])
    assert ran(tmp_path, X) == [4 + 16, 1]
    assert [path.stat().st_size // RECORD for path in files(tmp_path)] == [16, 16]


def test_a_record_that_was_cut_is_ignored(tmp_path: Path) -> None:
    ran(tmp_path, X)
    (file,) = files(tmp_path)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - RECORD - 5)
    assert ran(tmp_path, X) == [4 + 4, 1]


@table("at", [0, KEY + 3, RECORD - 1], ids=["key", "row", "sum"])
def test_a_damaged_record_is_computed_again(tmp_path: Path, at: int) -> None:
    ran(tmp_path, X)
    (file,) = files(tmp_path)
    raw = bytearray(file.read_bytes())
    raw[9 * RECORD + at] ^= 1
    file.write_bytes(raw)
    if at == 0:
        assert ran(tmp_path, X) == [4 + 4, 1], "a key that nothing has is never looked up"
        return
    with pytest.warns(UserWarning, match=rf"record at byte {9 * RECORD} is damaged"):
        assert ran(tmp_path, X) == [4 + 4, 1]
    assert ran(tmp_path, X) == [4, 1], "of two records the good one is read"


def test_features_of_another_program_are_refused(tmp_path: Path) -> None:
    ran(tmp_path, X)
    (file,) = files(tmp_path)
    keys = [file.read_bytes()[at * RECORD :][:KEY] for at in range(32)]
    file.unlink()
    rows = Rows(WIDTH, 10**6, file.parent)
    rows.write(keys, np.full((32, WIDTH), 3, np.uint8))
    rows.close()
    with pytest.raises(TrainingError, match=r"served features .*relative difference"):
        ran(tmp_path, X)


def test_rows_are_read_as_they_were_written_by_any_process(tmp_path: Path) -> None:
    keys = [bytes([n]) * KEY for n in range(6)]
    values = np.arange(6 * 10, dtype=np.uint8).reshape(6, 10)
    first, second = Rows(10, 1000, tmp_path), Rows(10, 1000, tmp_path)
    first.write(keys[:3], values[:3])
    second.write(keys[3:], values[3:])
    assert first.read(keys[3:]) is None, "what another process adds is seen by the next"
    third = Rows(10, 1000, tmp_path)
    assert np.array_equal(third.read(keys[::-1]), values[::-1])
    third.write(keys, values)
    assert len(files(tmp_path)) == 2, "what is kept already is not written again"
    for rows in (first, second, third):
        rows.close()


def test_a_full_disk_is_reported_and_earlier_rows_stay_readable(disk) -> None:
    folder = disk("64k")
    keys = [n.to_bytes(KEY, "big") for n in range(40)]
    values = np.zeros((40, 4000), np.uint8)
    rows = Rows(4000, 10**6, folder)
    with pytest.raises(WriteError, match=r"features in .*cannot be written \(No space"):
        rows.write(keys, values)
    rows.close()
    again = Rows(4000, 10**6, folder)
    assert 10 < len(again) < 17
    assert np.array_equal(again.read(keys[:10]), values[:10])
    again.close()
