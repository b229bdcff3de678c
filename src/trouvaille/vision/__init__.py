"""Finding faces and telling them apart, and pictures in every format; knows neither web nor database.

OpenVINO reports each of its imports to Google Analytics, from a thread, unless somebody opts out by a file in their
home. Who runs this for their guests was not asked, so the package that does it can't be imported here; OpenVINO has a
stub for that case.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # the import system's way to say: not to be had
