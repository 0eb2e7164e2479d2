"""The daemon's fixtures (tests/daemon/conftest.py) for what is tried at scale; nothing here can start a daemon without a scope either."""
import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in (ROOT / "tests", ROOT / "tests/daemon"):
    sys.path.append(str(folder))

_spec = importlib.util.spec_from_file_location("daemon_conftest", ROOT / "tests/daemon/conftest.py")
_daemon = importlib.util.module_from_spec(_spec)
sys.modules["daemon_conftest"] = _daemon
_spec.loader.exec_module(_daemon)
# The fixtures and the hook that skips, under the name by which the helpers of those tests know them.
globals().update({name: value for name, value in vars(_daemon).items() if not name.startswith("__")})
