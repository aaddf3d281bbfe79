"""A small model made by hand, a store in memory, and apps made of them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient

from forecasting_platform.adapters.memory_ledger import MemoryLedger
from forecasting_platform.adapters.memory_model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory_table_store import MemoryTableStore
