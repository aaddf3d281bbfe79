# Two images from one lock, `docker build --target platform .` and `docker build --target serve .`; and on AWS `gateway`.
# No engine runs in CI; a test runs the same install commands in a clean directory.
# A newer one: `docker buildx imagetools inspect python:3.14-slim --format '{{.Manifest.Digest}}'`, or Renovate.
ARG PYTHON_IMAGE=python:3.14-slim@sha256:51dafde81dbdb6ebde285137a295cf18a47ca95234fe388a343719cb97305b3d
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --system --create-home --uid 10001 forecasting
WORKDIR /app
# Where volumes are mounted; a new volume takes the owner of the folder it covers.
RUN install --directory --owner forecasting /artifacts /cache /app/dagster_home/storage

# The package is installed from a wheel, so that no source beside the working directory shadows it.
FROM base AS wheel
RUN pip install --no-cache-dir "uv>=0.5"
# `--build-arg COMMIT=$(git rev-parse --short HEAD)`: the history is not copied.
ARG COMMIT=unknown
ENV SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FORECASTING_PLATFORM=0.1+g${COMMIT}
COPY pyproject.toml setup.py README.md LICENSE ./
COPY forecasting_platform forecasting_platform
COPY serve serve
RUN uv build --wheel --out-dir /wheels .

# Caddy with the gateway's rules, for AWS; compose mounts them into Caddy's own image.
FROM caddy:2-alpine@sha256:5f5c8640aae01df9654968d946d8f1a56c497f1dd5c5cda4cf95ab7c14d58648 AS gateway
COPY deploy/compose/Caddyfile /etc/caddy/Caddyfile

FROM base AS platform
RUN --mount=from=wheel,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=source=locks,target=/locks \
    uv pip install --system --no-cache --compile-bytecode --require-hashes --requirements /locks/platform.txt
RUN --mount=from=wheel,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=from=wheel,source=/wheels,target=/wheels \
    uv pip install --system --no-cache --compile-bytecode --no-deps /wheels/*.whl
COPY workspace.yaml /app/
# On AWS: deploy/aws/dagster.yaml.
ARG INSTANCE=dagster.yaml
COPY ${INSTANCE} /app/dagster_home/dagster.yaml
RUN chown -R forecasting /app/dagster_home
ENV DAGSTER_HOME=/app/dagster_home DAGSTER_EVENT_BATCH_SIZE=1000
USER forecasting
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:3000/server_info', timeout=4)"]
# The daemon is the same image: command `python -m forecasting_platform.orchestration.dagster_instance.daemon run --log-format json --workspace …`.
CMD ["python", "-m", "forecasting_platform.orchestration.dagster_instance.webserver", "--host", "0.0.0.0", "--port", "3000", "--workspace", "/app/workspace.yaml", "--log-format", "json"]

FROM base AS serve
RUN --mount=from=wheel,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=source=locks,target=/locks \
    uv pip install --system --no-cache --compile-bytecode --require-hashes --requirements /locks/serve.txt
RUN --mount=from=wheel,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=from=wheel,source=/wheels,target=/wheels \
    uv pip install --system --no-cache --compile-bytecode --no-deps /wheels/*.whl
# A public interface: the app refuses to start without FORECASTING_API_KEYS.
ENV FORECASTING_APP_HOST=0.0.0.0 FORECASTING_APP_PORT=3002
USER forecasting
EXPOSE 3002
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:3002/health', timeout=4)"]
CMD ["python", "-m", "serve"]
