from scionwood_deid.choices import DeidentifyOptions as DeidentifyOptions
from scionwood_deid.choices import Profile as Profile
from scionwood_deid.copying import inspect as inspect
from scionwood_deid.errors import OptionError as OptionError
from scionwood_deid.findings import Findings as Findings
from scionwood_deid.images.burned_in import burned_in as burned_in
from scionwood_deid.images.dicom_file import DicomFile as DicomFile
from scionwood_deid.images.dicom_file import checked_header as checked_header
from scionwood_deid.images.dicom_file import frame_item as frame_item
from scionwood_deid.images.dicom_file import open_file as open_file
from scionwood_deid.images.dicom_file import write_sample as write_sample
from scionwood_deid.images.display import to_display as to_display
from scionwood_deid.images.display import window_values as window_values
from scionwood_deid.images.limits import INFLATED as INFLATED
from scionwood_deid.images.limits import LARGEST as LARGEST
from scionwood_deid.images.limits import check_pixels as check_pixels
from scionwood_deid.images.subjects import pseudonym as pseudonym
from scionwood_deid.images.subjects import same_subject as same_subject
from scionwood_deid.images.windows import WINDOWS as WINDOWS
from scionwood_deid.images.windows import Window as Window
from scionwood_deid.pixels import PixelPolicy as PixelPolicy
from scionwood_deid.verbs.check import CheckResult as CheckResult
from scionwood_deid.verbs.check import deidentify_check as deidentify_check
from scionwood_deid.verbs.deidentify import CopyResult as CopyResult
from scionwood_deid.verbs.deidentify import FolderResult as FolderResult
from scionwood_deid.verbs.deidentify import deidentify as deidentify
from scionwood_deid.verbs.review import review as review

__version__: str
__all__: list[str]
