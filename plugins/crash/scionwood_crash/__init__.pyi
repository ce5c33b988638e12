from scionwood import Plugin
from scionwood_crash.evaluation.compare import Errors as Errors
from scionwood_crash.evaluation.report import write_report as write_report
from scionwood_crash.parts.mesh import CrashSeries as CrashSeries
from scionwood_crash.parts.mesh import Frame as Frame
from scionwood_crash.parts.mesh import ShellMesh as ShellMesh
from scionwood_crash.parts.options import FileOptions as FileOptions
from scionwood_crash.parts.options import PredictOptions as PredictOptions
from scionwood_crash.readers import open_series as open_series
from scionwood_crash.readers import write_series as write_series
from scionwood_crash.verbs.calibrate import calibrate as calibrate
from scionwood_crash.verbs.evaluate import evaluate as evaluate
from scionwood_crash.verbs.evaluate import evaluate_series as evaluate_series
from scionwood_crash.verbs.inspect import inspect as inspect
from scionwood_crash.verbs.predict import predict as predict
from scionwood_crash.verbs.predict import predict_series as predict_series
from scionwood_crash.verbs.simulate import simulate as simulate
from scionwood_crash.verbs.simulate import simulate_series as simulate_series

plugin: Plugin
