"""Artifacts: files and directories kept as they were, in the order in which they pass through this package.

description (what it is) → snapshot (its bytes now) → staging (what is still to do, survives the process) → manifest
(names by content) → root (where the bytes go) → completion (one artifact to its record) → uploader (the thread).
"""

from .completion import Completed, complete_pending
from .description import Identity
from .front import Artifacts

__all__ = ["Artifacts", "Completed", "Identity", "complete_pending"]
