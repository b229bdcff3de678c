"""What the machine of the web process that answers has left; of other machines their own monitors tell."""

from pathlib import Path
from shutil import disk_usage

import psutil

from trouvaille.core.metrics import Families, Family


def machine(data_dir: Path) -> Families:
    """Memory, and the disk that holds the data folder, in bytes."""
    usage, memory = disk_usage(data_dir), psutil.virtual_memory()
    told = {
        "trouvaille_machine_memory_bytes": ("Memory of this machine.", memory.total),
        "trouvaille_machine_memory_available_bytes": ("Memory that programs may still take.", memory.available),
        "trouvaille_disk_bytes": ("Size of the disk that holds the data folder.", usage.total),
        "trouvaille_disk_free_bytes": ("What of it is free.", usage.free),
    }
    made: Families = {}
    for name, (meaning, value) in told.items():
        made[name] = Family(name, "gauge", meaning)
        made[name].add(name, {}, value)
    return made
