"""How good a result is, against a known truth."""

from collections.abc import Mapping
from typing import Any

from bench.real_path import Found


def scores(found: Mapping[str, Found], truth: Mapping[str, set[str]]) -> dict[str, Any]:
    """Recall and strangers of all guests who are in at least one photo.

    A guest whose selfie was refused has found nothing: it counts as missed, not as left out.

    Args:
        found: what each guest is shown.
        truth: the photos that each guest is in, by the same names.

    Returns:
        Recalls 0-1 (macro: mean over guests; micro: over all their photos), the number of guests with any stranger
        among *sure*, and means a guest of *maybe* and of the wrong ones in it.
    """
    asked = {name: photos for name, photos in truth.items() if photos}
    sure = {name: found[name].sure if name in found else set() for name in truth}
    maybe = {name: found[name].maybe if name in found else set() for name in truth}
    total = sum(map(len, asked.values()))
    strangers = [name for name in truth if sure[name] - truth[name]]
    people = max(1, len(truth))
    return {
        "guests": len(truth),
        "selfies_refused": sum(1 for each in found.values() if each.refused),
        "recall_sure_macro": _mean([len(sure[name] & asked[name]) / len(asked[name]) for name in asked]),
        "recall_sure_micro": round(sum(len(sure[name] & asked[name]) for name in asked) / max(1, total), 4),
        "recall_with_maybe_macro": _mean(
            [len((sure[name] | maybe[name]) & asked[name]) / len(asked[name]) for name in asked]
        ),
        "guests_with_a_stranger": len(strangers),
        "share_of_guests_with_a_stranger": round(len(strangers) / people, 4),
        "maybe_per_guest_mean": _mean([float(len(maybe[name])) for name in truth]),
        "maybe_wrong_per_guest_mean": _mean([float(len(maybe[name] - truth[name])) for name in truth]),
    }


def _mean(values: list[float]) -> float:
    return round(sum(values) / max(1, len(values)), 4)
