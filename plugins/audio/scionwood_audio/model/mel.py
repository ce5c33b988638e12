"""The log-mel spectrogram of Whisper, in torch, so that a network takes samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

RATE = 16_000
"""Samples a second that Whisper takes."""

HOP = 160
"""Samples between two columns of the spectrogram: 10 ms."""

FRAME = 2 * HOP
"""Samples of one position of the encoder, whose second convolution has stride 2: 20 ms."""

WINDOW = 400
"""Samples of a Fourier window: 25 ms."""

BANDS = 80


class LogMel(nn.Module):
    """Samples to the log-mel spectrogram of Whisper, scaled by the maximum of its window.

    The maximum is that of the whole input. Hence cut samples into windows, never a spectrogram.

    Shapes: (batch, sample) float32 to (batch, 80, sample / 160) float32.

    Units: samples from -1 to 1 at 16 kHz.

    Source: A. Radford et al., Robust speech recognition via large-scale weak supervision (2023),
        section 2.2; equal to `WhisperFeatureExtractor` of transformers.
    """

    bank: Tensor
    taper: Tensor

    def __init__(self) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        bank = mel_filter_bank(1 + WINDOW // 2, BANDS, 0.0, RATE / 2, RATE, "slaney", "slaney")
        self.register_buffer("bank", torch.tensor(bank.T, dtype=torch.float32), persistent=False)
        self.register_buffer("taper", torch.hann_window(WINDOW), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the spectrogram of each row."""
        spectrum = torch.stft(samples, WINDOW, HOP, window=self.taper, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2  # the last column belongs to the padding
        level = (self.bank @ power).clamp(min=1e-10).log10()
        loudest = level.amax((-2, -1), keepdim=True)
        return (torch.maximum(level, loudest - 8.0) + 4.0) / 4.0  # 80 dB, then about -1 to 1
