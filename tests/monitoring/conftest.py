"""The files below monitoring/ are what they are made from, and are true to the catalogue. Needs promtool and jsonnet, nothing else."""
import importlib.machinery
import importlib.util
import pathlib
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
sys.path.insert(0, str(MONITORING))

import catalog  # noqa: E402
import panels  # noqa: E402


@pytest.fixture(scope="session")
def render():
    loader = importlib.machinery.SourceFileLoader("render", str(MONITORING / "render"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("render", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def rules():
    return yaml.safe_load(panels.RULES.read_text())


@pytest.fixture(scope="session")
def known(rules):
    return catalog.catalogue() | catalog.OTHERS | catalog.recorded(rules)
