"""A web process loads no model, no image library, and nothing else that only others need."""

import subprocess
import sys

HEAVY = (
    *("cv2", "openvino", "pyvips", "pillow_heif", "rawpy", "opendal", "PIL", "trouvaille.vision", "trouvaille.worker"),
    *("boto3", "botocore", "trouvaille.engines", "alembic", "mako"),
)


def test_the_web_application_imports_no_vision_code() -> None:
    script = f"""
import sys
import trouvaille.app, trouvaille.cli, trouvaille.instance
loaded = sorted(name for name in sys.modules if name.startswith({HEAVY!r}))
print("loaded:", loaded)
sys.exit(bool(loaded))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_matching_and_the_engine_agree_on_what_a_poor_face_is() -> None:
    from trouvaille.matching import service
    from trouvaille.vision import types

    assert service.POOR_QUALITY == types.POOR_QUALITY
