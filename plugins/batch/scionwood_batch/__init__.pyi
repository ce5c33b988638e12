from scionwood_batch.errors import BatchError as BatchError
from scionwood_batch.jobs import Job as Job
from scionwood_batch.jobs import jobs_for as jobs_for
from scionwood_batch.jobs import jobs_over as jobs_over
from scionwood_batch.manifest import Row as Row
from scionwood_batch.manifest import read_manifest as read_manifest
from scionwood_batch.running import run as run

__all__: list[str]
