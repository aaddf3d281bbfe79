"""Gives freed memory back to the system."""

import ctypes


def give_back_free_memory() -> None:
    """Return what the C library keeps of freed memory, where it can (glibc).

    Two models are held during a swap: without this the process stays that large.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
