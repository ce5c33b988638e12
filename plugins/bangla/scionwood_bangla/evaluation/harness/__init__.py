"""The hand-written prompts as a task of lm-evaluation-harness, `bangla_register`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder for `lm_eval --include_path`."""
