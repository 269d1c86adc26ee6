"""Files → micrographs in the catalog."""

from .databars import bars_of as bars_of
from .databars import switch_bars as switch_bars
from .ingest import Provenance as Provenance
from .ingest import content_hash as content_hash
from .ingest import ingest_bytes as ingest_bytes
from .ingest import ingest_files as ingest_files
