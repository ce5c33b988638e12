"""The prompts that were written by hand as a task of lm-evaluation-harness: `bangla_register`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""What `lm_eval --include_path` takes."""
