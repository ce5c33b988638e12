from scionwood.batch.errors import BatchError as BatchError
from scionwood.batch.jobs import Job as Job
from scionwood.batch.jobs import jobs_for as jobs_for
from scionwood.batch.jobs import jobs_over as jobs_over
from scionwood.batch.manifest import Row as Row
from scionwood.batch.manifest import read_manifest as read_manifest
from scionwood.batch.running import run as run

__all__: list[str]
