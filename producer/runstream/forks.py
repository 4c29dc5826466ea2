"""No fork while a thread of ours imports: the child would wait for ever for a module whose loader it does not have."""

from __future__ import annotations

import os
import threading
from typing import Final

no_fork: Final = threading.RLock()
"""Held while something is imported in the background, or made that a forked child must not find half made. What is
imported may itself fork."""
os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)
