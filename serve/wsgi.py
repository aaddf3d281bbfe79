"""The WSGI entry point: `gunicorn --config serve/gunicorn.conf.py serve.wsgi:app`."""

from serve.app import create_app

app = create_app()
