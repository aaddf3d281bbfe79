"""Where an asset's code is: its file and line here, or in the repository that the settings name."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.settings import Settings

REFERENCES = "dagster/code_references"
PACKAGE = Path(__file__).parents[2]
ASSETS = PACKAGE / "orchestration" / "assets"
PACKAGES = (PACKAGE, PACKAGE.parent / "serve")


def with_references(settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with references to their code; where a repository is named, to that, but for files of the user's own.

    Raises:
        ConfigurationError: it cannot be seen from the repository's URL how it links to a line.
    """
    executable = dg.with_source_code_references([asset for asset in assets if asset.is_executable])
    referred = [_in_own_file(asset) for asset in executable if isinstance(asset, dg.AssetsDefinition)]
    referred += [asset for asset in assets if not asset.is_executable]
    if not settings.git_url:
        return referred
    ours = [asset for asset in referred if _is_ours(asset)]
    return [*_linked(settings, ours), *(asset for asset in referred if asset not in ours)]


def _in_own_file(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The reference with the asset's own file: of a decorated function, Dagster takes the decorator's."""

    def corrected(spec: dg.AssetSpec) -> dg.AssetSpec:
        (found,) = spec.metadata[REFERENCES].code_references
        file = ASSETS / f"{spec.key.path[-1]}.py"
        source = dg.LocalFileCodeReference(file_path=str(file), line_number=found.line_number)
        return spec.merge_attributes(metadata={REFERENCES: dg.CodeReferencesMetadataValue(code_references=[source])})

    return asset.map_asset_specs(corrected)


def _linked(settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    mapping = dg.AnchorBasedFilePathMapping(PACKAGE / "__init__.py", f"{PACKAGE.name}/__init__.py")
    try:
        linked = dg.link_code_references_to_git(
            assets, str(settings.git_url).rstrip("/"), settings.git_revision, mapping, settings.git_platform
        )
    except ValueError as error:
        problem = (
            f"is {settings.git_url!r}, neither of GitHub nor of GitLab by its name; set FORECASTING_GIT_PLATFORM too"
        )
        raise ConfigurationError("FORECASTING_GIT_URL", problem) from error
    return [asset for asset in linked if isinstance(asset, dg.AssetsDefinition)]


def _is_ours(asset: dg.AssetsDefinition) -> bool:
    metadata = asset.metadata_by_key.values()
    files = [source.file_path for found in metadata for source in found[REFERENCES].code_references]
    return all(any(Path(file).is_relative_to(package) for package in PACKAGES) for file in files)
