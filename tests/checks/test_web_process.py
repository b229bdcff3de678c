"""What each process does not load: models and image libraries in the web process, hardly anything in the one that looks
after the others; and that nothing which is imported before processes are forked opens threads or talks to anybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("cv2", "openvino", "pyvips", "pillow_heif", "rawpy", "opendal", "PIL", "trouvaille.vision", "trouvaille.worker"),
    *("boto3", "botocore", "trouvaille.engines", "alembic", "mako"),
)
NOT_TO_SUPERVISE = (*HEAVY, "sqlalchemy", "fastapi", "numpy", "jinja2", "trouvaille.app", "trouvaille.accounts")


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("trouvaille.web_process, trouvaille.cli, trouvaille.serving", HEAVY),
        ("trouvaille.cli, trouvaille.serving, trouvaille.supervisor", NOT_TO_SUPERVISE),
        ("trouvaille.worker", ("fontTools", "botocore", "uvicorn", "trouvaille.app")),
    ],
    ids=["web", "supervisor", "worker"],
)
def test_a_process_does_not_load_what_only_others_need(modules: str, unwanted: tuple[str, ...]) -> None:
    script = f"""
import sys
import {modules}
loaded = sorted(name for name in sys.modules if name.startswith({unwanted!r}))
print("loaded:", loaded)
sys.exit(bool(loaded))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_what_is_imported_before_forking_opens_no_thread_makes_no_file_and_reports_to_nobody(tmp_path: Path) -> None:
    script = """
import os, sys, tempfile, threading

def forbidden(*_, **__):
    raise AssertionError("a child that ends would remove it for all others")

tempfile.mkdtemp = tempfile.mkstemp = forbidden
import trouvaille.cli, trouvaille.web_process, trouvaille.worker
trouvaille.web_process.warm_up()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
# Those of the linear algebra end at a fork, and come back when they are needed.
if os.fork() == 0:
    os._exit(len(os.listdir("/proc/self/task")) != 1)
assert os.wait()[1] == 0
assert len(os.listdir("/proc/self/task")) == 1
assert sys.modules["openvino_telemetry"] is None
"""
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "intel").exists(), "OpenVINO keeps there who it reports as"


def test_matching_and_the_engine_agree_on_what_a_poor_face_is() -> None:
    from trouvaille.matching import service
    from trouvaille.vision import types

    assert service.POOR_QUALITY == types.POOR_QUALITY
