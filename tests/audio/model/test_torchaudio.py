"""A torchaudio that cannot be imported is named before transformers fails on it."""

import pytest

from scionwood_audio.errors import TorchaudioError
from scionwood_audio.model.weights import check_torchaudio


def test_a_broken_torchaudio_is_named(tmp_path, monkeypatch):
    (tmp_path / "torchaudio.py").write_text("raise OSError('libc10_cuda.so: cannot open')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TorchaudioError, match="Uninstall torchaudio"):
        check_torchaudio()
