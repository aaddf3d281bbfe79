"""Dagster's code server, with runs that are forked from a process that has already imported what they need.

`python -m` this module takes the options of `dagster api grpc`. Dagster's own server starts a new interpreter for each
run, which imports Dagster, the definitions and their libraries first: seconds of both cores. Here a separate process
imports them once and is forked for each run (Python's documentation, multiprocessing, "forkserver"); the server itself
has threads and cannot be forked. On Linux only. Decision 15 has the measurement.
"""

import multiprocessing
import sys
from multiprocessing import forkserver
from typing import Any

from dagster._cli.api import grpc_command
from dagster._grpc import server

RUN_IMPORTS = "forecasting_platform.orchestration.dagster_instance.run_imports"


class ForkingApiServer(server.DagsterApiServer):
    """`DagsterApiServer` that forks its runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        origin = self._loadable_target_origin
        definitions = [origin.module_name] if origin and origin.module_name else []
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["dagster._grpc.impl", *definitions, RUN_IMPORTS])
        self._mp_ctx = context  # type: ignore[assignment] # dagster's own is of another way to start
        # Now, so that it is ready before the first run.
        forkserver.ensure_running()


if __name__ == "__main__":
    if sys.platform == "linux":  # libraries of macOS may end a process that was forked
        server.DagsterApiServer = ForkingApiServer  # type: ignore[misc] # the command asks the module for it
    grpc_command()
