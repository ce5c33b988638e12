from scionwood import Plugin
from scionwood_biomed.evaluation.audit import Audit as Audit
from scionwood_biomed.evaluation.audit import audit as audit
from scionwood_biomed.evaluation.of_run import Score as Score
from scionwood_biomed.inference.images import Answer as Answer
from scionwood_biomed.inference.images import Classifier as Classifier
from scionwood_biomed.inference.studies import StudyAnswer as StudyAnswer
from scionwood_biomed.readers.opening import read_image as read_image
from scionwood_biomed.readers.opening import read_views as read_views
from scionwood_biomed.verbs.classify import classify as classify
from scionwood_biomed.verbs.options import ClassifyOptions as ClassifyOptions
from scionwood_biomed.verbs.options import RunOptions as RunOptions
from scionwood_biomed.verbs.score import score as score
from scionwood_biomed.verbs.segment import segment as segment
from scionwood_biomed.verbs.study import study as study
from scionwood_deid import CopyResult as CopyResult
from scionwood_deid import DeidentifyOptions as DeidentifyOptions
from scionwood_deid import Findings as Findings
from scionwood_deid import FolderResult as FolderResult
from scionwood_deid import PixelPolicy as PixelPolicy
from scionwood_deid import Profile as Profile
from scionwood_deid import deidentify as deidentify
from scionwood_deid import deidentify_check as deidentify_check
from scionwood_deid import inspect as inspect

plugin: Plugin
__all__: list[str]
