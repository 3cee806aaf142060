"""Tests share no cache on disk with whoever starts them."""

import os

os.environ["EINJIT_CACHE_DIR"] = "none"
