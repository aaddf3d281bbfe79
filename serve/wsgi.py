"""Entry points: `app` for any WSGI server, `serving` for the server of `serve.http.server`."""

import gc
import threading
from multiprocessing.util import Finalize

from serve.forecasts.champion import ChampionWatch
from serve.http.app import create_app
from serve.http.server import whole_requests
from serve.http.whole_requests import WholeRequests
from serve.service import service_of
from serve.telemetry.logs import skip_unused_log_fields

app = create_app()


def freeze_garbage_collector(watch: ChampionWatch) -> None:
    """Exclude what was loaded by the first look at the registry from garbage collection.

    Otherwise each full collection visits half a million objects, a tenth of a second in which nobody is answered.
    """
    watch.wait_for_first_look()
    gc.collect()
    gc.freeze()


def serving() -> WholeRequests:
    """The app with its background threads; at the end of the process they stop and the prediction log is written."""
    skip_unused_log_fields()
    service = service_of(app)
    service.start()
    threading.Thread(target=freeze_garbage_collector, args=[service.watch], name="collector", daemon=True).start()
    # The server's workers are processes of multiprocessing, which `atexit` does not reach.
    Finalize(None, service.stop, exitpriority=1)
    return whole_requests(app)
