"""Candidates of other packages: found by entry points, and told by name where they cannot be used."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forecasting_platform.candidates import Candidate, register_candidate
from forecasting_platform.errors import ConfigurationError, RecipeFileError
from forecasting_platform.forecasting.models.candidates import registry
from forecasting_platform.forecasting.models.candidates.naive import Naive
from forecasting_platform.forecasting.models.candidates.registry import candidate_named, package_of
from forecasting_platform.forecasting.models.recipes.recipe import Recipe, recipe_from
from forecasting_platform.forecasting.models.recipes.recipe_file import parse_recipe

WHOLE = """
from dataclasses import dataclass
from typing import ClassVar
from forecasting_platform.candidates import Candidate, FittedCandidate

@dataclass(frozen=True, slots=True)
class FittedDrift(FittedCandidate):
    name: ClassVar[str] = "drift"
    def predict(self, inputs, series):
        return inputs.column("y")

@dataclass(frozen=True, slots=True)
class Drift(Candidate):
    \"\"\"A drift.

    Attributes:
        days: the newest days
            that count.
    \"\"\"
    fitted: ClassVar[type[FittedCandidate]] = FittedDrift
    days: int = 30
    def fit(self, panel, task):
        return FittedDrift()
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts packages with entry points on the path, as an installer does."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, code: str, *points: str) -> None:
        module = f"{package}_of_a_test"
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n", encoding="utf-8")
        lines = [f"[{registry.GROUP}]", *(point.replace("=", f" = {module}:") for point in points)]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        forget()

    yield put
    forget()


def forget() -> None:
    registry._from_outside.cache_clear()
    registry._load.cache_clear()


def test_a_package_adds_a_candidate_by_an_entry_point(install: Install) -> None:
    install("drifting", WHOLE, "drift=Drift")
    assert package_of("drift") == "drifting 1.2"
    recipe = parse_recipe("[candidates.drift]\ndays = 9\n[candidates.naive]\nprior_weight = 1", Recipe())
    assert recipe.names == ("naive", "drift")
    assert recipe.to_document()["candidates"]["drift"] == {"prior_weight": 0.0, "days": 9}
    assert recipe_from(recipe.to_document()) == recipe
    with pytest.raises(RecipeFileError, match=r"`candidates.drift.day` is no key: did you mean `days`\?"):
        parse_recipe("[candidates.drift]\nday = 9", Recipe())


def test_the_default_recipe_is_what_it_was_whatever_is_installed(install: Install) -> None:
    install("drifting", WHOLE, "drift=Drift", "naive=Drift")
    assert Recipe().names == ("naive", "seasonal_naive", "exponential_smoothing", "direct_ridge")
    assert Recipe().fingerprint == "97c81d7c2826fbca1b1da78b063eb2d9cf59efb9418868c5cb88c8c2213dfa6e"
    assert candidate_named("naive") is Naive
    with pytest.raises(RecipeFileError, match=r"'naive' is a candidate of the platform, and of drifting 1.2 too"):
        parse_recipe("[candidates.naive]", Recipe())


def test_a_package_that_cannot_be_imported_stops_only_those_who_use_it(install: Install) -> None:
    install("broken", "import no_such_thing", "torn=Torn")
    install("drifting", WHOLE, "drift=Drift")
    assert candidate_named("drift").fitted.name == "drift"
    message = r"the candidate 'torn' of broken 1.2 cannot be imported \(ModuleNotFoundError: .*no_such_thing"
    with pytest.raises(ConfigurationError, match=message):
        candidate_named("torn")
    with pytest.raises(ConfigurationError, match=r"'x' is no candidate; choose one of \[.*'drift'.*'torn'"):
        candidate_named("x")


def test_two_packages_with_one_name_are_both_named(install: Install) -> None:
    install("drifting", WHOLE, "drift=Drift")
    install("sliding", WHOLE, "drift=Drift")
    with pytest.raises(ConfigurationError, match=r"'drift' is a candidate of drifting 1.2 and sliding 1.2: uninstall"):
        candidate_named("drift")


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ("drift=no_such_class", "cannot be imported"),
        ("drift=FittedDrift", r"is no dataclass that extends forecasting_platform.candidates.Candidate.*drifting 1.2"),
        ("other=Drift", "the candidate 'other' has the name 'drift': give both one name"),
    ],
)
def test_what_is_no_candidate_is_told(install: Install, point: str, problem: str) -> None:
    install("drifting", WHOLE, point)
    with pytest.raises(ConfigurationError, match=problem):
        candidate_named(point.partition("=")[0])


def test_a_candidate_of_this_process_takes_no_name_of_the_platforms() -> None:
    with pytest.raises(ConfigurationError, match="'naive' is a candidate of the platform; give yours another name"):
        register_candidate(Naive)
    with pytest.raises(ConfigurationError, match="the candidate 'bare' needs a default for each option"):
        register_candidate(type("Bare", (Candidate,), {"fitted": type("F", (), {"name": "bare"})}))
