"""Tests share no cache on disk with whoever starts them, and are interrupted as in a terminal: shells start jobs in the
background with SIGINT ignored."""

import os
import signal

os.environ["EINJIT_CACHE_DIR"] = "none"
signal.signal(signal.SIGINT, signal.default_int_handler)
