"""What an instance takes of the machine while it is used: memory and processor time by part."""

import threading
import time
from collections import defaultdict
from pathlib import Path

import psutil

EVERY_S = 2.0
PARTS = ("web", "workers", "database", "nurseries", "supervisor")


class Watch:
    """Samples the processes of one instance until it is closed.

    Memory is the proportional set size, so that pages which processes share are counted once.
    """

    def __init__(self, serve: psutil.Process, data_dir: Path) -> None:
        self.serve, self.data_dir = serve, str(data_dir)
        self.memory: list[tuple[float, dict[str, float]]] = []
        self.files: list[tuple[float, dict[str, float]]] = []
        self._cpu: dict[tuple[str, int], float] = {}
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def processes(self) -> list[tuple[str, psutil.Process]]:
        """Every process of the instance, with the part that it belongs to."""
        found = [("supervisor", self.serve)]
        try:
            found += [(_part(child), child) for child in self.serve.children(recursive=True)]
            if not any(part == "database" for part, _ in found):  # it may have been started apart
                for each in psutil.process_iter(["name", "cmdline"]):
                    if self.data_dir in " ".join(each.info["cmdline"] or ()) and "postgres" in (
                        each.info["name"] or ""
                    ):
                        found += [("database", each), *(("database", child) for child in each.children(recursive=True))]
                        break
        except psutil.Error:
            pass
        return found

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self._sample()

    def _sample(self) -> None:
        memory: dict[str, float] = defaultdict(float)
        files: dict[str, float] = defaultdict(float)
        for part, process in self.processes():
            try:
                memory[part] += process.memory_full_info().pss / 1e6
                times = process.cpu_times()
                self._cpu[part, process.pid] = times.user + times.system
                files[part] += process.num_fds()
            except psutil.Error:
                continue  # it has just ended
        at = time.monotonic() - self._began
        self.memory.append((at, dict(memory)))
        self.files.append((at, dict(files)))

    def close(self) -> None:
        """Take the last sample."""
        self._over.set()
        self._thread.join()
        self._sample()

    def figures(self) -> dict[str, object]:
        """The most memory of each part and of all at one time, in MB, and the mean number of cores of each."""
        spent: dict[str, float] = defaultdict(float)
        for (part, _), seconds in self._cpu.items():
            spent[part] += seconds
        seconds = time.monotonic() - self._began
        peak = {part: round(max((m.get(part, 0) for _, m in self.memory), default=0)) for part in PARTS}
        return {
            "memory_peak_mb": peak | {"all": round(max((sum(m.values()) for _, m in self.memory), default=0))},
            "cores_mean": {part: round(spent[part] / seconds, 2) for part in PARTS},
            "open_files_peak": {part: round(max((n.get(part, 0) for _, n in self.files), default=0)) for part in PARTS},
        }


def words_of(process: psutil.Process) -> list[str]:
    """What a process says that it is, word by word: one that names itself does so in a single string.

    Raises:
        psutil.Error
    """
    return " ".join(process.cmdline()).split()


def _part(process: psutil.Process) -> str:
    try:
        line, name = words_of(process), process.name()
    except psutil.Error:
        return "supervisor"
    if "postgres" in name or (line and "postgres" in line[0]):
        return "database"
    parts = {"worker": "workers", "web": "web", "nursery": "nurseries"}
    return next((part for word, part in parts.items() if word in line), "supervisor")
