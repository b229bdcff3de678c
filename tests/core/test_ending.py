"""How a process ends: with the status, the words and the last acts that Python would end it with."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, sys, threading, time
from trouvaille.core.ending import end_without_finalisation

class Witness:
    def __del__(self):
        sys.stderr.write("finalised")

witness = Witness()
sys.stdout.reconfigure(write_through=False)

def main():
    atexit.register(print, "last act", end="")
    threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
    {}

end_without_finalisation(main)
"""


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('No room.')", 1, "No room.\n"),
        ("raise OSError('the disk is gone')", 1, "OSError: the disk is gone\n"),
    ],
)
def test_status_words_threads_and_last_acts_are_kept_and_nothing_is_finalised(
    act: str, status: int, said: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"  # a file is written to in large pieces, which the end must not lose
    with out.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(act)], stdout=file, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == status
    assert out.read_text() == "thread\nlast act"
    assert done.stderr.endswith(said) and "finalised" not in done.stderr
    assert bool(done.stderr) == bool(said)
