"""How the pages of this folder become a site: `make docs`. What can be read from the code is, at each build."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generated_reference  # it stands beside this file

project = "Forecasting platform"
author = "The founders of the forecasting platform"
release = version = version_of("forecasting-platform")
extensions = ["myst_parser", "sphinx_click"]
exclude_patterns = ["generated_reference.py"]
html_theme = "furo"
html_title = project
html_favicon = html_logo = "../serve/http/static/icon.svg"
html_theme_options = {"sidebar_hide_name": False}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = True

# Before anything is read.
generated_reference.write(Path(__file__).parent / "reference")
