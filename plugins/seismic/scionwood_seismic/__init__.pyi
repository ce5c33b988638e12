from scionwood import Plugin
from scionwood_seismic.dino.adaptation import Adaptation as Adaptation
from scionwood_seismic.evaluation.gather_qc import quality as quality
from scionwood_seismic.inference.field import FieldResult as FieldResult
from scionwood_seismic.inference.options import DenoiseOptions as DenoiseOptions
from scionwood_seismic.readers.opening import open_file as open_file
from scionwood_seismic.verbs.calibrate import calibrate as calibrate
from scionwood_seismic.verbs.compare import compare as compare
from scionwood_seismic.verbs.denoise import denoise as denoise
from scionwood_seismic.verbs.denoise import denoise_data as denoise_data
from scionwood_seismic.verbs.denoise import denoise_gather as denoise_gather
from scionwood_seismic.verbs.simulate import simulate as simulate

plugin: Plugin
