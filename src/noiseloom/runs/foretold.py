"""What a training took beside what was foretold of it (`suggesting`)."""

from collections.abc import Mapping

from noiseloom.runs.recipe import Prediction


def compare(prediction: Prediction, seconds: float, memory_bytes: int) -> dict[str, float]:
    """What training took, and how far off what was foretold was, as a share of that."""
    minutes, gib = seconds / 60, memory_bytes / 2**30
    return {
        "minutes": round(minutes, 3),
        "minutes_error": round(prediction.minutes / minutes - 1, 4),
        "gib": round(gib, 3),
        "gib_error": round(prediction.gib / gib - 1, 4) if gib else 0.0,
    }


def in_words(prediction: Prediction, took: Mapping[str, float]) -> str:
    """The sentence on it."""
    return (
        f"Foretold were {prediction.minutes:g} min and {prediction.gib:g} GiB of memory; training "
        f"took {took['minutes']:.2f} min and {took['gib']:.2f} GiB (off by "
        f"{100 * took['minutes_error']:+.0f} % and {100 * took['gib_error']:+.0f} %)."
    )
