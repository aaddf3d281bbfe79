"""A Spark Connect server for one machine: one Java process that runs, sensors, checks, commands and the app share.

`python -m` this module reads FORECASTING_SPARK_REMOTE, where it listens and with which token, and the other settings of
Spark; then it becomes Spark's own server, from the jars that come with pyspark. Jobs of all clients share its cores.
"""

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click

from forecasting_platform.adapters.spark.java import HOST, driver_settings
from forecasting_platform.adapters.spark.options import SparkOptions, require_pyspark
from forecasting_platform.adapters.spark.session import launch_environment
from forecasting_platform.errors import ConfigurationError, ForecastingPlatformError
from forecasting_platform.settings import Settings

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
DEFAULT_PORT = 15002
# Without it, a small query of one client waits for all tasks of another client's training.
_FAIR = '<allocations><pool name="default"><schedulingMode>FAIR</schedulingMode></pool></allocations>'


def address_of(port: int, token: str) -> str:
    """The address of a server on this machine, for FORECASTING_SPARK_REMOTE.

    >>> address_of(3005, "secret")
    'sc://localhost:3005/;token=secret'
    """
    # pyspark sends a token without TLS to `localhost` only.
    return f"sc://localhost:{port}/;token={token}"


def launch(options: SparkOptions, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The server's command line, and what its environment has besides the caller's.

    Args:
        folder: gets its configuration, readable for its owner only; kept while it runs.

    Raises:
        ConfigurationError: the address is of another machine or has no token, or Java is missing.
    """
    import pyspark

    host, port, token = _parts(options.remote or "")
    if host != "localhost" or not token:
        problem = (
            f"is not of the form {address_of(DEFAULT_PORT, '…')}: this server serves its own machine, with a token"
        )
        raise ConfigurationError("FORECASTING_SPARK_REMOTE", problem)
    folder.mkdir(parents=True, exist_ok=True)
    pools, configuration = folder / "pools.xml", folder / "spark.properties"
    pools.write_text(_FAIR, encoding="utf-8")
    settings = {
        "spark.app.name": "forecasting_platform",
        "spark.scheduler.mode": "FAIR",
        # Hadoop takes a path as it is.
        "spark.scheduler.allocation.file": f"file://{pools.absolute()}",
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.authenticate.token": token,
        **driver_settings(options, folder),
    }
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text("".join(f"{name} {_escaped(value)}\n" for name, value in settings.items()), "utf-8")
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    words = ["--master", options.master, "--properties-file", str(configuration), "--class", SERVER, "spark-internal"]
    return [str(submit), *words], launch_environment(folder, options)


def _parts(remote: str) -> tuple[str | None, int, str]:
    parts = urlsplit(remote)
    given = dict(each.split("=", 1) for each in parts.path.removeprefix("/").split(";") if "=" in each)
    return parts.hostname, parts.port or DEFAULT_PORT, given.get("token", "")


def _escaped(value: str) -> str:
    """A value of a Java properties file."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of its configuration, and of its metastore where FORECASTING_SPARK_METASTORE_URI names none.",
)
def main(directory: Path) -> None:
    """Serve Spark to the processes of this machine."""
    try:
        require_pyspark()
        folder = directory.absolute()
        options = replace(SparkOptions.of(Settings()), metastore_dir=folder / "metastore")
        command, environment = launch(options, folder / "server")
    except ForecastingPlatformError as error:
        raise click.ClickException(str(error)) from error
    # Java takes the place of this process, so that it gets its signals.
    os.execve(command[0], command, {**os.environ, **environment})  # noqa: S606 - no shell is wanted: it would take signals


if __name__ == "__main__":
    main()
