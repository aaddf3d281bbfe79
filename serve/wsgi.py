"""The WSGI entry points: `app` for any server, `serving` for the one of `serve.server`."""

from multiprocessing.util import Finalize

from flask import Flask

from serve.app import create_app
from serve.logs import log_without_lookups
from serve.service import service_of

app = create_app()


def serving() -> Flask:
    """The app with its background threads running; they end, and the log is written out, with the process."""
    log_without_lookups()
    service = service_of(app)
    service.start()
    # The server's workers are processes of multiprocessing, which `atexit` does not reach.
    Finalize(None, service.stop, exitpriority=1)
    return app
