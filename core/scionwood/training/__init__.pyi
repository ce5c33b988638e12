from scionwood.training.by_hand import Resume as Resume
from scionwood.training.by_hand import minimise as minimise
from scionwood.training.by_hand import warm_cosine as warm_cosine
from scionwood.training.corruption import Corruption as Corruption
from scionwood.training.data_files import DataFiles as DataFiles
from scionwood.training.loader import DataLoader as DataLoader
from scionwood.training.loader import InexactResumeWarning as InexactResumeWarning
from scionwood.training.loader import resumable as resumable
from scionwood.training.precision import volumes_fail_in_bfloat16 as volumes_fail_in_bfloat16
from scionwood.training.quantised import quantize as quantize
from scionwood.training.run import build as build
from scionwood.training.run import fit as fit
from scionwood.training.run import load_run as load_run
from scionwood.training.run import test as test
from scionwood.training.splits import Split as Split
from scionwood.training.splits import SplitData as SplitData
from scionwood.training.subset import TrainingSubset as TrainingSubset
from scionwood.training.task import Optimiser as Optimiser
from scionwood.training.task import Task as Task
from scionwood.training.weights import load_tensors as load_tensors
from scionwood.training.weights import load_weights as load_weights
from scionwood.training.weights import read_weights as read_weights

__all__: list[str]
