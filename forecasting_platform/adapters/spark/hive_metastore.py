"""A Hive metastore service for one machine, so that several processes can use the tables at once.

`python -m` this module runs it until it is stopped. The server is Hive's own, from the jars that come with pyspark.
Hive's `main` is not used: in Hive 2.3, the version of Spark's built-in client, it listens on every interface without
authentication. Here the same classes listen on 127.0.0.1 only.
"""

import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from forecasting_platform.adapters.spark.session import LOGGING, java_home, require_pyspark
from forecasting_platform.errors import ForecastingPlatformError, StoreUnavailableError

HOST = "127.0.0.1"
HEAP = "256m"
THREADS = (2, 200)


def serve(port: int, directory: Path) -> None:
    """Serve on a port of 127.0.0.1 until the process ends.

    Args:
        directory: of the metastore's Derby database; created if missing.

    Raises:
        ConfigurationError: pyspark or Java is not installed.
        StoreUnavailableError: the port is taken, or the database cannot be opened.
    """
    require_pyspark()
    import pyspark
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
    from py4j.protocol import Py4JJavaError

    directory.mkdir(parents=True, exist_ok=True)
    jars = Path(pyspark.__file__).parent / "jars"
    with tempfile.TemporaryDirectory(prefix="hive-metastore-") as folder:
        logging = Path(folder) / "log4j2.properties"
        logging.write_text(LOGGING, encoding="utf-8")
        java_port, token = launch_gateway(
            jarpath=str(next(jars.glob("py4j-*.jar"))),
            classpath=f"{jars}/*",
            javaopts=[
                f"-Xmx{HEAP}",
                f"-Dlog4j2.configurationFile={logging.as_uri()}",
                f"-Dderby.system.home={directory}",
            ],
            java_path=str(java_home(Path(folder)) / "bin" / "java"),
            die_on_exit=True,
            enable_auth=True,
            redirect_stdout=None,
        )
        gateway = JavaGateway(gateway_parameters=GatewayParameters(port=java_port, auth_token=token))
        try:
            _server(gateway.jvm, port, directory).serve()
        except Py4JJavaError as error:
            place = f"a metastore on port {port} with its database in {directory}"
            raise StoreUnavailableError(place, str(error.java_exception)) from error


def _server(jvm: Any, port: int, directory: Path) -> Any:
    """Build what `HiveMetaStore.startMetaStore` builds without SASL, with a socket of our own."""
    hive, thrift = jvm.org.apache.hadoop.hive.metastore, jvm.org.apache.thrift
    settings = jvm.org.apache.hadoop.hive.conf.HiveConf()
    for name, value in {
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={directory / 'metastore_db'};create=true",
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": (directory / "unnamed").as_uri(),
    }.items():
        settings.set(name, value)
    handler = hive.RetryingHMSHandler.getProxy(
        settings, getattr(hive, "HiveMetaStore$HMSHandler")("hms", settings, False), False
    )
    socket = thrift.transport.TServerSocket(jvm.java.net.InetSocketAddress(HOST, port))
    least, most = THREADS
    arguments = getattr(thrift.server, "TThreadPoolServer$Args")(socket)
    arguments = (
        arguments.processor(hive.TUGIBasedProcessor(handler))
        .transportFactory(getattr(jvm.org.apache.hadoop.hive.thrift, "TUGIContainingTransport$Factory")())
        .protocolFactory(getattr(thrift.protocol, "TBinaryProtocol$Factory")())
        .minWorkerThreads(least)
        .maxWorkerThreads(most)
    )
    return thrift.server.TThreadPoolServer(arguments)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=9083, show_default=True)
@click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of its database."
)
def main(port: int, directory: Path) -> None:
    """Serve a Hive metastore to the processes of this machine."""
    # An orderly exit stops Java and removes the temporary files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(port, directory.absolute())
    except ForecastingPlatformError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
