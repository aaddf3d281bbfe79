import contextlib
import copy
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting_platform.adapters.mlflow_model_loader import _load_pyfunc
from forecasting_platform.adapters.model_artifact import DOCUMENT, PARAMETERS, SERIES, read_artifact, write_artifact
from forecasting_platform.errors import InvalidArtifactError
from forecasting_platform.forecasting.models.recipes.recipe import recipe_from
from forecasting_platform.forecasting.models.trained.model_document import document_of
from forecasting_platform_tests.contracts.model_registry_contract import NEXT, forecasts, trained_model


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An artifact that no test changes, and its checksum."""
    directory = tmp_path_factory.mktemp("artifact") / "made if need be"
    return directory, write_artifact(trained_model(), directory)


@pytest.fixture
def artifact(written: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the artifact, to be changed."""
    return Path(shutil.copytree(written[0], tmp_path / "artifact"))


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def change_document(artifact: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((artifact / DOCUMENT).read_text())
    change(document)
    (artifact / DOCUMENT).write_text(json.dumps(document))


def sign_parameters(artifact: Path) -> None:
    """Put the checksum of the parameters as they are now into the document, as a forger would."""
    checksum = hashlib.sha256((artifact / PARAMETERS).read_bytes()).hexdigest()
    change_document(artifact, lambda document: document.update(parameters_sha256=checksum))


def test_what_was_written_is_read_back_to_the_same_forecasts_bit_for_bit(written: tuple[Path, str]) -> None:
    directory, checksum = written
    read = read_artifact(directory, expected_sha256=checksum)
    pd.testing.assert_frame_equal(forecasts(read), forecasts(trained_model()), check_exact=True)
    assert document_of(read) == document_of(trained_model())


def test_the_pyfunc_loader_gives_the_same_forecasts_as_the_model(written: tuple[Path, str]) -> None:
    inputs = trained_model().inputs(list(NEXT)).to_frame()
    found = _load_pyfunc(str(written[0])).predict(inputs)
    pd.testing.assert_frame_equal(found, forecasts(trained_model()), check_exact=True)


def test_writing_the_same_model_again_gives_the_same_checksum(written: tuple[Path, str], tmp_path: Path) -> None:
    assert write_artifact(trained_model(), tmp_path) == written[1]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from([DOCUMENT, PARAMETERS]), flip=st.integers(1, 255))
def test_any_changed_byte_of_any_file_is_refused(
    written: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str, flip: int
) -> None:
    directory, checksum = written
    changed = Path(shutil.copytree(directory, tmp_path_factory.mktemp("changed") / "artifact"))
    content = bytearray((changed / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= flip
    (changed / name).write_bytes(content)
    with pytest.raises(InvalidArtifactError, match=f"model version 7 cannot be used: {name} is not the file that was"):
        read_artifact(changed, version="7", expected_sha256=checksum)
    shutil.rmtree(changed)


@pytest.mark.parametrize("name", [DOCUMENT, PARAMETERS])
def test_a_missing_file_is_named(artifact: Path, name: str) -> None:
    (artifact / name).unlink()
    with pytest.raises(InvalidArtifactError, match=rf"its files cannot be read \(FileNotFoundError: .*{name}"):
        read_artifact(artifact, version="7")


@pytest.mark.parametrize("kept", [0, 10, 4000])
def test_parameters_cut_short_are_refused_though_the_checksum_is_theirs(artifact: Path, kept: int) -> None:
    (artifact / PARAMETERS).write_bytes((artifact / PARAMETERS).read_bytes()[:kept])
    sign_parameters(artifact)
    with pytest.raises(InvalidArtifactError, match="its files cannot be read"):
        read_artifact(artifact)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), flip=st.integers(1, 255))
def test_forged_parameters_are_refused_and_never_crash_the_reader(
    written: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, flip: int
) -> None:
    changed = Path(shutil.copytree(written[0], tmp_path_factory.mktemp("forged") / "artifact"))
    expected, content = forecasts(trained_model()), bytearray((changed / PARAMETERS).read_bytes())
    # The headers of the archive and of its arrays come first and last: that is where a reader trips.
    place = data.draw(st.integers(0, 400) | st.integers(len(content) - 2000, len(content) - 1))
    content[place] ^= flip
    (changed / PARAMETERS).write_bytes(content)
    sign_parameters(changed)
    with contextlib.suppress(InvalidArtifactError):
        # A byte that nobody needs, such as one of a file's time; else the archive's own checksums refuse it.
        pd.testing.assert_frame_equal(forecasts(read_artifact(changed)), expected, check_exact=True)
    shutil.rmtree(changed)


def test_parameters_that_say_they_are_encrypted_are_refused(artifact: Path) -> None:
    content = bytearray((artifact / PARAMETERS).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    (artifact / PARAMETERS).write_bytes(content)
    sign_parameters(artifact)
    with pytest.raises(InvalidArtifactError, match="password required"):
        read_artifact(artifact)


def test_a_pickle_among_the_parameters_is_never_loaded(artifact: Path, tmp_path: Path) -> None:
    with np.load(artifact / PARAMETERS, allow_pickle=False) as stored:
        arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    arrays["weights"] = np.array([Touch(tmp_path / "ran")], dtype=object)
    np.savez(artifact / PARAMETERS, **arrays)
    sign_parameters(artifact)
    with pytest.raises(InvalidArtifactError, match="Object arrays cannot be loaded when allow_pickle=False"):
        read_artifact(artifact)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_in_the_place_of_the_parameters_is_never_loaded(artifact: Path, tmp_path: Path) -> None:
    (artifact / PARAMETERS).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    sign_parameters(artifact)
    with pytest.raises(InvalidArtifactError, match="its files cannot be read"):
        read_artifact(artifact)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document.update(format=99), "its format is 99, this code reads"),
        (lambda document: document.update(feature_names=["y"]), "trained on other features than this code builds"),
        (lambda document: document.pop("unique_ids"), "lacks 'unique_ids'"),
        (lambda document: document.pop("parameters_sha256"), "KeyError: 'parameters_sha256'"),
        (lambda document: document.update(cutoff="30/06/2023"), "Invalid isoformat string"),
        (lambda document: document.update(candidates=["an_import"]), "an_import"),
    ],
    ids=["format", "features", "a part", "checksum", "cutoff", "candidate"],
)
def test_a_document_of_another_kind_says_what_is_wrong_with_it(
    artifact: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    change_document(artifact, change)
    with pytest.raises(InvalidArtifactError, match=f"model version 3 cannot be used: .*{said}"):
        read_artifact(artifact, version="3")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"null"])
def test_a_document_that_is_no_json_object_is_refused(artifact: Path, content: bytes) -> None:
    (artifact / DOCUMENT).write_bytes(content)
    with pytest.raises(InvalidArtifactError, match="its files cannot be read"):
        read_artifact(artifact)


STORED = Path(__file__).parent / "stored_model"
"""Written before candidates of other packages were known."""


def test_a_model_that_an_earlier_code_stored_forecasts_as_it_did() -> None:
    expected = json.loads((STORED / "forecasts.json").read_text())
    model = read_artifact(STORED)
    recipe = recipe_from(model.metadata["recipe"])
    assert recipe.fingerprint == model.metadata["recipe_fingerprint"] == expected["recipe_fingerprint"]
    found = model.predict(model.inputs([model.cutoff + timedelta(days=step) for step in range(1, 6)]))
    # But for the last bits of a product, which another processor may round otherwise.
    np.testing.assert_allclose(found.y_hat, expected["y_hat"], rtol=1e-13)
    np.testing.assert_allclose(found.bounds[80][0], expected["y_hat_lo_80"], rtol=1e-13)


def test_a_candidate_that_is_not_installed_is_named_with_its_package(artifact: Path) -> None:
    def of_another_package(document: dict[str, Any]) -> None:
        document["candidates"][0] = "boosting"
        document["packages"] = {"boosting": "my-boosting 1.2"}

    change_document(artifact, of_another_package)
    with pytest.raises(InvalidArtifactError, match=r"needs the candidate 'boosting' of my-boosting 1.2: .*candidate"):
        read_artifact(artifact)


def test_what_is_known_of_each_series_has_a_line_of_its_own_and_is_read_back_in_order(tmp_path: Path) -> None:
    series = {
        "series": {"winner": "naive"},
        "control": {"winner": "told of a series"},
        "a\u2028b\n": {"scores": {"mase": 0.5}},
    }
    control = {"thresholds": [1.0], "series": {"b": {"limit": 2.0}, "a": {"limit": 1.0}}}
    for metadata in ({"series": series, "control": control, "code_version": "1"}, {"series": {}}, {}):
        folder = tmp_path / str(len(metadata))
        checksum = write_artifact(replace(trained_model(), metadata=metadata), folder)
        read = read_artifact(folder, expected_sha256=checksum)
        assert read.metadata == metadata
        assert list(read.metadata.get("series", ())) == list(metadata.get("series", ()))
        # What was read is written with the same lines, such as the app's copy of its champion.
        assert write_artifact(read, folder / "again") == checksum
    assert len((tmp_path / "3" / SERIES).read_bytes().splitlines()) == 5
    assert "told of a series" not in (tmp_path / "3" / DOCUMENT).read_text(encoding="utf-8")


def test_records_of_series_are_no_objects_before_they_are_asked_for(artifact: Path) -> None:
    records = read_artifact(artifact).metadata["series"]
    first = next(iter(records))
    assert records[first] is not records[first]
    assert (records[first], records.get("nobody")) == (trained_model().metadata["series"][first], None)
    assert copy.deepcopy(records) == records, "sent to another process"


@pytest.mark.parametrize("line", [b"{", b'["", "a"]', b'["elsewhere", "a", {}]'])
def test_a_damaged_line_of_a_series_is_refused_at_once(artifact: Path, line: bytes) -> None:
    (artifact / SERIES).write_bytes((artifact / SERIES).read_bytes() + line)
    checksum = hashlib.sha256((artifact / SERIES).read_bytes()).hexdigest()
    change_document(artifact, lambda document: document.update(series_sha256=checksum))
    with pytest.raises(InvalidArtifactError, match="its files cannot be read"):
        read_artifact(artifact)


def test_a_changed_line_of_a_series_is_refused(artifact: Path) -> None:
    (artifact / SERIES).write_bytes((artifact / SERIES).read_bytes().replace(b"mase", b"mash"))
    with pytest.raises(InvalidArtifactError, match="is not the file that was registered"):
        read_artifact(artifact)
