"""Many pictures on an engine: Daft, on this machine or on a Ray cluster."""

from aetool.cluster.rows import encoder as encoder
