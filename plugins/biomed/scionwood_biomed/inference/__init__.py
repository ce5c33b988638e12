"""What applies a run to images and studies in files."""

from __future__ import annotations

from scionwood_biomed.inference.images import NOTICE as NOTICE
from scionwood_biomed.inference.images import Answer as Answer
from scionwood_biomed.inference.images import Classifier as Classifier
