"""Directories of batches on a disk and on a server of S3's API."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from forecasting_platform.adapters.spark.batch_files import BatchFiles, file_system
from forecasting_platform.errors import ConfigurationError

ROWS = pa.table({"day": [2, 1]})


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="lake")
    yield "s3a://lake/ware house"
    server.stop()


@pytest.fixture(params=["disk", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return f"file://{tmp_path}/ware house"
    return str(request.getfixturevalue("bucket"))


def test_a_directory_is_written_read_marked_and_deleted(root: str) -> None:
    files = BatchFiles(root)
    assert files.unchanged_for(timedelta(0)) == set()
    written = [files.write(ROWS, order="day") for _ in range(2)]
    names = [uri.rpartition("/")[2] for uri in written]
    system, path = file_system(written[0])
    assert pq.read_table(f"{path}/rows.parquet", filesystem=system)["day"].to_pylist() == [1, 2]
    files.mark_superseded({names[0]})
    assert files.unchanged_for(timedelta(0)) == set(names)
    assert files.unchanged_for(timedelta(hours=1)) == set()
    files.delete({names[0], "never was there"})
    assert files.unchanged_for(timedelta(0)) == {names[1]}


def test_a_file_system_that_arrow_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"WAREHOUSE_DIR.*is gopher://tables, which Arrow cannot open"):
        BatchFiles("gopher://tables")
