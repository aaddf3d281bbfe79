"""Every subclass and patch of Dagster's own parts. When Dagster is upgraded, look here first.

| module | changes | because | test that notices a change in Dagster |
|---|---|---|---|
| `code_server` | `DagsterApiServer` forks its runs | importing takes seconds a run | `test_code_server.py` |
| `daemon` | pause between looks for backfills: 2 s, not 30 | a person waits for a backfill | `test_daemon.py` |
| `event_storage` | planned events are written together | 2,007 days: longer than the load | `test_event_storage.py` |
| `instance` | stores are found or started where none are named | `dagster dev` works at once | `test_instance.py` |
| `run_launcher` | runs have a health check | a killed worker's run would stay "in progress" | `test_run_launcher.py` |
| `run_log` | a run's events as lines of JSON on stdout | log collectors read JSON | `test_run_log.py` |
| `reading` | the gateway's readers get a read-only context | one server for all roles | `test_webserver.py` |
| `webserver` | requests pass `site_guard` | any web page could command the platform | `test_webserver.py` |

`run_imports` is the list of modules that `code_server` preloads. Jobs, schedules, sensors and what they read of
Dagster through its public interfaces are in `orchestration`.
"""
